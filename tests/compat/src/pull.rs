//! systemd-pull: files of servers, good and bad ones.

use crate::make::{PACKERS, archive, disk, file, packed, plain_tree};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use crate::tree::{assert_same, attributes};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;

const NO_PROOF: [&str; 2] = ["--verify=no", "--keep-download=no"];

/// What makes ours give up at once, as the reference does.
pub(crate) fn at_once() -> Option<&'static str> {
    is_ours().then_some("--retries=0")
}

#[test]
fn every_packing_is_pulled() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let tree = plain_tree(&work);
    let image = disk(&work, "disk.img");
    let (data, disk) = (archive(&tree), std::fs::read(image).unwrap());
    for (ending, packer) in PACKERS {
        server.put("/t.tar", Answer::ok(packed(&data, packer)));
        server.put("/d.raw", Answer::ok(packed(&disk, packer)));
        let pull = |form| {
            work.run("systemd-pull")
                .args(NO_PROOF)
                .args([form, "--force"])
        };
        pull("tar").arg(server.url("/t.tar")).succeed();
        assert_same(&tree, &work.image("t"));
        pull("raw").arg(server.url("/d.raw")).succeed();
        assert!(
            std::fs::read(work.image("d.raw")).unwrap() == disk,
            "{ending}"
        );
        assert_eq!(work.images(), ["d.raw", "t"]);
    }
}

#[test]
fn the_download_is_kept_beside_the_image() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let tree = plain_tree(&work);
    let answer = Answer::ok(archive(&tree)).header("ETag", "\"e1\"");
    server.put("/t.tar", answer);
    server.put(
        "/d.raw",
        Answer::ok("a disk image")
            .header("ETag", "\"e2\"")
            .header("Last-Modified", "Sat, 03 Feb 2001 04:05:06 GMT"),
    );
    let pull = |form| work.run("systemd-pull").args(["--verify=no", form]);
    pull("tar").arg(server.url("/t.tar")).succeed();
    pull("raw").arg(server.url("/d.raw")).succeed();
    let images = work.images();
    let escaped = server.url("").replace('/', "\\x2f").replace('.', "\\x2e");
    let kept_tree = format!(".tar-{escaped}\\x2ft\\x2etar.\\x22e1\\x22");
    let kept_disk = format!(".raw-{escaped}\\x2fd\\x2eraw.\\x22e2\\x22.raw");
    assert_eq!(images, [kept_disk.as_str(), &kept_tree, "d.raw", "t"]);
    if is_ours() {
        // The reference's copy has no holes and a new top folder.
        assert_same(&tree, &work.image("t"));
    }
    let kept = std::fs::metadata(work.image(&kept_disk)).unwrap();
    assert_eq!((kept.mode() & 0o7777, kept.mtime()), (0o444, 981_173_106));
    let local = std::fs::metadata(work.image("d.raw")).unwrap();
    assert_eq!((local.mode() & 0o7777, local.mtime()), (0o644, 981_173_106));
    let noted = attributes(&work.image("d.raw"));
    assert_eq!(noted["user.source_etag"], b"\"e2\"");
    assert_eq!(noted["user.source_url"], server.url("/d.raw").as_bytes());
}

#[test]
fn names_come_from_the_address_or_are_given() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let cases = [
        ("/a/b/disk.raw.xz?x=1", None, "disk.raw"),
        ("/disk.sysext.raw", None, "disk.raw"),
        ("/disk.img", Some("other"), "other.raw"),
    ];
    for (path, name, expected) in cases {
        server.put(path, Answer::ok("contents"));
        let run = work
            .run("systemd-pull")
            .args(NO_PROOF)
            .args(["raw", "--force"]);
        run.arg(server.url(path)).args(name).succeed();
        assert!(
            work.images().contains(&expected.to_owned()),
            "{path}: {:?}",
            work.images()
        );
    }
}

