//! Bad input gets one clear line, the right error number, and leaves nothing.

use crate::make::{archive, file, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Run, Work, is_ours};
use rustix::io::Errno;
use std::path::Path;

/// Fails as told, with one line that holds all the words, and leaves nothing.
fn refused(work: &Work, run: Run, errno: Errno, words: &[&str]) {
    let before = work.images();
    let outcome = run.fail(errno);
    let complaint = outcome.complaint();
    for word in words {
        assert!(
            !is_ours() || complaint.contains(word),
            "no '{word}' in: {complaint}"
        );
    }
    assert!(!is_ours() || !complaint.contains("os error"), "{complaint}");
    assert_eq!(work.images(), before, "{complaint}");
}

#[test]
fn of_addresses() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let pull = |url: &str| work.run("systemd-pull").args(["--verify=no", "raw", url]);
    for (url, word) in [
        ("ftp://h/x.raw", "begin with http://"),
        ("x.raw", "begin with http://"),
        ("file:x.raw", "absolute path"),
        ("http://", "no host"),
        ("http://h/ü.raw", "%C3%BC"),
        ("", "begin with http://"),
    ] {
        refused(&work, pull(url), Errno::INVAL, &[word]);
    }
    refused(
        &work,
        pull(&server.url("/no.raw")),
        Errno::NOMEDIUM,
        &["404", "/no.raw"],
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/x.raw", listener.local_addr().unwrap());
    drop(listener);
    refused(&work, pull(&closed), Errno::IO, &["/x.raw", "refused"]);
    if is_ours() {
        // The reference lets its library fail over it.
        refused(&work, pull("http://h/a b.raw"), Errno::INVAL, &["%20"]);
        let bad_port = "http://127.0.0.1:99999/x.raw";
        let words = &["99999", "address is invalid"];
        refused(&work, pull(bad_port), Errno::INVAL, words);
    }
    let unknown = "http://no-such-host.invalid/x.raw";
    refused(&work, pull(unknown), Errno::IO, &["no-such-host.invalid"]);
}

#[test]
fn of_names() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("x.raw"), "contents");
    let import = |name: &str| work.run("systemd-import").arg("raw").arg(&source).arg(name);
    for name in [".", "..", "a/b", ".#x", "a\nb", &"n".repeat(256)] {
        refused(&work, import(name), Errno::INVAL, &["not valid"]);
    }
    if is_ours() {
        let run = work
            .run("systemd-import")
            .args(["raw", "--"])
            .arg(&source)
            .arg("-x");
        refused(&work, run, Errno::INVAL, &["-x"]);
    }
}

#[test]
fn of_taken_names() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("x.raw"), "contents");
    work.run("systemd-import").arg("raw").arg(&source).succeed();
    let again = work.run("systemd-import").arg("raw").arg(&source);
    refused(
        &work,
        again,
        Errno::EXIST,
        &["x", "already exists", "--force"],
    );
    assert_eq!(std::fs::read(work.image("x.raw")).unwrap(), b"contents");
}

#[test]
fn of_archives() {
    let Some(work) = Work::new() else { return };
    let import = |path: &Path| work.run("systemd-import").arg("tar").arg(path).arg("t");
    let good = archive(&plain_tree(&work));
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        ("empty", Vec::new(), &["empty"]),
        (
            "text",
            b"this is no archive\n".repeat(100),
            &["Not an archive"],
        ),
        ("web", b"<!DOCTYPE html><html>".repeat(100), &["web page"]),
        ("cut", good[..good.len() / 2].to_vec(), &["cut off"]),
        (
            "damaged",
            [&good[..512 * 3], &[b'x'; 512], &good[512 * 4..]].concat(),
            &["amaged"],
        ),
        ("gzip", b"\x1f\x8b\x08\x00broken".to_vec(), &["gzip"]),
    ];
    for (name, bytes, words) in cases {
        let source = file(&work.path(name), bytes);
        let outcome = import(&source).fail_somehow();
        let complaint = outcome.complaint();
        for word in words {
            assert!(
                !is_ours() || complaint.contains(word),
                "{name}: no '{word}' in: {complaint}"
            );
        }
        assert_eq!(work.images(), [""; 0], "{name}");
    }
}

