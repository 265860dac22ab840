//! One transfer of each kind, to be interrupted: how it is started, and what must come of it.

use crate::make::{archive, checksum_line, disk, file, has, packed, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Run, Work, is_ours};
use crate::tree::assert_same;
use std::path::{Path, PathBuf};

/// A kind of transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    ImportTar,
    ImportRaw,
    ImportRawPacked,
    ImportQcow2,
    ImportQcow2Packed,
    ImportFs,
    ExportTar,
    ExportRaw,
    ExportQcow2,
    PullRaw,
    /// Of a disk image that is not packed.
    PullPlain,
    /// Of a disk image that is proven by a list, and whose download is kept.
    PullKept,
    /// Of an archive that is proven by a list.
    PullTar,
    /// Of an image of layers, as one tree.
    ImportOci,
    ExportOci,
}

/// Sources for a transfer, in a folder of its own whose `images` is where the result appears.
pub(crate) struct Prepared {
    pub(crate) work: Work,
    verb: Verb,
    tree: PathBuf,
    disk: PathBuf,
    source: PathBuf,
    server: Option<Server>,
}

impl Verb {
    /// Makes the sources; `None`, with the reason printed, where that cannot be done.
    pub(crate) fn prepare(self) -> Option<Prepared> {
        let work = Work::new()?;
        let is_qcow2 = matches!(
            self,
            Verb::ImportQcow2 | Verb::ImportQcow2Packed | Verb::ExportQcow2
        );
        if is_qcow2 && !has("qemu-img") {
            return None;
        }
        if !is_ours() && matches!(self, Verb::ExportQcow2 | Verb::ImportOci | Verb::ExportOci) {
            println!("skipped: the original has no such transfer");
            return None;
        }
        let (tree, disk) = (plain_tree(&work), disk(&work, "disk.img"));
        run("truncate", &["-s", "+8M", "disk.img"], &work.path(""));
        fill(&disk);
        file(&tree.join("noise"), noise(2 << 20));
        if matches!(self, Verb::ImportOci | Verb::ExportOci) {
            // The files of a layer have no holes.
            std::fs::remove_file(tree.join("sparse")).unwrap();
        }
        let (source, server) = self.source(&work, &tree, &disk);
        std::fs::create_dir_all(work.path("images")).unwrap();
        Some(Prepared {
            work,
            verb: self,
            tree,
            disk,
            source,
            server,
        })
    }

    /// What the transfer reads, and who serves it.
    fn source(self, work: &Work, tree: &Path, disk: &Path) -> (PathBuf, Option<Server>) {
        let mut server = None;
        let source = match self {
            Verb::ImportTar | Verb::PullTar => {
                let bytes = packed(&archive(tree), &["gzip", "-c"]);
                server = (self == Verb::PullTar).then(|| serve("x.tar.gz", &bytes));
                file(&work.path("t.tar.gz"), bytes)
            }
            Verb::ImportRawPacked | Verb::PullRaw | Verb::PullKept => {
                let bytes = packed(&std::fs::read(disk).unwrap(), &["gzip", "-1c"]);
                let is_pull = self != Verb::ImportRawPacked;
                server = is_pull.then(|| serve("x.raw.gz", &bytes));
                file(&work.path("x.raw.gz"), bytes)
            }
            Verb::PullPlain => {
                server = Some(serve("x.raw", &std::fs::read(disk).unwrap()));
                disk.to_owned()
            }
            Verb::ImportOci => {
                let export = work.run("systemd-export").arg("oci").arg(tree);
                export.arg(work.path("image.tar")).succeed();
                work.path("image.tar")
            }
            Verb::ImportQcow2 | Verb::ImportQcow2Packed => {
                let line = ["convert", "-c", "-O", "qcow2", "disk.img", "x.qcow2"];
                run("qemu-img", &line, &work.path(""));
                let bytes = std::fs::read(work.path("x.qcow2")).unwrap();
                match self {
                    Verb::ImportQcow2 => work.path("x.qcow2"),
                    _ => file(&work.path("x.qcow2.gz"), packed(&bytes, &["gzip", "-1c"])),
                }
            }
            Verb::ImportFs | Verb::ExportTar | Verb::ExportOci => tree.to_owned(),
            Verb::ImportRaw | Verb::ExportRaw | Verb::ExportQcow2 => disk.to_owned(),
        };
        (source, server)
    }

