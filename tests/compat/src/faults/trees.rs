//! Trees, which are unpacked while they come: never one of two versions, never a part of one.

use super::Rig;
use crate::make::{archive, file, packed, plain_tree, run};
use crate::server::{Answer, Fault, Ranges};
use crate::subject::{Outcome, is_ours};
use crate::tree::{Table, assert_equal, describe};
use crate::verbs::noise;

const PATH: &str = "/t.tar.gz";

/// A tree that differs from the other in a file, packed.
fn version(rig: &Rig, number: usize) -> (Table, Vec<u8>) {
    let tree = plain_tree(&rig.work);
    file(&tree.join("version"), noise(number * 700_000));
    let table = describe(&tree);
    (table, packed(&archive(&tree), &["gzip", "-1c"]))
}

fn pull(rig: &Rig, answers: Vec<Answer>) -> Outcome {
    run("rm", &["-rf", "images", "cache"], &rig.work.path(""));
    rig.server.put_sequence(PATH, answers);
    let run = rig.work.run("systemd-pull").args(["tar", "--verify=no"]);
    let ours: &[&str] = match is_ours() {
        true => &["--retries=2", "--stall-timeout=1"],
        false => &[],
    };
    let run = run.args(ours).args(["--keep-download=no", "--force"]);
    run.args([&rig.server.url(PATH), "t"]).outcome()
}

/// The tree is that one, or absent.
fn assert_is(rig: &Rig, what: &str, outcome: &Outcome, expected: Option<&Table>) {
    let stderr = &outcome.stderr;
    match expected {
        Some(expected) => {
            assert_eq!(outcome.status, 0, "{what}: {stderr}");
            assert_equal(expected, &describe(&rig.work.image("t")));
            assert_eq!(rig.work.images(), ["t"], "{what}");
        }
        None => {
            assert_eq!(outcome.status, 1, "{what}: {stderr}");
            assert_eq!(rig.work.images(), [""; 0], "{what}");
        }
    }
}

#[test]
fn a_tree_whose_archive_breaks_goes_on_or_is_absent() {
    let Some(rig) = Rig::new() else { return };
    let (table, body) = version(&rig, 1);
    let good = || Answer::ok(body.clone()).etag(Rig::ETAG);
    for at in [0, 1000, body.len() / 2, body.len() - 1] {
        let cut = Fault::CutAfter(at);
        let outcome = pull(&rig, vec![good().fault(cut), good()]);
        let expected = is_ours().then_some(&table);
        assert_is(&rig, &format!("{cut:?}"), &outcome, expected);
    }
    let never = vec![good().ranges(Ranges::Ignored).fault(Fault::CutAfter(1000))];
    assert_is(&rig, "never", &pull(&rig, never), None);
}

#[test]
fn a_tree_is_never_one_of_two_versions() {
    let Some(rig) = Rig::new() else { return };
    let (_, old) = version(&rig, 1);
    let (table, new) = version(&rig, 2);
    for ranges in [Ranges::Honoured, Ranges::Ignored, Ranges::Blind] {
        let cut = Fault::CutAfter(old.len() / 2);
        let before = Answer::ok(old.clone()).etag("\"one\"").fault(cut);
        let after = Answer::ok(new.clone()).etag("\"two\"").ranges(ranges);
        let outcome = pull(&rig, vec![before, after]);
        let expected = is_ours().then_some(&table);
        assert_is(&rig, &format!("{ranges:?}"), &outcome, expected);
    }
}
