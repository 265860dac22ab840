//! Archives that would fill the disk or the memory, or never end.

use crate::make::{file, packed};
use crate::subject::{Outcome, Run, Work, collect, is_ours};
use crate::tarball::{Header, Tarball};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

/// Most memory that an import may take whatever it reads, in KiB: what is held of folders has a
/// limit of 256 MiB, and the allocator its own needs.
const MEMORY_MAX: u64 = 600 << 10;

/// Runs an import that reads what `feed` writes, as long as it does; most memory it had, in KiB.
fn fed(run: Run, feed: impl Fn(&mut dyn Write) -> std::io::Result<()> + Send) -> (Outcome, u64) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = File::from(std::os::fd::OwnedFd::from(reader));
    let (child, socket) = run.stdin(reader).start();
    let status = format!("/proc/{}/status", child.id());
    std::thread::scope(|scope| {
        // It ends by its own choice, and the pipe with it.
        scope.spawn(move || feed(&mut writer).unwrap_or(()));
        let memory = scope.spawn(move || {
            let mut most = 0;
            // The line is gone once the program is.
            while let Some(now) = peak(&status) {
                most = now;
                std::thread::yield_now();
            }
            most
        });
        (collect(child, &socket), memory.join().unwrap())
    })
}

fn peak(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn import(work: &Work, options: &[&str]) -> Run {
    let import = work.run("systemd-import").args(["tar", "--force"]);
    import.args(options).args(["-", "t"])
}

/// The test needs limits, which the reference does not have.
fn work() -> Option<Work> {
    if !is_ours() {
        println!("skipped: it has no limits");
        return None;
    }
    Work::new()
}

#[track_caller]
fn assert_refused(work: &Work, outcome: &Outcome, words: &str) {
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    assert!(outcome.complaint().contains(words), "{}", outcome.stderr);
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn zeros_that_are_packed_to_nothing() {
    let Some(work) = work() else { return };
    const SIZE: usize = 2 << 30;
    let archive = work.path("bomb.tar.zst");
    let header = Tarball::new().raw(Header::new(b'0', "zeros").size(SIZE), b"");
    file(&work.path("header"), header.open());
    let script = format!(
        "{{ cat header; head -c {SIZE} /dev/zero; head -c 1024 /dev/zero; }} | zstd -q >bomb.tar.zst"
    );
    crate::make::run("sh", &["-ec", &script], &work.path(""));
    let read = |out: &mut dyn Write| {
        std::io::copy(&mut File::open(&archive)?, out)?;
        Ok(())
    };
    let (outcome, memory) = fed(import(&work, &[]), read);
    assert_refused(&work, &outcome, "--ratio-max=");
    assert!(memory < MEMORY_MAX, "{memory} KiB");
}

#[test]
fn a_ratio_that_is_asked_for_is_taken() {
    let Some(work) = work() else { return };
    const SIZE: usize = 70 << 20;
    let archive = Tarball::new().file("zeros", &vec![0; SIZE]).end();
    let source = file(&work.path("x.tar.gz"), packed(&archive, &["gzip", "-c"]));
    let import = |ratio: &str| {
        let import = work.run("systemd-import").args(["tar", "--force", ratio]);
        import.arg(&source).arg("t")
    };
    let outcome = import("--ratio-max=50").outcome();
    assert_refused(&work, &outcome, "--ratio-max=");
    import("--ratio-max=5000").succeed();
    assert_eq!(
        std::fs::metadata(work.image("t/zeros")).unwrap().len(),
        SIZE as u64
    );
}

#[test]
fn entries_without_end() {
    let Some(work) = work() else { return };
    let forever = |out: &mut dyn Write| {
        for number in 0.. {
            let entry = Tarball::new().file(format!("f{number}"), b"");
            out.write_all(&entry.open())?;
        }
        Ok(())
    };
    let (outcome, memory) = fed(import(&work, &["--entries-max=3000"]), forever);
    assert_refused(&work, &outcome, "--entries-max=");
    assert!(memory < MEMORY_MAX, "{memory} KiB");
}

#[test]
fn folders_that_would_fill_the_memory() {
    let Some(work) = work() else { return };
    // What is said once of all entries is held for each folder.
    let forever = |out: &mut dyn Write| {
        let global = Tarball::new().pax(b'g', &[("SCHILY.xattr.user.a", &[7; 60_000])]);
        out.write_all(&global.open())?;
        for number in 0.. {
            let entry = Tarball::new().folder(format!("d{number}"));
            out.write_all(&entry.open())?;
        }
        Ok(())
    };
    let (outcome, memory) = fed(import(&work, &[]), forever);
    assert_refused(&work, &outcome, "can be held");
    assert!(memory < MEMORY_MAX, "{memory} KiB");
}

#[test]
fn extra_headers_without_end() {
    let Some(work) = work() else { return };
    let forever = |out: &mut dyn Write| {
        for number in 0.. {
            let key = format!("SCHILY.xattr.user.a{number}");
            let global = Tarball::new().pax(b'g', &[(&key, b"value")]);
            out.write_all(&global.open())?;
        }
        Ok(())
    };
    let (outcome, memory) = fed(import(&work, &[]), forever);
    assert_refused(&work, &outcome, "more than");
    assert!(memory < MEMORY_MAX, "{memory} KiB");
    let endless = |out: &mut dyn Write| {
        out.write_all(
            &Tarball::new()
                .raw(Header::new(b'x', "pax").size(1 << 30), b"")
                .open(),
        )?;
        loop {
            out.write_all(&[b'1'; 4096])?;
        }
    };
    let (outcome, memory) = fed(import(&work, &[]), endless);
    assert_refused(&work, &outcome, "pax header of more than");
    assert!(memory < MEMORY_MAX, "{memory} KiB");
}

#[test]
fn more_bytes_than_are_allowed() {
    let Some(work) = work() else { return };
    let archive = Tarball::new().file("f", &[7; 300_000]).end();
    let source = file(&work.path("x.tar"), &archive);
    let import = |most: usize| {
        let import = work.run("systemd-import").arg("tar");
        let import = import.arg(format!("--size-max={most}"));
        import.arg(&source).arg("t")
    };
    let outcome = import(archive.len() - 1).outcome();
    assert_refused(&work, &outcome, "--size-max=");
    import(archive.len()).succeed();
}

/// A sparse file with a block of 512 bytes in each of so many blocks of the disk.
fn scattered(count: usize) -> Vec<u8> {
    let size = (count * 8192).to_string();
    let records = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"scattered"),
        ("GNU.sparse.realsize", size.as_bytes()),
    ];
    let mut contents = format!("{}\n", count + 1);
    for index in 0..count {
        contents += &format!("{}\n512\n", index * 8192);
    }
    contents += &format!("{size}\n0\n");
    let mut contents = contents.into_bytes();
    contents.resize(contents.len().next_multiple_of(512), 0);
    contents.resize(contents.len() + count * 512, 7);
    let archive = Tarball::new().pax(b'x', &records);
    archive.file("f", &contents).end()
}

