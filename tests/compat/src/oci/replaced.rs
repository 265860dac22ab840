//! A stack is replaced, and the pull is killed at any point: what was changed in it is never lost.

use super::image::{Image, pull, reference};
use super::merged::layers;
use crate::make::{file, run};
use crate::server::Server;
use crate::subject::{Work, collect, is_ours};
use crate::tarball::Tarball;
use crate::verbs::rounds;
use rustix::process::Signal;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the pull is cut short, unless `ROUNDS` says otherwise.
const ROUNDS: u32 = 12;

/// An image of two layers that are fetched and made in some time; its name is in its settings.
fn image(name: &str) -> Image {
    let contents = vec![b'x'; 30_000];
    let archives = [0, 1].map(|layer| {
        let folder = Tarball::new().folder("./").folder("usr/");
        let paths = (0..100).map(|number| format!("usr/{layer}-{number}"));
        let files = paths.fold(folder, |files, path| files.file(path, &contents));
        files.file(format!("usr/{name}{layer}"), b"").end()
    });
    Image::new(&archives, &json!({"Cmd": [format!("/{name}")]}))
}

/// Takes the layers away, so that they have to come again.
fn without_layers(work: &Work) {
    let names = work.images();
    let names = names.iter().filter(|name| name.starts_with(".oci-"));
    for name in names {
        let path = work.image(name);
        let shown = path.to_str().unwrap();
        run("chattr", &["-i", shown], Path::new("/"));
        run("rm", &["-r", shown], Path::new("/"));
    }
    let cache = work.path("cache");
    run("rm", &["-rf", cache.to_str().unwrap()], Path::new("/"));
}

/// Whether all is of one image, with what was changed.
fn assert_complete(work: &Work, name: &str) {
    let stack = work.image("img.mstack");
    let found = layers(&stack);
    assert_eq!(found.len(), 2);
    assert!(found[1].join(format!("usr/{name}1")).exists(), "{name}");
    let settings = std::fs::read_to_string(work.image("img.nspawn")).unwrap();
    assert!(settings.contains(&format!("/{name}")), "{settings}");
    let kept = std::fs::read(stack.join("rw/data/kept")).unwrap();
    assert_eq!(kept, b"changes");
    let names = work.images();
    let is_known = |name: &String| name.starts_with(".oci-") || name.starts_with("img.");
    assert!(names.iter().all(is_known), "{names:?}");
}

#[test]
fn what_was_changed_survives_a_kill_at_any_point() {
    if !is_ours() {
        println!("skipped: the reference throws it away");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let images = ["one", "two"].map(|name| (name, image(name)));
    let start = |which: usize| {
        without_layers(&work);
        images[which].1.serve(&server, "img");
        let run = pull(&work, &server).arg("--force");
        run.arg(reference("img"))
    };
    start(0).succeed();
    let changes = work.image("img.mstack/rw/data");
    std::fs::create_dir_all(&changes).unwrap();
    file(&changes.join("kept"), "changes");
    let whole = (0..3).map(|round| {
        let before = Instant::now();
        start(round % 2).succeed();
        before.elapsed()
    });
    let whole = whole.min().unwrap_or_default();
    let rounds = rounds(ROUNDS);
    let (mut cut, mut round) = (0, 0);
    while cut < rounds {
        assert!(round < 20 * rounds, "only {cut} rounds were cut short");
        let which = (round % 2) as usize;
        let (child, socket) = start(which).start();
        // A signal at a point in time is what is tested: no event marks it.
        let point = whole * (round % rounds) / rounds;
        std::thread::sleep(point + Duration::from_micros(u64::from(round * 37)));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        if collect(child, &socket).status != 0 {
            cut += 1;
            let places = ["img.mstack", ".importd-rw.img.mstack"];
            let kept = places.map(|place| work.image(place).join("rw/data/kept"));
            assert!(kept.iter().any(|path| path.exists()), "{round}");
            assert!(work.image("img.mstack").is_dir(), "{round}");
            start(which).succeed();
        }
        assert_complete(&work, images[which].0);
        round += 1;
    }
}
