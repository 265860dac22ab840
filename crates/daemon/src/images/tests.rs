use super::*;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

fn places(folders: &[(Class, &Path)]) -> Places {
    let folders = folders.iter().map(|(c, p)| (*c, p.to_path_buf())).collect();
    Places {
        folders,
        host: false,
    }
}

fn names(images: &[Image]) -> Vec<(&str, &str)> {
    let pairs = images.iter().map(|i| (i.name.as_str(), i.r#type.as_str()));
    pairs.collect()
}

#[test]
fn entries_are_images_by_kind_and_suffix() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    for folder in [
        "tree",
        "layers.mstack",
        "many.v",
        ".#importd.x",
        "tree.raw",
        "-odd",
    ] {
        std::fs::create_dir_all(path(folder)).unwrap();
    }
    for file in [
        "disk.raw",
        "plain",
        ".raw",
        ".#gone.raw",
        ".tar-http:\\x2f\\x2fh.raw",
        "x.nspawn",
    ] {
        File::create(path(file)).unwrap();
    }
    symlink("disk.raw", path("link.raw")).unwrap();
    symlink("nowhere", path("dangling.raw")).unwrap();
    let images = places(&[(Class::Machine, place.path())])
        .list(None)
        .unwrap();
    assert_eq!(
        names(&images),
        [
            ("-odd", "directory"),
            (".tar-http:\\x2f\\x2fh", "raw"),
            ("disk", "raw"),
            ("layers", "mstack"),
            ("link", "raw"),
            ("tree", "directory"),
            ("tree.raw", "directory"),
        ]
    );
    let link = images.iter().find(|image| image.name == "link").unwrap();
    assert!(link.path.ends_with("/disk.raw"), "{}", link.path);
}

#[test]
fn disk_images_tell_size_times_and_write_bits() {
    let place = tempfile::tempdir().unwrap();
    let file = File::create(place.path().join("a.raw")).unwrap();
    file.set_len(300_000).unwrap();
    let time = UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
    file.set_modified(time).unwrap();
    let list = || places(&[(Class::Machine, place.path())]).list(Some(Class::Machine));
    let image = list().unwrap().remove(0);
    assert_eq!(image.limit_bytes, 300_000);
    assert_eq!(image.usage_bytes, 0);
    assert_eq!(image.modified_usec, 1_700_000_000_123_456);
    assert!(!image.read_only);
    file.set_permissions(Permissions::from_mode(0o444)).unwrap();
    assert!(list().unwrap()[0].read_only);
}

#[test]
fn folders_have_neither_sizes_nor_modification_times() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("t")).unwrap();
    let image = places(&[(Class::Machine, place.path())])
        .list(None)
        .unwrap()
        .remove(0);
    assert_eq!((image.usage_bytes, image.limit_bytes), (u64::MAX, u64::MAX));
    assert_eq!(image.modified_usec, 0);
}

#[test]
fn a_stack_is_read_only_unless_it_has_a_place_for_changes() {
    let place = tempfile::tempdir().unwrap();
    for folder in ["a.mstack/layer@0", "b.mstack/rw", ".oci-sha256:00"] {
        std::fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    let images = places(&[(Class::Machine, place.path())])
        .list(None)
        .unwrap();
    let found = images
        .iter()
        .map(|it| (it.name.as_str(), it.r#type.as_str(), it.read_only));
    let expected = [
        (".oci-sha256:00", "directory", false),
        ("a", "mstack", true),
        ("b", "mstack", false),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let stack = &images[1];
    assert!(stack.path.ends_with("/a.mstack") && stack.created_usec > 0);
    assert_eq!((stack.modified_usec, stack.usage_bytes), (0, u64::MAX));
}

#[test]
fn the_first_folder_with_a_name_wins_and_classes_do_not_mix() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    File::create(first.path().join("a.sysext.raw")).unwrap();
    std::fs::create_dir_all(second.path().join("a")).unwrap();
    std::fs::create_dir_all(second.path().join("b")).unwrap();
    let absent = first.path().join("absent");
    let places = places(&[
        (Class::Sysext, first.path()),
        (Class::Sysext, absent.as_path()),
        (Class::Sysext, second.path()),
        (Class::Confext, second.path()),
    ]);
    let sysext = places.list(Some(Class::Sysext)).unwrap();
    assert_eq!(names(&sysext), [("a", "raw"), ("b", "directory")]);
    assert_eq!(places.list(Some(Class::Machine)).unwrap(), []);
    assert_eq!(places.list(None).unwrap().len(), 4);
}

#[test]
fn a_folder_that_cannot_be_read_fails_only_its_own_class() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    File::create(&file).unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("x")).unwrap();
    let places = places(&[(Class::Portable, &file), (Class::Sysext, &tree)]);
    let refusal = places.list(Some(Class::Portable)).unwrap_err();
    assert_eq!(refusal.bus_error(), "System.Error.ENOTDIR");
    assert_eq!(places.list(None).unwrap().len(), 1);
}

#[test]
fn the_machine_itself_is_listed_in_the_system_scope() {
    let places = Places {
        folders: Vec::new(),
        host: true,
    };
    let images = places.list(Some(Class::Machine)).unwrap();
    assert_eq!(
        (images[0].name.as_str(), images[0].path.as_str()),
        (".host", "/")
    );
    assert_eq!(places.list(Some(Class::Sysext)).unwrap(), []);
}

#[test]
fn what_the_vendor_ships_is_read_only() {
    let meta = std::fs::metadata("/usr").unwrap();
    let image = folder_image(Class::Machine, "x".into(), Path::new("/usr"), &meta);
    assert!(image.read_only);
}
