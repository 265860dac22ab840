//! Layers get the image's name: a mount stack, with settings and the configuration beside it.
//!
//! # Atomicity
//! All is made under hidden names and flushed; the stack gets its name by one rename, then the files
//! beside it, as [`crate::companions`] says. What was changed in a stack that is replaced goes over to the
//! new one; how, and what a crash leaves, is in `host::staging` (`handover`).
//!
//! # Source
//! systemd.mstack(7); what systemd-pull of systemd 262 makes.

use crate::companions;
use crate::context::{Context, Target};
use crate::error::{Doing, Error, Result};
use crate::install::{Manner, Root};
use crate::proof::{Proven, Staged};
use importd_api::failure::Kind;
use importd_api::name::{ImageName, NAME_MAX};
use importd_host::copy;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::{self, CHANGES, Shape, Staging};
use rustix::fs::Mode;
use std::ffi::{OsStr, OsString};

/// How the name of a stack ends.
const ENDING: &str = ".mstack";
/// Mode of a stack, and of the folder of what is changed in it, as in the reference.
const STACK_MODE: u32 = 0o755;
/// Mode of the files beside it, as in the reference: environments have secrets in them.
const FILE_MODE: u32 = 0o640;

/// What a stack is made of.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// The names of layer folders in the image root, the lowest first.
    pub layers: Vec<OsString>,
    /// The files beside it.
    pub beside: Beside,
    /// What was changed in a stack that is replaced goes with it.
    pub reset: bool,
}

/// The files beside an image.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The file of settings, if there is one.
    pub settings: Option<Vec<u8>>,
    /// The configuration of the image as it is stored, if it has one.
    pub config: Option<Vec<u8>>,
}

/// Gives an image its name.
///
/// # Errors
/// [`Kind::Exists`] if the name is taken and must not be replaced, or if the stack is to be read-only and
/// the one that it replaces has changes; [`Kind::InvalidArgument`] for a name that is too long;
/// [`Kind::Io`] with `EBUSY` if somebody else replaces the stack too; what the file system says. Nothing has changed
/// then, unless only a file beside the stack is missing, and the message says so.
pub fn install(
    stack: &Stack,
    root: &Root,
    name: &ImageName,
    target: &Target,
    context: &Context,
) -> Result<()> {
    let file_name = stack_name(name)?;
    let has_changes = !stack.reset && target.force && changed(root, &file_name);
    if has_changes && target.read_only {
        let shown = root.path.join(&file_name);
        let text = format!(
            "'{}' has changes, which a read-only stack has no place for; --reset gives them up",
            shown.display()
        );
        return Err(Error::new(Kind::Exists, text));
    }
    let has_own = !target.read_only && !has_changes;
    let staged = build(&stack.layers, root, &file_name, has_own)?;
    let beside = stack.beside.stage(root, name)?;
    let mut manner = Manner {
        read_only: false,
        quota: false,
        ..target.manner()
    };
    if has_changes {
        manner.replace = Replace::Keep;
    }
    let names = (name, file_name.as_os_str());
    companions::install_in(
        staged.accept_local(),
        root,
        names,
        (manner, target),
        context,
    )?;
    if has_changes {
        let text = "What was changed in the stack that it replaces is kept; --reset gives it up.";
        context.report.info(text);
    }
    for (proven, name) in beside {
        install_beside(proven, root, &name, manner, context)?;
    }
    Ok(())
}

/// The name of the folder of a stack.
///
/// # Errors
/// [`Kind::InvalidArgument`] if it would be too long.
pub(crate) fn stack_name(name: &ImageName) -> Result<OsString> {
    let text = format!("{name}{ENDING}");
    if text.len() > NAME_MAX {
        let text = format!("Local image name '{name}' is too long: a stack is called '{text}'");
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(OsString::from(text))
}

/// Whether something was, or may have been, changed in a stack.
fn changed(root: &Root, file_name: &OsStr) -> bool {
    let Ok(stack) = root.folder.open_dir(file_name) else {
        return false;
    };
    let is_empty = |folder: Dir| folder.entries().is_ok_and(|names| names.is_empty());
    staging::has_changes(&stack) && !stack.open_dir(OsStr::new(CHANGES)).is_ok_and(is_empty)
}

/// The hidden folder of a stack, with or without a place for changes.
fn build(layers: &[OsString], root: &Root, file_name: &OsStr, has_own: bool) -> Result<Staged> {
    let failed = || "Failed to create a hidden mount stack".to_owned();
    let staging = Staging::create(&root.folder, file_name, Shape::Folder).doing(failed)?;
    let folder = staging.folder().doing(failed)?;
    for (number, layer) in layers.iter().enumerate() {
        let mut target = OsString::from("../");
        target.push(layer);
        let link = OsString::from(format!("layer@{number}"));
        folder.symlink(&target, &link).doing(failed)?;
    }
    if has_own {
        let changes = OsStr::new(CHANGES);
        folder.make_dir(changes, STACK_MODE).doing(failed)?;
    }
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(STACK_MODE)).doing(failed)?;
    Ok(Staged(staging))
}

