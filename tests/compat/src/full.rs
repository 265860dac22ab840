//! A disk that is full at any point: one clear line, nothing left, and the next try succeeds.

use crate::make::run;
use crate::mount::Mounted;
use crate::subject::is_ours;
use crate::verbs::{Verb, rounds};
use std::os::unix::fs::PermissionsExt;

/// On how many sizes of disk each transfer is tried, unless `ROUNDS` says otherwise.
const ROUNDS: u32 = 10;
/// Room for every result, in KiB.
const ENOUGH_KIB: u32 = 64 << 10;

/// Room that is taken, in KiB.
fn used(small: &Mounted) -> u32 {
    let line = ["--output=used", "-k", "."];
    let shown = run("df", &line, small.path());
    let shown = String::from_utf8(shown).unwrap();
    shown.lines().last().unwrap().trim().parse().unwrap()
}

fn full_anywhere(verb: Verb) {
    let Some(prepared) = verb.prepare() else {
        return;
    };
    let Some(small) = Mounted::new(&prepared.work, "tmpfs", "images") else {
        return;
    };
    std::fs::set_permissions(small.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let resize = |kib: u32| small.resize(&format!("{kib}k"));
    resize(ENOUGH_KIB);
    prepared.start().succeed();
    let needed = used(&small);
    let rounds = rounds(ROUNDS);
    for round in 0..rounds {
        resize(ENOUGH_KIB);
        prepared.clear();
        resize((needed * round / rounds).max(16));
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
    resize(ENOUGH_KIB);
    prepared.start().succeed();
    prepared.check();
}

crate::verbs::each_verb!(full_anywhere);
