//! Everything that a tree can hold goes in and comes out, compared exactly.
//!
//! What a foreign program loses on its way is left out of the comparison by name, with the reason
//! beside it; where both programs are ours nothing is.

use crate::everything::{Everything, FileSystem};
use crate::make::{has, moved, run};
use crate::mount::Mounted;
use crate::subject::{Work, is_ours};
use crate::tree::{Inode, Table, assert_equal, exact};
use std::path::PathBuf;

const ALL: Everything = Everything {
    file_system: FileSystem::Ext4,
    deep: true,
    large_numbers: true,
    odd_attributes: true,
};
const PACK_GNU: &str = "tar --create --format=posix --sparse --acls --selinux --xattrs \
                        --xattrs-include='*' --numeric-owner --sort=name -C images/tree . >in.tar";
const PACK_BSD: &str = "bsdtar -c --format pax --acls --xattrs --fflags --numeric-owner \
                        -C images/tree -f in.tar .";
const UNPACK_GNU: &str = "tar --extract --acls --selinux --xattrs --xattrs-include='*' \
                          --numeric-owner --warning=no-unknown-keyword -p -C images/out -f out.tar";
const UNPACK_BSD: &str =
    "bsdtar -x -p --acls --xattrs --fflags --numeric-owner -C images/out -f out.tar";

/// The tree, on a file system of its own; `None` where it cannot be, or is too much for the subject.
fn tree(work: &Work, what: Everything) -> Option<(Mounted, PathBuf)> {
    if !is_ours() {
        println!("skipped: docs/differences.md lists what it loses");
        return None;
    }
    let mounted = Mounted::new(work, what.file_system.name(), "images")?;
    let tree = work.image("tree");
    std::fs::create_dir_all(&tree).unwrap();
    what.make(&tree);
    Some((mounted, tree))
}

/// Both tables without what a program loses.
fn assert_equal_but(before: Table, after: Table, forget: impl Fn(&str, &mut Inode)) {
    let [before, after] = [before, after].map(|mut table| {
        for (path, inode) in &mut table {
            forget(path, inode);
        }
        table
    });
    assert_equal(&before, &after);
}

fn shell(work: &Work, script: &str) {
    run("sh", &["-ec", script], &work.path(""));
}

fn import(work: &Work) -> Table {
    let import = work.run("systemd-import").arg("tar");
    let outcome = import.arg(work.path("in.tar")).arg("t").succeed();
    assert!(!outcome.stderr.contains("left out"), "{}", outcome.stderr);
    exact(&work.image("t"))
}

fn export(work: &Work) {
    let export = work.run("systemd-export").arg("tar");
    export
        .arg(work.image("tree"))
        .arg(work.path("out.tar"))
        .succeed();
    std::fs::create_dir_all(work.image("out")).unwrap();
}

fn imports_of_gnu_tar(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    let what = Everything { file_system, ..ALL };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    shell(&work, PACK_GNU);
    assert_equal_but(exact(&tree), import(&work), |path, inode| {
        // It knows of no inode flags, and stores each name of a device and fifo as one of its own.
        inode.remove("flags");
        if is_linked(path, "device") || is_linked(path, "fifo") {
            inode.remove("names");
        }
        if path == "\"holes/all-small\"" {
            // What is shorter than its header it stores as zeros.
            inode.remove("data at");
        }
    });
}

/// Whether a path is that of a file of several names.
fn is_linked(path: &str, name: &str) -> bool {
    path.starts_with("\"links/") && path.ends_with(&format!("/{name}\""))
}

fn imports_of_bsdtar(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    if !has("bsdtar") {
        return;
    }
    let what = Everything {
        file_system,
        large_numbers: false,
        ..ALL
    };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    shell(&work, PACK_BSD);
    assert_equal_but(exact(&tree), import(&work), |path, inode| {
        // It stores each name of a device as one of its own.
        if is_linked(path, "device") {
            inode.remove("names");
        }
    });
}

fn exports_for_gnu_tar(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    let what = Everything {
        file_system,
        // It passes whole paths to the kernel, which takes 4096 bytes.
        deep: false,
        odd_attributes: false,
        ..ALL
    };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    export(&work);
    shell(&work, UNPACK_GNU);
    assert_equal_but(exact(&tree), exact(&work.image("out")), |_, inode| {
        // It knows of no inode flags.
        inode.remove("flags");
    });
}

fn exports_for_bsdtar(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    if !has("bsdtar") {
        return;
    }
    let what = Everything {
        file_system,
        // It changes into folders by paths, which end at 4096 bytes.
        deep: false,
        large_numbers: false,
        ..ALL
    };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    export(&work);
    shell(&work, UNPACK_BSD);
    assert_equal_but(exact(&tree), exact(&work.image("out")), |path, inode| {
        match path {
            // It leaves the time of the folder in which it stands.
            "\"\"" => inode.remove("time"),
            // It sets the flag after the contents, when btrfs does not take it any more.
            "\"flags/nocow\"" => inode.remove("flags"),
            _ => None,
        };
    });
}

fn exports_come_back(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    let what = Everything { file_system, ..ALL };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    export(&work);
    moved(&work.path("out.tar"), &work.path("in.tar"));
    let expected = exact(&tree);
    assert_equal(&expected, &import(&work));
    let again = work.run("systemd-export").arg("tar").arg(work.image("t"));
    again.arg(work.path("again.tar")).succeed();
    let [first, second] = ["in.tar", "again.tar"].map(|name| std::fs::read(work.path(name)));
    assert!(
        first.unwrap() == second.unwrap(),
        "equal trees, equal archives"
    );
}

fn folders_are_copied(file_system: FileSystem) {
    let Some(work) = Work::new() else { return };
    let what = Everything { file_system, ..ALL };
    let Some((_mounted, tree)) = tree(&work, what) else {
        return;
    };
    let import = work.run("systemd-import-fs").arg("run");
    import.arg(&tree).arg("t").succeed();
    assert_equal(&exact(&tree), &exact(&work.image("t")));
}

#[test]
fn archives_of_gnu_tar_on_ext4() {
    imports_of_gnu_tar(FileSystem::Ext4);
}

#[test]
fn archives_of_gnu_tar_on_btrfs() {
    imports_of_gnu_tar(FileSystem::Btrfs);
}

#[test]
fn archives_of_bsdtar_on_ext4() {
    imports_of_bsdtar(FileSystem::Ext4);
}

#[test]
fn archives_of_bsdtar_on_btrfs() {
    imports_of_bsdtar(FileSystem::Btrfs);
}

#[test]
fn exports_unpacked_by_gnu_tar_on_ext4() {
    exports_for_gnu_tar(FileSystem::Ext4);
}

#[test]
fn exports_unpacked_by_gnu_tar_on_btrfs() {
    exports_for_gnu_tar(FileSystem::Btrfs);
}

#[test]
fn exports_unpacked_by_bsdtar_on_ext4() {
    exports_for_bsdtar(FileSystem::Ext4);
}

#[test]
fn exports_unpacked_by_bsdtar_on_btrfs() {
    exports_for_bsdtar(FileSystem::Btrfs);
}

#[test]
fn exports_imported_again_on_ext4() {
    exports_come_back(FileSystem::Ext4);
}

#[test]
fn exports_imported_again_on_btrfs() {
    exports_come_back(FileSystem::Btrfs);
}

#[test]
fn copies_of_folders_on_ext4() {
    folders_are_copied(FileSystem::Ext4);
}

#[test]
fn copies_of_folders_on_btrfs() {
    folders_are_copied(FileSystem::Btrfs);
}
