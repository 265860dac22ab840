//! File systems of all kinds, mounted for one test.

use crate::make::{has, run};
use crate::subject::Work;
use std::path::{Path, PathBuf};

/// Size of a file system on a loop device, in bytes: more than XFS takes at least.
/// Its file has holes.
const DISK_BYTES: u64 = 2 << 30;

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts a new, empty file system of a kind on a folder of the test; `None`, with the reason
    /// printed, where there is no tool for it.
    pub(crate) fn new(work: &Work, kind: &str, name: &str) -> Option<Self> {
        let path = work.path(name);
        std::fs::create_dir_all(&path).unwrap();
        match kind {
            "tmpfs" => mount(&["-t", "tmpfs", "tmpfs"], &path),
            "overlay" => {
                let folder = |part: &str| {
                    let folder = work.path(format!("{name}-{part}"));
                    std::fs::create_dir_all(&folder).unwrap();
                    format!("{part}dir={}", folder.display())
                };
                let options = ["lower", "upper", "work"].map(folder).join(",");
                mount(&["-t", "overlay", "-o", &options, "overlay"], &path);
            }
            _ => {
                let (kind, options): (&str, &[&str]) = match kind {
                    // With attributes of up to 64 KiB.
                    "ext4-large" => ("ext4", &["-q", "-O", "ea_inode", "-I", "256"]),
                    kind => (kind, &["-q"]),
                };
                let maker = format!("mkfs.{kind}");
                if !has(&maker) {
                    return None;
                }
                let disk = work.path(format!("{name}-disk"));
                // Makers refuse to write over what another one made.
                run("rm", &["-f", disk.to_str().unwrap()], Path::new("/"));
                let file = std::fs::File::create(&disk).unwrap();
                file.set_len(DISK_BYTES).unwrap();
                let disk = disk.to_str().unwrap();
                run(&maker, &[options, &[disk]].concat(), Path::new("/"));
                mount(&["-o", "loop", disk], &path);
            }
        }
        Some(Self(path))
    }

    /// Mounts a subvolume of a mounted btrfs in another place.
    pub(crate) fn subvolume(&self, work: &Work, subvolume: &str, name: &str) -> Self {
        let shown = self.0.to_str().unwrap();
        let device = run("findmnt", &["-no", "SOURCE", shown], Path::new("/"));
        let device = String::from_utf8(device).unwrap();
        let device = device.trim_end().split('[').next().unwrap();
        let path = work.path(name);
        std::fs::create_dir_all(&path).unwrap();
        mount(&["-o", &format!("subvol={subvolume}"), device], &path);
        Self(path)
    }

    /// Gives a file system in memory another size, as mount(8) takes it: `64m`.
    pub(crate) fn resize(&self, size: &str) {
        mount(&["-o", &format!("remount,size={size}")], &self.0);
    }

    /// Makes it read-only.
    pub(crate) fn freeze(&self) {
        mount(&["-o", "remount,ro"], &self.0);
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

fn mount(arguments: &[&str], path: &Path) {
    let path = path.to_str().unwrap();
    run("mount", &[arguments, &[path]].concat(), Path::new("/"));
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()], Path::new("/"));
    }
}
