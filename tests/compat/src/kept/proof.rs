//! What a kept download proves, and what is none.

use super::{contents, only_kept, pull, pulled, remove_all};
use crate::make::{Signer, archive, checksum_line, file, moved, plain_tree};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use crate::tree::{assert_same, attributes, set_attribute};
use rustix::io::Errno;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_digest_is_proof_without_a_request_and_nothing_less_is() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it takes an unverified copy for a verified one");
        return;
    }
    let server = Server::start();
    let body = "the real contents";
    let list = checksum_line(body.as_bytes(), "d.raw");
    let digest = list.split(' ').next().unwrap().to_owned();
    let url = server.url("/d.raw");
    server.put("/d.raw", Answer::ok("forged").etag("\"e\""));
    pulled(&work, &["--verify=no"], &url, "forged");
    // The same ETag, and a list that says otherwise: fetched, and not taken from what is kept.
    server.put("/SHA256SUMS", Answer::ok(list.clone()));
    pull_fails(&work, &["--verify=checksum"], &url, "d");
    server.put("/d.raw", Answer::ok(body).etag("\"e\""));
    pulled(&work, &["--verify=checksum"], &url, "d");
    assert_eq!(contents(&work, "d.raw"), body);
    assert_eq!(contents(&work, &only_kept(&work)), body);
    // Now it is proven: nothing but the list is asked for, even if the server has lost the file.
    server.put("/d.raw", Answer::status(500, ""));
    let asked = server.seen().asked("/d.raw");
    pulled(&work, &["--verify=checksum"], &url, "by-list");
    let literal = format!("--verify={digest}");
    pulled(&work, &[&literal], &url, "by-digest");
    assert_eq!(server.seen().asked("/d.raw"), asked);
    assert_eq!(contents(&work, "by-digest.raw"), body);
    let other = format!("--verify={}", "0".repeat(64));
    assert_eq!(pull(&work, &[&other], &url, "x").status, 1);
    assert!(server.seen().asked("/d.raw") > asked);
}

#[test]
fn an_unverified_copy_never_passes_for_a_signed_one() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it does");
        return;
    }
    let signer = Signer::new(&work, "signer");
    let server = Server::start();
    let url = server.url("/d.raw");
    let list = checksum_line(b"contents", "d.raw");
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    server.put("/SHA256SUMS", Answer::ok(list.clone()));
    server.put("/SHA256SUMS.gpg", Answer::ok("garbage"));
    pulled(&work, &["--verify=no"], &url, "a");
    let signed = || {
        let run = work.run("systemd-pull").args(["raw", &url, "b"]);
        run.env("SYSTEMD_OPENPGP_KEYRING", signer.keyring())
    };
    signed().fail(Errno::BADMSG);
    let signature = signer.sign(list.as_bytes(), false);
    server.put("/SHA256SUMS.gpg", Answer::ok(signature));
    let served = server.seen().bytes_of("/d.raw");
    // The bytes had this digest when they came: now it is known to be the right one.
    signed().succeed();
    assert_eq!(server.seen().bytes_of("/d.raw"), served);
    assert_eq!(contents(&work, "b.raw"), "contents");
}

#[test]
fn a_copy_that_was_changed_or_came_from_elsewhere_is_not_used() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it looks at the name only");
        return;
    }
    let server = Server::start();
    let url = server.url("/d.raw");
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    let literal = checksum_line(b"contents", "x");
    let literal = format!("--verify={}", literal.split(' ').next().unwrap());
    for verify in ["--verify=no", &literal] {
        type Change = fn(&Path);
        let changes: [(&str, Change); 3] = [
            ("written to", |kept| {
                file(kept, "CONTENTS");
            }),
            ("a copy of itself", |kept| {
                let copy = kept.with_extension("copy");
                let paths = [kept.to_str().unwrap(), copy.to_str().unwrap()];
                crate::make::run("cp", &["-a", paths[0], paths[1]], Path::new("/"));
                moved(&copy, kept);
            }),
            ("with a record that is none", |kept| {
                set_attribute(kept, "user.importd.kept", b"{\"record\":1}");
            }),
        ];
        for (what, change) in changes {
            pulled(&work, &["--verify=no", "--force"], &url, "d");
            change(&work.image(only_kept(&work)));
            let asked = server.seen().bytes_of("/d.raw");
            pulled(&work, &[verify, "--force"], &url, "d");
            assert_eq!(contents(&work, "d.raw"), "contents", "{verify} {what}");
            let is_fetched = server.seen().bytes_of("/d.raw") > asked;
            // Without a record it is as one of the reference.
            let expected = !(what.contains("none") && verify == "--verify=no");
            assert_eq!(is_fetched, expected, "{verify} {what}");
            remove_all(&work);
        }
    }
}

