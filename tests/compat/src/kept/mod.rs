//! systemd-pull: kept downloads are used again, prove no more than they were proven, and go.

mod again;
mod clean;
mod copies;
mod plan;
mod proof;

use crate::subject::{Outcome, Work};
use std::path::Path;

/// Hidden entries of the image root.
fn kept(work: &Work) -> Vec<String> {
    let images = work.images().into_iter();
    images.filter(|name| name.starts_with('.')).collect()
}

fn only_kept(work: &Work) -> String {
    let kept = kept(work);
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].clone()
}

fn contents(work: &Work, name: &str) -> String {
    std::fs::read_to_string(work.image(name)).unwrap()
}

fn pull(work: &Work, options: &[&str], url: &str, name: &str) -> Outcome {
    let run = work.run("systemd-pull").args(options).args(["raw", url]);
    run.arg(name).outcome()
}

fn pulled(work: &Work, options: &[&str], url: &str, name: &str) -> Outcome {
    let outcome = pull(work, options, url, name);
    assert_eq!(outcome.status, 0, "{options:?} {name}: {}", outcome.stderr);
    outcome
}

/// Removes all images, so that the next case begins anew.
fn remove_all(work: &Work) {
    let images = work.path("images");
    let images = images.to_str().unwrap();
    drop(
        std::process::Command::new("chattr")
            .args(["-R", "-i", images])
            .output(),
    );
    crate::make::run("rm", &["-rf", images], Path::new("/"));
}
