//! `--direct`: what stands at the path stays until there is something better.

use super::Rig;
use crate::make::file;
use crate::server::{Answer, Fault, Ranges};
use crate::subject::{Run, is_ours};

/// A pull of the image to a file, proven by a digest of its bytes.
fn pull(rig: &Rig) -> Run {
    let run = rig.pull_proven(&rig.body).arg("--direct");
    run.arg("--sync=no")
}

/// Ways in which a pull cannot end well.
fn hopeless(rig: &Rig) -> Vec<Answer> {
    let short = Fault::CutAfter(1_000_000);
    vec![
        Answer::status(404, "a page about what is not here"),
        Answer::status(500, "a page about trouble"),
        Answer::status(204, ""),
        rig.good().ranges(Ranges::Ignored).fault(Fault::CutAfter(0)),
        rig.good().fault(Fault::CutInHead),
        rig.good().fault(Fault::StallAfter(0)),
        Answer::shared(&rig.other()).etag("\"two\""),
        Answer::shared(&rig.other()).fault(short),
        Answer::ok(&rig.body[..1_000_000]),
        Answer::redirect(302, "file:///etc/passwd"),
    ]
}

#[test]
fn a_file_that_is_there_stays_until_the_bytes_are_proven() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it writes pages about errors into the file");
    }
    let target = rig.work.image("d");
    std::fs::create_dir_all(rig.work.path("images")).unwrap();
    for answer in hopeless(&rig) {
        file(&target, "what was there");
        let what = format!("{} {:?}", answer.status, answer.fault);
        rig.server.put(Rig::PATH, answer);
        let outcome = pull(&rig).fail_somehow();
        let kept = std::fs::read(&target).unwrap();
        assert!(kept == b"what was there", "{what}: {}", outcome.stderr);
        assert_eq!(rig.work.images(), ["d"], "{what}: {}", outcome.stderr);
    }
    for fault in [Fault::None, Fault::CutAfter(1_000_000)] {
        file(&target, "what was there");
        rig.server
            .put_sequence(Rig::PATH, vec![rig.good().fault(fault), rig.good()]);
        pull(&rig).succeed();
        assert!(std::fs::read(&target).unwrap() == *rig.body);
        assert_eq!(rig.work.images(), ["d"]);
    }
}

#[test]
fn nothing_unproven_is_printed() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it prints what comes");
    }
    let pull = || {
        let digest = crate::make::checksum_line(&rig.body, "");
        let verify = format!("--verify={}", &digest[..64]);
        let run = rig.work.run("systemd-pull").args(["raw", "--direct"]);
        let run = run.args(["--retries=1", "--stall-timeout=1", &verify]);
        run.args([&rig.server.url(Rig::PATH), "-"])
    };
    for answer in hopeless(&rig) {
        let what = format!("{} {:?}", answer.status, answer.fault);
        rig.server.put(Rig::PATH, answer);
        let outcome = pull().fail_somehow();
        let printed = outcome.stdout.len();
        assert_eq!(printed, 0, "{what}: {}", outcome.stderr);
    }
    let answers = vec![rig.good().fault(Fault::CutAfter(1_000_000)), rig.good()];
    rig.server.put_sequence(Rig::PATH, answers);
    assert!(pull().succeed().stdout == *rig.body);
}
