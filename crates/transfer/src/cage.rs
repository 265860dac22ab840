//! What each worker may still do once it has what it needs: one profile per verb.
//!
//! | worker | capabilities | reads | writes | network |
//! |---|---|---|---|---|
//! | import tar | owner, mode, nodes, attributes | – | image root | no |
//! | import oci | as import tar | the layout, if it is a folder | image root | no |
//! | import raw | override permissions, immutable mark | – | image root | no |
//! | import-fs | as import tar, and read all | the folder | image root | no |
//! | export | read all, trusted attributes | the image or its snapshot | folder of FILE, if it is a file | no |
//! | export oci | as export | the layers | folder of FILE, or where blobs wait | no |
//! | pull | as import of that form | TLS roots, resolver files, `file:` source | image root, or folder of the path; unfinished downloads | connect |
//! | pull verify | read all | as pull | – | connect |
//! | pull --dry-run | as pull | as pull, image root | – | connect |
//! | push | as export | the layers, TLS roots, resolver files | where blobs wait | connect |
//! | pull clean | as import tar | – | image root, unfinished downloads | no |
//!
//! The cage closes before the first byte of an image is looked at. Nothing in it can start another
//! program, mount, trace, load code into the kernel or gain a privilege. A kernel without Landlock
//! or seccomp is told of once, and the transfer goes on.
//!
//! In a user namespace ([`crate::owners`]) the capabilities are over its ids only. Where those are foreign
//! ones, its threads may also become the root of the namespace; the folders are opened before and
//! allowed one by one, since above them the cage sees nothing, and the services that open them are
//! out of reach from here on.
//!
//! # Source
//! capabilities(7), landlock(7), seccomp(2).

use crate::context::Context;
use crate::error::{Doing, Result};
use crate::pull::{BOOT_ID, Request};
use crate::source::remote::percent_decoded;
use importd_api::name::Form;
use importd_host::dir::Dir;
use importd_host::namespace::foreign;
use importd_host::sandbox::{self, CapabilitySet, Profile};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// To give every inode of a tree its owner, mode, attributes and flags, on every file system.
/// `SysAdmin` is for attributes of the `trusted` and `security` namespaces and for btrfs
/// subvolumes; mounting and the rest of it are closed by the system call filter.
const MAKE_TREES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::LINUX_IMMUTABLE);

/// To read trees whatever their permissions, `trusted` attributes included, and to write into the
/// caller's folder, as the file's owner.
const READ_TREES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::SYS_ADMIN);

/// What resolving names and trusting certificates reads. Single files of `/etc`, so that nothing
/// secret is among them.
const NETWORK_FILES: [&str; 23] = [
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/lib",
    "/lib64",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/usr",
    "/var/lib/ca-certificates",
];

/// Disk images: one file, of which only the owner's permissions are set. The rest is for removing
/// the image that is replaced.
const MAKE_FILES: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::LINUX_IMMUTABLE);

fn makes(form: Form) -> CapabilitySet {
    match form {
        Form::Tar => MAKE_TREES,
        Form::Raw => MAKE_FILES,
    }
}

/// For `systemd-import tar`: the source is open already; the tree grows in `folder`.
///
/// # Errors
/// When the kernel refuses a cage it should be able to build.
pub fn enter_import_tar(folder: &Dir, context: &Context) -> Result<()> {
    let mut profile = Profile::new("import", MAKE_TREES);
    profile.allow_write(folder.as_fd()).doing(failed)?;
    enter(profile, context)
}

/// What marking a block device read-only needs.
pub const MARK_DEVICES: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// What giving a new file to the owner of the one it replaces needs.
pub const GIVE_AWAY: CapabilitySet = CapabilitySet::CHOWN;