/// Gives an image that is one tree its name, and the files beside it theirs.
///
/// # Errors
/// As [`companions::install`]; what the file system says.
pub fn install_tree(
    proven: Proven,
    beside: &Beside,
    (root, name): (&Root, &ImageName),
    target: &Target,
    context: &Context,
) -> Result<()> {
    let beside = beside.stage(root, name)?;
    let names = (name, OsStr::new(name.as_str()));
    companions::install(proven, root, names, target, context)?;
    let manner = Manner {
        read_only: false,
        quota: false,
        ..target.manner()
    };
    for (proven, name) in beside {
        install_beside(proven, root, &name, manner, context)?;
    }
    Ok(())
}

impl Beside {
    /// The files, still hidden, with their names.
    fn stage(&self, root: &Root, name: &ImageName) -> Result<Vec<(Proven, OsString)>> {
        let files = [(".nspawn", &self.settings), (".oci-config", &self.config)];
        let mut staged = Vec::new();
        for (ending, bytes) in files {
            let name = OsString::from(format!("{name}{ending}"));
            if let Some(bytes) = bytes {
                staged.push((file(root, &name, bytes)?, name));
            }
        }
        Ok(staged)
    }
}

/// A hidden file beside a stack.
fn file(root: &Root, name: &OsStr, bytes: &[u8]) -> Result<Proven> {
    let failed = || format!("Failed to write '{}'", root.path.join(name).display());
    let staging = Staging::create(&root.folder, name, Shape::File).doing(failed)?;
    copy::write_at(staging.fd(), bytes, 0).doing(failed)?;
    rustix::fs::fchmod(staging.fd(), Mode::from_raw_mode(FILE_MODE)).doing(failed)?;
    Ok(Staged(staging).accept_local())
}

