//! A disk image on a server, to be pulled with something in its way.

use crate::make::checksum_line;
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use crate::tree::attributes;
use crate::verbs::noise;
use std::path::PathBuf;
use std::sync::Arc;

/// Size of the image, in bytes: many pieces of everything, and still quickly sent.
const SIZE: usize = 3_000_000;
/// In the address; must never be seen anywhere.
const PASSWORD: &str = "s3cr3t";

/// How a pull must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// With the image, whoever pulls.
    Well,
    /// With the image; the original gives up.
    WellForUs,
    /// Without it, for whoever pulls.
    Badly,
    /// Without it; the original takes what it should not.
    BadlyForUs,
    /// With it or without.
    Somehow,
}

/// The image, its server, and where it goes.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) work: Work,
    pub(crate) server: Server,
    pub(crate) body: Arc<Vec<u8>>,
}

impl Rig {
    pub(crate) const PATH: &str = "/d.raw";
    pub(crate) const ETAG: &str = "\"one\"";

    pub(crate) fn new() -> Option<Self> {
        let work = Work::new()?;
        Some(Self::on(work, Server::start()))
    }

    /// With a server of another kind.
    pub(crate) fn on(work: Work, server: Server) -> Self {
        let body = Arc::new(noise(SIZE));
        std::fs::create_dir_all(work.path("tmp")).unwrap();
        let rig = Self { work, server, body };
        rig.server.put(Self::PATH, rig.good());
        rig
    }

    /// The image as a good server sends it.
    pub(crate) fn good(&self) -> Answer {
        Answer::shared(&self.body).etag(Self::ETAG)
    }

    /// An image of the same length, of which nothing else is the same.
    pub(crate) fn other(&self) -> Arc<Vec<u8>> {
        Arc::new(self.body.iter().map(|byte| !byte).collect())
    }

    /// The address, with a password in it for ours: the original tells passwords.
    pub(crate) fn url(&self) -> String {
        let url = self.server.url(Self::PATH);
        match is_ours() {
            true => url.replacen("://", &format!("://me:{PASSWORD}@"), 1),
            false => url,
        }
    }

    /// A pull of the image that proves nothing.
    pub(crate) fn pull(&self) -> Run {
        self.pull_of(&self.url(), "--verify=no")
    }

    /// A pull of the image that proves the digest of some bytes.
    pub(crate) fn pull_proven(&self, bytes: &[u8]) -> Run {
        let digest = &checksum_line(bytes, "")[..64];
        self.pull_of(&self.url(), &format!("--verify={digest}"))
    }

    /// A pull of any address, under the image's name.
    pub(crate) fn pull_of(&self, url: &str, verify: &str) -> Run {
        let run = self.work.run("systemd-pull").args(["raw", verify]);
        let run = run.args(["--keep-download=no", "--force"]);
        // Impatient, so that what does not pass is soon over.
        let ours: &[&str] = match is_ours() {
            true => &["--retries=2", "--stall-timeout=1", "--connect-timeout=5"],
            false => &[],
        };
        let run = run.args(ours).args([url, "d"]);
        run.env("TMPDIR", self.work.path("tmp"))
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.work.image("d.raw")
    }

    /// Removes the image and all that is remembered of it.
    pub(crate) fn clear(&self) {
        let script = "rm -rf images cache";
        crate::make::run("sh", &["-c", script], &self.work.path(""));
    }

    /// Pulls with this in the way, and checks the end.
    pub(crate) fn check(&self, what: &str, ends: Ends, answers: Vec<Answer>) -> Outcome {
        self.clear();
        self.server.put_sequence(Self::PATH, answers);
        self.check_run(what, ends, self.pull())
    }

    /// Runs a pull of the image and checks its end.
    pub(crate) fn check_run(&self, what: &str, ends: Ends, run: Run) -> Outcome {
        let outcome = run.outcome();
        let is_there = self.check_outcome(what, &outcome, &[&self.body]);
        let expected = match ends {
            Ends::Well => Some(true),
            Ends::WellForUs => Some(is_ours()),
            Ends::Badly => Some(false),
            Ends::BadlyForUs if is_ours() => Some(false),
            Ends::BadlyForUs | Ends::Somehow => None,
        };
        let is_expected = expected.is_none_or(|expected| expected == is_there);
        assert!(is_expected, "{what}: {ends:?}: {}", outcome.stderr);
        outcome
    }

    /// The image is one of the right ones or absent, failure is told as it should be, nothing is
    /// left. Whether the image is there.
    pub(crate) fn check_outcome(&self, what: &str, outcome: &Outcome, right: &[&[u8]]) -> bool {
        let stderr = &outcome.stderr;
        let is_there = outcome.status == 0;
        let expected: &[&str] = if is_there { &["d.raw"] } else { &[] };
        // The original crashes now and then.
        let is_end = outcome.status < 2 || !is_ours();
        assert!(is_end, "{what}: {} {stderr}", outcome.status);
        if is_ours() || outcome.status < 2 {
            assert_eq!(self.work.images(), expected, "{what}: {stderr}");
        }
        if is_there {
            let made = std::fs::read(self.image()).unwrap();
            let is_right = right.iter().any(|one| **one == *made);
            assert!(
                is_right || !is_ours(),
                "{what}: {} bytes: {stderr}",
                made.len()
            );
        }
        let errors = outcome
            .notes
            .iter()
            .filter(|note| note.starts_with("ERRNO="));
        let is_told = errors.count() == usize::from(!is_there) || !is_ours();
        assert!(is_told, "{what}: {:?} {stderr}", outcome.notes);
        if is_ours() {
            self.check_ours(what, outcome);
        }
        is_there
    }

    fn check_ours(&self, what: &str, outcome: &Outcome) {
        let stderr = &outcome.stderr;
        assert!(!stderr.contains(PASSWORD), "{what}: {stderr}");
        if outcome.status == 0 {
            let noted = attributes(&self.image());
            let mut values = noted.values().map(|value| String::from_utf8_lossy(value));
            assert!(values.all(|value| !value.contains(PASSWORD)), "{what}");
            assert_eq!(self.work.kept(), [""; 0], "{what}: {stderr}");
        } else {
            let complaint = outcome.complaint();
            let is_named = complaint.contains(".0.0.1:") || complaint.contains("d.raw");
            assert!(is_named, "{what} names no address: {complaint}");
        }
        let scratch = std::fs::read_dir(self.work.path("tmp")).unwrap().count();
        assert_eq!(scratch, 0, "{what}");
    }

    /// A download that is kept in the image root is whole.
    pub(crate) fn check_kept(&self, outcome: &Outcome) {
        let images = self.work.images();
        for name in images.iter().filter(|name| name.starts_with(".raw-")) {
            let kept = std::fs::read(self.work.image(name)).unwrap();
            assert!(kept == *self.body, "{name}: {}", outcome.stderr);
        }
    }

    /// No byte but a tenth of them was sent twice.
    pub(crate) fn check_thrift(&self, what: &str) {
        let served = self.server.seen().bytes_of(Self::PATH);
        let most = self.body.len() as u64 * 11 / 10;
        assert!(!is_ours() || served <= most, "{what}: {served} bytes");
    }
}
