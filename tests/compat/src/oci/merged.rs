//! What the layers of a stack make up.

use crate::make::run;
use crate::subject::Work;
use crate::tree::{Table, describe};
use std::path::{Path, PathBuf};

/// The folders of the layers of a stack, the lowest first.
pub(crate) fn layers(stack: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for number in 0.. {
        let link = stack.join(format!("layer@{number}"));
        let Ok(target) = std::fs::read_link(&link) else {
            break;
        };
        assert!(target.starts_with(".."), "{}", target.display());
        found.push(stack.join(target).canonicalize().unwrap());
    }
    found
}

/// The tree that overlayfs makes of a stack.
pub(crate) fn merged(work: &Work, name: &str) -> Table {
    let layers = layers(&work.image(format!("{name}.mstack")));
    assert!(!layers.is_empty());
    let point = work.path("merged");
    let empty = work.path("below-all");
    std::fs::create_dir_all(&point).unwrap();
    std::fs::create_dir_all(&empty).unwrap();
    // One folder alone is no overlay.
    let lower: Vec<_> = layers.iter().rev().chain([&empty]).collect();
    let lower: Vec<_> = lower
        .iter()
        .map(|layer| layer.to_str().unwrap().replace(':', "\\:"))
        .collect();
    let options = format!("ro,userxattr,lowerdir={}", lower.join(":"));
    let shown = point.to_str().unwrap();
    let mount = ["-t", "overlay", "-o", &options, "overlay", shown];
    run("mount", &mount, Path::new("/"));
    let table = describe(&point);
    run("umount", &[shown], Path::new("/"));
    table
}