#[test]
fn of_sources() {
    let Some(work) = Work::new() else { return };
    let missing = work.path("missing.tar");
    let run = work.run("systemd-import").arg("tar").arg(&missing);
    refused(&work, run, Errno::NOENT, &["missing.tar", "No such file"]);
    let run = work
        .run("systemd-import")
        .args(["tar"])
        .arg(work.path(""))
        .arg("t");
    let outcome = run.fail_somehow();
    assert_eq!(work.images(), [""; 0], "{}", outcome.stderr);
}

#[test]
fn of_command_lines() {
    let Some(work) = Work::new() else { return };
    let cases: [(&str, &[&str], &str); 12] = [
        ("systemd-import", &[], "verb required"),
        (
            "systemd-import",
            &["tra", "x"],
            "Unknown command verb 'tra'",
        ),
        ("systemd-import", &["tar"], "Too few arguments"),
        (
            "systemd-import",
            &["tar", "a", "b", "c"],
            "Too many arguments",
        ),
        (
            "systemd-import",
            &["tar", "--nonsense", "a"],
            "unrecognized option '--nonsense'",
        ),
        (
            "systemd-import",
            &["tar", "--class=nonsense", "a"],
            "nonsense",
        ),
        ("systemd-import", &["raw", "--offset=5", "a"], ""),
        ("systemd-import", &["raw", "--size-max=5Q", "a"], "5Q"),
        ("systemd-import", &["tar", "--sync=maybe", "a"], "maybe"),
        (
            "systemd-import-fs",
            &["tar", "x"],
            "Unknown command verb 'tar'",
        ),
        ("systemd-export", &["raw"], "Too few arguments"),
        (
            "systemd-pull",
            &["raw", "--verify=perhaps", "http://h/x"],
            "perhaps",
        ),
    ];
    for (program, arguments, words) in cases {
        let outcome = work.run(program).args(arguments).fail_somehow();
        assert!(
            outcome.stderr.contains(words),
            "{program} {arguments:?}: {}",
            outcome.stderr
        );
        assert_eq!(
            outcome.notes.last().map(String::as_str),
            Some("EXIT_STATUS=1")
        );
        assert!(work.images().is_empty());
    }
}

#[test]
fn of_disks() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("big.raw"), vec![b'x'; 3 << 20]);
    let tree = file(&work.path("big.tar"), archive(&plain_tree(&work)));
    let images = work.path("images");
    std::fs::create_dir_all(&images).unwrap();
    run(
        "mount",
        &[
            "-t",
            "tmpfs",
            "-o",
            "size=256k",
            "tmpfs",
            images.to_str().unwrap(),
        ],
        &work.path(""),
    );
    let raw = work.run("systemd-import").arg("raw").arg(&source).outcome();
    let tar = work.run("systemd-import").arg("tar").arg(&tree).outcome();
    let left = work.images();
    run("umount", &[images.to_str().unwrap()], &work.path(""));
    for outcome in [raw, tar] {
        assert_eq!(outcome.status, 1, "{}", outcome.stderr);
        if is_ours() {
            assert!(
                outcome.complaint().contains("No space left"),
                "{}",
                outcome.stderr
            );
            assert!(
                outcome.notes.contains(&"ERRNO=28".into()),
                "{:?}",
                outcome.notes
            );
        }
    }
    assert_eq!(left, [""; 0]);
}

#[test]
fn of_permissions() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it looks into /var/lib/machines first");
        return;
    }
    let source = file(&work.path("x.raw"), "contents");
    let images = work.path("images");
    std::fs::create_dir_all(&images).unwrap();
    run("chattr", &["+i", images.to_str().unwrap()], &work.path(""));
    let import = work.run("systemd-import").arg("raw").arg(&source);
    refused(&work, import, Errno::PERM, &["not permitted"]);
    let server = Server::start();
    server.put("/x.raw", Answer::ok("contents"));
    let pull = work
        .run("systemd-pull")
        .args(["--verify=no", "raw"])
        .arg(server.url("/x.raw"));
    refused(&work, pull, Errno::PERM, &["not permitted"]);
}
