//! The layers of an image: one tree, or what a stack has.

use super::super::overlay::Form;
use super::super::snapshot::Frozen;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::oci::CONFIG_MAX;
use importd_host::dir::Dir;
use importd_host::namespace::foreign;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The ending of a stack's name.
const STACK_SUFFIX: &str = ".mstack";
/// The ending of the file that keeps an image's configuration.
const CONFIG_SUFFIX: &str = ".oci-config";
/// How the names of layers begin in a stack.
const LAYER_PREFIX: &[u8] = b"layer@";
/// Most layers of a stack: what one image may have.
const LAYERS_MAX: usize = importd_formats::oci::LAYERS_MAX;

/// The layers, the lowest first, and the configuration that came with them.
#[derive(Debug)]
pub(crate) struct Trees {
    layers: Vec<Layer>,
    config: Option<Vec<u8>>,
}

/// A tree that becomes a layer.
#[derive(Debug)]
pub(super) struct Layer {
    tree: Tree,
    pub(super) form: Form,
    /// What messages call it.
    pub(super) label: String,
}

#[derive(Debug)]
enum Tree {
    Frozen(Frozen),
    Live(Dir),
}

impl Layer {
    pub(super) fn folder(&self) -> &Dir {
        match &self.tree {
            Tree::Frozen(frozen) => frozen.tree(),
            Tree::Live(folder) => folder,
        }
    }
}

impl Trees {
    /// Opens what is at a path: a stack by its ending, else a tree.
    ///
    /// # Errors
    /// [`Kind::NotDirectory`] for a disk image; [`Kind::Unsupported`] for a stack of other things than
    /// layers; what open(2) says.
    pub(crate) fn open(path: &Path, context: &Context) -> Result<Self> {
        let failed = || format!("Failed to open tree '{}' for export", path.display());
        let top = Dir::open(path).doing(failed)?;
        let name = path.file_name().unwrap_or_default();
        let stem = name.as_bytes().strip_suffix(STACK_SUFFIX.as_bytes());
        let layers = match stem {
            Some(_) => stack(&top, context)?,
            None => {
                let tree = opened(top, context).doing(failed)?;
                vec![Layer {
                    tree: Tree::Frozen(Frozen::take(path, tree, context)),
                    form: Form::Tree,
                    label: path.display().to_string(),
                }]
            }
        };
        if layers.is_empty() {
            let text = format!("'{}' has no layers", path.display());
            return Err(Error::new(Kind::NotFound, text));
        }
        let stem = OsStr::from_bytes(stem.unwrap_or(name.as_bytes()));
        Ok(Self {
            layers,
            config: config_beside(path, stem)?,
        })
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The configuration that the image came with.
    pub(super) fn config(&self) -> Option<&[u8]> {
        self.config.as_deref()
    }

    /// The folders, for the cage.
    pub(crate) fn folders(&self) -> Vec<&Dir> {
        self.layers.iter().map(Layer::folder).collect()
    }
}

fn opened(folder: Dir, context: &Context) -> std::io::Result<Dir> {
    match context.owners.are_foreign() {
        true => foreign::open(&folder),
        false => Ok(folder),
    }
}

/// The layers of a stack, and what was changed on top of them.
fn stack(top: &Dir, context: &Context) -> Result<Vec<Layer>> {
    let failed = || "Failed to look at the stack".to_owned();
    let names = top.entries().doing(failed)?;
    let mut layers: Vec<OsString> = Vec::new();
    for name in names {
        let shown = name.to_string_lossy();
        match name.as_bytes() {
            bytes if bytes.starts_with(LAYER_PREFIX) => layers.push(name),
            b"root" => {
                let text = "The stack has a root of its own, of which its layers are only /usr; \
                            no image can say that";
                return Err(Error::new(Kind::Unsupported, text));
            }
            bytes if bytes.starts_with(b"bind@") || bytes.starts_with(b"robind@") => {
                let text = format!("'{shown}' is mounted, and no part of the image; left out.");
                context.report.warning(text);
            }
            _ => {}
        }
    }
    if layers.len() > LAYERS_MAX {
        let text = format!("The stack has more than {LAYERS_MAX} layers");
        return Err(Error::new(Kind::TooLarge, text));
    }
    layers.sort_by(|one, other| by_version(one.as_bytes(), other.as_bytes()));
    let mut opened = Vec::with_capacity(layers.len() + 1);
    for name in layers {
        opened.push(Layer {
            tree: Tree::Live(layer(top, &name, context)?),
            form: Form::Lower,
            label: name.to_string_lossy().into_owned(),
        });
    }
    opened.extend(upper(top, context)?);
    Ok(opened)
}

/// A layer of a stack: a folder in it, or a link to one beside the stack. Any other link would let
/// whoever made the stack choose what is read.
fn layer(top: &Dir, name: &OsStr, context: &Context) -> Result<Dir> {
    let shown = name.to_string_lossy();
    let failed = || format!("Failed to open '{shown}'");
    let refused = |what: &str| {
        let text = format!("'{shown}' {what}");
        Err(Error::new(Kind::Unsupported, text))
    };
    let kind = FileType::from_raw_mode(top.stat(name).doing(failed)?.st_mode);
    let folder = match kind {
        FileType::Directory => top.open_dir(name).doing(failed)?,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(top, name, Vec::new()).doing(failed)?;
            let Some(beside) = target.as_bytes().strip_prefix(b"../") else {
                return refused("is a link to something that is not beside the stack");
            };
            let beside = OsStr::from_bytes(beside);
            let parent = top.open_parent().doing(failed)?;
            if beside.as_bytes().contains(&b'/') || beside.as_bytes().ends_with(b".raw") {
                return refused("is no link to a folder beside the stack");
            }
            parent.open_dir(beside).doing(failed)?
        }
        _ => return refused("is a disk image; only layers that are folders can be exported"),
    };
    opened(folder, context).doing(failed)
}

