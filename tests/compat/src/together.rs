//! Several pulls at the same time, of different files and of one.

use crate::faults::Rig;
use crate::server::{Answer, Fault};
use crate::subject::{Run, Started, is_ours};
use crate::verbs::noise;
use rustix::process::Signal;

fn pull(rig: &Rig, path: &str, name: &str) -> Run {
    let run = rig.work.run("systemd-pull").args(["raw", "--verify=no"]);
    run.args([rig.server.url(path).as_str(), name])
}

/// The image of that name is that one.
fn assert_is(rig: &Rig, name: &str, body: &[u8]) {
    let made = std::fs::read(rig.work.image(format!("{name}.raw"))).unwrap();
    assert!(made == body, "{name}");
}

#[test]
fn eight_files_at_once_do_not_touch_each_other() {
    let Some(rig) = Rig::new() else { return };
    let bodies: Vec<Vec<u8>> = (1..=8).map(|number| noise(number * 500_000)).collect();
    for (number, body) in bodies.iter().enumerate() {
        let answer = Answer::ok(body.clone()).etag(&format!("\"{number}\""));
        rig.server.put(&format!("/{number}.raw"), answer);
    }
    let pulls = (0..8).map(|number| {
        let run = pull(&rig, &format!("/{number}.raw"), &format!("i{number}"));
        Started::new(run.arg("--keep-download=no"))
    });
    for pull in pulls.collect::<Vec<_>>() {
        let outcome = pull.outcome();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    }
    for (number, body) in bodies.iter().enumerate() {
        assert_is(&rig, &format!("i{number}"), body);
    }
    assert_eq!(rig.work.images().len(), 8);
}

#[test]
fn two_of_one_file_share_a_download() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it downloads twice, and one of both fails");
    }
    let held = rig.good().fault(Fault::HoldAfter(1_000_000));
    rig.server.put_sequence(Rig::PATH, vec![held, rig.good()]);
    let first = Started::new(pull(&rig, Rig::PATH, "first"));
    rig.server
        .wait(|seen| seen.bytes_of(Rig::PATH) >= 1_000_000);
    let second = Started::new(pull(&rig, Rig::PATH, "second"));
    second.until("Waiting for another download");
    rig.server.release();
    for pull in [first, second] {
        let outcome = pull.outcome();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    }
    for name in ["first", "second"] {
        assert_is(&rig, name, &rig.body);
    }
    rig.check_thrift("two of one");
}

#[test]
fn one_of_two_takes_over_when_the_other_dies() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it does not wait");
    }
    let held = rig.good().fault(Fault::HoldAfter(2_000_000));
    rig.server.put_sequence(Rig::PATH, vec![held, rig.good()]);
    let first = Started::new(pull(&rig, Rig::PATH, "first"));
    rig.server
        .wait(|seen| seen.bytes_of(Rig::PATH) >= 2_000_000);
    let second = Started::new(pull(&rig, Rig::PATH, "second"));
    second.until("Waiting for another download");
    drop(first.end(Signal::KILL));
    let outcome = second.outcome();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_is(&rig, "second", &rig.body);
    assert!(!rig.work.images().contains(&"first.raw".into()));
}

#[test]
fn two_under_one_name_end_with_one_image() {
    let Some(rig) = Rig::new() else { return };
    let bodies = [noise(400_000), noise(500_000)];
    for (number, body) in bodies.iter().enumerate() {
        rig.server
            .put(&format!("/{number}.raw"), Answer::ok(body.clone()));
    }
    let pulls: Vec<_> = (0..2)
        .map(|number| {
            let run = pull(&rig, &format!("/{number}.raw"), "one");
            Started::new(run.arg("--keep-download=no"))
        })
        .collect();
    let outcomes: Vec<_> = pulls.into_iter().map(Started::outcome).collect();
    let good = outcomes
        .iter()
        .filter(|outcome| outcome.status == 0)
        .count();
    assert_eq!(good, 1, "{outcomes:?}");
    // What the original downloaded for the loser stays.
    assert!(!is_ours() || rig.work.images() == ["one.raw"]);
    let bad = outcomes.iter().find(|outcome| outcome.status != 0).unwrap();
    assert!(bad.notes.contains(&"ERRNO=17".into()), "{}", bad.stderr);
    let made = std::fs::read(rig.work.image("one.raw")).unwrap();
    let number = outcomes
        .iter()
        .position(|outcome| outcome.status == 0)
        .unwrap();
    assert!(made == bodies[number]);
}
