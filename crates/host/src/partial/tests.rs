use super::*;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

fn key(digit: char) -> Key {
    Key::parse(&String::from(digit).repeat(2 * KEY_BYTES)).unwrap()
}

fn place() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("a/cache")).unwrap();
    (place, store)
}

fn path(place: &tempfile::TempDir, key: &Key, file: File) -> PathBuf {
    place.path().join("a/cache").join(key.file(file))
}

fn kept(store: &Store, key: &Key, bytes: &[u8]) {
    let claim = store.claim(key).unwrap().unwrap();
    let part = claim.make(File::Part).unwrap();
    crate::copy::write_at(part.as_fd(), bytes, 0).unwrap();
    claim.make(File::Record).unwrap();
}

#[test]
fn keys_are_digits_and_nothing_else() {
    for text in ["", "a", "../../../../../../../../etc/passwd", "A"] {
        assert_eq!(Key::parse(text), None);
    }
    assert_eq!(Key::parse(&"A".repeat(32)), None);
    let parsed = Key::parse(&"0a".repeat(16)).unwrap();
    assert_eq!(parsed, Key::of(&[10; 32]));
}

#[test]
fn one_owner_at_a_time_and_a_lock_is_free_when_it_is_dropped() {
    let (place, store) = place();
    let claim = store.claim(&key('a')).unwrap().unwrap();
    assert!(store.claim(&key('a')).unwrap().is_none());
    assert!(store.claim(&key('b')).unwrap().is_some());
    drop(claim);
    assert!(!path(&place, &key('a'), File::Lock).exists());
    assert!(store.claim(&key('a')).unwrap().is_some());
}

#[test]
fn the_owner_sees_whether_somebody_waits() {
    let (place, store) = place();
    let claim = store.claim(&key('a')).unwrap().unwrap();
    assert!(!claim.is_awaited());
    let first = store.wait(&key('a')).unwrap();
    let second = store.wait(&key('a')).unwrap();
    assert!(claim.is_awaited());
    drop(first);
    assert!(claim.is_awaited());
    drop(second);
    assert!(!claim.is_awaited());
    assert!(!path(&place, &key('a'), File::Wait).exists());
}

#[test]
fn hostile_files_are_removed_and_not_followed() {
    let (place, store) = place();
    let outside = place.path().join("outside");
    std::fs::File::create(&outside).unwrap();
    let part = path(&place, &key('a'), File::Part);
    let claim = store.claim(&key('a')).unwrap().unwrap();
    let absent = || assert!(claim.open_optional(File::Part).unwrap().is_none());
    symlink(&outside, &part).unwrap();
    absent();
    std::fs::hard_link(&outside, &part).unwrap();
    absent();
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&part)
        .unwrap();
    std::fs::File::create(part.join("x")).unwrap();
    absent();
    rustix::fs::mkfifoat(rustix::fs::CWD, &part, FILE_MODE).unwrap();
    absent();
    std::fs::File::create(&part).unwrap();
    std::fs::set_permissions(&part, PermissionsExt::from_mode(0o644)).unwrap();
    absent();
    assert!(!part.exists() && outside.exists());
    claim.make(File::Part).unwrap();
    assert!(claim.open_optional(File::Part).unwrap().is_some());
}

