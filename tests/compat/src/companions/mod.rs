//! The files that come with an image: settings, root hashes, verity data.

#[cfg(test)]
mod killed;

use crate::make::{archive, checksum_line, file, packed, plain_tree};
use crate::pull::at_once;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The endings, in the order of the options.
const ENDINGS: [&str; 4] = [".nspawn", ".roothash", ".roothash.p7s", ".verity"];

fn contents(ending: &str) -> String {
    format!("contents of {ending}\n")
}

/// A server with a disk image, its companions and their list.
struct Served {
    server: Server,
    files: Vec<(String, Vec<u8>)>,
}

impl Served {
    fn new() -> Self {
        let mut files = vec![(
            "d.raw.gz".to_owned(),
            packed(b"a disk image", &["gzip", "-c"]),
        )];
        for ending in ENDINGS {
            files.push((format!("d{ending}"), contents(ending).into_bytes()));
        }
        let served = Self {
            server: Server::start(),
            files,
        };
        served.publish();
        served
    }

    /// Puts files and list where they are asked for.
    fn publish(&self) {
        let mut list = String::new();
        for (name, bytes) in &self.files {
            list.push_str(&checksum_line(bytes, name));
            let answer = Answer::ok(bytes.clone()).header("ETag", "\"e\"");
            self.server.put(&format!("/i/{name}"), answer);
        }
        self.server.put("/i/SHA256SUMS", Answer::ok(list));
    }

    fn url(&self) -> String {
        self.server.url("/i/d.raw.gz?build=7")
    }

    fn pull(&self, work: &Work, options: &[&str]) -> Run {
        let answer = Answer::ok(self.files[0].1.clone()).header("ETag", "\"e\"");
        self.server.put("/i/d.raw.gz?build=7", answer);
        let run = work.run("systemd-pull").arg("raw").args(at_once());
        let run = run.args(options);
        run.arg(self.url()).arg("x")
    }

    /// The endings of the companions that were asked for, sorted.
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> = self
            .server
            .paths()
            .iter()
            .filter_map(|path| path.strip_prefix("/i/d.").map(|rest| format!(".{rest}")))
            .filter(|ending| ENDINGS.contains(&ending.as_str()))
            .collect();
        asked.sort();
        asked
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn they_come_beside_the_image_and_the_kept_download() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    // Packed ones are unpacked, whatever they are called.
    let answer = Answer::ok(packed(contents(".roothash").as_bytes(), &["xz", "-c"]));
    served.server.put("/i/d.roothash", answer);
    let outcome = served.pull(&work, &["--verify=no"]).succeed();
    for line in [
        format!("Created new file {}.", work.image("x.verity").display()),
        format!("Acquired 20B for {}.", served.server.url("/i/d.nspawn")),
    ] {
        let told = outcome.stderr.lines().any(|one| one == line);
        assert!(told, "{line}: {}", outcome.stderr);
    }
    assert_eq!(
        served.asked(),
        [".nspawn", ".roothash", ".roothash.p7s", ".verity"]
    );
    let url = served.url();
    let escaped = url.replace('/', "\\x2f").replace('.', "\\x2e");
    let kept = |ending: &str| format!(".raw-{escaped}.\\x22e\\x22{ending}");
    let mut expected = vec![kept(".raw"), "x.raw".to_owned()];
    for ending in ENDINGS {
        expected.extend([kept(ending), format!("x{ending}")]);
        let local = work.image(format!("x{ending}"));
        assert_eq!(std::fs::read_to_string(&local).unwrap(), contents(ending));
        assert_eq!(mode(&local), 0o644, "{ending}");
        let copy = work.image(kept(ending));
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), contents(ending));
        assert_eq!(mode(&copy), 0o444, "{ending}");
    }
    expected.sort();
    assert_eq!(work.images(), expected);
}

#[test]
fn options_and_the_class_select_them() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let mut before = 0;
    for (options, expected) in [
        (
            &["--settings=no"][..],
            &[".roothash", ".roothash.p7s", ".verity"][..],
        ),
        (&["--roothash=off", "--settings=1"], &[".nspawn", ".verity"]),
        (
            &["--roothash-signature", "no"],
            &[".nspawn", ".roothash", ".verity"],
        ),
        (&["--verity=n", "--roothash=0"], &[".nspawn"]),
        (
            &["--class=portable"],
            &[".roothash", ".roothash.p7s", ".verity"],
        ),
        (
            &["--class=sysext", "--settings=yes", "--roothash=no"],
            &[".nspawn", ".verity"],
        ),
    ] {
        let fixed = ["--verify=no", "--keep-download=no", "--force"];
        served
            .pull(&work, &[&fixed[..], options].concat())
            .succeed();
        let mut asked: Vec<_> = served.server.paths().split_off(before);
        before += asked.len();
        asked.retain(|path| !path.contains("raw"));
        asked.sort();
        let expected: Vec<_> = expected.iter().map(|end| format!("/i/d{end}")).collect();
        assert_eq!(asked, expected, "{options:?}");
    }
}

