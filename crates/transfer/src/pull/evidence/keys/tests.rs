use super::*;
use std::os::unix::fs::symlink;

/// The public keys of minisign(1)'s manual page, and of nobody.
const MINISIGN: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
/// An OpenPGP key, as fuzz/fixtures/pgp.gen.sh makes it.
const OPENPGP: &[u8] = include_bytes!("../../../../../../fuzz/fixtures/key.pgp");

/// A root with these files in it.
fn root(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        put(root.path(), path, bytes);
    }
    root
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    use std::io::Write;
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Whether there are OpenPGP keys, and keys of minisign, and how many warnings.
fn found(root: &Path) -> (bool, bool, usize) {
    let keys = Keys::below(root).unwrap();
    let warnings = keys.warnings().len();
    (
        !keys.openpgp.is_empty(),
        !keys.minisign.is_empty(),
        warnings,
    )
}

#[test]
fn keys_come_from_keyrings_and_from_folders_of_key_files() {
    for path in [
        "etc/systemd/import-pubring.pgp",
        "etc/systemd/import-pubring.gpg",
        "usr/lib/systemd/import-pubring.pgp",
        "usr/lib/systemd/import-pubring.gpg",
        "etc/systemd/import-keys.d/a.pgp",
        "run/systemd/import-keys.d/a.asc",
        "usr/local/lib/systemd/import-keys.d/a.pgp",
        "usr/lib/systemd/import-keys.d/a.pgp",
    ] {
        let root = root(&[(path, OPENPGP)]);
        assert_eq!(found(root.path()), (true, false, 0), "{path}");
    }
    let root = root(&[("usr/lib/systemd/import-keys.d/a.pub", MINISIGN.as_bytes())]);
    assert_eq!(found(root.path()), (false, true, 0));
}

#[test]
fn other_files_in_the_folders_are_nothing() {
    let root = root(&[
        ("etc/systemd/import-keys.d/README", b"text"),
        ("etc/systemd/import-keys.d/a.pgp.bak", b"text"),
        ("etc/systemd/import-keys.d/a.pub", MINISIGN.as_bytes()),
    ]);
    assert_eq!(found(root.path()), (false, true, 0));
}

#[test]
fn a_file_hides_those_of_its_name_in_later_folders() {
    let vendor = "usr/lib/systemd/import-keys.d/a.pgp";
    let local = "etc/systemd/import-keys.d/a.pgp";
    let other = ("etc/systemd/import-keys.d/b.pub", MINISIGN.as_bytes());
    for (what, bytes) in [("an empty file", Some(&b""[..])), ("a link", None)] {
        let root = root(&[(vendor, OPENPGP), other]);
        assert_eq!(found(root.path()), (true, true, 0), "{what}");
        match bytes {
            Some(bytes) => put(root.path(), local, bytes),
            None => symlink("/dev/null", root.path().join(local)).unwrap(),
        }
        assert_eq!(found(root.path()), (false, true, 0), "{what}");
    }
}

#[test]
fn a_bad_file_is_a_warning_that_names_it_and_all_bad_ones_an_error() {
    let bad = "etc/systemd/import-keys.d/bad.pgp";
    let root = root(&[
        (bad, b"no key"),
        ("etc/systemd/import-keys.d/bad.pub", b"no key"),
        ("usr/lib/systemd/import-pubring.pgp", OPENPGP),
    ]);
    std::fs::create_dir_all(root.path().join("etc/systemd/import-keys.d/folder.pgp")).unwrap();
    let keys = Keys::below(root.path()).unwrap();
    let [one, two, three] = keys.warnings() else {
        panic!("{:?}", keys.warnings())
    };
    assert!(
        one.contains("bad.pgp") && one.contains("holds no usable key"),
        "{one}"
    );
    assert!(two.contains("bad.pub") && two.contains("minisign"), "{two}");
    assert!(
        three.contains("folder.pgp") && three.contains("no file"),
        "{three}"
    );
    std::fs::remove_file(root.path().join("usr/lib/systemd/import-pubring.pgp")).unwrap();
    let error = Keys::below(root.path()).unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
    assert!(error.doing.contains("bad.pgp"), "{}", error.doing);
}

#[test]
fn without_any_key_the_error_says_where_they_belong() {
    let root = root(&[]);
    let error = Keys::below(root.path()).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    for word in [
        "import-keys.d",
        "SYSTEMD_OPENPGP_KEYRING",
        "--verify=checksum",
    ] {
        assert!(error.doing.contains(word), "{}", error.doing);
    }
}

#[test]
fn a_keyring_that_is_given_is_the_only_one_and_must_be_good() {
    let root = root(&[("a.pgp", OPENPGP), ("bad.pgp", b"no key")]);
    let path = |name: &str| root.path().join(name);
    let keys = Keys::load(Some(&path("a.pgp"))).unwrap();
    assert!(!keys.openpgp.is_empty() && keys.minisign.is_empty());
    for (path, kind) in [
        (path("none.pgp"), Kind::NotFound),
        (path("bad.pgp"), Kind::Corrupt),
        (PathBuf::from("a.pgp"), Kind::InvalidArgument),
    ] {
        assert_eq!(Keys::load(Some(&path)).unwrap_err().kind, kind, "{path:?}");
    }
}