    fn is_export(self) -> bool {
        matches!(
            self,
            Verb::ExportTar | Verb::ExportRaw | Verb::ExportQcow2 | Verb::ExportOci
        )
    }
}

/// A server of a file and of its list.
fn serve(name: &str, bytes: &[u8]) -> Server {
    let server = Server::start();
    let answer = Answer::ok(bytes).etag("\"one\"");
    server.put(&format!("/{name}"), answer);
    server.put("/SHA256SUMS", Answer::ok(checksum_line(bytes, name)));
    server
}

/// Data that does not pack well.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 88_172_645_463_325_252;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(length).collect()
}

/// Such data near the end of a disk.
fn fill(disk: &Path) {
    let length = disk.metadata().unwrap().len();
    let disk = std::fs::OpenOptions::new().write(true).open(disk).unwrap();
    let data = noise(6 << 20);
    std::os::unix::fs::FileExt::write_all_at(&disk, &data, length - (7 << 20)).unwrap();
}

impl Prepared {
    /// The transfer, which replaces an earlier result.
    pub(crate) fn start(&self) -> Run {
        let import = |form: &str| {
            let run = self.work.run("systemd-import").args([form, "--force"]);
            run.arg(&self.source).arg("x")
        };
        let export = |words: &[&str]| {
            let run = self.work.run("systemd-export").args(words);
            run.arg(&self.source).arg(self.result())
        };
        match self.verb {
            Verb::ImportTar => import("tar"),
            Verb::ImportRaw
            | Verb::ImportRawPacked
            | Verb::ImportQcow2
            | Verb::ImportQcow2Packed => import("raw"),
            Verb::ImportFs => {
                let run = self.work.run("systemd-import-fs").args(["run", "--force"]);
                run.arg(&self.source).arg("x")
            }
            Verb::ExportTar => export(&["tar"]),
            Verb::ExportRaw => export(&["raw"]),
            Verb::ExportQcow2 => export(&["raw", "--format=gzip"]),
            Verb::ExportOci => export(&["oci"]),
            Verb::ImportOci => import("oci").arg("--flat"),
            Verb::PullPlain => self.pull("raw", "x.raw", ["--verify=no", "--keep-download=no"]),
            Verb::PullRaw => self.pull("raw", "x.raw.gz", ["--verify=no", "--keep-download=no"]),
            Verb::PullKept => self.pull(
                "raw",
                "x.raw.gz",
                ["--verify=checksum", "--keep-download=yes"],
            ),
            Verb::PullTar => self.pull(
                "tar",
                "x.tar.gz",
                ["--verify=checksum", "--keep-download=no"],
            ),
        }
    }

    fn pull(&self, form: &str, name: &str, options: [&str; 2]) -> Run {
        let server = self.server.as_ref().unwrap();
        let run = self.work.run("systemd-pull").args(options);
        run.args(["--force", form, &server.url(&format!("/{name}"))])
    }

