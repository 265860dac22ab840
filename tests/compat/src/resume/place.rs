//! Keeping never makes a download fail, and a full disk does not lose what came.

use super::{Site, send};
use crate::make::{file, run};
use crate::mount::Mounted;
use crate::subject::collect;
use rustix::process::Signal;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

#[test]
fn without_a_place_nothing_is_kept_and_nothing_fails() {
    let places: [&dyn Fn(&Site); 3] = [
        // A file where the folder should be.
        &|site| {
            file(&site.work.path("cache"), "");
        },
        // A folder that others may write to.
        &|site| {
            std::fs::create_dir_all(site.work.path("cache")).unwrap();
            let all = PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(site.work.path("cache"), all).unwrap();
        },
        // Somebody else's folder.
        &|site| {
            std::fs::create_dir_all(site.work.path("cache")).unwrap();
            std::os::unix::fs::chown(site.work.path("cache"), Some(1), Some(1)).unwrap();
        },
    ];
    for place in places {
        let Some(site) = Site::new(8) else { return };
        place(&site);
        site.pull().succeed();
        site.check();
    }
}

#[test]
fn what_is_kept_is_for_nobody_else() {
    let Some(site) = Site::new(8) else { return };
    site.leave(5);
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    let cache = site.work.path("cache");
    assert_eq!(mode(&cache), 0o700);
    let names = site.work.kept();
    assert_eq!(names.len(), 2);
    for name in &names {
        assert_eq!(mode(&cache.join(name)), 0o600, "{name}");
    }
    let url = site.server.url("/d.raw").replace("://", "://user:secret@");
    let options = ["--verify=no", "--keep-download=no", "--force", "raw"];
    let pull = site.work.run("systemd-pull").args(options);
    let outcome = pull.arg(url).succeed();
    // The same download, whoever asks.
    assert!(outcome.stderr.contains("Continuing"), "{}", outcome.stderr);
    site.leave(5);
    let grep = run("sh", &["-c", "grep -rac secret . || true"], &cache);
    let grep = String::from_utf8(grep).unwrap();
    assert!(grep.lines().all(|line| line.ends_with(":0")), "{grep}");
}

#[test]
fn nothing_is_kept_on_request() {
    let Some(site) = Site::new(8) else { return };
    site.pull().arg("--keep-partial=no").succeed();
    assert!(!site.work.path("cache").exists());
    site.check();
}

#[test]
fn a_full_folder_only_ends_the_keeping() {
    let Some(site) = Site::new(12) else { return };
    let Some(small) = Mounted::new(&site.work, "tmpfs", "cache") else {
        return;
    };
    let cache = site.work.path("cache");
    // It belongs to root already; tmpfs is for all at first.
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o700)).unwrap();
    for kib in [64, 2048, 6144, 300 << 10] {
        small.resize(&format!("{kib}k"));
        site.pull().succeed();
        site.check();
    }
}

#[test]
fn a_full_image_root_does_not_lose_what_came() {
    let Some(site) = Site::new(24) else { return };
    let Some(small) = Mounted::new(&site.work, "tmpfs", "images") else {
        return;
    };
    small.resize("16m");
    site.pull().fail(rustix::io::Errno::NOSPC);
    assert_eq!(site.work.images(), [""; 0]);
    let kept = site.kept_bytes();
    small.resize("64m");
    site.pull().succeed();
    // A check of free space may have refused it before anything came.
    if kept > 0 {
        assert_eq!(site.resumed_at(), Some(kept.min((24 << 20) - 1)));
    }
    site.check();
}

/// Bytes on the disk of all in a folder.
fn taken(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let blocks = entries.map(|entry| entry.unwrap().metadata().unwrap().blocks());
    blocks.sum::<u64>() * 512
}

#[test]
fn an_image_that_is_the_download_is_written_once() {
    let Some(site) = Site::new(24) else { return };
    site.stall_first(16 << 20);
    let (mut child, socket) = site.pull().start();
    site.wait_for(16 << 20, &mut child);
    let (images, cache) = (site.work.path("images"), site.work.path("cache"));
    assert_eq!(site.work.images(), [""; 0]);
    let bytes = taken(&images) + taken(&cache);
    assert!(bytes < 20 << 20, "{bytes}");
    send(&child, Signal::KILL);
    collect(child, &socket);
    site.pull().succeed();
    assert!(site.resumed_at().unwrap() > 0);
    site.check();
}

#[test]
fn on_another_file_system_a_copy_is_kept() {
    let Some(site) = Site::new(24) else { return };
    let Some(_other) = Mounted::new(&site.work, "tmpfs", "cache") else {
        return;
    };
    let cache = site.work.path("cache");
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o700)).unwrap();
    for signal in [Signal::TERM, Signal::KILL] {
        site.stall_first(16 << 20);
        let (mut child, socket) = site.pull().start();
        site.wait_for(12 << 20, &mut child);
        let hidden = site.work.images();
        assert!(
            hidden.iter().any(|name| name.starts_with(".#")),
            "{hidden:?}"
        );
        send(&child, signal);
        collect(child, &socket);
        site.pull().succeed();
        assert!(site.resumed_at().unwrap() >= 8 << 20);
        assert_eq!(site.work.images(), ["d.raw"]);
    }
    site.check();
}

#[test]
fn an_image_that_somebody_removes_on_the_way_is_not_lost() {
    let Some(site) = Site::new(24) else { return };
    site.hold_first(16 << 20);
    let (mut child, socket) = site.pull().start();
    site.wait_for(16 << 20, &mut child);
    for name in site.work.kept() {
        std::fs::remove_file(site.work.path("cache").join(name)).unwrap();
    }
    site.server.release();
    let outcome = collect(child, &socket);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    site.check();
}

#[test]
fn an_image_that_fills_the_disk_does_not_stay() {
    let Some(site) = Site::new(24) else { return };
    let Some(small) = Mounted::new(&site.work, "tmpfs", "images") else {
        return;
    };
    let images = site.work.path("images");
    small.resize("512m");
    site.hold_first(16 << 20);
    let cache = images.join(".cache");
    let pull = site.pull().env("IMPORTD_CACHE_DIRECTORY", &cache);
    let (mut child, socket) = pull.start();
    let part = || {
        let names = std::fs::read_dir(&cache).into_iter().flatten();
        let mut names = names.map(|entry| entry.unwrap().path());
        names.find(|path| path.extension().is_some_and(|end| end == "part"))
    };
    while part().is_none_or(|part| part.metadata().map_or(0, |part| part.len()) < 16 << 20) {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    small.resize("18m");
    site.server.release();
    let outcome = collect(child, &socket);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stderr.contains("No space left"),
        "{}",
        outcome.stderr
    );
    assert_eq!(site.work.images(), [".cache"]);
    assert_eq!(part(), None);
    assert!(taken(&cache) < 1 << 20);
}