#[test]
fn a_tree_has_settings_only() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put(
        "/t.tar.gz",
        Answer::ok(packed(&archive(&plain_tree(&work)), &["gzip", "-c"])),
    );
    for ending in ENDINGS {
        server.put(&format!("/t{ending}"), Answer::ok(contents(ending)));
    }
    let options = ["tar", "--verify=no", "--keep-download=no"];
    let run = work.run("systemd-pull").args(options);
    run.arg(server.url("/t.tar.gz")).succeed();
    assert_eq!(work.images(), ["t", "t.nspawn"]);
    let mut asked = server.paths();
    asked.sort();
    assert_eq!(asked, ["/t.nspawn", "/t.tar.gz"]);
}

#[test]
fn what_is_not_there_or_cannot_be_had_is_left_out() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let large = vec![b'x'; (1 << 20) + 1];
    served
        .server
        .put("/i/d.nspawn", Answer::status(404, "not here"));
    served
        .server
        .put("/i/d.roothash", Answer::status(403, "not for you"));
    served
        .server
        .put("/i/d.roothash.p7s", Answer::ok(large.clone()));
    let cut = Answer::ok(large).fault(Fault::CutAfter(1000));
    served.server.put("/i/d.verity", cut);
    let outcome = served
        .pull(&work, &["--verify=no", "--keep-download=no"])
        .succeed();
    assert_eq!(work.images(), ["x.raw"]);
    if is_ours() {
        let warns = |name: &str| outcome.stderr.lines().any(|line| line.contains(name));
        assert!(!warns("d.nspawn"), "{}", outcome.stderr);
        for name in ["d.roothash ", "d.roothash.p7s", "d.verity"] {
            assert!(warns(name), "{name}: {}", outcome.stderr);
        }
    }
}

#[test]
fn a_server_that_fails_for_what_it_does_not_have_is_not_waited_for() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    for ending in ENDINGS {
        let path = format!("/i/d{ending}");
        served.server.put(&path, Answer::status(503, "sorry"));
    }
    let run = work.run("systemd-pull").args(["raw", "--verify=no"]);
    run.arg(served.server.url("/i/d.raw.gz")).arg("x").succeed();
    let tries = if is_ours() { 2 } else { 1 };
    assert_eq!(served.asked().len(), ENDINGS.len() * tries);
    assert!(work.image("x.raw").exists());
}

#[test]
fn verity_data_may_be_large() {
    let Some(work) = Work::new() else { return };
    let mut served = Served::new();
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 241) as u8).collect();
    served.files[4].1 = data.clone();
    served.publish();
    served.pull(&work, &["--verify=checksum"]).outcome();
    if is_ours() {
        assert!(std::fs::read(work.image("x.verity")).unwrap() == data);
    } else {
        assert!(!work.image("x.verity").exists(), "the original drops it");
    }
}

#[test]
fn listed_ones_are_proven_before_anything_is_seen() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let options = ["--verify=checksum", "--keep-download=no"];
    served.pull(&work, &options).succeed();
    assert_eq!(work.images().len(), 5);
    std::fs::remove_file(work.image("x.raw")).unwrap();
    for ending in ENDINGS {
        let path = format!("/i/d{ending}");
        let mut changed = contents(ending).into_bytes();
        changed[3] ^= 1;
        served.server.put(&path, Answer::ok(changed));
        let before = work.images();
        let outcome = served.pull(&work, &options).fail(Errno::BADMSG);
        assert_eq!(work.images(), before);
        assert!(
            outcome.stderr.contains(&format!("d{ending}")),
            "{}",
            outcome.stderr
        );
        served.server.put(&path, Answer::ok(contents(ending)));
    }
    if is_ours() {
        // What is packed and damaged, or too large, is not what is listed either.
        for wrong in [b"\x1f\x8b\x08 no gzip at all".to_vec(), vec![b'x'; 2 << 20]] {
            served.server.put("/i/d.nspawn", Answer::ok(wrong));
            served.pull(&work, &options).fail_somehow();
            assert!(!work.image("x.raw").exists());
        }
        served
            .server
            .put("/i/d.nspawn", Answer::status(404, "gone"));
        let outcome = served
            .pull(&work, &[&options[..], &["--force"]].concat())
            .succeed();
        assert!(
            outcome.stderr.contains("listed, but not there"),
            "{}",
            outcome.stderr
        );
        assert!(!work.image("x.nspawn").exists());
    }
}

