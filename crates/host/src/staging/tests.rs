use super::*;

fn root() -> (tempfile::TempDir, Dir) {
    let place = tempfile::tempdir().unwrap();
    let folder = Dir::open(place.path()).unwrap();
    (place, folder)
}

#[test]
fn a_dropped_entry_leaves_nothing() {
    let (_place, folder) = root();
    for shape in [Shape::File, Shape::Folder, Shape::Subvolume] {
        let staging = Staging::create(&folder, "x".as_ref(), shape).unwrap();
        assert_eq!(folder.entries().unwrap().len(), 1);
        if shape != Shape::File {
            let inner = staging.folder().unwrap();
            inner.make_dir("d".as_ref(), 0o700).unwrap();
        }
        drop(staging);
        assert_eq!(folder.entries().unwrap().len(), 0);
    }
}

#[test]
fn a_taken_name_is_refused_and_kept() {
    let (place, folder) = root();
    std::fs::create_dir_all(place.path().join("x/keep")).unwrap();
    let staging = Staging::create(&folder, "x".as_ref(), Shape::Folder).unwrap();
    let error = staging.install("x".as_ref(), Replace::Refuse).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(place.path().join("x/keep").is_dir());
    assert_eq!(folder.entries().unwrap(), ["x"]);
}

#[test]
fn a_forced_name_swaps_even_a_link_without_following_it() {
    let (place, folder) = root();
    std::fs::create_dir_all(place.path().join("precious/keep")).unwrap();
    std::os::unix::fs::symlink("precious", place.path().join("x")).unwrap();
    let staging = Staging::create(&folder, "x".as_ref(), Shape::Folder).unwrap();
    let mut installed = staging.install("x".as_ref(), Replace::Exchange).unwrap();
    installed.remove_replaced().unwrap();
    assert!(place.path().join("precious/keep").is_dir());
    assert!(place.path().join("x").symlink_metadata().unwrap().is_dir());
    assert_eq!(folder.entries().unwrap(), ["precious", "x"]);
}

#[test]
fn the_sweep_takes_abandoned_entries_only() {
    let (place, folder) = root();
    let held = Staging::create(&folder, "held".as_ref(), Shape::Folder).unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::create_dir_all(path(".#importd.dead.0123456789abcdef/sub")).unwrap();
    std::fs::File::create(path(".#importd.file.0123456789abcdef")).unwrap();
    std::fs::File::create(path(".#importd.odd")).unwrap();
    std::fs::File::create(path(".#other0123456789abcdef")).unwrap();
    std::os::unix::fs::symlink("/", path(".#importd.l.0123456789abcdef")).unwrap();
    assert_eq!(abandoned(&folder).unwrap().len(), 3);
    assert_eq!(sweep(&folder, &mut || Ok(())).unwrap(), 3);
    assert_eq!(abandoned(&folder).unwrap().len(), 0);
    let left = folder.entries().unwrap();
    assert_eq!(left.len(), 3, "{left:?}");
    drop(held);
    assert_eq!(folder.entries().unwrap().len(), 2);
}

#[test]
fn in_foreign_folders_only_own_files_of_the_name_are_swept() {
    let (place, folder) = root();
    let path = |name: &str| place.path().join(name);
    let file = |name: &str| std::fs::File::create(path(name)).unwrap();
    file(".#importd.out.tar.0123456789abcdef");
    file(".#importd.other.0123456789abcdef");
    std::fs::create_dir_all(path(".#importd.out.tar.1123456789abcdef/in")).unwrap();
    std::os::unix::fs::symlink("/", path(".#importd.out.tar.2123456789abcdef")).unwrap();
    let foreign = file(".#importd.out.tar.3123456789abcdef");
    let is_root = std::os::unix::fs::fchown(&foreign, Some(7), None).is_ok();
    let swept = sweep_files(&folder, "out.tar".as_ref()).unwrap();
    assert_eq!(swept, if is_root { 1 } else { 2 });
    assert_eq!(sweep_folders(&folder, "out.tar".as_ref()).unwrap(), 1);
    assert!(path(".#importd.out.tar.2123456789abcdef").is_symlink());
}

#[test]
fn a_sweep_beside_transfers_never_takes_theirs() {
    let (_place, folder) = root();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                sweep(&folder, &mut || Ok(())).unwrap();
            }
        });
        for _ in 0..300 {
            for shape in [Shape::File, Shape::Folder] {
                let staging = Staging::create(&folder, "x".as_ref(), shape).unwrap();
                let there = is_entry(&folder, &staging.name, &staging.entry).unwrap();
                std::thread::yield_now();
                let still = is_entry(&folder, &staging.name, &staging.entry).unwrap();
                assert!(there && still);
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn hidden_names_fit_whatever_the_name_is() {
    let long = "x".repeat(255);
    let hidden = hidden_name(long.as_ref()).unwrap();
    assert!(hidden.len() + rename::ASIDE.len() <= NAME_MAX);
    assert!(is_ours(&hidden));
}