/// Gives a file its name. The old image's is gone by now: what is there was put there by somebody.
fn install_beside(
    proven: Proven,
    root: &Root,
    name: &OsStr,
    manner: Manner,
    context: &Context,
) -> Result<()> {
    let shown = root.path.join(name);
    let replace = match manner.replace {
        Replace::Refuse => Replace::Refuse,
        Replace::Exchange | Replace::Keep | Replace::File => Replace::File,
    };
    match proven.install(root, name, Manner { replace, ..manner }, context) {
        Ok(_) => {
            let text = format!("Created new file {}.", shown.display());
            context.report.info(text);
            Ok(())
        }
        Err(error) if error.kind == Kind::Exists => {
            context.report.warning(format!(
                "File {} already exists, not replacing; --force replaces it.",
                shown.display()
            ));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Places;
    use crate::owners::Owners;
    use crate::report::{LogSettings, Report};
    use importd_api::class::{Class, UserBases};
    use importd_host::cancel::Cancel;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    struct Images {
        place: tempfile::TempDir,
        root: Root,
        target: Target,
        context: Context,
    }

    impl Images {
        fn new(force: bool) -> Self {
            let place = tempfile::tempdir_in("/var/tmp").unwrap();
            let path = place.path().to_owned();
            let folder = Dir::open(&path).unwrap();
            let (class, bases) = (Class::Machine, UserBases::default());
            let target = Target {
                places: Places::new(class, None, Some(path.clone()), &bases).unwrap(),
                force,
                read_only: false,
                sync: false,
                direct: false,
                subvolume: true,
                quota: false,
            };
            let context = Context {
                report: Report::new(None, &LogSettings::default()),
                cancel: Cancel::new().unwrap(),
                umask: 0o022,
                owners: Owners::All,
            };
            Self {
                place,
                root: Root { folder, path },
                target,
                context,
            }
        }

        fn install(&self, layers: &[&str], text: &str) -> Result<()> {
            self.install_stack(layers, text, false)
        }

        fn install_stack(&self, layers: &[&str], text: &str, reset: bool) -> Result<()> {
            let stack = Stack {
                layers: layers.iter().map(OsString::from).collect(),
                beside: Beside {
                    settings: Some(text.into()),
                    config: Some(b"{}".to_vec()),
                },
                reset,
            };
            let name = ImageName::parse("x").unwrap();
            install(&stack, &self.root, &name, &self.target, &self.context)
        }

        fn path(&self, path: &str) -> std::path::PathBuf {
            self.place.path().join(path)
        }

        fn names(&self) -> Vec<OsString> {
            self.root.folder.entries().unwrap()
        }
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_stack_is_what_the_reference_makes() {
        let images = Images::new(false);
        images.install(&[".oci-a", ".oci-b"], "settings").unwrap();
        let link = |name: &str| std::fs::read_link(images.path("x.mstack").join(name)).unwrap();
        assert_eq!(link("layer@0"), Path::new("../.oci-a"));
        assert_eq!(link("layer@1"), Path::new("../.oci-b"));
        for (path, mode) in [
            ("x.mstack", 0o755),
            ("x.mstack/rw", 0o755),
            ("x.nspawn", 0o640),
            ("x.oci-config", 0o640),
        ] {
            let found = images.path(path).metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode, "{path}");
        }
        assert_eq!(images.names(), ["x.mstack", "x.nspawn", "x.oci-config"]);
        // The name is taken.
        let error = images.install(&[".oci-c"], "other").unwrap_err();
        assert_eq!(error.kind, Kind::Exists);
        assert_eq!(link("layer@0"), Path::new("../.oci-a"));
        assert_eq!(text(&images.path("x.nspawn")), "settings");
        assert_eq!(images.names(), ["x.mstack", "x.nspawn", "x.oci-config"]);
    }

    #[test]
    fn what_was_changed_goes_over_to_the_new_stack() {
        let images = Images::new(true);
        images.install(&[".oci-a", ".oci-b"], "old").unwrap();
        std::fs::create_dir_all(images.path("x.mstack/rw/data/mine")).unwrap();
        images.install(&[".oci-c"], "new").unwrap();
        assert!(images.path("x.mstack/rw/data/mine").is_dir());
        assert!(images.path("x.mstack/layer@1").symlink_metadata().is_err());
        assert_eq!(text(&images.path("x.nspawn")), "new");
        images.install_stack(&[".oci-c"], "new", true).unwrap();
        assert!(!images.path("x.mstack/rw/data").exists());
        assert!(images.path("x.mstack/rw").is_dir());
        assert_eq!(images.names(), ["x.mstack", "x.nspawn", "x.oci-config"]);
    }

    #[test]
    fn a_read_only_stack_has_no_place_for_changes_and_does_not_drop_any() {
        let mut images = Images::new(true);
        images.install(&[".oci-a"], "old").unwrap();
        images.target.read_only = true;
        images.install(&[".oci-b"], "new").unwrap();
        assert!(!images.path("x.mstack/rw").exists());
        std::fs::create_dir_all(images.path("x.mstack/rw/data/mine")).unwrap();
        let error = images.install(&[".oci-a"], "newer").unwrap_err();
        assert_eq!(error.kind, Kind::Exists);
        assert!(error.doing.contains("--reset"), "{error}");
        assert!(images.path("x.mstack/rw/data/mine").is_dir());
        assert_eq!(text(&images.path("x.nspawn")), "new");
        images.install_stack(&[".oci-a"], "newer", true).unwrap();
        assert!(!images.path("x.mstack/rw").exists());
    }

    #[test]
    fn images_of_other_forms_are_replaced_with_all_that_belongs_to_them() {
        let images = Images::new(true);
        std::fs::create_dir_all(images.path("x/etc")).unwrap();
        for file in ["x.raw", "x.roothash", "x.nspawn"] {
            std::fs::File::create(images.path(file)).unwrap();
        }
        images.install(&[".oci-a"], "new").unwrap();
        assert_eq!(images.names(), ["x.mstack", "x.nspawn", "x.oci-config"]);
        assert_eq!(text(&images.path("x.nspawn")), "new");
    }

    #[test]
    fn settings_that_are_there_without_an_image_are_somebodys() {
        let images = Images::new(false);
        std::fs::File::create(images.path("x.nspawn")).unwrap();
        images.install(&[".oci-a"], "new").unwrap();
        assert_eq!(text(&images.path("x.nspawn")), "");
        assert!(images.path("x.mstack/layer@0").symlink_metadata().is_ok());
    }

    #[test]
    fn names_have_room_for_the_ending() {
        assert!(stack_name(&ImageName::parse(&"x".repeat(248)).unwrap()).is_ok());
        let error = stack_name(&ImageName::parse(&"x".repeat(249)).unwrap()).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument);
    }
}
