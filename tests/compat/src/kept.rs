//! systemd-pull: kept downloads are used again, and prove no more than they were proven.

use crate::make::{Signer, archive, checksum_line, file, moved, plain_tree};
use crate::mount::Mounted;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Outcome, Work, is_ours};
use crate::tree::{assert_same, attributes, set_attribute};
use rustix::io::Errno;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// When a file was changed, long ago.
const LONG_AGO: &str = "Sat, 03 Feb 2001 04:05:06 GMT";

/// Hidden entries of the image root.
fn kept(work: &Work) -> Vec<String> {
    let images = work.images().into_iter();
    images.filter(|name| name.starts_with('.')).collect()
}

fn only_kept(work: &Work) -> String {
    let kept = kept(work);
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].clone()
}

fn contents(work: &Work, name: &str) -> String {
    std::fs::read_to_string(work.image(name)).unwrap()
}

fn pull(work: &Work, options: &[&str], url: &str, name: &str) -> Outcome {
    let run = work.run("systemd-pull").args(options).args(["raw", url]);
    run.arg(name).outcome()
}

fn pulled(work: &Work, options: &[&str], url: &str, name: &str) -> Outcome {
    let outcome = pull(work, options, url, name);
    assert_eq!(outcome.status, 0, "{options:?} {name}: {}", outcome.stderr);
    outcome
}

#[test]
fn an_unchanged_download_is_not_fetched_again_whatever_tells_that_it_is() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let weak = "W/\"weak\"";
    let long = format!("\"{}\"", "e".repeat(200));
    let plain = |body: &str| Answer::ok(body);
    // What the reference can use, and what it fails over.
    let cases: [(&str, Answer, bool); 9] = [
        ("strong", plain("strong one").etag("\"strong\""), true),
        ("weak", plain("weak one").etag(weak), true),
        (
            "blind",
            plain("blind one").etag("\"b\"").without_conditions(),
            true,
        ),
        ("unquoted", plain("unquoted one").etag("unquoted"), false),
        ("odd", plain("odd one").etag("\"a.b#c/d 'e'\""), true),
        ("long", plain("long one").etag(&long), false),
        (
            "dated",
            plain("dated one").header("Last-Modified", LONG_AGO),
            false,
        ),
        (
            "chunked",
            plain("chunked one").etag("\"c\"").fault(Fault::Chunked),
            true,
        ),
        ("moved", Answer::redirect(302, "/strong"), true),
    ];
    for (name, answer, theirs_too) in cases {
        if !theirs_too && !is_ours() {
            println!("{name}: skipped, the reference refuses its own kept download");
            continue;
        }
        let path = format!("/{name}");
        server.put(&path, answer);
        let url = server.url(&path);
        pulled(&work, &["--verify=no"], &url, name);
        let served = server.seen().bytes_of(&path);
        let again = format!("{name}-again");
        pulled(&work, &["--verify=no"], &url, &again);
        let (first, second) = (format!("{name}.raw"), format!("{again}.raw"));
        assert_eq!(contents(&work, &first), contents(&work, &second));
        let sent_again = server.seen().bytes_of(&path) - served;
        // Where no condition can be sent, the answer's head tells, and the body is not read.
        if !matches!(name, "blind" | "dated" | "moved") {
            assert_eq!(sent_again, 0, "{name}");
        }
        let mode = std::fs::metadata(work.image(&second)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o644, "{name}");
    }
    // "moved" keeps its own.
    let expected = if is_ours() { 9 } else { 6 };
    assert_eq!(kept(&work).len(), expected, "{:?}", kept(&work));
}

#[test]
fn a_long_address_is_found_again() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it never finds them");
        return;
    }
    let server = Server::start();
    let path = format!("/{}.raw", "x".repeat(230));
    let other = format!("/{}y.raw", "x".repeat(230));
    server.put(&path, Answer::ok("contents").etag("\"e\""));
    server.put(&other, Answer::ok("others").etag("\"e\""));
    pulled(&work, &["--verify=no"], &server.url(&path), "a");
    pulled(&work, &["--verify=no"], &server.url(&path), "b");
    pulled(&work, &["--verify=no"], &server.url(&other), "c");
    assert_eq!(server.seen().bytes_of(&path), 8);
    assert_eq!(
        (contents(&work, "b.raw"), contents(&work, "c.raw")),
        ("contents".into(), "others".into())
    );
}