#[test]
fn redirects_are_followed() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put("/real", Answer::ok("contents"));
    for status in [301, 302, 303, 307, 308] {
        server.put("/moved.raw", Answer::redirect(status, "/real"));
        let run = work
            .run("systemd-pull")
            .args(NO_PROOF)
            .args(["raw", "--force"]);
        run.arg(server.url("/moved.raw")).succeed();
        assert_eq!(work.images(), ["moved.raw"]);
    }
    server.put("/loop.raw", Answer::redirect(302, "/loop.raw"));
    let run = work.run("systemd-pull").args(NO_PROOF).arg("raw");
    run.arg(server.url("/loop.raw")).fail(Errno::IO);
    server.put("/file.raw", Answer::redirect(302, "file:///etc/passwd"));
    let run = work.run("systemd-pull").args(NO_PROOF).arg("raw");
    run.arg(server.url("/file.raw")).fail(Errno::IO);
    assert_eq!(work.images(), ["moved.raw"]);
}

#[test]
fn bodies_of_every_framing_are_whole_and_cuts_are_noticed() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let body = vec![b'x'; 300_000];
    for (fault, works) in [
        (Fault::None, true),
        (Fault::Chunked, true),
        (Fault::NoLength, true),
        (Fault::CutAfter(0), false),
        (Fault::CutAfter(200_000), false),
    ] {
        server.put("/d.raw", Answer::ok(body.clone()).fault(fault));
        let run = work
            .run("systemd-pull")
            .args(NO_PROOF)
            .args(at_once())
            .args(["raw", "--force"]);
        let run = run.arg(server.url("/d.raw"));
        if works {
            run.succeed();
            assert!(
                std::fs::read(work.image("d.raw")).unwrap() == body,
                "{fault:?}"
            );
        } else {
            let outcome = run.fail(Errno::IO);
            assert!(outcome.stderr.contains("/d.raw"), "{}", outcome.stderr);
        }
        assert_eq!(work.images(), ["d.raw"], "{fault:?}");
    }
}

#[test]
fn status_codes_have_their_error_numbers() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    for (status, errno) in [
        (404, Errno::NOMEDIUM),
        (401, Errno::NOKEY),
        (500, Errno::IO),
        (503, Errno::IO),
        (403, Errno::IO),
    ] {
        server.put("/d.raw", Answer::status(status, "sorry"));
        let run = work.run("systemd-pull").args(NO_PROOF).args(at_once());
        let outcome = run.args(["raw", &server.url("/d.raw")]).fail(errno);
        assert!(
            status == 401 || outcome.stderr.contains(&status.to_string()),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains("/d.raw"), "{}", outcome.stderr);
    }
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn a_file_address_needs_no_network() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("a b.tar"), archive(&tree));
    let url = format!("file://{}", source.display()).replace(' ', "%20");
    work.run("systemd-pull")
        .args(NO_PROOF)
        .args(["tar", &url, "t"])
        .succeed();
    assert_same(&tree, &work.image("t"));
    let missing = format!("file://{}", work.path("missing.tar").display());
    work.run("systemd-pull")
        .args(NO_PROOF)
        .args(["tar", &missing])
        .fail_somehow();
}

#[test]
fn certificates_are_checked() {
    let Some(work) = Work::new() else { return };
    let authority = work.path("authority.pem");
    let server = Server::start_tls(&authority);
    server.put("/d.raw", Answer::ok("contents"));
    let pull = || {
        work.run("systemd-pull")
            .args(NO_PROOF)
            .arg("raw")
            .arg(server.url("/d.raw"))
    };
    let outcome = pull().fail(Errno::IO);
    assert!(
        outcome.stderr.to_lowercase().contains("certificate"),
        "{}",
        outcome.stderr
    );
    assert_eq!(work.images(), [""; 0]);
    if is_ours() {
        pull().env("SSL_CERT_FILE", &authority).succeed();
        assert_eq!(work.images(), ["d.raw"]);
        let plain = Server::start();
        plain.put("/d.raw", Answer::ok("contents"));
        server.put("/down.raw", Answer::redirect(302, &plain.url("/d.raw")));
        let run = work
            .run("systemd-pull")
            .args(NO_PROOF)
            .arg("raw")
            .arg(server.url("/down.raw"));
        let outcome = run.env("SSL_CERT_FILE", &authority).fail(Errno::IO);
        assert!(outcome.stderr.contains("encryption"), "{}", outcome.stderr);
        assert_eq!(plain.paths(), [""; 0]);
    }
}

