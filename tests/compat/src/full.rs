//! A disk that is full at any point: one clear line, nothing left, and the next try succeeds.

use crate::make::run;
use crate::subject::is_ours;
use crate::verbs::{Prepared, Verb, rounds};
use std::path::Path;

/// On how many sizes of disk each transfer is tried, unless `ROUNDS` says otherwise.
const ROUNDS: u32 = 10;
/// Room for every result, in KiB.
const ENOUGH_KIB: u32 = 64 << 10;

/// A small file system in memory in the place of the results.
struct Small<'a>(&'a Prepared);

impl<'a> Small<'a> {
    fn new(prepared: &'a Prepared) -> Self {
        let images = prepared.work.path("images");
        let line = [
            "-t",
            "tmpfs",
            "-o",
            "mode=0700",
            "tmpfs",
            images.to_str().unwrap(),
        ];
        run("mount", &line, Path::new("/"));
        Self(prepared)
    }

    fn resize(&self, kib: u32) {
        let images = self.0.work.path("images");
        let option = format!("remount,size={kib}k");
        run(
            "mount",
            &["-o", &option, images.to_str().unwrap()],
            Path::new("/"),
        );
    }

    /// Room that is taken, in KiB.
    fn used(&self) -> u32 {
        let line = ["--output=used", "-k", "images"];
        let shown = run("df", &line, &self.0.work.path(""));
        let shown = String::from_utf8(shown).unwrap();
        shown.lines().last().unwrap().trim().parse().unwrap()
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let images = self.0.work.path("images");
        run("umount", &[images.to_str().unwrap()], Path::new("/"));
    }
}

fn full_anywhere(verb: Verb) {
    let Some(prepared) = verb.prepare() else {
        return;
    };
    let small = Small::new(&prepared);
    small.resize(ENOUGH_KIB);
    prepared.start().succeed();
    let needed = small.used();
    let rounds = rounds(ROUNDS);
    for round in 0..rounds {
        small.resize(ENOUGH_KIB);
        prepared.clear();
        small.resize((needed * round / rounds).max(16));
        let outcome = prepared.start().outcome();
        assert_eq!(outcome.status, 1, "{verb:?} {round}: {}", outcome.stderr);
        prepared.check_interrupted();
        if is_ours() {
            let line = outcome.complaint();
            assert!(
                line.contains("No space left"),
                "{verb:?} {round}: {}",
                outcome.stderr
            );
            assert!(
                outcome.notes.contains(&"ERRNO=28".into()),
                "{:?}",
                outcome.notes
            );
            assert_eq!(prepared.left(), [""; 0], "{verb:?} {round}");
        }
    }
    small.resize(ENOUGH_KIB);
    prepared.start().succeed();
    prepared.check();
}

crate::verbs::each_verb!(full_anywhere);
