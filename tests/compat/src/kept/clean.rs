//! systemd-pull clean: what is kept, and what killed transfers left, goes.

use super::{kept, pulled};
use crate::make::{archive, file, plain_tree};
use crate::mount::Mounted;
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use crate::tree::set_attribute;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde_json::Value;
use std::os::unix::fs::symlink;

fn clean(work: &Work, arguments: &[&str]) -> Run {
    work.run("systemd-pull").arg("clean").args(arguments)
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

fn json(work: &Work, arguments: &[&str]) -> Vec<Value> {
    let outcome = clean(work, arguments).arg("--json=short").succeed();
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// Two addresses, one of which has a superseded version of the reference beside the new one.
fn filled(work: &Work) -> Server {
    let server = Server::start();
    let tree = plain_tree(work);
    server.put("/d.raw", Answer::ok("contents").etag("\"2\""));
    server.put("/t.tar", Answer::ok(archive(&tree)));
    let url = server.url("/d.raw");
    // As the reference left them.
    std::fs::create_dir_all(work.path("images")).unwrap();
    let escaped = url.replace('/', "\\x2f").replace('.', "\\x2e");
    let old = work.image(format!(".raw-{escaped}.\\x221\\x22.raw"));
    file(&old, vec![b'x'; 10_000]);
    set_attribute(&old, "user.source_etag", b"\"1\"");
    file(
        &work.image(format!(".raw-{escaped}.\\x221\\x22.nspawn")),
        "[Exec]",
    );
    pulled(work, &["--verify=no"], &url, "d");
    let run = work.run("systemd-pull").args(["--verify=no", "tar"]);
    run.arg(server.url("/t.tar")).arg("t").succeed();
    server
}

#[test]
fn kept_downloads_and_leftovers_go_and_nothing_else() {
    for kind in ["plain", "btrfs"] {
        let Some(work) = Work::new() else { return };
        if !is_ours() {
            println!("skipped: it has no such verb");
            return;
        }
        let disk = match kind {
            "plain" => None,
            kind => match Mounted::new(&work, kind, "images") {
                Some(disk) => Some(disk),
                None => continue,
            },
        };
        let _server = filled(&work);
        let leftover = work.image(".#importd.dead.0123456789abcdef");
        std::fs::create_dir_all(leftover.join("in/it")).unwrap();
        let held = file(&work.image(".#importd.held.0123456789abcdef"), "x");
        let held = std::fs::File::open(held).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        // What is somebody else's, though it looks alike.
        for other in [
            ".tar-backup",
            ".raw-mine",
            ".#other0123456789abcdef",
            ".hidden",
        ] {
            std::fs::create_dir_all(work.image(other)).unwrap();
        }
        symlink("/", work.image(".tar-http:\\x2f\\x2fh\\x2fx")).unwrap();
        let before = work.images();

        let dry = clean(&work, &["--dry-run"]).succeed();
        assert_eq!(work.images(), before, "{kind}");
        let (dry, all) = (text(&dry), json(&work, &["--dry-run"]));
        assert!(dry.contains("Would remove 4 entries of "), "{dry}");
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all.iter().all(|one| one["removed"] == false));
        let sizes = all.iter().map(|one| one["usage"].as_u64().unwrap());
        assert!(kind == "btrfs" || sizes.sum::<u64>() > 10_000, "{all:?}");
        let done = text(&clean(&work, &[]).succeed());
        assert!(done.contains("Removed 4 entries of "), "{done}");
        let mut left = before;
        left.retain(|name| !(name.contains("127") || name.contains("dead")));
        assert_eq!(work.images(), left, "{kind}");
        assert!(work.image("d.raw").exists() && work.image("t").is_dir());
        let again = text(&clean(&work, &[]).succeed());
        assert!(again.starts_with("Nothing to remove in "), "{again}");
        assert_eq!(json(&work, &[]), [Value::Null; 0]);
        drop(held);
        drop(disk);
    }
}

#[test]
fn what_goes_is_selected_by_address_name_age_and_state() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such verb");
        return;
    }
    let server = filled(&work);
    let urls = |arguments: &[&str]| -> Vec<String> {
        let all = json(&work, &[arguments, &["--dry-run"]].concat());
        let urls = all
            .iter()
            .map(|one| one["url"].as_str().unwrap_or("").to_owned());
        urls.collect()
    };
    let (raw, tar) = (server.url("/d.raw"), server.url("/t.tar"));
    assert_eq!(urls(&[&tar]), [tar.as_str()]);
    assert_eq!(urls(&[&raw]), [raw.as_str(), &raw]);
    assert_eq!(urls(&["--superseded"]), [raw.as_str()]);
    assert_eq!(urls(&["--older-than=1h"]), [""; 0]);
    assert_eq!(urls(&["--older-than=0"]).len(), 3);
    let name = kept(&work)
        .into_iter()
        .find(|name| name.starts_with(".tar-"))
        .unwrap();
    assert_eq!(urls(&[&name]), [tar.as_str()]);

    let outcome = clean(&work, &["http://h/other"]).fail(Errno::NOENT);
    assert!(
        outcome.complaint().contains("http://h/other"),
        "{}",
        outcome.stderr
    );
    clean(&work, &["--older-than=soon"]).fail(Errno::INVAL);
    clean(&work, &["--json=xml"]).fail(Errno::INVAL);
    let run = work
        .run("systemd-pull")
        .args(["raw", "--superseded", "http://h/x"]);
    run.fail(Errno::INVAL);
    assert_eq!(kept(&work).len(), 4);

    let removed = json(&work, &["--superseded"]);
    assert_eq!(
        (
            removed.len(),
            &removed[0]["superseded"],
            &removed[0]["removed"]
        ),
        (1, &Value::Bool(true), &Value::Bool(true))
    );
    // Its companion went with it.
    assert_eq!(kept(&work).len(), 2);
}

#[test]
fn without_an_image_root_there_is_nothing_and_none_is_made() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such verb");
        return;
    }
    clean(&work, &[]).succeed();
    assert!(!work.path("images").exists());
}

#[test]
fn layers_that_no_stack_names_go() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no such verb");
        return;
    }
    let layer = |digit: &str| format!(".oci-sha256:{}", digit.repeat(64));
    for digit in ["a", "b", "c"] {
        std::fs::create_dir_all(work.image(layer(digit)).join("etc")).unwrap();
    }
    std::fs::create_dir_all(work.image("x.mstack/rw/data")).unwrap();
    let target = format!("../{}", layer("a"));
    symlink(target, work.image("x.mstack/layer@0")).unwrap();
    let held = std::fs::File::open(work.image(layer("b"))).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();

    let listed = json(&work, &["--dry-run"]);
    let names: Vec<_> = listed.iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, [layer("c").as_str()], "{listed:?}");
    assert_eq!(listed[0]["type"], "layer");
    assert!(work.image(layer("c")).exists());
    clean(&work, &[]).succeed();
    assert!(!work.image(layer("c")).exists());
    assert!(work.image(layer("a")).exists() && work.image(layer("b")).exists());

    drop(held);
    std::fs::remove_file(work.image("x.mstack/layer@0")).unwrap();
    let told = text(&clean(&work, &[&layer("b")]).succeed());
    assert!(told.starts_with("layer "), "{told}");
    assert!(work.image(layer("a")).exists() && !work.image(layer("b")).exists());
}
