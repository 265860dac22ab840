//! The namespaces themselves; each test that enters one forks a program of its own to do so.

use super::*;
use rustix::fs::{Mode, OFlags};

#[test]
fn a_new_namespace_is_another_one_and_has_no_ids() {
    let Ok(seed) = Seed::new() else {
        return eprintln!("skipped: no user namespaces here");
    };
    let namespace = seed.open().unwrap();
    let open = |path: &str| {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    };
    let inode = |fd: &dyn AsFd| rustix::fs::fstat(fd.as_fd()).unwrap().st_ino;
    assert_ne!(inode(&namespace), inode(&open("/proc/self/ns/user")));
    let map = std::fs::read_to_string(format!("/proc/{}/uid_map", seed.pid().as_raw_nonzero()));
    assert_eq!(map.unwrap(), "");
}

#[test]
fn the_child_ends_with_its_holder() {
    let Ok(seed) = Seed::new() else {
        return eprintln!("skipped: no user namespaces here");
    };
    let folder = format!("/proc/{}", seed.pid().as_raw_nonzero());
    assert!(std::path::Path::new(&folder).exists());
    drop(seed);
    assert!(!std::path::Path::new(&folder).exists());
}

#[test]
fn a_process_with_threads_is_not_let_in() {
    let Ok(seed) = Seed::new() else {
        return eprintln!("skipped: no user namespaces here");
    };
    let namespace = seed.open().unwrap();
    // The test itself is a thread beside the first one.
    let error = join(namespace.as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