#[test]
fn what_the_list_does_not_name_is_not_used() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let list = checksum_line(&served.files[0].1, "d.raw.gz");
    served.server.put("/i/SHA256SUMS", Answer::ok(list));
    let outcome = served
        .pull(&work, &["--verify=checksum", "--keep-download=no"])
        .outcome();
    if is_ours() {
        assert_eq!(
            (outcome.status, work.images()),
            (0, vec!["x.raw".to_owned()])
        );
        assert_eq!(served.asked(), [""; 0]);
    } else {
        assert_eq!((outcome.status, work.images()), (1, Vec::new()));
    }
    // A digest of the image says nothing of other files.
    let digest = format!("--verify={}", &checksum_line(&served.files[0].1, "")[..64]);
    served
        .pull(&work, &[&digest, "--force", "--keep-download=no"])
        .succeed();
    assert_eq!(work.images(), ["x.raw"]);
}

#[test]
fn those_that_are_there_stay_unless_the_image_is_replaced() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    std::fs::create_dir_all(work.path("images")).unwrap();
    file(&work.image("x.nspawn"), "mine");
    let options = ["--verify=no", "--keep-download=no"];
    let outcome = served.pull(&work, &options).succeed();
    assert_eq!(
        std::fs::read_to_string(work.image("x.nspawn")).unwrap(),
        "mine"
    );
    let line = format!(
        "File {} already exists, not replacing",
        work.image("x.nspawn").display()
    );
    assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);

    if !is_ours() {
        return println!("skipped: the original stumbles over what it has kept itself");
    }
    served
        .server
        .put("/i/d.verity", Answer::status(404, "gone"));
    file(&work.image("x.usrhash"), "old");
    served
        .pull(&work, &["--verify=no", "--keep-download=no", "--force"])
        .succeed();
    let settings = std::fs::read_to_string(work.image("x.nspawn")).unwrap();
    assert_eq!(settings, contents(".nspawn"));
    // The new image must not be checked against the old one's hashes.
    assert!(!work.image("x.verity").exists());
    assert!(!work.image("x.usrhash").exists());
}

#[test]
fn old_ones_are_back_when_the_replacement_fails() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    served
        .pull(&work, &["--verify=no", "--keep-download=no"])
        .succeed();
    let before = work.images();
    let answer = Answer::ok(vec![b'x'; 100_000]).fault(Fault::CutAfter(50_000));
    served.server.put("/i/cut.raw", answer);
    served.server.put("/i/cut.nspawn", Answer::ok("new"));
    let run = work
        .run("systemd-pull")
        .args(["raw", "--verify=no", "--force"]);
    let run = run.args(at_once());
    run.arg(served.server.url("/i/cut.raw"))
        .arg("x")
        .fail(Errno::IO);
    assert_eq!(work.images(), before);
    let settings = std::fs::read_to_string(work.image("x.nspawn")).unwrap();
    assert_eq!(settings, contents(".nspawn"));
}

#[test]
fn without_a_name_they_are_kept_only() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let run = work.run("systemd-pull").args(["raw", "--verify=no"]);
    run.arg(served.server.url("/i/d.raw.gz")).arg("-").succeed();
    let images = work.images();
    assert_eq!(images.len(), 5, "{images:?}");
    assert!(
        images.iter().all(|name| name.starts_with(".raw-")),
        "{images:?}"
    );
}

#[test]
fn kept_ones_that_are_what_the_list_says_are_not_fetched_again() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: the original fetches them again");
    }
    let mut served = Served::new();
    served.pull(&work, &["--verify=checksum"]).succeed();
    assert_eq!(served.asked().len(), 4);
    served
        .pull(&work, &["--verify=checksum", "--force"])
        .succeed();
    assert_eq!(served.asked().len(), 4, "{:?}", served.server.paths());
    assert!(work.image("x.verity").exists());
    // Another version is.
    served.files[1].1 = b"new settings".to_vec();
    served.publish();
    served
        .pull(&work, &["--verify=checksum", "--force"])
        .succeed();
    assert_eq!(served.asked().len(), 5);
    let settings = std::fs::read_to_string(work.image("x.nspawn")).unwrap();
    assert_eq!(settings, "new settings");
}

#[test]
fn progress_counts_them_and_only_grows() {
    let Some(work) = Work::new() else { return };
    let served = Served::new();
    let outcome: Outcome = served.pull(&work, &["--verify=checksum"]).succeed();
    let steps: Vec<u8> = outcome
        .notes
        .iter()
        .filter_map(|note| {
            let text = note.strip_prefix("X_IMPORT_PROGRESS=")?.strip_suffix('%')?;
            text.parse().ok()
        })
        .collect();
    assert!(steps.is_sorted(), "{steps:?}");
    if is_ours() {
        assert_eq!(steps.first(), Some(&25), "{steps:?}");
        assert_eq!(steps.last(), Some(&100), "{steps:?}");
    }
}
