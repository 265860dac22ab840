//! Pulls with companion files are killed.

use super::{ENDINGS, Served};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use crate::verbs::rounds;
use std::time::Instant;

#[test]
fn a_killed_pull_leaves_only_what_the_next_one_sweeps() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original's leftovers stay");
    }
    let served = Served::new();
    let stall = Answer::ok(vec![b'x'; 100_000]).fault(Fault::StallAfter(50_000));
    served.server.put("/i/stall.raw", stall);
    for ending in ENDINGS {
        served
            .server
            .put(&format!("/i/stall{ending}"), Answer::ok("x"));
    }
    let run = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let (mut child, socket) = run.arg(served.server.url("/i/stall.raw")).start();
    // A report of progress says that the companions are here.
    let mut note = [0; 100];
    loop {
        let length = socket.recv(&mut note).unwrap();
        let text = String::from_utf8_lossy(&note[..length]).into_owned();
        let first = text.lines().next().unwrap_or_default();
        if first.starts_with("X_IMPORT_PROGRESS=") && first != "X_IMPORT_PROGRESS=0%" {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = work.images();
    assert!(left.len() >= 4, "{left:?}");
    assert!(
        left.iter().all(|name| name.starts_with(".#importd.")),
        "{left:?}"
    );
    served
        .pull(&work, &["--verify=no", "--keep-download=no"])
        .succeed();
    assert!(work.images().iter().all(|name| name.starts_with('x')));
}

/// What is visible of an image: the letter that it and all of its companions consist of.
fn letter(work: &Work) -> Option<u8> {
    let image = std::fs::read(work.image("x.raw")).ok()?;
    let letter = image[0];
    assert_eq!(image.len(), 700_000);
    assert!(image.iter().all(|byte| *byte == letter));
    for ending in ENDINGS {
        if let Ok(companion) = std::fs::read(work.image(format!("x{ending}"))) {
            let text = String::from_utf8_lossy(&companion).into_owned();
            assert_eq!(
                companion[0], letter,
                "x{ending} is of another image: {text}"
            );
        }
    }
    Some(letter)
}

#[test]
fn a_replacement_that_is_killed_anywhere_leaves_no_image_with_companions_of_another() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original leaves the old ones");
    }
    let server = Server::start();
    for letter in ["a", "b"] {
        let image = letter.repeat(700_000);
        server.put(&format!("/{letter}/d.raw"), Answer::ok(image));
        for ending in ENDINGS {
            let path = format!("/{letter}/d{ending}");
            server.put(&path, Answer::ok(format!("{letter}{ending}")));
        }
    }
    let pull = |letter: &str| {
        let options = ["raw", "--verify=no", "--keep-download=no", "--force"];
        let run = work.run("systemd-pull").args(options);
        run.arg(server.url(&format!("/{letter}/d.raw"))).arg("x")
    };
    let before = Instant::now();
    pull("a").succeed();
    let whole = before.elapsed();
    let rounds = rounds(24);
    for round in 0..rounds {
        let (mut child, _socket) = pull(["b", "a"][round as usize % 2]).start();
        // A signal at a point in time is what is tested; most are near the end, where the names
        // change.
        let point = whole * (rounds + round) / (2 * rounds);
        std::thread::sleep(point);
        child.kill().unwrap();
        child.wait().unwrap();
        letter(&work).unwrap();
    }
    pull("b").succeed();
    assert_eq!(letter(&work), Some(b'b'));
    assert_eq!(work.images().len(), 1 + ENDINGS.len());
}