#[test]
fn a_link_in_place_of_the_lock_is_replaced() {
    let (place, store) = place();
    let outside = place.path().join("outside");
    symlink(&outside, path(&place, &key('a'), File::Lock)).unwrap();
    let claim = store.claim(&key('a')).unwrap();
    assert!(claim.is_some() && !outside.exists());
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let error = Store::open(place.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let absent = Store::open_optional(&place.path().join("absent")).unwrap();
    assert!(absent.is_none());
}

#[test]
fn what_is_old_unowned_or_not_whole_is_swept() {
    let (place, store) = place();
    for digit in ['a', 'b', 'c'] {
        kept(&store, &key(digit), b"x");
    }
    std::fs::File::create(place.path().join("a/cache/notes")).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for digit in ['a', 'b'] {
        for file in [File::Part, File::Record] {
            let file = std::fs::File::open(path(&place, &key(digit), file)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
    std::fs::remove_file(path(&place, &key('c'), File::Record)).unwrap();
    kept(&store, &key('d'), b"x");
    let busy = store.claim(&key('a')).unwrap();
    let swept = store.sweep(&Limits::USUAL, None, 0).unwrap();
    assert_eq!(swept, (true, 2));
    let left: Vec<Key> = store
        .entries()
        .unwrap()
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(left, [key('a'), key('d')]);
    assert!(place.path().join("a/cache/notes").exists());
    drop(busy);
    // A waiter that was killed leaves nothing that counts.
    std::fs::File::create(path(&place, &key('e'), File::Wait)).unwrap();
    // The one that stayed, as it was worked on.
    assert_eq!(store.sweep(&Limits::USUAL, None, 0).unwrap(), (true, 1));
}

#[test]
fn the_oldest_make_room_and_what_has_none_is_told() {
    let (place, store) = place();
    let age = |digit, seconds| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        for file in [File::Part, File::Record] {
            let file = std::fs::File::open(path(&place, &key(digit), file)).unwrap();
            file.set_modified(time).unwrap();
        }
    };
    for (digit, seconds) in [('a', 10), ('b', 20), ('c', 30)] {
        kept(&store, &key(digit), &[1; 1 << 20]);
        age(digit, seconds);
    }
    let limits = Limits {
        bytes: 3 << 20,
        ..Limits::USUAL
    };
    let (has_room, removed) = store.sweep(&limits, Some(&key('c')), 1 << 20).unwrap();
    // The oldest is the one that is to stay.
    assert!(has_room && removed == 1);
    let left: Vec<Key> = store
        .entries()
        .unwrap()
        .into_iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(left, [key('c'), key('a')]);
    // What finds no room at all drives nobody out.
    assert_eq!(store.sweep(&limits, None, 4 << 20).unwrap(), (false, 0));
    assert_eq!(store.entries().unwrap().len(), 2);
}

#[test]
fn a_growing_image_can_be_what_is_kept() {
    use crate::staging::{Shape, Staging};
    let (place, store) = place();
    let root = place.path().join("images");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&root)
        .unwrap();
    let folder = Dir::open(&root).unwrap();
    let images = || std::fs::read_dir(&root).unwrap().count();
    let part = path(&place, &key('a'), File::Part);
    let claim = store.claim(&key('a')).unwrap().unwrap();
    claim.make(File::Part).unwrap();

    let image = Staging::create(&folder, "d.raw".as_ref(), Shape::File).unwrap();
    assert!(claim.borrow(&image).unwrap());
    crate::copy::write_at(image.fd(), b"bytes", 0).unwrap();
    assert_eq!(
        (images(), std::fs::read(&part).unwrap()),
        (0, b"bytes".into())
    );
    assert!(claim.open_optional(File::Part).unwrap().is_some());
    assert!(claim.give_back(&image).unwrap());
    assert!(images() == 1 && !part.exists());

    // What is dropped meanwhile stays.
    assert!(claim.borrow(&image).unwrap());
    drop(image);
    assert_eq!(std::fs::read(&part).unwrap(), b"bytes");

    // Another file of that name is not the image, whose bytes are not lost.
    let image = Staging::create(&folder, "d.raw".as_ref(), Shape::File).unwrap();
    assert!(claim.borrow(&image).unwrap());
    crate::copy::write_at(image.fd(), b"bytes", 9000).unwrap();
    claim.make(File::Part).unwrap();
    assert!(!claim.give_back(&image).unwrap());
    assert!(images() == 0 && part.exists());
    let image = image.remade(&|| Ok(())).unwrap();
    let mut bytes = [1; 9006];
    let length = crate::copy::read_at(image.fd(), &mut bytes, 0).unwrap();
    assert!(length == 9005 && bytes[..9000] == [0; 9000] && bytes[9000..length] == *b"bytes");
    assert_eq!(images(), 1);
    drop(image);
    assert_eq!(images(), 0);
}
