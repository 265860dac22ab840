//! systemd-pull --dry-run: what would be done is told, and nothing is.

use super::{only_kept, pulled};
use crate::make::{Signer, archive, checksum_line, plain_tree};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use rustix::io::Errno;
use serde_json::Value;

fn plan(work: &Work, arguments: &[&str]) -> (i32, Value, String) {
    let run = work.run("systemd-pull").args(["--dry-run", "--json=short"]);
    let outcome = run.args(arguments).outcome();
    let value = serde_json::from_slice(&outcome.stdout);
    let value = value.unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr));
    (outcome.status, value, outcome.stderr)
}

#[test]
fn a_plan_says_what_would_be_fetched_and_kept_and_writes_nothing() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such option");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    let body = archive(&tree);
    let answer = Answer::ok(body.clone()).etag("\"e\"");
    server.put(
        "/t.tar",
        answer.header("Last-Modified", "Sat, 03 Feb 2001 04:05:06 GMT"),
    );
    server.put("/t.nspawn", Answer::ok("[Exec]\n"));
    let url = server.url("/t.tar");
    let (status, plan, stderr) = plan(&work, &["--verify=no", "tar", &url]);
    assert_eq!(status, 0, "{stderr}");
    assert!(!work.path("images").exists(), "nothing is written");
    let companion = &plan["companions"][0];
    assert_eq!(companion["url"], server.url("/t.nspawn").as_str());
    assert_eq!(companion["size"], 7);
    let image = work.image("t");
    for (member, expected) in [
        ("url", Value::from(url.as_str())),
        ("download", true.into()),
        ("from", url.as_str().into()),
        ("size", body.len().into()),
        ("etag", "\"e\"".into()),
        ("lastModified", 981_173_106_000_000u64.into()),
        ("verify", "no".into()),
        ("digest", Value::Null),
        ("local", image.to_str().unwrap().into()),
        ("kept", Value::Null),
        ("problems", Value::Array(Vec::new())),
    ] {
        assert_eq!(plan[member], expected, "{member}: {plan}");
    }
    assert!(plan["free"].as_u64() > Some(0));
    assert!(
        plan["keepsAs"].as_str().unwrap().contains("/.tar-http:"),
        "{plan}"
    );
    let run = work
        .run("systemd-pull")
        .args(["--dry-run", "--verify=no", "tar"]);
    let text = String::from_utf8(run.arg(&url).succeed().stdout).unwrap();
    for part in [
        "Would download ",
        "Would fetch ",
        "Would install ",
        "Would keep ",
        "free in",
        "It would go.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_plan_names_the_kept_download_the_list_and_the_signer() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such option");
        return;
    }
    let signer = Signer::new(&work, "signer");
    let server = Server::start();
    let list = checksum_line(b"contents", "d.raw");
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    server.put("/SHA256SUMS", Answer::ok(list.clone()));
    server.put(
        "/SHA256SUMS.gpg",
        Answer::ok(signer.sign(list.as_bytes(), true)),
    );
    let url = server.url("/d.raw");
    let signed = || {
        let run = work
            .run("systemd-pull")
            .args(["--dry-run", "--json=pretty", "raw"]);
        let run = run.args([url.as_str(), "other"]);
        let outcome = run
            .env("SYSTEMD_OPENPGP_KEYRING", signer.keyring())
            .succeed();
        serde_json::from_slice::<Value>(&outcome.stdout).unwrap()
    };
    let first = signed();
    assert_eq!(first["saidBy"], server.url("/SHA256SUMS"));
    assert_eq!(first["digest"].as_str(), list.split(' ').next());
    let told = first["signature"]["signer"].as_str().unwrap();
    assert!(told.contains("signer@example.org"), "{first}");
    assert_eq!(first["download"], true);
    pulled(&work, &["--verify=checksum"], &url, "d");
    let images = work.images();
    let served = server.seen().bytes_of("/d.raw");
    let second = signed();
    assert_eq!(second["download"], false);
    let kept = work.image(only_kept(&work));
    assert_eq!(second["kept"].as_str(), kept.to_str());
    assert_eq!(
        (work.images(), server.seen().bytes_of("/d.raw")),
        (images, served)
    );
}

#[test]
fn a_plan_fails_as_the_pull_would() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such option");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no"], &url, "d");
    let missing = server.url("/missing.raw");
    let cases: [(&[&str], Errno, &str); 4] = [
        (&["--verify=no", "raw", &url], Errno::EXIST, "exists"),
        (
            &["--verify=no", "raw", &missing],
            Errno::NOMEDIUM,
            "http-not-found",
        ),
        (
            &["--verify=checksum", "raw", &url, "x"],
            Errno::NOMEDIUM,
            "http-not-found",
        ),
        (
            &["--verify=no", "raw", "file:/nonexistent", "x"],
            Errno::NOENT,
            "not-found",
        ),
    ];
    let images = work.images();
    for (arguments, errno, code) in cases {
        let (status, plan, _) = plan(&work, arguments);
        assert_eq!(status, 1, "{arguments:?}");
        assert_eq!(plan["problems"][0]["code"], code, "{plan}");
        let run = work.run("systemd-pull").arg("--dry-run").args(arguments);
        let outcome = run.fail(errno);
        let text = String::from_utf8(outcome.stdout.clone()).unwrap();
        assert!(text.contains("It would fail: "), "{text}");
        let real = work.run("systemd-pull").args(arguments).fail(errno);
        assert_eq!(real.complaint(), outcome.complaint());
    }
    assert_eq!(work.images(), images);
    let (status, plan, _) = plan(&work, &["--verify=no", "--force", "raw", &url, "d"]);
    assert_eq!((status, &plan["problems"]), (0, &Value::Array(Vec::new())));
}
