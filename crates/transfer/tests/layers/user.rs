//! Layers in a user namespace: whiteouts can be made there, and hide under a mount of the namespace.

use super::image::{archive, context, entry, layers_of};
use super::mount::Mounted;
use importd_formats::tar::Kind;
use importd_transfer::context::Context;
use importd_transfer::owners::Owners;
use std::process::Command;

/// Says that a test is inside.
const INSIDE: &str = "IMPORTD_TEST_INSIDE";

#[test]
fn whiteouts_hide_in_a_user_namespace() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "user::whiteouts_hide_in_a_user_namespace",
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") {
        println!("skipped: the kernel gives us no user namespace: {text}");
        return;
    }
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{text}");
    assert!(told.contains("1 passed"), "{told}");
}

fn inside() {
    let context = Context {
        owners: Owners::Mapped("only user and group 0".into()),
        ..context()
    };
    let made = |texts: &[&str]| {
        let entries = texts.iter().map(|text| {
            let (mut entry, content) = entry(text);
            (entry.uid, entry.gid) = (0, 0);
            if entry.path == b"null" {
                (entry.kind, entry.device, entry.size) = (Kind::CharDevice, (1, 3), 0);
                return (entry, Vec::new());
            }
            (entry, content)
        });
        archive(&entries.collect::<Vec<_>>())
    };
    let archives = [
        made(&[
            "./", "null", "gone", "kept", "d/", "d/gone", "o/", "o/gone", "lib -> d",
        ]),
        made(&[
            ".wh.gone",
            "lib/.wh.gone",
            "o/.wh..wh..opq",
            "o/new",
            "link => kept",
        ]),
    ];
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let names = layers_of(place.path(), &archives, &context).unwrap();
    let mounted = Mounted::overlay(place.path(), &names, "userxattr");
    let has = |path: &str| mounted.path().join(path).symlink_metadata().is_ok();
    for path in ["kept", "link", "d", "lib", "o/new"] {
        assert!(has(path), "{path}");
    }
    // Devices cannot be made there.
    for path in ["gone", "d/gone", "o/gone", "null"] {
        assert!(!has(path), "{path}");
    }
    drop(mounted);
}
