//! Tokens, passwords, and where neither may go.

use super::server::{Answer, Asked, Bench, Server, data, descriptor, fetch, put};
use crate::oci::source::Source;
use importd_api::failure::Kind;
use importd_formats::oci::MediaType;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

/// Gives out `token-1`, `token-2` and so on, with what is said of their life.
fn giver(members: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Answer::new(200, format!("{{\"token\":\"token-{number}\"{members}}}"))
    })
}

fn challenge(giver: &Server) -> Answer {
    let realm = format!("http://{}/token?x=1", giver.address);
    let value =
        format!("Bearer realm=\"{realm}\",service=\"a service\",scope=\"repository:a/b:pull\"");
    Answer::new(401, "").with("WWW-Authenticate", value)
}

fn is_sent(asked: &Asked, value: &str) -> bool {
    asked.header("authorization") == Some(value)
}

#[test]
fn a_token_is_fetched_once_and_goes_to_the_registry_only() {
    let bytes = data(100_000);
    let blob = descriptor(&bytes, MediaType::Layer);
    let storage = Server::start(move |_| Answer::new(200, bytes.clone()));
    let (giver, elsewhere) = (giver(""), storage.address);
    let given = giver.clone();
    let registry = Server::start(move |asked| match asked.path.split('/').nth(4) {
        _ if !is_sent(asked, "Bearer token-1") => challenge(&given),
        Some("manifests") => Answer::new(200, "{}").with("Content-Type", "a/b; c=d"),
        _ => Answer::new(307, "").with("Location", format!("http://{elsewhere}/x?signed")),
    });
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a/b:t", None).unwrap();
    let top = image.top().unwrap();
    assert_eq!(
        (top.bytes.as_slice(), top.sent_as.as_deref()),
        (&b"{}"[..], Some("a/b; c=d"))
    );
    for _ in 0..2 {
        assert_eq!(fetch(&image, &blob).unwrap().len(), 100_000);
    }
    let asked = giver.lines();
    let query = "x=1&service=a+service&scope=repository%3Aa%2Fb%3Apull";
    assert_eq!(asked, [format!("GET /token?{query}")]);
    assert!(giver.asked()[0].header("authorization").is_none());
    let accepted = registry.asked()[0].header("accept").unwrap().to_owned();
    assert!(accepted.contains("manifest.list") && accepted.contains("oci.image.index"));
    assert_eq!(storage.lines(), ["GET /x?signed", "GET /x?signed"]);
    assert!(
        storage
            .asked()
            .iter()
            .all(|one| one.header("authorization").is_none())
    );
}

#[test]
fn a_token_that_is_not_taken_any_more_is_fetched_anew_by_one_of_many_threads() {
    let bytes = data(1000);
    let blob = descriptor(&bytes, MediaType::Layer);
    let giver = giver("");
    let given = giver.clone();
    let good = Arc::new(AtomicUsize::new(1));
    let current = Arc::clone(&good);
    let registry = Server::start(move |asked| {
        let token = format!("Bearer token-{}", current.load(Ordering::SeqCst));
        match is_sent(asked, &token) {
            true => Answer::new(200, bytes.clone()),
            false => challenge(&given),
        }
    });
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a/b", None).unwrap();
    fetch(&image, &blob).unwrap();
    good.store(2, Ordering::SeqCst);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                fetch(&image, &blob).unwrap();
            });
        }
    });
    assert_eq!(giver.lines().len(), 2);
}

#[test]
fn a_token_is_not_used_beyond_its_life() {
    let bytes = data(1000);
    let blob = descriptor(&bytes, MediaType::Layer);
    // The start of a second: a quarter of it is not used.
    let giver = giver(",\"expires_in\":1");
    let given = giver.clone();
    let registry = Server::start(move |asked| match asked.header("authorization") {
        Some(_) => Answer::new(200, bytes.clone()),
        None => challenge(&given),
    });
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a/b", None).unwrap();
    let start = std::time::Instant::now();
    while giver.lines().len() < 2 {
        fetch(&image, &blob).unwrap();
        assert!(start.elapsed().as_secs() < 60);
    }
    let refused = registry.asked();
    let refused = refused
        .iter()
        .filter(|one| one.header("authorization").is_none());
    assert_eq!(refused.count(), 1);
}

#[test]
fn what_is_refused_even_with_a_fresh_token_is_an_error_that_says_what_to_do() {
    let giver = giver("");
    let given = giver.clone();
    let registry = Server::start(move |_| challenge(&given));
    let bench = Bench::new(&registry, &[]);
    let error = bench.open("test/a/b", None).unwrap().top().unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorized);
    assert!(error.doing.contains("'a/b'") && error.doing.contains("REGISTRY_AUTH_FILE"));
    assert_eq!((registry.lines().len(), giver.lines().len()), (2, 1));
}

