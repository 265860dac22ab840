//! A kept download stays, and images are copies of it.

use super::{kept, only_kept, remove_all};
use crate::make::{archive, checksum_line, file, plain_tree};
use crate::mount::Mounted;
use crate::server::{Answer, Server};
use crate::subject::{Work, collect, is_ours};
use crate::tree::{assert_same, attributes};
use crate::verbs::rounds;
use rustix::process::Signal;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[test]
fn a_kept_download_stays_and_the_image_is_a_writable_copy() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: --keep-download=no takes the kept copy away, read-only");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    server.put("/t.tar", Answer::ok(archive(&tree)).etag("\"e\""));
    for form in ["raw", "tar"] {
        let path = if form == "raw" { "/d.raw" } else { "/t.tar" };
        let run = |options: &[&str], name: &str| {
            let run = work.run("systemd-pull").args(["--verify=no", form]);
            run.args(options).arg(server.url(path)).arg(name).succeed()
        };
        run(&[], "-");
        let before = kept(&work);
        assert_eq!(work.images(), before, "{form}: '-' makes no image");
        run(&["--keep-download=no"], "copy");
        run(&["--keep-download=no", "--read-only"], "sealed");
        run(&[], "-");
        assert_eq!(kept(&work), before, "{form}");
        let ending = if form == "raw" { ".raw" } else { "" };
        let (copy, sealed) = (
            work.image(format!("copy{ending}")),
            work.image(format!("sealed{ending}")),
        );
        let hidden = work.image(&before[0]);
        match form {
            "raw" => {
                assert_eq!(std::fs::read(&copy).unwrap(), b"contents");
                let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
                assert_eq!(
                    (mode(&copy), mode(&sealed), mode(&hidden)),
                    (0o644, 0o444, 0o444)
                );
            }
            _ => {
                assert_same(&tree, &copy);
                file(&copy.join("new"), "writable");
            }
        }
        for path in [&copy, &sealed] {
            let noted = attributes(path);
            assert!(
                noted.keys().all(|name| !name.contains("importd")),
                "{noted:?}"
            );
        }
        assert_eq!(server.seen().asked(path), 4, "{form}");
        work.run("systemd-pull")
            .args(["--verify=no", form, "--force"])
            .arg(server.url(path))
            .arg("sealed")
            .succeed();
        remove_all(&work);
    }
}

#[test]
fn trees_are_kept_and_replaced_on_every_file_system() {
    for kind in ["ext4", "btrfs", "tmpfs"] {
        let Some(work) = Work::new() else { return };
        if !is_ours() {
            println!("skipped: it cannot replace what it made immutable");
            return;
        }
        let Some(disk) = Mounted::new(&work, kind, "images") else {
            continue;
        };
        let server = Server::start();
        let tree = plain_tree(&work);
        server.put("/t.tar", Answer::ok(archive(&tree)).etag("\"1\""));
        let run = |options: &[&str]| {
            let run = work
                .run("systemd-pull")
                .args(["tar", "--verify=no", "--force"]);
            run.args(options)
                .arg(server.url("/t.tar"))
                .arg("t")
                .succeed()
        };
        run(&["--read-only"]);
        for options in [&["--read-only"][..], &[]] {
            let outcome = run(options);
            assert!(
                outcome.stderr.contains("Found kept download"),
                "{kind}: {}",
                outcome.stderr
            );
            assert_same(&tree, &work.image("t"));
        }
        file(&work.image("t/new"), "writable");
        file(&tree.join("changed"), "changed");
        server.put("/t.tar", Answer::ok(archive(&tree)).etag("\"2\""));
        run(&[]);
        assert_same(&tree, &work.image("t"));
        assert!(only_kept(&work).ends_with(".\\x222\\x22"), "{kind}");
        // A file deep inside is changed behind our back, where nothing forbids it.
        let inside = work.image(only_kept(&work)).join("changed");
        if std::fs::File::options().write(true).open(&inside).is_ok() {
            file(&inside, "CHANGED");
            let outcome = run(&[]);
            assert!(
                outcome.stderr.contains("was changed since"),
                "{kind}: {}",
                outcome.stderr
            );
            assert_same(&tree, &work.image("t"));
        } else {
            assert_eq!(kind, "btrfs");
        }
        drop(disk);
    }
}

#[test]
fn images_are_whole_though_what_they_are_copied_from_goes() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no verb that removes");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    server.put("/t.tar", Answer::ok(archive(&tree)).etag("\"e\""));
    let url = server.url("/t.tar");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                work.run("systemd-pull").arg("clean").succeed();
            }
        });
        let pulls = [0, 1].map(|thread| {
            let (work, tree, url) = (&work, &tree, &url);
            scope.spawn(move || {
                for round in 0..5 {
                    let name = format!("t{thread}-{round}");
                    let run = work.run("systemd-pull").args(["--verify=no", "tar", url]);
                    let outcome = run.arg(&name).outcome();
                    // Its own new download may go before it is copied: that is told.
                    let is_told = outcome.complaint().contains("another transfer");
                    assert!(outcome.status == 0 || is_told, "{}", outcome.stderr);
                    if outcome.status == 0 {
                        assert_same(tree, &work.image(&name));
                    }
                }
            })
        });
        let results = pulls.map(std::thread::ScopedJoinHandle::join);
        is_done.store(true, Ordering::Relaxed);
        for result in results {
            result.unwrap();
        }
    });
}

#[test]
fn killed_anywhere_what_is_kept_is_whole_and_true() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it leaves hidden trees");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    let body = archive(&tree);
    let line = checksum_line(&body, "x");
    let digest = format!("--verify={}", line.split(' ').next().unwrap());
    server.put("/t.tar", Answer::ok(body).etag("\"e\""));
    let pull = || {
        let run = work.run("systemd-pull").args([digest.as_str(), "tar"]);
        run.args(["--force", &server.url("/t.tar"), "t"])
    };
    let before = Instant::now();
    pull().succeed();
    let whole = before.elapsed();
    let rounds = rounds(12);
    for round in 0..rounds {
        if round % 2 == 0 {
            work.run("systemd-pull").arg("clean").succeed();
        }
        let (child, socket) = pull().start();
        // A signal at a point in time is what is tested: no event marks it.
        std::thread::sleep(whole * round / rounds);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        collect(child, &socket);
        pull().succeed();
        assert_same(&tree, &work.image("t"));
        let kept = only_kept(&work);
        assert_eq!(work.images(), [kept, "t".to_owned()]);
        // What was kept is taken at its word.
        let asked = server.seen().asked("/t.tar");
        pull().succeed();
        assert_same(&tree, &work.image("t"));
        assert_eq!(server.seen().asked("/t.tar"), asked);
    }
}
