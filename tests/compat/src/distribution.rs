//! A whole distribution goes in and comes out with nothing lost.

use crate::make::{moved, rich_tree, run};
use crate::subject::{Work, is_ours};
use crate::tree::{assert_same, describe};
use std::path::{Path, PathBuf};

/// What a tree of the size people have holds at least.
const ENTRIES_MIN: usize = 10_000;
const BYTES_MIN: u64 = 500_000_000;

/// A copy of the tree that `DISTRIBUTION` names, made with debootstrap, with everything that a tree
/// can hold added where the subject keeps it.
fn tree(work: &Work) -> Option<PathBuf> {
    let Some(source) = std::env::var_os("DISTRIBUTION") else {
        println!("skipped: DISTRIBUTION names no tree");
        return None;
    };
    let tree = work.path("tree");
    let source = Path::new(&source).to_str().unwrap();
    run("cp", &["-a", source, "tree"], &work.path(""));
    if is_ours() {
        let rich = rich_tree(work);
        moved(&rich, &tree.join("opt/rich"));
    } else {
        // It loses set-group-id where there is an access list, and groups without a name.
        let journal = "setfacl -bk tree/var/log/journal; chmod g-s tree/var/log/journal";
        run("sh", &["-c", journal], &work.path(""));
    }
    let sizes = run("du", &["-s", "--block-size=1", "tree"], &work.path(""));
    let size = String::from_utf8(sizes).unwrap();
    let bytes: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    assert!(bytes > BYTES_MIN, "only {bytes} bytes");
    let entries = describe(&tree).len();
    assert!(entries > ENTRIES_MIN, "only {entries} entries");
    Some(tree)
}

#[test]
fn it_is_the_same_as_image_and_as_archive_again() {
    let Some(work) = Work::new() else { return };
    let Some(tree) = tree(&work) else { return };
    let pack = "tar --create --format=posix --sparse --acls --xattrs --xattrs-include='*' \
                --numeric-owner -C tree . | zstd -qT0 > tree.tar.zst";
    run("sh", &["-ec", pack], &work.path(""));
    let import = work.run("systemd-import").arg("tar");
    import.arg(work.path("tree.tar.zst")).arg("t").succeed();
    assert_same(&tree, &work.image("t"));
    let export = work.run("systemd-export").arg("tar").arg(work.image("t"));
    export.arg(work.path("out.tar")).succeed();
    let unpack = "mkdir out; tar --extract --acls --xattrs --xattrs-include='*' --numeric-owner \
                  -p -C out -f out.tar";
    run("sh", &["-ec", unpack], &work.path(""));
    assert_same(&tree, &work.path("out"));
}