#[test]
fn user_and_password_are_shown_to_who_gives_out_tokens_and_to_nobody_else() {
    // u:secret
    let giver = Server::start(|asked| match is_sent(asked, "Basic dTpzZWNyZXQ=") {
        true => Answer::new(200, "{\"access_token\":\"t\"}"),
        false => Answer::new(401, ""),
    });
    let given = giver.clone();
    let registry = Server::start(move |asked| match is_sent(asked, "Bearer t") {
        true => Answer::new(200, "{}"),
        false => challenge(&given),
    });
    let good = "{\"auth\":\"dTpzZWNyZXQ=\"}";
    let bench = Bench::new(&registry, &[]).logged_in(&registry, good);
    bench.open("test/a/b", None).unwrap().top().unwrap();
    assert!(giver.lines()[0].ends_with("&account=u"));
    assert!(registry.asked()[0].header("authorization").is_none());

    let bad = "{\"username\":\"u\",\"password\":\"wrong-secret\"}";
    let bench = Bench::new(&registry, &[]).logged_in(&registry, bad);
    let error = bench.open("test/a/b", None).unwrap().top().unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorized);
    assert!(error.doing.contains("auth.json") && !error.doing.contains("secret"));
}

#[test]
fn a_registry_may_want_user_and_password_itself() {
    let registry = Server::start(|asked| match is_sent(asked, "Basic dTpzZWNyZXQ=") {
        true => Answer::new(200, "{}"),
        false => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let good = "{\"auth\":\"dTpzZWNyZXQ=\"}";
    let bench = Bench::new(&registry, &[]).logged_in(&registry, good);
    let image = bench.open("test/a/b", None).unwrap();
    image.top().unwrap();
    image.top().unwrap();
    assert_eq!(registry.lines().len(), 3);
    for login in ["{}", "{\"auth\":\"dTp3cm9uZw==\"}"] {
        let bench = Bench::new(&registry, &[]).logged_in(&registry, login);
        let error = bench.open("test/a/b", None).unwrap().top().unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorized);
    }
}

#[test]
fn an_identity_is_exchanged_for_a_token_by_post() {
    let giver = Server::start(|_| Answer::new(200, "{\"access_token\":\"t\"}"));
    let given = giver.clone();
    let registry = Server::start(move |asked| match is_sent(asked, "Bearer t") {
        true => Answer::new(200, "{}"),
        false => challenge(&given),
    });
    let login = "{\"identitytoken\":\"a&b\"}";
    let bench = Bench::new(&registry, &[]).logged_in(&registry, login);
    bench.open("test/a/b", None).unwrap().top().unwrap();
    let asked = &giver.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/token?x=1")
    );
    let body = String::from_utf8(asked.body.clone()).unwrap();
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=a%26b"));
}

#[test]
fn tokens_are_not_asked_for_at_other_hosts_without_encryption() {
    for realm in [
        "http://evil.example/token",
        "ftp://127.0.0.1/token",
        "https://u:p@h/token",
        "nonsense",
    ] {
        let value = format!("Bearer realm=\"{realm}\"");
        let registry =
            Server::start(move |_| Answer::new(401, "").with("WWW-Authenticate", value.clone()));
        let bench = Bench::new(&registry, &[]);
        let error = bench.open("test/a/b", None).unwrap().top().unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorized);
        assert!(error.doing.contains("no https:// address"), "{error}");
    }
}

#[test]
fn who_gives_out_tokens_may_be_busy_or_talk_nonsense() {
    let count = AtomicUsize::new(0);
    let giver = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(429, "").with("Retry-After", "0"),
        _ => Answer::new(200, "{\"token\":\"t\"}"),
    });
    let given = giver.clone();
    let registry = Server::start(move |asked| match is_sent(asked, "Bearer t") {
        true => Answer::new(200, "{}"),
        false => challenge(&given),
    });
    let bench = Bench::new(&registry, &[]);
    bench.open("test/a/b", None).unwrap().top().unwrap();
    assert_eq!(giver.lines().len(), 2);

    for (answer, kind) in [
        ("{}".to_owned(), Kind::Corrupt),
        ("<html>".to_owned(), Kind::Corrupt),
        (" ".repeat(1 << 20), Kind::TooLarge),
    ] {
        let giver = Server::start(move |_| Answer::new(200, answer.clone()));
        let registry = Server::start(move |_| challenge(&giver));
        let bench = Bench::new(&registry, &[]);
        let error = bench.open("test/a/b", None).unwrap().top().unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[test]
fn a_mirror_has_a_login_of_its_own() {
    let server = |value: &'static str| {
        Server::start(move |asked| match is_sent(asked, value) {
            true => Answer::new(200, "{}"),
            false => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
        })
    };
    // u:secret and m:mirror
    let (registry, mirror) = (server("Basic dTpzZWNyZXQ="), server("Basic bTptaXJyb3I="));
    let bench = Bench::new(&registry, &[&mirror]).logged_in(&registry, "{}");
    let file = bench.folder.path().join("auth.json");
    let text = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"dTpzZWNyZXQ=\"}},\"{}\":{{\"auth\":\"bTptaXJyb3I=\"}}}}}}",
        registry.address, mirror.address
    );
    put(&file, &text);
    let image = bench.open("test/a", None).unwrap();
    image.top().unwrap();
    let config = descriptor(b"{}", MediaType::Config);
    image.document(&config, 100).unwrap();
    for (server, value) in [
        (&registry, "Basic dTpzZWNyZXQ="),
        (&mirror, "Basic bTptaXJyb3I="),
    ] {
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        assert!(asked[0].header("authorization").is_none() && is_sent(&asked[1], value));
    }
}