#[test]
fn requests_look_like_the_references() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    let run = work.run("systemd-pull").args(NO_PROOF).arg("raw");
    run.arg(server.url("/d.raw")).succeed();
    let request = server
        .requests()
        .into_iter()
        .find(|request| request.path == "/d.raw");
    let headers: Vec<String> = request
        .unwrap()
        .headers
        .iter()
        .map(|header| header.to_lowercase())
        .collect();
    let has = |start: &str| headers.iter().any(|header| header.starts_with(start));
    assert!(has("user-agent: systemd-pull/"), "{headers:?}");
    assert!(has("accept: */*"), "{headers:?}");
    assert!(
        !has("cookie") && !has("referer") && !has("accept-encoding"),
        "{headers:?}"
    );
}

#[test]
fn a_password_in_an_address_is_used_and_not_told() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it tells");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    let url = server.url("/d.raw").replace("http://", "http://me:secret@");
    let outcome = work
        .run("systemd-pull")
        .args(["--verify=no", "raw", &url])
        .succeed();
    let sent = server
        .requests()
        .into_iter()
        .flat_map(|request| request.headers);
    assert!(
        sent.into_iter()
            .any(|header| header.ends_with("Basic bWU6c2VjcmV0"))
    );
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    assert!(
        work.images().iter().all(|name| !name.contains("secret")),
        "{:?}",
        work.images()
    );
    let noted = attributes(&work.image("d.raw"));
    let noted = String::from_utf8_lossy(&noted["user.source_url"]).into_owned();
    assert!(!noted.contains("secret"), "{noted}");
}

#[test]
fn a_password_does_not_follow_a_redirect_to_another_server() {
    let Some(work) = Work::new() else { return };
    let (good, other) = (Server::start(), Server::start());
    good.put("/d.raw", Answer::redirect(302, "/moved.raw"));
    good.put("/moved.raw", Answer::redirect(302, &other.url("/one.raw")));
    // Once among themselves, a client that only looks at the last step would send it again.
    other.put("/one.raw", Answer::redirect(302, "/two.raw"));
    other.put("/two.raw", Answer::ok("contents"));
    let url = good.url("/d.raw").replace("http://", "http://me:secret@");
    let run = work.run("systemd-pull").args(NO_PROOF);
    run.args(["raw", &url]).succeed();
    let authorized = |server: &Server| -> Vec<bool> {
        let requests = server.requests().into_iter();
        requests
            .filter(|request| request.path.ends_with(".raw") && request.path != "/d.raw")
            .map(|request| {
                let mut headers = request.headers.iter();
                headers.any(|header| header.to_lowercase().starts_with("authorization"))
            })
            .collect()
    };
    assert_eq!(authorized(&good), [true]);
    assert_eq!(authorized(&other), [false, false]);
    let told = other
        .requests()
        .into_iter()
        .flat_map(|request| request.headers);
    assert!(
        told.into_iter()
            .all(|header| !header.to_lowercase().starts_with("referer"))
    );
}

#[test]
fn a_second_pull_replaces_the_kept_download() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: without a quoted ETag its second pull fails");
        return;
    }
    let server = Server::start();
    for contents in ["first", "second"] {
        server.put("/d.raw", Answer::ok(contents));
        let pull = work.run("systemd-pull").args(["--verify=no", "--force"]);
        pull.args(["raw", &server.url("/d.raw")]).succeed();
        let images = work.images();
        assert_eq!(images.len(), 2, "{images:?}");
        for name in images {
            assert_eq!(std::fs::read_to_string(work.image(name)).unwrap(), contents);
        }
    }
}

#[test]
fn an_image_that_is_too_large_is_refused_before_it_fills_the_disk() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let tree = plain_tree(&work);
    let bomb = packed(&archive(&tree), &["zstd", "-qc"]);
    server.put("/t.tar", Answer::ok(bomb));
    server.put(
        "/d.raw",
        Answer::ok(packed(&vec![0; 9_000_000], &["gzip", "-c"])),
    );
    for (form, path) in [("tar", "/t.tar"), ("raw", "/d.raw")] {
        if form == "tar" && !is_ours() {
            println!("skipped: it ignores the limit for archives");
            continue;
        }
        let pull = work.run("systemd-pull").args(NO_PROOF);
        let outcome = pull
            .args(["--size-max=100K", form, &server.url(path)])
            .fail_somehow();
        let is_clear = outcome.complaint().contains("--size-max=");
        assert!(!is_ours() || is_clear, "{}", outcome.stderr);
        assert_eq!(work.images(), [""; 0]);
    }
}