/// For `systemd-import raw`: the source is open already, and so is a target that is written in
/// place; new files are made in `folder`. `extra` is kept beside what all need.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_import_raw(
    folder: Option<&Dir>,
    extra: CapabilitySet,
    context: &Context,
) -> Result<()> {
    let mut profile = Profile::new("import", MAKE_FILES.union(extra));
    if let Some(folder) = folder {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

/// For `systemd-import-fs run`: the copy grows in `folder`.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_import_fs(folder: &Dir, source: &Dir, context: &Context) -> Result<()> {
    let mut profile = Profile::new("import-fs", MAKE_TREES);
    profile.allow_write(folder.as_fd()).doing(failed)?;
    profile.allow_read(source.as_fd()).doing(failed)?;
    enter(profile, context)
}

/// For `systemd-import oci`: layers and stacks grow in `folder`; a layout that is a folder is read, an
/// archive is open already.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_import_oci(folder: &Dir, source: Option<&Dir>, context: &Context) -> Result<()> {
    let mut profile = Profile::new("import", MAKE_TREES);
    profile.allow_write(folder.as_fd()).doing(failed)?;
    if let Some(source) = source {
        profile.allow_read(source.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

/// For `systemd-export tar`: reads the tree, writes where FILE is to appear, if it is no device. What
/// removes a snapshot are calls into btrfs, which need no right to write.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_export_tree(tree: &Dir, folder: Option<&Dir>, context: &Context) -> Result<()> {
    let mut profile = Profile::new("export", READ_TREES);
    profile.allow_read(tree.as_fd()).doing(failed)?;
    if let Some(folder) = folder {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

/// For `systemd-export oci`: reads the trees, writes where blobs and the image are to appear.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_export_oci(trees: &[&Dir], folders: &[&Dir], context: &Context) -> Result<()> {
    let mut profile = Profile::new("export", READ_TREES);
    for tree in trees {
        profile.allow_read(tree.as_fd()).doing(failed)?;
    }
    for folder in folders {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

/// For `systemd-pull push`: reads the layers, keeps blobs in files without names in `waiting`, and
/// connects.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_push(
    trees: &[&Dir],
    waiting: &Dir,
    certificates: &[PathBuf],
    context: &Context,
) -> Result<()> {
    let mut profile = Profile::new("push", READ_TREES);
    for tree in trees {
        profile.allow_read(tree.as_fd()).doing(failed)?;
    }
    profile.allow_write(waiting.as_fd()).doing(failed)?;
    allow_network(&mut profile, certificates);
    enter(profile, context)
}

/// For `systemd-export raw`: reads the image, writes where FILE is to appear, if it is no device.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_export(image: &Path, folder: Option<&Dir>, context: &Context) -> Result<()> {
    let mut profile = Profile::new("export", READ_TREES);
    profile.allow_read_path(image);
    if let Some(folder) = folder {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

/// For `systemd-pull tar|raw`: what is written in place is open already; new files and trees are
/// made in `folders`: where the image is to be, and where unfinished downloads are kept. `extra` is
/// kept beside what all need.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_pull(
    folders: [Option<&Dir>; 2],
    extra: CapabilitySet,
    request: &Request,
    context: &Context,
) -> Result<()> {
    let mut profile = Profile::new("pull", makes(request.form).union(extra));
    for folder in folders.into_iter().flatten() {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    allow_source(&mut profile, request);
    enter(profile, context)
}

/// For `systemd-pull verify`: nothing is written. A file to compare is open already.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_verify(request: &Request, context: &Context) -> Result<()> {
    let mut profile = Profile::new("pull", CapabilitySet::DAC_READ_SEARCH);
    allow_source(&mut profile, request);
    enter(profile, context)
}

/// For `systemd-pull --dry-run`: as [`enter_pull`], but nothing can be written anywhere.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_plan(folder: &Dir, request: &Request, context: &Context) -> Result<()> {
    let mut profile = Profile::new("pull", makes(request.form));
    profile.allow_read(folder.as_fd()).doing(failed)?;
    allow_source(&mut profile, request);
    enter(profile, context)
}

fn allow_source(profile: &mut Profile, request: &Request) {
    profile.allow_read_path(Path::new(BOOT_ID));
    match request.url.file_path() {
        // The folder, for the checksum files beside the image.
        Some(path) => {
            let path = percent_decoded(path);
            profile.allow_read_path(path.parent().unwrap_or(Path::new("/")));
        }
        None => allow_network(profile, &request.certificates),
    }
}

/// For `systemd-pull oci`: makes trees in the image root, and asks a registry, or reads its folder.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_pull_oci(
    folders: &[&Dir],
    registry: Option<&Path>,
    certificates: &[PathBuf],
    context: &Context,
) -> Result<()> {
    let mut profile = Profile::new("pull", MAKE_TREES);
    for folder in folders {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    allow_registry(&mut profile, registry, certificates);
    enter(profile, context)
}

/// For `systemd-pull --dry-run oci`: as [`enter_pull_oci`], but nothing can be written anywhere.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_plan_oci(
    folder: &Dir,
    registry: Option<&Path>,
    certificates: &[PathBuf],
    context: &Context,
) -> Result<()> {
    let mut profile = Profile::new("pull", MAKE_TREES);
    profile.allow_read(folder.as_fd()).doing(failed)?;
    allow_registry(&mut profile, registry, certificates);
    enter(profile, context)
}

fn allow_registry(profile: &mut Profile, folder: Option<&Path>, certificates: &[PathBuf]) {
    match folder {
        Some(folder) => profile.allow_read_path(folder),
        None => allow_network(profile, certificates),
    }
}

fn allow_network(profile: &mut Profile, certificates: &[PathBuf]) {
    profile.allow_network();
    for path in NETWORK_FILES.iter().map(PathBuf::from) {
        profile.allow_read_path(&path);
    }
    for path in certificates {
        profile.allow_read_path(path);
    }
}

/// For `systemd-pull clean`: removes trees and files from the image root, and unfinished downloads.
///
/// # Errors
/// As [`enter_import_tar`].
pub fn enter_clean(folders: &[&Dir], context: &Context) -> Result<()> {
    let mut profile = Profile::new("pull", MAKE_TREES);
    for folder in folders {
        profile.allow_write(folder.as_fd()).doing(failed)?;
    }
    enter(profile, context)
}

fn failed() -> String {
    "Failed to give up privileges before looking at the image".into()
}

fn enter(mut profile: Profile, context: &Context) -> Result<()> {
    if context.owners.are_foreign() {
        profile.allow_root_threads();
        foreign::dismiss();
        for folder in context.owners.known() {
            profile.allow_write(folder.as_fd()).doing(failed)?;
        }
    }
    let report = sandbox::enter(&profile).doing(failed)?;
    // Threads inherit the cage: none may be older.
    context
        .cancel
        .listen()
        .doing(|| "Failed to wait for signals".into())?;
    for missing in report.missing() {
        context.report.notice(missing);
    }
    Ok(())
}
