//! What comes out is what umoci makes of the same image.

use super::image::{self, Made, archive, entry};
use super::mount::Mounted;
use std::path::Path;

fn can_run() -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files to others");
        return false;
    }
    if std::process::Command::new("umoci")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: there is no umoci");
        return false;
    }
    true
}

/// Compares what is mounted, in both ways, and the one tree with what umoci makes.
pub(crate) fn compare(place: &Path, root: &Path, layers: &[Vec<Made>]) -> Result<(), String> {
    let archives: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
    let umoci = image::umoci(place, &archives)?;
    let names = image::layers(&root.join("stack"), &archives)?;
    let mut results = Vec::new();
    for option in ["userxattr", "index=off"] {
        let mounted = Mounted::overlay(&root.join("stack"), &names, option);
        results.push((
            option,
            image::listing(mounted.path(), false),
            image::listing(&umoci, false),
        ));
    }
    // Under overlayfs a file counts its names in the layer, also those that are hidden.
    let flat = image::flat(&root.join("flat"), "x", &archives);
    results.push((
        "one tree",
        image::listing(&flat, true),
        image::listing(&umoci, true),
    ));
    for (what, found, expected) in results {
        // umoci gives some folders the time at which it put something into them.
        let found: Vec<String> = found
            .into_iter()
            .map(|line| match image::with_time_now(&line) {
                other if !expected.contains(&line) && expected.contains(&other) => other,
                _ => line,
            })
            .collect();
        if found != expected {
            let mut text = format!("{what}\n");
            let missing = expected.iter().filter(|line| !found.contains(line));
            missing.for_each(|line| text.push_str(&format!("- {line}\n")));
            let surplus = found.iter().filter(|line| !expected.contains(line));
            surplus.for_each(|line| text.push_str(&format!("+ {line}\n")));
            return Err(text);
        }
    }
    Ok(())
}

/// The entries of each layer, apart by blanks.
const EVERYTHING: [&str; 4] = [
    "./ usr/ usr/lib/ usr/lib/a usr/lib/b lib->usr/lib etc/ etc/one etc/two opt/ opt/deep/ opt/deep/er/ \
     opt/deep/er/file var/ var/x var/y usr/lib/a2 abs->/opt/deep twice hard=>twice",
    "etc/ etc/.wh.one etc/three lib/c lib/.wh.b opt/.wh.deep var/.wh..wh..opq var/z new/folder/file \
     copy=>usr/lib/a second=>copy own->usr own/lib/through own/./lib/.wh.a2 up->new/../etc/. up/by",
    "etc/one opt/deep/ opt/deep/fresh abs/through .wh.hard usr/lib/sub/ usr/lib/sub/x lib/sub/y \
     new/folder/.wh.file",
    "./ lib/c var/ .wh.abs abs/ abs/folder new/.wh.folder new/folder",
];

fn image_of_everything() -> Vec<Vec<Made>> {
    let entry = |text: &str| entry(&text.replace("->", " -> ").replace("=>", " => "));
    EVERYTHING
        .iter()
        .map(|layer| layer.split(' ').map(entry).collect())
        .collect()
}

#[test]
fn an_image_of_everything_is_the_same_on_every_file_system() {
    if !can_run() {
        return;
    }
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    for kind in ["ext4", "xfs", "btrfs", "tmpfs"] {
        let Some(mounted) = Mounted::new(place.path(), kind) else {
            continue;
        };
        let result = compare(
            &place.path().join(format!("umoci-{kind}")),
            mounted.path(),
            &image_of_everything(),
        );
        if let Err(text) = result {
            panic!("{kind}: {text}");
        }
        importd_host::tree::remove(
            &importd_host::dir::Dir::open(mounted.path()).unwrap(),
            "stack".as_ref(),
        )
        .unwrap();
    }
}

#[test]
fn random_images_are_the_same() {
    if !can_run() {
        return;
    }
    let (mut compared, mut refused) = (0, 0);
    for seed in 1..=super::random::IMAGES {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let layers = super::random::layers(seed);
        let texts: Vec<Vec<Made>> = layers
            .iter()
            .map(|layer| layer.iter().map(|text| entry(text)).collect())
            .collect();
        let result = compare(place.path(), place.path(), &texts);
        let root = importd_host::dir::Dir::open(place.path()).unwrap();
        match result {
            // Images that umoci refuses: a circle of links, a folder in a file.
            Err(text) if text.contains("unpack entry") => continue,
            // One that we refuse: a marker in a folder that is a link to a file by now.
            Err(text) if text.contains("on the way is no folder") => refused += 1,
            Err(text) => panic!("seed {seed}: {text}\n{layers:#?}"),
            Ok(()) => compared += 1,
        }
        importd_host::tree::remove(&root, "stack".as_ref()).unwrap();
    }
    assert!(
        compared > super::random::IMAGES / 2 && refused < 5,
        "{compared}, {refused}"
    );
}
