//! One byte changed of anything that a server sends: refused, with the file and the reason, and
//! nothing is left.

use crate::make::{Signer, archive, checksum_line, disk, has, packed, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Work, is_ours};
use std::path::PathBuf;

/// Positions tried of each file beside those of its ends.
const POSITIONS: usize = 5;
const LIST: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.gpg";

/// Signed files on a server: the image is the first, then come its companions, list and signature.
struct Signed {
    work: Work,
    server: Server,
    keyring: PathBuf,
    files: Vec<(String, Vec<u8>)>,
}

impl Signed {
    fn new(make: impl FnOnce(&Work) -> Vec<(String, Vec<u8>)>) -> Option<Self> {
        let work = Work::new()?;
        let signer = Signer::new(&work, "me");
        let mut files = make(&work);
        let lines = files.iter().map(|(name, body)| checksum_line(body, name));
        let list = lines.collect::<String>().into_bytes();
        let signature = signer.sign(&list, false);
        files.push((LIST.into(), list));
        files.push((SIGNATURE.into(), signature));
        let signed = Self {
            keyring: signer.keyring(),
            server: Server::start(),
            work,
            files,
        };
        for (name, bytes) in &signed.files {
            signed.put(name, bytes.clone());
        }
        Some(signed)
    }

    fn put(&self, name: &str, bytes: Vec<u8>) {
        self.server.put(&format!("/{name}"), Answer::ok(bytes));
    }

    fn pull(&self) -> Outcome {
        let name = &self.files[0].0;
        let form = if name.contains(".tar") { "tar" } else { "raw" };
        let run = self.work.run("systemd-pull").args([form, "--force"]);
        let run = run.args(["--keep-download=no", "--verify=signature"]);
        let run = run.arg(self.server.url(&format!("/{name}"))).arg("x");
        run.env("SYSTEMD_OPENPGP_KEYRING", &self.keyring).outcome()
    }

    /// Each file in turn, changed in each way; at last all are good again.
    fn check(&self) {
        for (name, bytes) in &self.files {
            for (what, changed) in changes(name, bytes) {
                self.put(name, changed);
                self.refused(name, &what);
            }
            self.put(name, bytes.clone());
        }
        let outcome = self.pull();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    }

    fn refused(&self, name: &str, what: &str) {
        let outcome = self.pull();
        let stderr = &outcome.stderr;
        if outcome.status == 0 {
            // Nothing depends on some bytes of a signature, and nothing protects them.
            assert_eq!(name, SIGNATURE, "{what}: {stderr}");
            run("rm", &["-rf", "images"], &self.work.path(""));
            return;
        }
        assert_eq!(outcome.status, 1, "{what}: {stderr}");
        assert_eq!(self.work.images(), [""; 0], "{what}: {stderr}");
        if is_ours() {
            let line = outcome.complaint();
            assert!(line.contains(name), "{what}: {line}");
            let said = |words: &[&str]| words.iter().any(|word| line.contains(word));
            let is_clear = match name {
                SIGNATURE | LIST => said(&["does not prove", "ignature"]),
                _ => said(&["is not what", "Failed to"]),
            };
            assert!(is_clear, "{what}: {line}");
        }
    }
}

/// A file with one byte changed, cut, and longer.
fn changes(name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let flip = |position: usize| {
        let mut changed = bytes.to_vec();
        changed[position] ^= if position.is_multiple_of(2) {
            0x01
        } else {
            0x80
        };
        (format!("{name}, byte {position}"), changed)
    };
    let mut all: Vec<_> = positions(bytes.len()).into_iter().map(flip).collect();
    let cut = bytes[..bytes.len() - 1].to_vec();
    all.push((format!("{name}, cut"), cut));
    all.push((format!("{name}, empty"), Vec::new()));
    if name != SIGNATURE {
        let longer = [bytes, b"\n"].concat();
        all.push((format!("{name}, longer"), longer));
        all.push((format!("{name}, twice"), bytes.repeat(2)));
    }
    all
}

/// The first bytes, the last ones, and some in between.
fn positions(length: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..POSITIONS).map(|it| it * length / POSITIONS).collect();
    positions.extend([1, 4, 8, length - 4, length - 1]);
    positions.retain(|at| *at < length);
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn disk_in(packer: &'static [&str], name: &str) {
    let signed = Signed::new(|work| {
        let bytes = std::fs::read(disk(work, "disk.img")).unwrap();
        vec![(name.into(), packed(&bytes, packer))]
    });
    if let Some(signed) = signed {
        signed.check();
    }
}

fn tree_in(packer: &'static [&str], name: &str) {
    let signed = Signed::new(|work| {
        let bytes = archive(&plain_tree(work));
        vec![(name.into(), packed(&bytes, packer))]
    });
    if let Some(signed) = signed {
        signed.check();
    }
}

#[test]
fn of_a_disk_image() {
    disk_in(&["cat"], "d.raw");
}

#[test]
fn of_a_disk_image_in_gzip() {
    disk_in(&["gzip", "-c"], "d.raw.gz");
}

#[test]
fn of_a_disk_image_in_xz() {
    disk_in(&["xz", "-0c", "--block-size=1MiB"], "d.raw.xz");
}

#[test]
fn of_a_disk_image_in_zstd() {
    disk_in(&["zstd", "-qc"], "d.raw.zst");
}

#[test]
fn of_a_disk_image_in_bzip2() {
    disk_in(&["bzip2", "-c"], "d.raw.bz2");
}

#[test]
fn of_a_qcow2_image() {
    if !has("qemu-img") {
        return;
    }
    let signed = Signed::new(|work| {
        disk(work, "disk.img");
        let line = ["convert", "-c", "-O", "qcow2", "disk.img", "d.qcow2"];
        run("qemu-img", &line, &work.path(""));
        let bytes = std::fs::read(work.path("d.qcow2")).unwrap();
        vec![("d.qcow2".into(), bytes)]
    });
    if let Some(signed) = signed {
        signed.check();
    }
}

#[test]
fn of_an_archive() {
    tree_in(&["cat"], "t.tar");
}

#[test]
fn of_a_packed_archive() {
    tree_in(&["zstd", "-qc"], "t.tar.zst");
}

#[test]
fn of_companions() {
    let signed = Signed::new(|_work| {
        let texts: [(&str, &[u8]); 5] = [
            ("d.raw", b"an image of some bytes"),
            ("d.nspawn", b"[Exec]\nBoot=no\n"),
            ("d.roothash", b"0123456789abcdef\n"),
            ("d.roothash.p7s", b"no real signature"),
            ("d.verity", b"no real hashes"),
        ];
        let files = texts.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        files.into()
    });
    if let Some(signed) = signed {
        signed.check();
        let expected = [
            "x.nspawn",
            "x.raw",
            "x.roothash",
            "x.roothash.p7s",
            "x.verity",
        ];
        assert_eq!(signed.work.images(), expected);
    }
}
