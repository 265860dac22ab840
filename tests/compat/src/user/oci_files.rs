//! OCI images as files, in the hands of somebody without privileges.

use super::person::{FIRST, Person, USUAL};
use crate::make::{file, run};
use crate::tree::assert_same;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What an image of OCI that the user has written holds, as root unpacks it.
fn of_root(person: &Person, archive: &str) -> PathBuf {
    let import = person.work.run("systemd-import");
    let import = import.args(["oci", "--flat", "--force"]);
    import.arg(person.home(archive)).arg("flat").succeed();
    person.work.image("flat")
}

#[test]
fn trees_and_stacks_go_out_and_come_in_again() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (tree, archive) = person.tree();
    // Layers have no holes.
    run("sh", &["-euc", "head -c 1M /dev/zero > hole"], &tree);
    file(archive.as_ref(), crate::make::archive(&tree));
    let user = |program: &str, arguments: &[&str]| {
        person.succeed(program, &[&["--user"], arguments].concat());
    };
    user("systemd-import", &["tar", &archive, "one"]);
    user("systemd-export", &["oci", "one", "image.tar"]);
    assert_same(&tree, &of_root(&person, "image.tar"));
    user("systemd-import", &["oci", "image.tar", "flat", "--flat"]);
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "flat"]);
    assert_same(&tree, &person.unpacked(&exported));
    user("systemd-import", &["oci", "image.tar", "stack"]);
    let layer = person.machine("stack.mstack/layer@0");
    let web = std::fs::symlink_metadata(layer.join("etc/web")).unwrap();
    assert_eq!((web.uid(), web.gid()), (FIRST + 32, FIRST + 32));
    user("systemd-export", &["oci", "stack", "layout"]);
    user("systemd-export", &["oci", "stack", "again.tar"]);
    assert_same(&tree, &of_root(&person, "again.tar"));
    assert_same(&tree, &of_root(&person, "layout"));
}