/// What was changed; `None` if nothing was.
fn upper(top: &Dir, context: &Context) -> Result<Option<Layer>> {
    let failed = || "Failed to open 'rw/data'".to_owned();
    let absent = |error: &std::io::Error| Errno::from_io_error(error) == Some(Errno::NOENT);
    let data = top
        .open_dir(OsStr::new("rw"))
        .and_then(|rw| rw.open_dir(OsStr::new("data")));
    let data = match data {
        Err(error) if absent(&error) => return Ok(None),
        other => opened(other.doing(failed)?, context).doing(failed)?,
    };
    let is_empty = context
        .owners
        .within(|| data.entries().doing(failed))?
        .is_empty();
    Ok((!is_empty).then(|| Layer {
        tree: Tree::Live(data),
        form: Form::Upper,
        label: "rw/data".into(),
    }))
}

/// The configuration beside an image, if it has one.
fn config_beside(path: &Path, stem: &OsStr) -> Result<Option<Vec<u8>>> {
    let mut name = stem.to_owned();
    name.push(CONFIG_SUFFIX);
    let shown = name.to_string_lossy().into_owned();
    let failed = || format!("Failed to read '{shown}'");
    let (Some(parent), false) = (path.parent(), stem.is_empty()) else {
        return Ok(None);
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let folder = Dir::open(parent).doing(failed)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match folder.open_file(&name, flags, Mode::empty()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(None),
        other => std::fs::File::from(other.doing(failed)?),
    };
    if !file.metadata().doing(failed)?.is_file() {
        let text = format!("'{shown}' is no regular file");
        return Err(Error::new(Kind::BadDescriptor, text));
    }
    let mut bytes = Vec::new();
    file.take(CONFIG_MAX + 1)
        .read_to_end(&mut bytes)
        .doing(failed)?;
    if bytes.len() as u64 > CONFIG_MAX {
        let text = format!("'{shown}' has more than {CONFIG_MAX} bytes");
        return Err(Error::new(Kind::TooLarge, text));
    }
    // The reference writes none for an image that says nothing.
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// Numbers in names by their value, the rest by its bytes.
fn by_version(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        let (ours, our_rest) = number(one);
        let (theirs, their_rest) = number(other);
        if !ours.is_empty() && !theirs.is_empty() {
            let (ours, theirs) = (significant(ours), significant(theirs));
            let order = ours.len().cmp(&theirs.len()).then(ours.cmp(theirs));
            if order.is_ne() {
                return order;
            }
            (one, other) = (our_rest, their_rest);
            continue;
        }
        match (one.split_first(), other.split_first()) {
            (Some((ours, our_rest)), Some((theirs, their_rest))) => {
                if ours != theirs {
                    return ours.cmp(theirs);
                }
                (one, other) = (our_rest, their_rest);
            }
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
        }
    }
}

fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(digits)
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_in_the_order_of_their_numbers() {
        let mut names = [
            "layer@10", "layer@9", "layer@0", "layer@1a", "layer@01", "layer@b",
        ];
        names.sort_by(|one, other| by_version(one.as_bytes(), other.as_bytes()));
        let expected = [
            "layer@0", "layer@01", "layer@1a", "layer@9", "layer@10", "layer@b",
        ];
        assert_eq!(names, expected);
    }
}
