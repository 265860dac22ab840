//! Verification: what was tampered with does not become an image.

use crate::make::{Signer, archive, checksum_line, disk, has, packed, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;

fn pull(work: &Work, server: &Server, verify: &str) -> Run {
    let run = work
        .run("systemd-pull")
        .args(["--keep-download=no", "tar", verify]);
    run.arg(server.url("/t.tar.zst")).arg("t")
}

/// An archive on a server.
fn served(work: &Work, server: &Server) -> Vec<u8> {
    let body = packed(&archive(&plain_tree(work)), &["zstd", "-qc"]);
    server.put("/t.tar.zst", Answer::ok(body.clone()));
    body
}

fn refused(work: &Work, run: Run) -> Outcome {
    let outcome = run.fail_somehow();
    assert_eq!(work.images(), [""; 0], "{}", outcome.stderr);
    outcome
}

#[test]
fn checksums_are_found_in_both_kinds_of_files() {
    let Some(work) = Work::new() else { return };
    for (list, text) in [
        ("/SHA256SUMS", "%  t.tar.zst\n"),
        ("/t.tar.zst.sha256", "% *t.tar.zst\n"),
        (
            "/SHA256SUMS",
            "# list\n0000000000000000000000000000000000000000000000000000000000000000  other\n% t.tar.zst\n",
        ),
    ] {
        let server = Server::start();
        let body = served(&work, &server);
        let digest = &checksum_line(&body, "")[..64];
        server.put(list, Answer::ok(text.replace('%', digest)));
        pull(&work, &server, "--verify=checksum")
            .arg("--force")
            .succeed();
        assert_same(&work.path("plain"), &work.image("t"));
    }
}

#[test]
fn a_wrong_missing_or_foreign_checksum_is_refused() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = served(&work, &server);
    refused(&work, pull(&work, &server, "--verify=checksum"));
    for list in [
        checksum_line(b"something else", "t.tar.zst"),
        checksum_line(&body, "other.tar.zst"),
        "no checksums at all".into(),
        String::new(),
    ] {
        server.put("/SHA256SUMS", Answer::ok(list));
        refused(&work, pull(&work, &server, "--verify=checksum"));
    }
    server.put("/SHA256SUMS", Answer::ok(vec![b'x'; 2 << 20]));
    refused(&work, pull(&work, &server, "--verify=checksum"));
}

#[test]
fn a_given_digest_needs_no_file() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = served(&work, &server);
    let digest = checksum_line(&body, "")[..64].to_owned();
    pull(&work, &server, &format!("--verify={digest}")).succeed();
    assert_eq!(server.paths(), ["/t.tar.zst"]);
    std::fs::remove_file(work.path("images")).unwrap_or(());
    let wrong = format!("--verify={}", digest.replace(['0', '1', '2'], "f"));
    let outcome = pull(&work, &server, &wrong)
        .arg("--force")
        .fail(Errno::BADMSG);
    assert!(
        !is_ours() || outcome.stderr.contains(&digest),
        "{}",
        outcome.stderr
    );
    assert_same(&work.path("plain"), &work.image("t"));
    for bad in ["--verify=maybe", "--verify=", "--verify=abc123"] {
        pull(&work, &server, bad).fail(Errno::INVAL);
    }
}

#[test]
fn signatures_of_known_keys_are_good_in_every_form() {
    let Some(work) = Work::new() else { return };
    let signer = Signer::new(&work, "me");
    let keyring = signer.keyring();
    for (list, ending, is_armored) in [
        ("/SHA256SUMS", ".gpg", false),
        ("/SHA256SUMS", ".asc", true),
        ("/t.tar.zst.sha256", ".asc", true),
        ("/t.tar.zst.sha256", ".gpg", false),
    ] {
        let server = Server::start();
        let body = served(&work, &server);
        let text = checksum_line(&body, "t.tar.zst");
        server.put(list, Answer::ok(text.clone()));
        let signature = signer.sign(text.as_bytes(), is_armored);
        server.put(&format!("{list}{ending}"), Answer::ok(signature));
        let run = pull(&work, &server, "--verify=signature").arg("--force");
        run.env("SYSTEMD_OPENPGP_KEYRING", &keyring).succeed();
        assert_same(&work.path("plain"), &work.image("t"));
    }
}

