//! The command lines of systemd-sysupdate, word by word, and what it relies on: bytes at the target,
//! exit status, progress that can be parsed. The tool itself runs in `tests/booted/sysupdate.sh`.

use crate::direct::Loop;
use crate::make::{Signer, archive, checksum_line, file, packed, plain_tree};
use crate::mount::Mounted;
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;
use std::path::Path;

fn line(work: &Work, program: &str, words: &str) -> Run {
    work.bare(program).args(words.split(' '))
}

/// Every datagram is one that the tool knows, and the last one is the result.
fn check_notes(outcome: &Outcome) {
    let (last, rest) = outcome.notes.split_last().unwrap();
    assert_eq!(last, &format!("EXIT_STATUS={}", outcome.status));
    for note in rest {
        let percent = note.strip_prefix("X_IMPORT_PROGRESS=");
        let percent = percent.and_then(|text| text.strip_suffix('%')?.parse::<u8>().ok());
        // What begins with X_IMPORTD_ is ours, which the tool passes over.
        let is_known = percent.is_some_and(|percent| percent <= 100)
            || note.starts_with("X_IMPORTD_")
            || (outcome.status != 0 && note.starts_with("ERRNO="));
        assert!(is_known, "{note}");
    }
}

fn digest(data: &[u8]) -> String {
    checksum_line(data, "")[..64].into()
}

#[test]
fn the_list_comes_out_of_standard_output_if_its_signature_is_good() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let signer = Signer::new(&work, "me");
    let keyring = signer.keyring();
    let mut list = String::new();
    for version in 0..2000 {
        list += &checksum_line(&[], &format!("image_{version}.raw.xz"));
    }
    server.put("/SHA256SUMS", Answer::ok(list.clone()));
    server.put(
        "/SHA256SUMS.gpg",
        Answer::ok(signer.sign(list.as_bytes(), false)),
    );
    let fetch = |mode: &str| {
        let words = format!(
            "raw --direct --verify {mode} {} -",
            server.url("/SHA256SUMS")
        );
        let run = line(&work, "systemd-pull", &words);
        run.env("SYSTEMD_OPENPGP_KEYRING", &keyring)
    };
    for mode in ["signature", "no"] {
        let outcome = fetch(mode).succeed();
        assert!(outcome.stdout == list.as_bytes(), "{mode}");
        check_notes(&outcome);
    }
    let forged = list.replace("image_7.", "image_8.");
    server.put("/SHA256SUMS", Answer::ok(forged));
    let outcome = fetch("signature").fail_somehow();
    check_notes(&outcome);
    assert!(!is_ours() || outcome.stdout.is_empty());
    server.put("/SHA256SUMS.gpg", Answer::status(404, "not here"));
    let outcome = fetch("signature").fail_somehow();
    assert!(!is_ours() || outcome.stdout.is_empty());
    server.put("/SHA256SUMS", Answer::status(404, "not here"));
    let outcome = fetch("no").fail(Errno::NOMEDIUM);
    assert!(!is_ours() || outcome.stdout.is_empty());
}

#[test]
fn downloads_become_files_and_parts_of_devices() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let data: Vec<u8> = (0..600_000u32).map(|i| (i % 249) as u8).collect();
    let body = packed(&data, &["xz", "-c"]);
    server.put("/v_2.raw.xz", Answer::ok(body.clone()));
    let (url, hex) = (server.url("/v_2.raw.xz"), digest(&body));
    let target = work.path("dir/.sysupdate.partial.v_2.raw");
    for sync in ["yes", "no"] {
        let words = format!(
            "raw --direct --verify {hex} --sync={sync} {url} {}",
            target.display()
        );
        let outcome = line(&work, "systemd-pull", &words).succeed();
        check_notes(&outcome);
        assert!(std::fs::read(&target).unwrap() == data);
    }
    let Some(device) = Loop::new(&work, 2 << 20) else {
        return;
    };
    let words = |size: usize, hex: &str| {
        format!(
            "raw --direct --verify {hex} --offset 1048576 --size-max {size} --zero-fill=no \
             --sync=yes {url} {}",
            device.0.display()
        )
    };
    let outcome = line(&work, "systemd-pull", &words(1 << 20, &hex)).outcome();
    if !is_ours() && outcome.stderr.contains("unrecognized option") {
        return println!("skipped: --zero-fill= came with a later release of the original");
    }
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    check_notes(&outcome);
    let mut expected = vec![9; 2 << 20];
    expected[1 << 20..(1 << 20) + data.len()].copy_from_slice(&data);
    assert!(device.contents() == expected);
    line(&work, "systemd-pull", &words(500_000, &hex)).fail(Errno::FBIG);
    line(&work, "systemd-pull", &words(1 << 20, &digest(b"x"))).fail(Errno::BADMSG);
}

#[test]
fn downloads_become_trees() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let tree = plain_tree(&work);
    let body = packed(&archive(&tree), &["gzip", "-c"]);
    server.put("/v_2.tar.gz", Answer::ok(body.clone()));
    let (url, hex) = (server.url("/v_2.tar.gz"), digest(&body));
    let pull = |subvolume: &str, hex: &str, target: &Path| {
        let words = format!(
            "tar --direct --verify {hex} --btrfs-subvol={subvolume} --sync=yes {url} {}",
            target.display()
        );
        line(&work, "systemd-pull", &words)
    };
    let target = work.path("dir/.sysupdate.partial.v_2");
    check_notes(&pull("no", &hex, &target).succeed());
    assert_same(&tree, &target);
    let other = work.path("dir/.sysupdate.partial.v_3");
    pull("no", &digest(b"x"), &other).fail(Errno::BADMSG);
    assert_eq!(other.exists(), !is_ours());
    let Some(mounted) = Mounted::new(&work, "btrfs", "volumes") else {
        return;
    };
    let target = mounted.path().join(".sysupdate.partial.v_2");
    pull("yes", &hex, &target).succeed();
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&target).unwrap());
    assert_eq!(inode, 256, "the top of a subvolume");
    assert_same(&tree, &target);
}

#[test]
fn local_files_archives_and_folders_are_copied() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("v_2.raw"), vec![b'v'; 200_000]);
    let target = work.path("dir/.sysupdate.partial.v_2.raw");
    let words = format!(
        "raw --direct --sync=yes {} {}",
        source.display(),
        target.display()
    );
    check_notes(&line(&work, "systemd-import", &words).succeed());
    assert!(std::fs::read(&target).unwrap() == vec![b'v'; 200_000]);

    let tar = file(&work.path("v_2.tar"), archive(&tree));
    let target = work.path("dir/.sysupdate.partial.v_2");
    let words = format!(
        "tar --direct --sync=no --btrfs-subvol=no {} {}",
        tar.display(),
        target.display()
    );
    check_notes(&line(&work, "systemd-import", &words).succeed());
    assert_same(&tree, &target);

    let target = work.path("dir/.sysupdate.partial.v_3");
    let words = format!(
        "run --direct --sync=yes --btrfs-subvol=no {} {}",
        tree.display(),
        target.display()
    );
    check_notes(&line(&work, "systemd-import-fs", &words).succeed());
    if is_ours() {
        assert_same(&tree, &target);
    } else {
        assert!(target.join("usr/lib/os-release").exists());
    }
}
