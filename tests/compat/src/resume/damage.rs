//! What is kept is looked at before it is used: versions, damage, and what others may have put there.

use super::Site;
use crate::make::{file, run};
use crate::server::{Answer, Ranges};
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;

impl Site {
    fn file(&self, suffix: &str) -> PathBuf {
        let names = self.work.kept();
        let name = names.iter().find(|name| name.ends_with(suffix)).unwrap();
        self.work.path("cache").join(name)
    }
}

#[test]
fn another_version_is_fetched_from_its_start() {
    let Some(mut site) = Site::new(16) else {
        return;
    };
    site.leave(10);
    let mut changed = site.body.to_vec();
    changed[3] ^= 1;
    site.body = changed.into();
    site.server
        .put("/d.raw", Answer::shared(&site.body).etag("\"v2\""));
    let outcome = site.pull().succeed();
    assert!(!outcome.stderr.contains("Continuing"), "{}", outcome.stderr);
    site.check();
}

#[test]
fn answers_that_do_not_fit_make_it_begin_anew() {
    for ranges in [
        Ranges::Ignored,
        Ranges::OtherStart,
        Ranges::OtherTotal,
        Ranges::Short,
        Ranges::Unsaid,
        Ranges::Nonsense,
        Ranges::Multipart,
        Ranges::Refused,
    ] {
        let Some(site) = Site::new(8) else { return };
        site.leave(5);
        site.server.put("/d.raw", site.answer().ranges(ranges));
        site.pull().succeed();
        println!("{ranges:?}");
        site.check();
    }
}

#[test]
fn only_what_is_undamaged_is_used() {
    // Where a byte is flipped, and from where at least the download goes on: marks are 4 MiB apart,
    // or a little more.
    for (at, least) in [((10 << 20) - 1, 8 << 20), (7 << 20, 4 << 20), (0, 0)] {
        let Some(site) = Site::new(12) else { return };
        site.leave(10);
        let part = std::fs::OpenOptions::new()
            .write(true)
            .read(true)
            .open(site.file(".part"))
            .unwrap();
        let mut byte = [0];
        part.read_exact_at(&mut byte, at).unwrap();
        part.write_all_at(&[!byte[0]], at).unwrap();
        site.pull().succeed();
        let resumed = site.resumed_at().unwrap_or(0);
        assert!((least..=at).contains(&resumed), "{resumed}");
        assert_eq!(resumed > 0, at > 0);
        site.check();
    }
}

#[test]
fn what_makes_no_sense_is_dropped_and_never_followed() {
    let victim = "victim";
    let damages: [&dyn Fn(&Site); 8] = [
        &|site| file_is(site, ".record", b"garbage\n"),
        &|site| file_is(site, ".record", &[0; 9000]),
        &|site| file_is(site, ".record", b""),
        &|site| {
            let part = std::fs::OpenOptions::new()
                .write(true)
                .open(site.file(".part"));
            part.unwrap().set_len(1 << 40).unwrap();
        },
        &|site| {
            let (part, victim) = (site.file(".part"), site.work.path(victim));
            std::fs::remove_file(&part).unwrap();
            symlink(victim, part).unwrap();
        },
        &|site| {
            let record = site.file(".record");
            let moved = site.work.path("moved");
            std::fs::copy(&record, &moved).unwrap();
            std::fs::remove_file(&record).unwrap();
            symlink(moved, record).unwrap();
        },
        &|site| {
            run(
                "chmod",
                &["644", site.file(".part").to_str().unwrap()],
                &site.work.path(""),
            );
        },
        &|site| {
            let part = site.file(".part");
            std::fs::remove_file(&part).unwrap();
            std::fs::create_dir_all(part.join("folder")).unwrap();
        },
    ];
    for damage in damages {
        let Some(site) = Site::new(8) else { return };
        let victim = file(&site.work.path(victim), "untouched");
        site.leave(5);
        damage(&site);
        site.pull().succeed();
        assert_eq!(site.resumed_at(), None);
        site.check();
        assert_eq!(std::fs::read(victim).unwrap(), b"untouched");
    }
}

fn file_is(site: &Site, suffix: &str, bytes: &[u8]) {
    file(&site.file(suffix), bytes);
}

#[test]
fn a_wrong_image_leaves_nothing() {
    let Some(site) = Site::new(8) else { return };
    site.leave(5);
    let sums = format!("{}  d.raw\n", "0".repeat(64));
    site.server.put("/SHA256SUMS", Answer::ok(sums));
    let options = ["--verify=checksum", "--keep-download=no", "raw"];
    let run = site.work.run("systemd-pull").args(options);
    run.arg(site.server.url("/d.raw"))
        .fail(rustix::io::Errno::BADMSG);
    assert_eq!(site.resumed_at(), Some(5 << 20));
    assert_eq!(site.work.kept(), [""; 0]);
    assert_eq!(site.work.images(), [""; 0]);
}
