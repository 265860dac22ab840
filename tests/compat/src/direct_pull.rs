//! `systemd-pull --direct`: downloads that go to a path, a range, a device or standard output.

use crate::direct::Loop;
use crate::kill::{ends_politely, until_status};
use crate::make::{archive, checksum_line, file, has, packed, plain_tree, run};
use crate::mount::Mounted;
use crate::pull::at_once;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Run, Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn digest(data: &[u8]) -> String {
    checksum_line(data, "")[..64].into()
}

/// `FORM --direct OPTIONS URL TARGET`
fn pull(work: &Work, form: &str, options: &[&str], url: &str, target: impl AsRef<Path>) -> Run {
    let run = work.run("systemd-pull").args([form, "--direct"]);
    run.args(at_once())
        .args(options)
        .arg(url)
        .arg(target.as_ref())
}

#[test]
fn a_file_is_made_or_replaced_and_nothing_else() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let data = vec![b'd'; 300_000];
    let body = packed(&data, &["gzip", "-c"]);
    server.put("/v.img.gz", Answer::ok(body.clone()));
    server.put("/v.nspawn", Answer::ok("[Exec]\n"));
    let (url, verify) = (
        server.url("/v.img.gz"),
        format!("--verify={}", digest(&body)),
    );
    // Missing folders are made; the name is a path and gets no suffix.
    let new = work.path("a/b/new");
    pull(&work, "raw", &[&verify], &url, &new).succeed();
    assert!(std::fs::read(&new).unwrap() == data);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&work.path("a")), mode(&new)), (0o700, 0o644));

    let old = file(&work.path("old.img"), vec![7; 1 << 20]);
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o640)).unwrap();
    pull(&work, "raw", &[&verify], &url, &old).succeed();
    assert!(std::fs::read(&old).unwrap() == data);
    assert_eq!(mode(&old), 0o640);
    let left = std::fs::read_dir(work.path("a/b")).unwrap().count();
    assert_eq!((left, work.images().len()), (1, 0));
    assert_eq!(server.paths(), ["/v.img.gz", "/v.img.gz"]);

    // A relative path begins in the image root, and so does one that comes from the address.
    pull(&work, "raw", &[&verify], &url, "sub/x.img").succeed();
    let run = work.run("systemd-pull").args(["raw", "--direct", &verify]);
    run.arg(&url).succeed();
    assert_eq!(work.images(), ["sub", "v"]);
    assert!(std::fs::read(work.image("sub/x.img")).unwrap() == data);
    assert!(std::fs::read(work.image("v")).unwrap() == data);
    pull(&work, "raw", &[&verify, "--read-only"], &url, &new).succeed();
    assert_eq!(mode(&new), 0o444);
}

#[test]
fn a_file_stays_as_it_was_unless_the_new_bytes_are_proven() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = vec![b'b'; 400_000];
    server.put("/good", Answer::ok(body.clone()));
    server.put(
        "/cut",
        Answer::ok(body.clone()).fault(Fault::CutAfter(300_000)),
    );
    server.put("/500", Answer::status(500, "the server's apology"));
    let good = format!("--verify={}", digest(&body));
    let wrong = format!("--verify={}", digest(b"something else"));
    for (path, option, errno) in [
        ("/missing", &good, Errno::NOMEDIUM),
        ("/500", &good, Errno::IO),
        ("/cut", &good, Errno::IO),
        ("/good", &wrong, Errno::BADMSG),
    ] {
        let old = file(&work.path("old.img"), "old contents");
        let url = server.url(path);
        pull(&work, "raw", &[option], &url, &old).fail(errno);
        let is_old = std::fs::read(&old).unwrap() == b"old contents";
        assert_eq!(is_old, is_ours(), "the original has emptied it: {path}");
        let new = work.path("new.img");
        pull(&work, "raw", &[option], &url, &new).fail(errno);
        assert!(!is_ours() || !new.exists(), "{path}");
    }
    let left = std::fs::read_dir(work.path("")).unwrap();
    let hidden = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".#")
    });
    assert_eq!(hidden.count(), 0);
}

