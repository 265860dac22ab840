//! What the workers tell the service, and people.

use crate::make::{archive, file, packed, plain_tree};
use crate::subject::{Work, is_ours};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn the_end_is_always_told_last() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("t.tar"), archive(&tree));
    let run = work.run("systemd-import").arg("tar").arg(&source);
    assert_eq!(run.succeed().notes.last().unwrap(), "EXIT_STATUS=0");
    let outcome = work.run("systemd-import").arg("tar").arg(&source).outcome();
    let count = outcome.notes.len();
    assert_eq!(outcome.notes[count - 2..], ["ERRNO=17", "EXIT_STATUS=1"]);
}

#[test]
fn progress_is_a_percentage_that_only_grows() {
    let Some(work) = Work::new() else { return };
    let mut data = Vec::new();
    while data.len() < 60 << 20 {
        data.extend_from_slice(b"lines that pack well, though not all of them are the same: ");
        data.extend_from_slice(data.len().to_string().as_bytes());
    }
    let source = file(&work.path("d.raw.gz"), packed(&data, &["gzip", "-1c"]));
    let outcome = work.run("systemd-import").arg("raw").arg(&source).succeed();
    let steps: Vec<u8> = outcome
        .notes
        .iter()
        .filter_map(|note| {
            note.strip_prefix("X_IMPORT_PROGRESS=")?
                .strip_suffix('%')?
                .parse()
                .ok()
        })
        .collect();
    assert!(!steps.is_empty() && steps.is_sorted(), "{steps:?}");
    assert!(!is_ours() || steps.last() == Some(&100), "{steps:?}");
}

#[test]
fn the_lines_that_scripts_read_are_there() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("t.tar"), archive(&tree));
    let outcome = work.run("systemd-import").arg("tar").arg(&source).succeed();
    let images = work.path("images");
    for line in [
        format!("Importing '{}', saving as 't'.", source.display()),
        format!("Operating on image directory '{}'.", images.display()),
        "Operation completed successfully.".into(),
        "Exiting.".into(),
    ] {
        assert!(
            outcome.stderr.lines().any(|told| told == line),
            "{line}:\n{}",
            outcome.stderr
        );
    }
    let disk = file(&work.path("d.raw"), vec![b'x'; 5000]);
    let outcome = work.run("systemd-import").arg("raw").arg(&disk).succeed();
    assert!(outcome.stderr.contains("Wrote 4.8K."), "{}", outcome.stderr);
    let out = work.path("out.tar.gz");
    let outcome = work
        .run("systemd-export")
        .arg("tar")
        .arg(&tree)
        .arg(&out)
        .succeed();
    let line = format!(
        "Exporting '{}', saving to '{}' with compression 'gzip'.",
        tree.display(),
        out.display()
    );
    assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
}

#[test]
fn of_a_pipe_it_is_told_how_much_has_come() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original tells nothing before the end");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    let run = work.run("systemd-import").args(["raw", "-", "piped"]);
    let (mut child, socket) = run.stdin(reader).start();
    // Its queue must not run full. What comes there is not looked at.
    std::thread::spawn(move || while socket.recv(&mut [0; 4096]).is_ok() {});
    // Zeros take no room, so that as many can be written as it takes.
    let feeder = std::thread::spawn(move || {
        let mut writer = writer;
        while std::io::Write::write_all(&mut writer, &[0; 65536]).is_ok() {
            if TOLD.load(Ordering::Acquire) {
                break;
            }
        }
    });
    let lines = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut seen = Vec::new();
    for line in std::io::BufRead::lines(lines) {
        let line = line.unwrap();
        let is_amount = line.starts_with("Imported ") && !line.contains('%');
        TOLD.fetch_or(is_amount, Ordering::AcqRel);
        seen.push(line);
    }
    feeder.join().unwrap();
    assert!(child.wait().unwrap().success(), "{seen:?}");
    assert!(TOLD.load(Ordering::Acquire), "{seen:?}");
}

#[test]
fn who_does_not_read_what_is_told_stops_nothing() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original waits for ever");
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let run = work.run("systemd-import").args(["raw", "-", "d"]);
    let (child, socket) = run.stdin(reader).start();
    let address = socket.local_addr().unwrap();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"X", address.as_pathname().unwrap()).is_ok() {}
    std::io::Write::write_all(&mut writer, b"bytes of a disk").unwrap();
    drop(writer);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let image = std::fs::read(work.image("d.raw")).unwrap();
    assert!(image.starts_with(b"bytes of a disk"));
}

/// Whether the program has told how much has come.
static TOLD: AtomicBool = AtomicBool::new(false);
