//! What workers that were killed left behind: unfinished images under hidden names, and downloads
//! that nobody went on with.
//!
//! Removed off the thread that serves the bus, since trees can be large. What a running worker
//! makes is locked and stays.

use importd_api::class::Class;
use importd_api::job::Job;
use importd_host::dir::Dir;
use importd_host::partial::{Limits, Store};
use importd_host::staging;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The folders in which images of a class are made.
#[derive(Clone, Debug, Default)]
pub struct ImageRoots(BTreeMap<Class, PathBuf>);

impl FromIterator<(Class, PathBuf)> for ImageRoots {
    fn from_iter<I: IntoIterator<Item = (Class, PathBuf)>>(roots: I) -> Self {
        Self(roots.into_iter().collect())
    }
}

impl ImageRoots {
    /// Removes what is left in all folders: from killed workers, or a power cut.
    pub fn sweep_all(&self) {
        let folders: BTreeSet<PathBuf> = self.0.values().cloned().collect();
        tokio::task::spawn_blocking(move || folders.iter().for_each(|folder| sweep(folder)));
    }

    /// The folder in which a job makes its image, if it is known.
    #[must_use]
    pub fn of<'a>(&'a self, job: &'a Job) -> Option<&'a Path> {
        let own = job.image_root.as_deref();
        own.or_else(|| self.0.get(&job.class).map(PathBuf::as_path))
    }

    /// Removes what the killed worker of a job left.
    pub fn sweep_after(&self, job: &Job) {
        if let Some(folder) = self.of(job).map(Path::to_owned) {
            tokio::task::spawn_blocking(move || sweep(&folder));
        }
    }
}

fn sweep(root: &Path) {
    let swept = Dir::open(root).and_then(|folder| staging::sweep(&folder, &mut || Ok(())));
    match swept {
        Ok(0) => {}
        Ok(count) => tracing::info!(
            "Removed {count} unfinished images of earlier transfers from {}",
            root.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(
            "Unfinished images of earlier transfers in {} could not be removed: {error}",
            root.display()
        ),
    }
}

/// Removes what there is too much or too old of in the folder of unfinished downloads. The rest is
/// kept for the next try.
pub fn sweep_downloads(folder: Option<PathBuf>) {
    let Some(folder) = folder else { return };
    tokio::task::spawn_blocking(move || {
        let shown = folder.display();
        let swept = Store::open_optional(&folder).and_then(|store| match store {
            Some(store) => store.sweep(&Limits::USUAL, None, 0).map(|swept| swept.1),
            None => Ok(0),
        });
        match swept {
            Ok(0) => {}
            Ok(count) => tracing::info!("Removed {count} old unfinished downloads from {shown}"),
            Err(error) => {
                tracing::warn!("Old unfinished downloads in {shown} could not be removed: {error}");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_api::class::Scope;
    use importd_api::job::{Local, Work};
    use importd_api::name::Form;
    use importd_api::url::Url;
    use importd_api::verify::Verify;
    use importd_host::partial::{File as Part, Key};
    use tempfile::TempDir;

    fn root_with_leftover() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let leftover = root.path().join(".#importd.a.0123456789abcdef/b");
        std::fs::create_dir_all(leftover).unwrap();
        std::fs::create_dir_all(root.path().join("image")).unwrap();
        root
    }

    fn is_swept(root: &TempDir) -> bool {
        let left = std::fs::read_dir(root.path()).unwrap();
        let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().any(|name| name == "image"));
        names.len() == 1
    }

    /// Runs sweeps on the one thread for what blocks; all are over when it returns.
    fn run(start: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            start();
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        });
    }

    fn job(class: Class, image_root: Option<&Path>) -> Job {
        Job {
            scope: Scope::System,
            class,
            force: false,
            read_only: false,
            image_root: image_root.map(Path::to_owned),
            work: Work::Pull {
                form: Form::Tar,
                url: Url::parse("http://h/x").unwrap(),
                local: Local::Derived,
                verify: Verify::No,
                keep_download: false,
            },
        }
    }

    #[test]
    fn leftovers_are_taken_from_all_folders() {
        let (one, two) = (root_with_leftover(), root_with_leftover());
        let roots: ImageRoots = [
            (Class::Machine, one.path().to_owned()),
            (Class::Portable, one.path().join("absent")),
            (Class::Sysext, two.path().to_owned()),
        ]
        .into_iter()
        .collect();
        run(|| roots.sweep_all());
        assert!(is_swept(&one) && is_swept(&two));
    }

    #[test]
    fn old_downloads_go_and_new_ones_stay() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("cache");
        run(|| sweep_downloads(Some(folder.clone())));
        assert!(!folder.exists());
        let store = Store::open(&folder).unwrap();
        for digest in [[1; 32], [2; 32]] {
            let claim = store.claim(&Key::of(&digest)).unwrap().unwrap();
            for file in [Part::Part, Part::Record] {
                let file = std::fs::File::from(claim.make(file).unwrap());
                if digest == [1; 32] {
                    file.set_modified(std::time::UNIX_EPOCH).unwrap();
                }
            }
        }
        run(|| sweep_downloads(Some(folder.clone())));
        let left = store.entries().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].key, Key::of(&[2; 32]));
    }

    #[test]
    fn a_killed_job_is_swept_in_its_own_folder_only() {
        let [machines, sysexts, given] = [(); 3].map(|()| root_with_leftover());
        let roots: ImageRoots = [
            (Class::Machine, machines.path().to_owned()),
            (Class::Sysext, sysexts.path().to_owned()),
        ]
        .into_iter()
        .collect();
        run(|| roots.sweep_after(&job(Class::Sysext, None)));
        assert!(is_swept(&sysexts) && !is_swept(&machines));
        run(|| roots.sweep_after(&job(Class::Machine, Some(given.path()))));
        assert!(is_swept(&given) && !is_swept(&machines));
    }
}