#[test]
fn standard_output_gets_what_is_proven_and_nothing_else() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    // A small one, and one that does not wait in memory.
    for length in [2000, 9_000_000] {
        let data: Vec<u8> = (0..length).map(|i: u32| (i % 251) as u8).collect();
        let body = packed(&data, &["zstd", "-qc"]);
        server.put("/list", Answer::ok(body.clone()));
        let url = server.url("/list");
        let verify = format!("--verify={}", digest(&body));
        let wrong = format!("--verify={}", digest(b"x"));
        for name in ["-", ""] {
            for option in [verify.as_str(), "--verify=no"] {
                let outcome = pull(&work, "raw", &[option], &url, name).succeed();
                assert!(outcome.stdout == data, "{length} {option}");
            }
        }
        let outcome = pull(&work, "raw", &[&wrong], &url, "-").fail(Errno::BADMSG);
        assert_eq!(
            outcome.stdout.is_empty(),
            is_ours(),
            "the original gave it out by then"
        );
    }
    let outcome = pull(&work, "raw", &["--verify=no"], &server.url("/missing"), "-");
    let outcome = outcome.fail(Errno::NOMEDIUM);
    assert_eq!(
        outcome.stdout.is_empty(),
        is_ours(),
        "the original gives out the error's text"
    );
    pull(
        &work,
        "raw",
        &["--verify=no", "--size-max=100"],
        &server.url("/list"),
        "-",
    )
    .fail(Errno::FBIG);
    pull(
        &work,
        "raw",
        &["--verify=no", "--offset=1"],
        &server.url("/list"),
        "-",
    )
    .fail_somehow();
    let tar = pull(&work, "tar", &["--verify=no"], &server.url("/list"), "-");
    let outcome = tar.fail(Errno::INVAL);
    assert!(outcome.stderr.contains("STDOUT"), "{}", outcome.stderr);
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn a_list_in_which_the_file_stands_proves_it_too() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = b"a kernel".to_vec();
    server.put("/v/kernel.efi", Answer::ok(body.clone()));
    server.put(
        "/v/SHA256SUMS",
        Answer::ok(checksum_line(&body, "kernel.efi")),
    );
    let url = server.url("/v/kernel.efi");
    let target = work.path("kernel");
    pull(&work, "raw", &["--verify=checksum"], &url, &target).succeed();
    assert_eq!(std::fs::read(&target).unwrap(), body);
    server.put("/v/kernel.efi", Answer::ok("another one"));
    pull(&work, "raw", &["--verify=checksum"], &url, &target).fail(Errno::BADMSG);
    assert_eq!(std::fs::read(&target).unwrap() == body, is_ours());
}

#[test]
fn a_range_of_a_file_is_written_in_place() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = vec![b'r'; 70_000];
    server.put("/p", Answer::ok(body.clone()));
    let url = server.url("/p");
    let verify = format!("--verify={}", digest(&body));
    let options = [verify.as_str(), "--offset=4096", "--size-max=100K"];
    let target = file(&work.path("target"), vec![9; 200_000]);
    pull(&work, "raw", &options, &url, &target).succeed();
    let mut expected = vec![9; 200_000];
    expected[4096..74_096].fill(b'r');
    assert!(std::fs::read(&target).unwrap() == expected);
    let zeroed = pull(
        &work,
        "raw",
        &[&options[..], &["--zero-fill=yes"]].concat(),
        &url,
        &target,
    );
    let outcome = zeroed.outcome();
    if is_ours() || !outcome.stderr.contains("unrecognized option") {
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        expected[74_096..4096 + 102_400].fill(0);
        assert!(std::fs::read(&target).unwrap() == expected);
    }
    // What is not there is not made, and an error's text is not written.
    pull(&work, "raw", &options, &url, work.path("missing")).fail(Errno::NOENT);
    pull(&work, "raw", &options, &server.url("/missing"), &target).fail(Errno::NOMEDIUM);
    assert_eq!(std::fs::read(&target).unwrap() == expected, is_ours());
    let wrong = format!("--verify={}", digest(b"x"));
    let outcome = pull(&work, "raw", &[&wrong, "--offset=4096"], &url, &target);
    let outcome = outcome.fail(Errno::BADMSG);
    let told = outcome.stderr.contains("has to be written again");
    assert_eq!(told, is_ours(), "{}", outcome.stderr);
}

#[test]
fn a_device_is_written_in_place_and_what_does_not_fit_is_refused_before() {
    let Some(work) = Work::new() else { return };
    let Some(device) = Loop::new(&work, 1 << 20) else {
        return;
    };
    let server = Server::start();
    server.put("/fits", Answer::ok(vec![1; 500_000]));
    server.put("/large", Answer::ok(vec![1; 2_000_000]));
    let none = ["--verify=no"];
    pull(&work, "raw", &none, &server.url("/fits"), &device.0).succeed();
    let made = device.contents();
    assert!(made[..500_000] == [1; 500_000] && made[500_000..].iter().all(|byte| *byte == 9));
    if !is_ours() {
        return;
    }
    let range = ["--verify=no", "--offset=524288"];
    let outcome = pull(&work, "raw", &range, &server.url("/large"), &device.0).fail(Errno::NOSPC);
    assert!(outcome.stderr.contains("too small"), "{}", outcome.stderr);
    assert!(device.contents() == made);
    pull(
        &work,
        "raw",
        &["--verify=no", "--read-only"],
        &server.url("/fits"),
        &device.0,
    )
    .succeed();
    let shown = run(
        "blockdev",
        &["--getro", device.0.to_str().unwrap()],
        Path::new("/"),
    );
    assert_eq!(String::from_utf8(shown).unwrap().trim(), "1");
}