    /// The name of what is made.
    pub(crate) fn name(&self) -> &'static str {
        match self.verb {
            Verb::ImportTar | Verb::ImportFs | Verb::PullTar | Verb::ImportOci => "x",
            Verb::ExportOci => "x.tar",
            Verb::ExportTar => "x.tar.zst",
            Verb::ExportRaw => "x.img",
            Verb::ExportQcow2 => "x.qcow2",
            _ => "x.raw",
        }
    }

    fn result(&self) -> PathBuf {
        self.work.image(self.name())
    }

    /// The result is there and whole.
    pub(crate) fn check(&self) {
        match self.verb {
            Verb::ImportFs if !is_ours() => {
                // It fills holes and loses the time of the top.
                let made = std::fs::read(self.result().join("noise")).unwrap();
                assert!(made == std::fs::read(self.tree.join("noise")).unwrap());
            }
            Verb::ImportTar | Verb::ImportFs | Verb::PullTar | Verb::ImportOci => {
                assert_same(&self.tree, &self.result());
            }
            Verb::ExportOci => {
                let back = format!("--image-root={}", self.work.path("back").display());
                let import = self.work.run("systemd-import");
                let import = import.args(["oci", "--force", "--flat", &back]);
                import.arg(self.result()).arg("x").succeed();
                assert_same(&self.tree, &self.work.path("back/x"));
            }
            Verb::ExportTar => {
                run("zstd", &["-tq", self.name()], &self.work.path("images"));
            }
            Verb::ExportQcow2 => {
                let line = ["compare", "-q", "disk.img", "images/x.qcow2"];
                run("qemu-img", &line, &self.work.path(""));
            }
            _ => {
                let made = std::fs::read(self.result()).unwrap();
                assert!(made == std::fs::read(&self.disk).unwrap());
            }
        }
    }

    /// What is there after an interrupted transfer: nothing, or all of it. The original shows a
    /// part of an export.
    pub(crate) fn check_interrupted(&self) {
        let visible: Vec<String> = self
            .work
            .images()
            .into_iter()
            .filter(|entry| !entry.starts_with('.') && !self.is_beside(entry))
            .collect();
        if visible.is_empty() || (!is_ours() && self.verb.is_export()) {
            return;
        }
        assert_eq!(visible, [self.name()]);
        self.check();
    }

    /// What is in the image root beside kept downloads, which are whole.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = self.work.images();
        left.retain(|name| {
            let is_kept = name.starts_with(".raw-") && self.verb == Verb::PullKept;
            if is_kept {
                let kept = std::fs::read(self.work.image(name)).unwrap();
                assert!(kept == std::fs::read(&self.disk).unwrap(), "{name}");
            }
            !is_kept && !self.is_beside(name)
        });
        left
    }

    /// Whether it came with an image of layers, which is there.
    fn is_beside(&self, name: &str) -> bool {
        let is_companion = ["x.nspawn", "x.oci-config"].contains(&name);
        is_companion && self.verb == Verb::ImportOci && self.result().exists()
    }

    /// Removes the result.
    pub(crate) fn clear(&self) {
        let script = "rm -rf images/* images/.[!.]*";
        run("sh", &["-c", script], &self.work.path(""));
    }
}

/// How many rounds a test of interruptions makes: `usual`, unless `ROUNDS` says otherwise.
pub(crate) fn rounds(usual: u32) -> u32 {
    let text = std::env::var("ROUNDS").unwrap_or_default();
    text.parse().unwrap_or(usual)
}

/// One test for each verb, which calls `$test` with it.
macro_rules! each_verb {
    ($test:path) => {
        crate::verbs::each_verb! { $test;
            import_of_an_archive: ImportTar,
            import_of_a_disk_image: ImportRaw,
            import_of_a_packed_disk_image: ImportRawPacked,
            import_of_a_qcow2_image: ImportQcow2,
            import_of_a_packed_qcow2_image: ImportQcow2Packed,
            import_of_a_folder: ImportFs,
            export_of_a_tree: ExportTar,
            export_of_a_disk_image: ExportRaw,
            export_to_qcow2: ExportQcow2,
            pull_of_a_packed_disk_image: PullRaw,
            pull_of_a_disk_image: PullPlain,
            pull_that_is_kept: PullKept,
            pull_of_an_archive: PullTar,
            import_of_layers: ImportOci,
            export_as_layers: ExportOci
        }
    };
    ($test:path; $($name:ident: $verb:ident),*) => {
        $(#[test] fn $name() { $test(crate::verbs::Verb::$verb); })*
    };
}
pub(crate) use each_verb;
