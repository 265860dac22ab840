//! Servers that give another part than was asked for, or none.

use super::{Ends, Rig};
use crate::server::{Fault, Ranges};

/// Where the first answer breaks.
const CUT: Fault = Fault::CutAfter(1_234_567);

#[test]
fn another_part_than_asked_for_never_gets_into_the_image() {
    let Some(rig) = Rig::new() else { return };
    for (ranges, ends) in [
        (Ranges::Honoured, Ends::WellForUs),
        // All of it again, as a server without ranges does.
        (Ranges::Ignored, Ends::WellForUs),
        (Ranges::Blind, Ends::WellForUs),
        (Ranges::Refused, Ends::WellForUs),
        (Ranges::OtherStart, Ends::Somehow),
        (Ranges::LyingStart, Ends::Somehow),
        (Ranges::OtherTotal, Ends::Somehow),
        (Ranges::Short, Ends::Somehow),
        (Ranges::Unsaid, Ends::Somehow),
        (Ranges::Nonsense, Ends::Somehow),
        (Ranges::Multipart, Ends::Somehow),
    ] {
        let answers = vec![rig.good().fault(CUT), rig.good().ranges(ranges)];
        rig.check(&format!("{ranges:?}"), ends, answers);
    }
}

#[test]
fn a_server_that_errs_once_about_a_part_is_asked_again() {
    let Some(rig) = Rig::new() else { return };
    for ranges in [Ranges::Refused, Ranges::Ignored] {
        let cut = rig.good().fault(CUT);
        let second = rig.good().ranges(ranges).fault(Fault::CutAfter(2_000_000));
        let what = format!("{ranges:?}");
        rig.check(&what, Ends::WellForUs, vec![cut, second, rig.good()]);
    }
}

#[test]
fn a_part_for_who_asked_for_all_is_not_the_image() {
    let Some(rig) = Rig::new() else { return };
    let total = rig.body.len();
    for part in [
        format!("bytes 5-{}/{}", total + 4, total + 5),
        format!("bytes 0-{}/{}", total - 1, total + 1),
        "bytes 0-9/10".into(),
        "nothing".into(),
    ] {
        let mut answer = rig.good().header("Content-Range", &part);
        answer.status = 206;
        rig.check(&part, Ends::BadlyForUs, vec![answer]);
    }
}

#[test]
fn without_a_word_about_ranges_the_whole_comes_again() {
    let Some(rig) = Rig::new() else { return };
    let plain = || rig.good().ranges(Ranges::Ignored);
    for fault in [Fault::CutAfter(1_000_000), Fault::Chunked] {
        let answers = vec![plain().fault(CUT), plain().fault(fault), plain()];
        rig.check(&format!("{fault:?}"), Ends::WellForUs, answers);
    }
    let old = rig.good().fault(Fault::Http10);
    rig.check(
        "HTTP/1.0",
        Ends::WellForUs,
        vec![rig.good().fault(CUT), old],
    );
}
