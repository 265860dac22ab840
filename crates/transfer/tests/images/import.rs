//! Images that are files become images here, and come out of them again.

use crate::place::{Place, described, is_root, put, refused, run, succeeded, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systemd-import"));
    command
        .arg("oci")
        .args(arguments)
        .arg(format!("--image-root={}", place.text("images")))
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null());
    command
}

fn import(place: &Place, arguments: &[&str]) -> Output {
    command(place, arguments).output().unwrap()
}

#[track_caller]
fn imported(place: &Place, arguments: &[&str]) {
    succeeded(&import(place, arguments));
}

/// The folders of a stack's layers, the lowest first.
fn layers(place: &Place, name: &str) -> Vec<PathBuf> {
    let stack = place.path(&format!("images/{name}.mstack"));
    (0..)
        .map(|number| stack.join(format!("layer@{number}")))
        .map_while(|link| fs::canonicalize(link).ok())
        .collect()
}

/// What hidden or half of an image lies in the image root.
fn left(place: &Place) -> Vec<String> {
    let mut names = Vec::from_iter(place.names());
    names.retain(|name| name.starts_with(".#"));
    names
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let base = place.path("images/base");
    tree(&base);
    let [layout, archive] = ["layout", "image.tar"].map(|name| place.text(name));
    place.exported(&["base", &layout, "--cmd=/bin/x"]);
    place.exported(&["base", &archive, "--format=uncompressed"]);
    let packed = place.text("packed.tar");
    put(Path::new(&packed), &run("gzip", &["-c", &archive]).unwrap());
    for (number, source) in [&layout, &archive, &packed].into_iter().enumerate() {
        let name = format!("flat{number}");
        imported(&place, &[source, &name, "--flat"]);
        let flat = place.path(&format!("images/{name}"));
        assert_eq!(described(&flat), described(&base), "{source}");
        let name = format!("stack{number}");
        imported(&place, &[source, &name]);
        let layers = layers(&place, &name);
        assert_eq!(layers.len(), 1);
        assert_eq!(described(&layers[0]), described(&base), "{source}");
    }
    // The name is that of the file.
    imported(&place, &[&archive]);
    assert!(place.path("images/image.mstack").is_dir());
    let settings = fs::read_to_string(place.path("images/stack0.nspawn")).unwrap();
    assert!(settings.contains("/bin/x"), "{settings}");
    refused(&import(&place, &[&archive]), "already exists");
    imported(&place, &[&archive, "--force"]);
    assert_eq!(left(&place), [""; 0]);
}

#[test]
fn what_comes_through_descriptors_is_imported() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    tree(&place.path("images/base"));
    let [layout, archive] = ["layout", "image.tar"].map(|name| place.text(name));
    place.exported(&["base", &layout]);
    place.exported(&["base", &archive]);
    for (name, source) in [("a", &layout), ("b", &archive)] {
        let mut command = command(&place, &["-", name]);
        command.stdin(fs::File::open(source).unwrap());
        succeeded(&command.output().unwrap());
    }
    let mut pipe = Command::new("cat")
        .arg(&archive)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut command = command(&place, &["-", "c"]);
    command.stdin(pipe.stdout.take().unwrap());
    succeeded(&command.output().unwrap());
    pipe.wait().unwrap();
    for name in ["a", "b", "c"] {
        assert_eq!(layers(&place, name).len(), 1, "{name}");
    }
    assert_eq!(left(&place), [""; 0]);
}

#[test]
fn what_skopeo_saves_for_docker_is_imported() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let base = place.path("images/base");
    tree(&base);
    let layout = place.text("layout");
    place.exported(&["base", &layout]);
    let saved = place.text("saved.tar");
    let from = format!("oci:{layout}:base");
    let to = format!("docker-archive:{saved}:some/name:1");
    let copy = ["copy", "--quiet", "--insecure-policy", &from, &to];
    if run("skopeo", &copy).is_none() {
        return;
    }
    imported(&place, &[&saved, "saved", "--tag=name:1"]);
    assert_eq!(described(&layers(&place, "saved")[0]), described(&base));
    refused(
        &import(&place, &[&saved, "other", "--tag=2"]),
        "There is no image '2'",
    );
}

#[test]
fn damaged_images_leave_nothing() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    tree(&place.path("images/base"));
    let layout = place.text("layout");
    place.exported(&["base", &layout, "--format=uncompressed"]);
    let blobs = fs::read_dir(place.path("layout/blobs/sha256")).unwrap();
    let layer = blobs
        .flatten()
        .map(|blob| blob.path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&layer).unwrap();
    // Contents of the large file: all is well but the digest.
    let at = bytes.len() - 100_000;
    bytes[at] ^= 1;
    put(&layer, &bytes);
    let before = fs::read_dir(place.path("images")).unwrap().count();
    for options in [&[][..], &["--flat"]] {
        let arguments = [&[layout.as_str(), "new"], options].concat();
        let output = import(&place, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("sha256:"), "{said}");
        assert_eq!(fs::read_dir(place.path("images")).unwrap().count(), before);
    }
}

#[test]
fn a_stack_comes_back_as_it_went() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    crate::stack::stack(&place);
    let [first, second] = ["first.tar", "second.tar"].map(|name| place.text(name));
    place.exported(&["s", &first, "--tag=same"]);
    imported(&place, &[&first, "back"]);
    assert_eq!(layers(&place, "back").len(), 3);
    place.exported(&["back", &second, "--tag=same"]);
    // Nothing of it depends on where it was.
    assert!(fs::read(first).unwrap() == fs::read(second).unwrap());
}
