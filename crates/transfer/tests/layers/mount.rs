//! Mounts for one test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of a file system on a loop device, in bytes: more than XFS takes at least. The file has holes.
const DISK_BYTES: u64 = 2 << 30;

/// Something mounted; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// A new file system of a kind; `None`, with the reason printed, where there is no tool for it.
    pub(crate) fn new(place: &Path, kind: &str) -> Option<Self> {
        let path = place.join(kind);
        std::fs::create_dir_all(&path).unwrap();
        if kind == "tmpfs" {
            return Some(Self::mount(&["-t", "tmpfs", "tmpfs"], path));
        }
        let disk = place.join(format!("{kind}.disk"));
        std::fs::File::create(&disk)
            .unwrap()
            .set_len(DISK_BYTES)
            .unwrap();
        let made = Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .arg(&disk)
            .output();
        match made {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => {
                println!("skipped on {kind}: there is no mkfs.{kind}: {error}");
                return None;
            }
        }
        Some(Self::mount(&["-o", "loop", disk.to_str().unwrap()], path))
    }

    /// Layers on top of each other, the lowest first.
    pub(crate) fn overlay(root: &Path, layers: &[String], option: &str) -> Self {
        let path = root.join("merged");
        std::fs::create_dir_all(&path).unwrap();
        let mut lower: Vec<String> = layers
            .iter()
            .rev()
            .map(|name| root.join(name).to_str().unwrap().to_owned())
            .collect();
        if lower.len() == 1 {
            // overlayfs wants two.
            let empty = root.join("empty");
            std::fs::create_dir_all(&empty).unwrap();
            lower.push(empty.to_str().unwrap().to_owned());
        }
        let options = format!("ro,{option},lowerdir={}", lower.join(":"));
        Self::mount(&["-t", "overlay", "overlay", "-o", &options], path)
    }

    fn mount(arguments: &[&str], path: PathBuf) -> Self {
        let output = Command::new("mount")
            .args(arguments)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).output();
        assert!(done.unwrap().status.success() || std::thread::panicking());
    }
}