#[test]
fn an_archive_cannot_bring_a_record() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it refuses such attributes, and has no record");
        return;
    }
    let server = Server::start();
    let tree = work.path("hostile");
    std::fs::create_dir_all(tree.join("in")).unwrap();
    for name in ["user.importd.kept", "trusted.importd.kept"] {
        set_attribute(&tree, name, b"{\"record\":1}");
    }
    let arguments = ["--xattrs", "--xattrs-include=*", "-cf", "../t.tar", "."];
    crate::make::run("tar", &arguments, &tree);
    let body = std::fs::read(work.path("t.tar")).unwrap();
    server.put("/t.tar", Answer::ok(body));
    for options in [&["--keep-download=yes"][..], &["--keep-download=no"]] {
        let run = work
            .run("systemd-pull")
            .args(["tar", "--verify=no", "--force"]);
        run.args(options)
            .arg(server.url("/t.tar"))
            .arg("t")
            .succeed();
        let noted = attributes(&work.image("t"));
        assert!(
            noted.keys().all(|name| !name.contains("importd")),
            "{noted:?}"
        );
    }
    let noted = attributes(&work.image(only_kept(&work)));
    assert!(!noted.contains_key("user.importd.kept"), "{noted:?}");
    let record = String::from_utf8_lossy(&noted["trusted.importd.kept"]).into_owned();
    assert!(record.contains("\"verify\":\"no\""), "{record}");
}

#[test]
fn objects_of_the_reference_serve_unproven_requests_only() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it is the reference");
        return;
    }
    let server = Server::start();
    let url = server.url("/d.raw");
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    std::fs::create_dir_all(work.path("images")).unwrap();
    // As systemd 262 leaves it.
    let escaped = url.replace('/', "\\x2f").replace('.', "\\x2e");
    let name = format!(".raw-{escaped}.\\x22e\\x22.raw");
    let object = file(&work.image(&name), "contents");
    set_attribute(&object, "user.source_etag", b"\"e\"");
    set_attribute(&object, "user.source_url", url.as_bytes());
    let read_only = std::fs::Permissions::from_mode(0o444);
    std::fs::set_permissions(&object, read_only).unwrap();

    pulled(&work, &["--verify=no"], &url, "a");
    assert_eq!(server.seen().bytes_of("/d.raw"), 0);
    server.put(
        "/SHA256SUMS",
        Answer::ok(checksum_line(b"contents", "d.raw")),
    );
    pulled(&work, &["--verify=checksum"], &url, "b");
    assert_eq!(server.seen().bytes_of("/d.raw"), 8, "it proves nothing");
    pulled(&work, &["--verify=checksum"], &url, "c");
    assert_eq!(
        server.seen().bytes_of("/d.raw"),
        8,
        "it was replaced by ours"
    );
    assert_eq!(only_kept(&work), name);
}

fn pull_fails(work: &Work, options: &[&str], url: &str, name: &str) {
    let before = work.images();
    let run = work.run("systemd-pull").args(options);
    run.args(["raw", url, name]).fail(Errno::BADMSG);
    assert_eq!(work.images(), before);
}

#[test]
fn what_the_reference_kept_is_used_by_ours() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it is the reference");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    let cases = [
        ("raw", "/d.raw", b"contents".to_vec(), "\"e\""),
        ("raw", "/weak.raw", b"contents".to_vec(), "W/\"a.b\""),
        ("tar", "/t.tar", archive(&tree), "\"e\""),
    ];
    for (form, path, body, etag) in cases {
        server.put(path, Answer::ok(body).etag(etag));
        let Some(run) = work.run_theirs("systemd-pull") else {
            return;
        };
        let arguments = ["--verify=no", form, &server.url(path), "theirs"];
        run.args(["--settings=no"]).args(arguments).succeed();
        let served = server.seen().bytes_of(path);
        let kept = only_kept(&work);
        for name in ["ours", "again"] {
            let run = work.run("systemd-pull").args(["--verify=no", form]);
            let outcome = run.arg(server.url(path)).arg(name).succeed();
            assert!(
                outcome.stderr.contains("Found kept download"),
                "{path}: {}",
                outcome.stderr
            );
        }
        assert_eq!(server.seen().bytes_of(path), served, "{path}");
        match form {
            "raw" => assert_eq!(contents(&work, "ours.raw"), "contents"),
            _ => assert_same(&tree, &work.image("ours")),
        }
        let line = checksum_line(
            &std::fs::read(work.image("ours.raw")).unwrap_or_default(),
            "x",
        );
        let digest = format!("--verify={}", line.split(' ').next().unwrap());
        if form == "raw" {
            let run = work.run("systemd-pull").args([digest.as_str(), form]);
            run.arg(server.url(path)).arg("proven").succeed();
            assert!(server.seen().bytes_of(path) > served, "it has no record");
            assert_eq!(only_kept(&work), kept, "ours took its place");
        }
        remove_all(&work);
    }
}