#[test]
fn holes_that_would_take_more_than_their_archive() {
    let Some(work) = work() else { return };
    let archive = scattered(5000);
    let source = file(&work.path("x.tar"), &archive);
    let import = |most: usize| {
        let import = work.run("systemd-import").arg("tar");
        let import = import.arg(format!("--size-max={most}"));
        import.arg(&source).arg("t")
    };
    // It has three megabytes, and takes twenty.
    assert_refused(&work, &import(15_000_000).outcome(), "--size-max=");
    import(22_000_000).succeed();
    let data = std::fs::metadata(work.image("t/scattered")).unwrap();
    assert_eq!(
        (data.len(), data.blocks() * 512 >= 5000 * 4096),
        (5000 * 8192, true)
    );
}

#[test]
fn a_terabyte_of_nothing() {
    let Some(work) = Work::new() else { return };
    let size = (1u64 << 40).to_string();
    let records = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"hole"),
        ("GNU.sparse.realsize", size.as_bytes()),
    ];
    let mut map = format!("1\n{size}\n0\n").into_bytes();
    map.resize(512, 0);
    let archive = Tarball::new().pax(b'x', &records).file("f", &map).end();
    let source = file(&work.path("x.tar"), archive);
    let import = work.run("systemd-import").arg("tar").arg(&source);
    import.arg("t").succeed();
    let data = std::fs::metadata(work.image("t/hole")).unwrap();
    assert_eq!((data.len(), data.blocks()), (1 << 40, 0));
}

#[test]
fn paths_deeper_than_usual_can_be_asked_for() {
    let Some(work) = work() else { return };
    let path = "d/".repeat(399) + "f";
    let archive = Tarball::new().long(b'L', &path).file("f", b"deep").end();
    let source = file(&work.path("x.tar"), archive);
    let import = |option: &str| {
        let import = work.run("systemd-import").args(["tar", option]);
        import.arg(&source).arg("t")
    };
    for (option, words) in [
        ("--depth-max=399", "--depth-max="),
        ("--depth-max=401", "numbers up to 400"),
        ("--depth-max=0", "--depth-max="),
    ] {
        assert_refused(&work, &import(option).outcome(), words);
    }
    import("--depth-max=400").succeed();
    assert_eq!(std::fs::read(work.image("t").join(path)).unwrap(), b"deep");
}
