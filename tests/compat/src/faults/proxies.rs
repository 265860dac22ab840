//! Pulls by way of proxies, good and bad ones.

use super::{Ends, Rig};
use crate::server::{Proxy, ProxyKind, Server};
use crate::subject::{Run, Work, is_ours};

/// `me:pr0xy`.
const BASIC: ProxyKind = ProxyKind::Basic("bWU6cHIweHk=");

/// The pull of an address of a host that only the proxy knows.
fn pull(rig: &Rig) -> Run {
    let url = rig.url().replacen("127.0.0.1", "images.invalid", 1);
    rig.pull_of(&url, "--verify=no")
}

#[test]
fn plain_addresses_go_by_the_plain_proxy() {
    let Some(rig) = Rig::new() else { return };
    for (kind, scheme, credentials, ends) in [
        (ProxyKind::Open, "http", "", Ends::Well),
        (ProxyKind::Socks, "socks5h", "", Ends::Well),
        (BASIC, "http", "me:pr0xy@", Ends::Well),
        (BASIC, "http", "me:wr0ng@", Ends::Badly),
        (BASIC, "http", "", Ends::Badly),
        (ProxyKind::Refusing(403), "http", "me:pr0xy@", Ends::Badly),
        (ProxyKind::Refusing(503), "http", "me:pr0xy@", Ends::Badly),
    ] {
        rig.clear();
        let proxy = Proxy::start(kind);
        let value = format!("{scheme}://{credentials}{}", proxy.authority());
        let what = format!("{kind:?} {value}");
        let run = pull(&rig).env("http_proxy", &value);
        let outcome = run.outcome();
        let is_there = rig.check_outcome(&what, &outcome, &[&rig.body]);
        assert_eq!(is_there, ends == Ends::Well, "{what}: {}", outcome.stderr);
        for secret in ["pr0xy", "wr0ng", "bWU6"] {
            assert!(
                !is_ours() || !outcome.stderr.contains(secret),
                "{}",
                outcome.stderr
            );
        }
        let asked = proxy.seen().requests;
        assert!(asked[0].path.contains("images.invalid"), "{asked:?}");
        if credentials.is_empty() && kind == BASIC {
            let line = outcome.complaint();
            assert!(
                !is_ours() || line.contains("407") || line.contains("roxy"),
                "{line}"
            );
        }
    }
}

#[test]
fn secure_addresses_go_through_a_tunnel() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it knows no other authorities");
    }
    let authority = work.path("authority.pem");
    let rig = Rig::on(work, Server::start_tls(&authority));
    for (kind, credentials, is_good) in [
        (ProxyKind::Open, "", true),
        (BASIC, "me:pr0xy@", true),
        (BASIC, "", false),
        (ProxyKind::Refusing(403), "", false),
    ] {
        for variable in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            rig.clear();
            let proxy = Proxy::start(kind);
            let value = format!("http://{credentials}{}", proxy.authority());
            let run = pull(&rig).env(variable, &value);
            let outcome = run.env("SSL_CERT_FILE", &authority).outcome();
            let what = format!("{kind:?} {variable}");
            let is_there = rig.check_outcome(&what, &outcome, &[&rig.body]);
            assert_eq!(is_there, is_good, "{what}: {}", outcome.stderr);
            let asked = proxy.seen().requests;
            assert_eq!(asked[0].method, "CONNECT", "{what}");
            // The server's password is for the server.
            let told = asked[0].headers.join("\n");
            assert!(!told.to_lowercase().contains("\nauthorization:"), "{told}");
        }
    }
}

#[test]
fn variables_are_read_as_by_the_original() {
    let Some(rig) = Rig::new() else { return };
    for (variables, is_used) in [
        (&["all_proxy"][..], true),
        (&["ALL_PROXY"], true),
        // A server's variable in CGI: a client could set it.
        (&["HTTP_PROXY"], false),
        (&["https_proxy"], false),
    ] {
        rig.clear();
        let proxy = Proxy::start(ProxyKind::Open);
        let mut run = rig.pull();
        for variable in variables {
            run = run.env(variable, format!("http://{}", proxy.authority()));
        }
        rig.check_run(&format!("{variables:?}"), Ends::Well, run);
        assert_eq!(proxy.seen().connections > 0, is_used, "{variables:?}");
    }
    for list in ["127.0.0.1", "*", "example.org,127.0.0.1", "127.0.0.0/8"] {
        for variable in ["no_proxy", "NO_PROXY"] {
            rig.clear();
            let proxy = Proxy::start(ProxyKind::Open);
            let run = rig
                .pull()
                .env("http_proxy", format!("http://{}", proxy.authority()));
            let what = format!("{variable}={list}");
            rig.check_run(&what, Ends::Well, run.env(variable, list));
            assert_eq!(proxy.seen().connections, 0, "{what}");
        }
    }
}

#[test]
fn a_proxy_that_is_not_there_is_told() {
    let Some(rig) = Rig::new() else { return };
    let nobody = crate::server::unreachable("").replacen("://", "://me:pr0xy@", 1);
    let run = rig.pull().env("http_proxy", nobody);
    let outcome = rig.check_run("nobody", Ends::Badly, run);
    assert!(
        !is_ours() || !outcome.stderr.contains("pr0xy"),
        "{}",
        outcome.stderr
    );
}