#[test]
fn a_304_needs_no_etag_of_its_own() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it fails");
        return;
    }
    let server = Server::start();
    let first = Answer::ok("contents").etag("\"e\"");
    let unchanged = Answer::status(304, "").without_conditions();
    server.put_sequence("/d.raw", vec![first, unchanged]);
    pulled(&work, &["--verify=no"], &server.url("/d.raw"), "a");
    let outcome = pulled(&work, &["--verify=no"], &server.url("/d.raw"), "b");
    assert!(
        outcome.stderr.contains("kept download"),
        "{}",
        outcome.stderr
    );
    assert_eq!(contents(&work, "b.raw"), "contents");
    // Nothing was asked that 304 could answer.
    let url = server.url("/other.raw");
    server.put("/other.raw", Answer::status(304, "").without_conditions());
    assert_eq!(pull(&work, &["--verify=no"], &url, "c").status, 1);
}

#[test]
fn what_changed_is_fetched_and_older_versions_go() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let url = server.url("/d.raw");
    for (round, text) in ["first", "second", "third"].into_iter().enumerate() {
        let etag = format!("\"{text}\"");
        server.put("/d.raw", Answer::ok(text).etag(&etag));
        pulled(&work, &["--verify=no", "--force"], &url, "d");
        assert_eq!(contents(&work, "d.raw"), text);
        let expected = if is_ours() { 1 } else { round + 1 };
        assert_eq!(kept(&work).len(), expected, "{:?}", kept(&work));
    }
    if is_ours() {
        assert_eq!(contents(&work, &only_kept(&work)), "third");
    }
}

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

/// Removes all images, so that the next case begins anew.
fn remove_all(work: &Work) {
    let images = work.path("images");
    let images = images.to_str().unwrap();
    drop(
        std::process::Command::new("chattr")
            .args(["-R", "-i", images])
            .output(),
    );
    crate::make::run("rm", &["-rf", images], Path::new("/"));
}

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

fn pull_fails(work: &Work, options: &[&str], url: &str, name: &str) {
    let before = work.images();
    let run = work.run("systemd-pull").args(options);
    run.args(["raw", url, name]).fail(Errno::BADMSG);
    assert_eq!(work.images(), before);
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
fn a_local_file_is_read_again_only_if_it_changed() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: a second pull of a local file fails");
        return;
    }
    let source = file(&work.path("d.raw"), "contents");
    let url = format!("file://{}", source.display());
    let uses_kept = |name: &str| {
        let outcome = pulled(&work, &["--verify=no", "--force"], &url, name);
        outcome.stderr.contains("Found kept download")
    };
    assert!(!uses_kept("a"));
    assert!(uses_kept("b"));
    file(&source, "CONTENTS");
    assert!(!uses_kept("c"));
    assert_eq!(contents(&work, "c.raw"), "CONTENTS");
    assert_eq!(contents(&work, &only_kept(&work)), "CONTENTS");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&source, mode).unwrap();
    assert!(!uses_kept("d"), "its state changed");
    assert!(uses_kept("e"));
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

#[test]
fn the_limits_of_the_request_hold_for_what_is_kept() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it does not look");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok(vec![b'x'; 9000]).etag("\"e\""));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no"], &url, "a");
    let outcome = pull(&work, &["--verify=no", "--size-max=8K"], &url, "b");
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.complaint().contains("--size-max="),
        "{}",
        outcome.stderr
    );
    pulled(&work, &["--verify=no", "--size-max=9K"], &url, "b");
    // Kept as it was converted is not kept as it came.
    pulled(&work, &["--verify=no", "--convert-qcow2=no"], &url, "c");
    assert_eq!(server.seen().bytes_of("/d.raw"), 18_000 + 9000);
}

#[test]
fn a_taken_name_is_noticed_before_anything_is_asked() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: with an image root it is noticed at the end");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no"], &url, "d");
    let asked = server.requests().len();
    let run = work
        .run("systemd-pull")
        .args(["--verify=no", "raw", &url, "d"]);
    run.fail(Errno::EXIST);
    assert_eq!(server.requests().len(), asked);
}
