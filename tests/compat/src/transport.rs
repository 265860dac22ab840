//! systemd-pull: mirrors, limits of rate and room.

use crate::make::{PACKERS, archive, checksum_line, packed, plain_tree, run as run_tool};
use crate::mount::Mounted;
use crate::server::{Answer, Fault, Server, unreachable};
use crate::subject::{Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that repeat nowhere near, of a length that is no round number.
fn image() -> Arc<Vec<u8>> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    Arc::new(std::iter::repeat_with(next).take(1_200_003).collect())
}

/// A digest as an option.
fn proof(bytes: &[u8]) -> String {
    let line = checksum_line(bytes, "d.raw");
    format!("--verify={}", line.split(' ').next().unwrap())
}

#[test]
fn a_mirror_stands_in_for_a_server_that_is_not_there_or_has_nothing() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it knows no mirrors");
    }
    let body = image();
    let (server, mirror) = (Server::start(), Server::start());
    mirror.put("/m.raw", Answer::shared(&body).etag("\"m\""));
    server.put("/busy.raw", Answer::status(503, "busy"));
    for url in [
        unreachable("/d.raw"),
        server.url("/missing.raw"),
        server.url("/busy.raw"),
    ] {
        let pull = work.run("systemd-pull").args(["raw", "--force"]);
        let pull = pull.args(["--verify=no", "--keep-download=no"]);
        let mirror = format!("--mirror={}", mirror.url("/m.raw"));
        let absent = format!("--mirror={}", unreachable("/m.raw"));
        let outcome = pull.args([&absent, &mirror, &url, "d"]).succeed();
        assert!(outcome.stderr.contains("trying "), "{}", outcome.stderr);
        assert!(std::fs::read(work.image("d.raw")).unwrap() == *body);
    }
}

#[test]
fn a_mirror_goes_on_where_a_server_broke_and_the_digest_decides() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it knows no mirrors");
    }
    let body = image();
    let mut other = body.to_vec();
    other[1_000_000] ^= 1;
    let proof = proof(&body);
    for (at_mirror, is_good) in [(body.to_vec(), true), (other, false)] {
        let (server, mirror) = (Server::start(), Server::start());
        mirror.put("/m.raw", Answer::ok(at_mirror).etag("\"m\""));
        let cut = Answer::shared(&body)
            .etag("\"s\"")
            .fault(Fault::CutAfter(600_000));
        server.put_sequence("/d.raw", vec![cut, Answer::status(404, "gone")]);
        let pull = || {
            let pull = work.run("systemd-pull").args(["raw", "--force"]);
            let pull = pull.args([&proof, "--keep-download=no"]);
            let mirror = format!("--mirror={}", mirror.url("/m.raw"));
            pull.args([&mirror, &server.url("/d.raw"), "d"])
        };
        if is_good {
            pull().succeed();
            assert!(std::fs::read(work.image("d.raw")).unwrap() == *body);
            let (first, second) = (server.seen(), mirror.seen());
            let served = first.bytes_of("/d.raw") + second.bytes_of("/m.raw");
            assert!(served <= body.len() as u64 * 11 / 10, "{served}");
        } else {
            let outcome = pull().fail(Errno::BADMSG);
            let line = outcome.complaint();
            assert!(line.contains(&mirror.url("/m.raw")), "{line}");
            assert!(line.contains(&server.url("/d.raw")), "{line}");
        }
    }
}

#[test]
fn without_proof_a_mirror_does_not_go_on() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it knows no mirrors");
    }
    let body = image();
    let (server, mirror) = (Server::start(), Server::start());
    mirror.put("/m.raw", Answer::shared(&body));
    let cut = Answer::shared(&body).fault(Fault::CutAfter(600_000));
    server.put_sequence("/d.raw", vec![cut, Answer::status(404, "gone")]);
    let pull = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let mirrored = format!("--mirror={}", mirror.url("/m.raw"));
    let pull = pull.args([&mirrored, &server.url("/d.raw"), "d"]);
    pull.fail(Errno::NOMEDIUM);
    assert_eq!(mirror.paths(), [""; 0]);
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn a_limit_of_rate_holds_over_all_of_a_download() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it has no limit");
    }
    let body = image();
    let server = Server::start();
    server.put("/d.raw", Answer::shared(&body));
    let pull = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let started = Instant::now();
    let url = server.url("/d.raw");
    pull.args(["--limit-rate=800K", &url]).succeed();
    // A little may come at once.
    assert!(started.elapsed() > Duration::from_millis(1100));
    for bad in ["--limit-rate=0", "--limit-rate=fast", "--retries=-1"] {
        let pull = work.run("systemd-pull").args(["raw", bad, &url]);
        pull.fail(Errno::INVAL);
    }
}

#[test]
fn what_cannot_fit_is_refused_before_it_is_fetched() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it finds out in the end, and calls it an input/output error");
    }
    let small = Mounted::new(&work, "tmpfs", "images").unwrap();
    let images = work.path("images");
    let line = ["-o", "remount,mode=0700,size=1m", images.to_str().unwrap()];
    run_tool("mount", &line, Path::new("/"));
    let server = Server::start();
    let body = packed(&[image().as_slice(), &image()].concat(), &["gzip", "-c"]);
    let mut answer = Answer::ok(body.clone());
    server.put("/d.raw", answer.clone());
    answer.body = Arc::new(packed(&archive(&plain_tree(&work)), &["gzip", "-c"]));
    server.put("/t.tar", answer);
    let pull = |form: &str, path: &str| {
        let pull = work.run("systemd-pull").args([form, "--verify=no"]);
        pull.args(["--keep-download=no", &server.url(path)])
    };
    let outcome = pull("raw", "/d.raw").fail(Errno::NOSPC);
    let line = outcome.complaint();
    assert!(
        line.contains("not enough room") && line.contains("1M are free"),
        "{line}"
    );
    pull("tar", "/t.tar").succeed();
    drop(small);
}

#[test]
fn a_packed_body_that_becomes_another_version_is_begun_anew() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it begins nothing anew");
    }
    let tree = plain_tree(&work);
    let (data, body) = (archive(&tree), image());
    for (ending, packer) in PACKERS {
        for (form, path, plain) in [("tar", "/d.tar", &data), ("raw", "/d.raw", &*body)] {
            let server = Server::start();
            let whole = packed(plain, packer);
            let mut old = whole.clone();
            // Only what was there before the change is read.
            old.extend([0; 1000]);
            let cut = Fault::CutAfter(whole.len() / 2);
            let answers = vec![
                Answer::ok(old).etag("\"old\"").fault(cut),
                Answer::ok(whole).etag("\"new\""),
            ];
            server.put_sequence(path, answers);
            let pull = work.run("systemd-pull").args(["--verify=no", "--force"]);
            let pull = pull.args(["--keep-download=no", form, &server.url(path), "d"]);
            let outcome = pull.succeed();
            let told = outcome.stderr.contains("beginning anew");
            assert!(told, "{form} {ending}: {}", outcome.stderr);
            match form {
                "tar" => assert_same(&tree, &work.image("d")),
                _ => assert!(
                    std::fs::read(work.image("d.raw")).unwrap() == *body,
                    "{ending}"
                ),
            }
        }
    }
    // The disk image took the tree's place: they have one name.
    assert_eq!(work.images(), ["d.raw"]);
}