#[test]
fn images_in_other_formats_are_kept_as_they_are() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") {
        return;
    }
    file(&work.path("d.img"), vec![1; 100_000]);
    let line = ["convert", "-O", "qcow2", "d.img", "d.qcow2"];
    run("qemu-img", &line, &work.path(""));
    let packed = std::fs::read(work.path("d.qcow2")).unwrap();
    let server = Server::start();
    server.put("/d.qcow2", Answer::ok(packed.clone()));
    let (url, target) = (server.url("/d.qcow2"), work.path("made"));
    pull(&work, "raw", &["--verify=no"], &url, &target).succeed();
    assert!(std::fs::read(&target).unwrap() == packed);
    let converted = ["--verify=no", "--input-format=qcow2"];
    if is_ours() {
        pull(&work, "raw", &converted, &url, &target).succeed();
        let line = ["compare", "-q", "-f", "raw", "-F", "raw", "d.img", "made"];
        run("qemu-img", &line, &work.path(""));
        pull(&work, "raw", &converted, &url, "-").fail(Errno::INVAL);
    }
}

#[test]
fn a_tree_is_made_at_a_path_or_in_a_folder() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let tree = plain_tree(&work);
    let body = packed(&archive(&tree), &["zstd", "-qc"]);
    server.put("/t.tar.zst", Answer::ok(body.clone()));
    let url = server.url("/t.tar.zst");
    let good = format!("--verify={}", digest(&body));
    let wrong = format!("--verify={}", digest(b"x"));
    let new = work.path("a/new");
    pull(&work, "tar", &[&wrong], &url, &new).fail(Errno::BADMSG);
    assert!(!is_ours() || !new.exists());
    if !is_ours() {
        run("rm", &["-rf", "a"], &work.path(""));
    }
    pull(&work, "tar", &[&good], &url, &new).succeed();
    assert_same(&tree, &new);
    // What is there stays until the new one is whole and proven, and then goes.
    file(&new.join("mine"), "mine");
    pull(&work, "tar", &[&wrong, "--force"], &url, &new).fail(Errno::BADMSG);
    assert_eq!(new.join("mine").exists(), is_ours());
    pull(&work, "tar", &[&good, "--force"], &url, &new).succeed();
    assert_same(&tree, &new);
    assert_eq!(std::fs::read_dir(work.path("a")).unwrap().count(), 1);

    let Some(mounted) = Mounted::new(&work, "tmpfs", "there") else {
        return;
    };
    pull(&work, "tar", &[&wrong], &url, mounted.path()).fail(Errno::BADMSG);
    let left = std::fs::read_dir(mounted.path()).unwrap().count();
    assert_eq!(left == 0, is_ours());
    if is_ours() {
        pull(&work, "tar", &[&good], &url, mounted.path()).succeed();
        assert_same(&tree, mounted.path());
    }
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn companion_files_cannot_be_asked_for() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    server.put("/d.nspawn", Answer::ok("[Exec]\n"));
    let (url, target) = (server.url("/d.raw"), work.path("made"));
    let line = ["raw", "--settings=yes", "--direct", "--verify=no"];
    let run = work.run("systemd-pull").args(line).arg(&url).arg(&target);
    run.succeed();
    assert_eq!(server.paths(), ["/d.raw"]);
    if is_ours() {
        let options = ["--verify=no", "--settings=yes"];
        let outcome = pull(&work, "raw", &options, &url, &target).fail(Errno::INVAL);
        assert!(
            outcome.stderr.contains("--settings=yes"),
            "{}",
            outcome.stderr
        );
    }
    let literal = format!("--verify={}", digest(b"contents"));
    let line = ["raw", literal.as_str(), "--verity=yes"];
    let run = work.run("systemd-pull").args(line).arg(&url).arg("x");
    let outcome = run.fail_somehow();
    assert!(outcome.stderr.contains("Literal"), "{}", outcome.stderr);
}

#[test]
fn a_signal_ends_it_and_leaves_what_was_there() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original has emptied the file by then");
    }
    let server = Server::start();
    let stall = Answer::ok(vec![b'x'; 3_000_000]).fault(Fault::StallAfter(2_500_000));
    server.put("/stall", stall);
    let old = file(&work.path("old.img"), "old contents");
    let before = std::fs::read_dir(work.path("")).unwrap().count();
    let run = pull(&work, "raw", &["--verify=no"], &server.url("/stall"), &old);
    let (child, socket) = run.start();
    while server.paths().is_empty() {
        std::thread::yield_now();
    }
    ends_politely(child, &socket);
    assert_eq!(std::fs::read(&old).unwrap(), b"old contents");
    let sockets = 1;
    let after = std::fs::read_dir(work.path("")).unwrap().count();
    assert_eq!(after, before + sockets);
}

#[test]
fn a_signal_ends_a_download_to_a_pipe_that_nobody_reads() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original waits for ever");
    }
    let server = Server::start();
    server.put("/large", Answer::ok(vec![b'x'; 30_000_000]));
    let (_reader, writer) = std::io::pipe().unwrap();
    let run = pull(&work, "raw", &["--verify=no"], &server.url("/large"), "-");
    let (child, socket) = run.stdout(writer).start();
    until_status(&child, "Seccomp:\t2");
    ends_politely(child, &socket);
}
