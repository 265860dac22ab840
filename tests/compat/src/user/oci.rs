//! Images of OCI of somebody without privileges: layers with owners.

use super::person::{FIRST, Person, UID, USUAL};
use crate::make::{file, small_archive};
use crate::oci::image::Image;
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Puts an image of two layers into a registry that is a folder of the person's home.
fn registry(person: &Person) {
    let lower = "mkdir -p t/usr/bin t/etc; echo 1 > t/etc/gone; echo web > t/etc/web; chown 33:33 t/etc/web
        cp /bin/true t/usr/bin/su; chown 0:7 t/usr/bin/su; chmod 4755 t/usr/bin/su; tar -C t -cf out.tar .";
    let lower = small_archive(&person.work, lower);
    let upper =
        "rm -rf t; mkdir -p t/etc; touch t/etc/.wh.gone; echo new > t/etc/new; chown 5 t/etc/new
        tar -C t -cf out.tar .";
    let upper = small_archive(&person.work, upper);
    let image = Image::new(&[lower, upper], &json!({"Cmd": ["/bin/su"]}));
    let folder = person.home("registry/v2/some/img");
    for name in ["manifests", "blobs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    file(&folder.join("manifests/latest"), image.manifest.bytes);
    for blob in image.layers.iter().chain([&image.config]) {
        file(&folder.join("blobs").join(&blob.digest), &blob.bytes);
    }
    let descriptions = person.home("descriptions");
    std::fs::create_dir_all(&descriptions).unwrap();
    let description = json!({
        "defaultProtocol": "file",
        "overrideRegistry": person.home("registry").to_str().unwrap(),
    });
    let name = "registry.here.test.oci-registry";
    file(&descriptions.join(name), description.to_string());
}

/// Runs a program that knows the registry, to success.
fn run(person: &Person, program: &str, line: &str) -> String {
    let mut command = person.command(program);
    command.args(line.split_whitespace());
    succeed(command.env("IMPORTD_OCI_REGISTRY_PATH", person.home("descriptions")))
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

/// Id `id` of an image, outside: 1 is the first of the subordinate ones.
const fn outside(id: u32) -> u32 {
    match id {
        0 => UID,
        id => FIRST + id - 1,
    }
}

#[test]
fn layers_and_trees_have_subordinate_ids_and_stacks_are_replaced() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    registry(&person);
    run(&person, "systemd-pull", "--user oci here.test/some/img");
    let stack = person.machine("img.mstack");
    let layer = |number: u32| stack.join(format!("layer@{number}"));
    assert_eq!(owner(&layer(0).join("etc/web")), (outside(33), outside(33)));
    let program = std::fs::metadata(layer(0).join("usr/bin/su")).unwrap();
    assert_eq!((program.uid(), program.gid()), (outside(0), outside(7)));
    assert_eq!(program.mode() & 0o7777, 0o4755);
    assert_eq!(owner(&layer(1).join("etc/new")), (outside(5), outside(0)));
    assert!(stack.join("rw").is_dir());
    run(
        &person,
        "systemd-pull",
        "--user --force --reset oci here.test/some/img",
    );
    assert!(stack.join("rw").is_dir());
    run(
        &person,
        "importctl",
        "--standalone --user -m --flat pull-oci here.test/some/img tree",
    );
    let tree = person.machine("tree");
    assert_eq!(owner(&tree.join("etc/web")), (outside(33), outside(33)));
    assert!(tree.join("etc/new").exists() && !tree.join("etc/gone").exists());
    let mut listed = person.command("importctl");
    listed.args(["--standalone", "--user", "-m", "--no-legend", "list-images"]);
    let listed = listed.output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("img") && listed.contains("mstack"),
        "{listed}"
    );
}