#[test]
fn missing_foreign_and_damaged_signatures_are_refused() {
    let Some(work) = Work::new() else { return };
    let (me, stranger) = (Signer::new(&work, "me"), Signer::new(&work, "he"));
    let server = Server::start();
    let body = served(&work, &server);
    let list = checksum_line(&body, "t.tar.zst");
    server.put("/SHA256SUMS", Answer::ok(list.clone()));
    let keyring = me.keyring();
    let try_it = || {
        let run = pull(&work, &server, "--verify=signature");
        let outcome = refused(&work, run.env("SYSTEMD_OPENPGP_KEYRING", &keyring));
        // What cannot be proven is not worth its bytes.
        assert!(!is_ours() || !server.paths().contains(&"/t.tar.zst".into()));
        outcome
    };
    let outcome = try_it();
    assert!(outcome.stderr.contains("ignature"), "{}", outcome.stderr);
    for signature in [
        Vec::new(),
        b"no signature".to_vec(),
        stranger.sign(list.as_bytes(), false),
        me.sign(b"another list", false),
        me.sign(list.as_bytes(), false)[..40].to_vec(),
        vec![b'x'; 2 << 20],
    ] {
        server.put("/SHA256SUMS.gpg", Answer::ok(signature));
        let outcome = try_it();
        assert!(outcome.stderr.contains("SHA256SUMS"), "{}", outcome.stderr);
    }
    let missing = work.path("no-keyring");
    let run = pull(&work, &server, "--verify=signature");
    refused(&work, run.env("SYSTEMD_OPENPGP_KEYRING", &missing));
}

/// Any byte of any file that is sent: design.md's promise of tampering.
#[test]
fn a_signed_digest_without_a_name_proves_nothing() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let signer = Signer::new(&work, "s");
    let data = served(&work, &server);
    // Of whatever file: a mirror may serve it under any name.
    let line = checksum_line(&data, "x");
    let bare = format!("{}\n", &line[..64]);
    let signature = signer.sign(bare.as_bytes(), true);
    server.put("/t.tar.zst.sha256", Answer::ok(bare));
    server.put("/t.tar.zst.sha256.asc", Answer::ok(signature));
    let keyring = signer.keyring();
    let run = pull(&work, &server, "--verify=signature").env("SYSTEMD_OPENPGP_KEYRING", &keyring);
    refused(&work, run);
    if is_ours() {
        pull(&work, &server, "--verify=checksum").succeed();
    }
}

#[test]
fn one_flipped_byte_anywhere_is_a_refusal_that_names_the_file() {
    let Some(work) = Work::new() else { return };
    let signer = Signer::new(&work, "me");
    let keyring = signer.keyring();
    let server = Server::start();
    let body = served(&work, &server);
    let list = checksum_line(&body, "t.tar.zst").into_bytes();
    let signature = signer.sign(&list, false);
    let files = [
        ("/t.tar.zst", body, 7),
        ("/SHA256SUMS", list, 9),
        ("/SHA256SUMS.gpg", signature, 11),
    ];
    for (path, bytes, _) in &files {
        server.put(path, Answer::ok(bytes.clone()));
    }
    for (path, bytes, count) in &files {
        for turn in 0..*count {
            let mut changed = bytes.clone();
            let position = turn * (bytes.len() - 1) / (count - 1);
            changed[position] ^= 0x10;
            server.put(path, Answer::ok(changed));
            let run = pull(&work, &server, "--verify=signature");
            let outcome = run.env("SYSTEMD_OPENPGP_KEYRING", &keyring).outcome();
            if outcome.status == 0 {
                // The part of a signature that nothing protects, and nothing depends on.
                assert_eq!(*path, "/SHA256SUMS.gpg", "{path} byte {position}");
                assert_same(&work.path("plain"), &work.image("t"));
                std::fs::remove_dir(work.path("nothing")).unwrap_or(());
                crate::make::run("rm", &["-r", "images"], &work.path(""));
            } else {
                assert_eq!(work.images(), [""; 0], "{path} byte {position}");
                let name = path.trim_start_matches('/');
                assert!(
                    !is_ours() || outcome.stderr.contains(name),
                    "{path} byte {position}: {}",
                    outcome.stderr
                );
            }
        }
        server.put(path, Answer::ok(bytes.clone()));
    }
}

#[test]
fn a_qcow2_image_is_proven_before_it_is_looked_into() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") || !is_ours() {
        println!("skipped: the original unpacks it first");
        return;
    }
    disk(&work, "disk.img");
    let line = ["convert", "-O", "qcow2", "disk.img", "disk.qcow2"];
    run("qemu-img", &line, &work.path(""));
    let mut body = std::fs::read(work.path("disk.qcow2")).unwrap();
    let server = Server::start();
    let sums = checksum_line(&body, "disk.qcow2");
    server.put("/SHA256SUMS", Answer::ok(sums));
    let pull = || {
        let options = ["--keep-download=no", "raw", "--verify=checksum"];
        let run = work.run("systemd-pull").args(options);
        run.arg(server.url("/disk.qcow2"))
    };
    // Damage that the reader of qcow2 would complain of: it must not get to see it.
    let last = body.len() - 1;
    body[0x28..0x30].fill(0xff);
    body[last] ^= 1;
    server.put("/disk.qcow2", Answer::ok(body));
    let outcome = refused(&work, pull());
    let line = outcome.complaint();
    assert!(line.contains("is not what"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("Unpacking"), "{}", outcome.stderr);

    let body = std::fs::read(work.path("disk.qcow2")).unwrap();
    server.put("/disk.qcow2", Answer::ok(body));
    pull().succeed();
    let made = std::fs::read(work.image("disk.raw")).unwrap();
    assert!(made == std::fs::read(work.path("disk.img")).unwrap());
}
