//! Servers whose encryption is not what it should be.

use super::{Ends, Rig};
use crate::server::{Certificate, Fault, Server};
use crate::subject::{Run, Work, is_ours};

#[test]
fn certificates_that_are_not_good_are_refused_with_what_is_wrong() {
    for (certificate, words) in [
        (Certificate::Good, &[][..]),
        (Certificate::Expired, &["xpired"]),
        (Certificate::Future, &["valid"]),
        (Certificate::OtherHost, &["name"]),
        (Certificate::Nameless, &["subjectAltName is missing"]),
        (Certificate::Stranger, &["ssuer", "SSL_CERT_FILE"]),
        (Certificate::SelfSigned, &["ssuer"]),
        (Certificate::Authority, &[]),
        (Certificate::ExpiredAuthority, &["xpired"]),
        (Certificate::OtherAuthority, &["another name"]),
        (Certificate::StrangeAuthority, &["ssuer", "SSL_CERT_FILE"]),
    ] {
        let Some(work) = Work::new() else { return };
        let authority = work.path("authority.pem");
        let server = Server::start_tls_with(certificate, &authority);
        let rig = Rig::on(work, server);
        let run = rig.pull().env("SSL_CERT_FILE", &authority);
        let ends = match certificate {
            Certificate::Good | Certificate::Authority => Ends::WellForUs,
            _ => Ends::Badly,
        };
        let what = format!("{certificate:?}");
        let outcome = rig.check_run(&what, ends, run);
        let line = outcome.complaint();
        for word in words {
            assert!(!is_ours() || line.contains(word), "{what}: {line}");
        }
        // No byte goes to who may be anybody.
        assert!(words.is_empty() || rig.server.paths().is_empty());
    }
}

#[test]
fn where_no_authority_is_known_only_encrypted_downloads_fail() {
    let Some(rig) = Rig::new() else { return };
    let without = |run: Run| {
        run.env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent")
    };
    rig.check_run("plain", Ends::Well, without(rig.pull()));
    let Some(work) = Work::new() else { return };
    let authority = work.path("authority.pem");
    let rig = Rig::on(work, Server::start_tls(&authority));
    let outcome = rig.check_run("encrypted", Ends::Badly, without(rig.pull()));
    let line = outcome.complaint();
    assert!(
        !is_ours() || line.contains("install ca-certificates"),
        "{line}"
    );
}

#[test]
fn what_is_no_encryption_is_told_so() {
    let Some(rig) = Rig::new() else { return };
    let secure = rig.url().replacen("http://", "https://", 1);
    let run = rig.pull_of(&secure, "--verify=no");
    let outcome = rig.check_run("plain", Ends::Badly, run);
    let line = outcome.complaint();
    let is_clear = line.to_lowercase().contains("tls");
    assert!(!is_ours() || is_clear, "{line}");
    let Some(work) = Work::new() else { return };
    let rig = Rig::on(work, Server::start_mute());
    rig.check_run("mute", Ends::Badly, rig.pull());
}

#[test]
fn encryption_to_a_server_that_speaks_plainly_fails() {
    let Some(work) = Work::new() else { return };
    let authority = work.path("authority.pem");
    let rig = Rig::on(work, Server::start_tls(&authority));
    let plain = rig.url().replacen("https://", "http://", 1);
    rig.check_run("plain", Ends::Badly, rig.pull_of(&plain, "--verify=no"));
}

#[test]
fn an_end_without_the_end_of_encryption_is_a_cut() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it knows no other authorities");
    }
    let authority = work.path("authority.pem");
    let rig = Rig::on(work, Server::start_tls(&authority));
    let pull = || rig.pull().env("SSL_CERT_FILE", &authority);
    let cut = rig.good().fault(Fault::NoLengthCutAfter(1_000_000));
    rig.server.put(Rig::PATH, cut.clone());
    rig.check_run("cut", Ends::Badly, pull());
    rig.server.put_sequence(Rig::PATH, vec![cut, rig.good()]);
    rig.check_run("cut once", Ends::Well, pull());
    for fault in [Fault::CutAfter(1_000_000), Fault::ResetAfter(1_000_000)] {
        rig.server
            .put_sequence(Rig::PATH, vec![rig.good().fault(fault), rig.good()]);
        rig.check_run(&format!("{fault:?}"), Ends::Well, pull());
    }
}
