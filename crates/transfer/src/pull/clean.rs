//! What can be fetched or made again is removed: kept downloads, unfinished ones, layers that no stack has,
//! and what killed transfers left.

use super::kept::{self, Item};
use super::partial::{self, Unfinished};
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::install::Root;
use crate::oci::unused;
use crate::report::size;
use importd_api::failure::Kind;
use importd_api::name::Form;
use importd_host::dir::Dir;
use importd_host::partial::{Key, Store};
use importd_host::staging;
use importd_host::tree::{allocated, survey};
use rustix::fs::FileType;
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What to remove, as checked by the command line.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image root.
    pub root: PathBuf,
    /// The folder of unfinished downloads, if there can be one.
    pub cache: Option<PathBuf>,
    /// Only what has one of these addresses or names; empty for all.
    pub selected: Vec<String>,
    /// Only what a newer download of the same address supersedes.
    pub is_superseded_only: bool,
    /// Only what came at least so long ago.
    pub older_than: Option<Duration>,
    /// Tell what would be removed, and remove nothing.
    pub dry_run: bool,
    /// How to tell it.
    pub output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// As one line of JSON.
    Json,
    /// As indented JSON.
    PrettyJson,
}

/// One thing that goes.
struct Thing {
    /// The address, or the name where there is none.
    label: String,
    name: OsString,
    /// What goes with it.
    companions: Vec<OsString>,
    /// Its key, if it is an unfinished download; else it lies in the image root.
    key: Option<Key>,
    /// `raw`, `tar`, `layer`, `unfinished` or `leftover`.
    sort: &'static str,
    verify: Option<&'static str>,
    /// In seconds since 1970.
    made: u64,
    bytes: u64,
    is_superseded: bool,
}

/// The folders that are cleaned, as far as they are there.
struct Folders {
    root: Option<Root>,
    store: Option<Store>,
}

impl Folders {
    fn open(request: &Request) -> Result<Self> {
        let root = match Dir::open(&request.root) {
            Ok(folder) => Some(Root {
                folder,
                path: request.root.clone(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!(
                    "Failed to open image directory '{}'",
                    request.root.display()
                );
                return Err(Error::io(text, error));
            }
        };
        let store = match &request.cache {
            Some(path) => Store::open_optional(path)
                .doing(|| format!("Failed to open '{}'", path.display()))?,
            None => None,
        };
        Ok(Self { root, store })
    }

    fn confine(&self, context: &Context) -> Result<()> {
        let root = self.root.as_ref().map(|root| &root.folder);
        if let Some(root) = root {
            let known = context.owners.know(root, staging::is_hidden);
            known.doing(|| "Failed to look for what killed transfers left".into())?;
        }
        let store = self.store.as_ref().map(Store::folder);
        let folders: Vec<&Dir> = root.into_iter().chain(store).collect();
        cage::enter_clean(&folders, context)
    }
}

/// Removes, and prints what was removed; or only what would be.
///
/// # Errors
/// [`Kind::NotFound`] for an address or name of which nothing is kept; the first of what could not
/// be removed, when all else is.
pub fn run(request: &Request, context: &Context, out: &mut dyn Write) -> Result<()> {
    let folders = Folders::open(request)?;
    folders.confine(context)?;
    let things = things(request, &folders, context)?;
    for selected in &request.selected {
        if !things.iter().any(|thing| thing.is_called(selected)) {
            let text = format!(
                "Nothing is kept of '{}' in '{}'",
                selected.escape_debug(),
                request.root.display()
            );
            return Err(Error::new(Kind::NotFound, text));
        }
    }
    let mut first = None;
    let mut gone = Vec::with_capacity(things.len());
    for thing in things {
        let result = match request.dry_run {
            false => thing.remove(&folders, context),
            true => Ok(()),
        };
        match result {
            Ok(()) => gone.push(thing),
            Err(error) => {
                context
                    .report
                    .warning(format!("{}.", crate::error::chain(&error)));
                first = first.or(Some(error));
            }
        }
    }
    let text = match request.output {
        Output::Text => told(&gone, request),
        output => in_json(&gone, request.dry_run, output),
    };
    out.write_all(text.as_bytes())
        .doing(|| "Failed to write to standard output".into())?;
    first.map_or(Ok(()), Err)
}

/// What goes, as the request selects it.
fn things(request: &Request, folders: &Folders, context: &Context) -> Result<Vec<Thing>> {
    let mut things = Vec::new();
    if let Some(root) = &folders.root {
        let failed = || format!("Failed to list '{}'", root.path.display());
        let items = kept::items(root, context).doing(failed)?;
        things.extend(items.into_iter().map(Thing::from));
        if request.selected.is_empty() && !request.is_superseded_only {
            let left = staging::abandoned(&root.folder).doing(failed)?;
            for name in left
                .into_iter()
                .chain(unused::leftovers(root).doing(failed)?)
            {
                things.extend(of_folder("leftover", name, root, context));
            }
        }
        if !request.is_superseded_only {
            for name in unused::layers(root).doing(failed)? {
                things.extend(of_folder("layer", name, root, context));
            }
        }
    }
    if let Some(store) = folders
        .store
        .as_ref()
        .filter(|_| !request.is_superseded_only)
    {
        let failed = || "Failed to list unfinished downloads".to_owned();
        let unfinished = partial::unfinished(store).doing(failed)?;
        things.extend(unfinished.into_iter().map(Thing::from));
    }
    let now = seconds(SystemTime::now());
    things.retain(|thing| {
        let age = now.saturating_sub(thing.made);
        let is_selected =
            request.selected.is_empty() || request.selected.iter().any(|it| thing.is_called(it));
        is_selected
            && (thing.is_superseded || !request.is_superseded_only)
            && request
                .older_than
                .is_none_or(|least| age >= least.as_secs())
    });
    Ok(things)
}

/// Something that is known by its name only.
fn of_folder(sort: &'static str, name: OsString, root: &Root, context: &Context) -> Option<Thing> {
    let stat = root.folder.stat(&name).ok()?;
    let bytes = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let folder = root.folder.open_dir(&name).ok()?;
            let found = survey(&folder, &|| context.cancel.check());
            found.map_or(0, |found| found.allocated_bytes)
        }
        _ => allocated(&stat),
    };
    Some(Thing {
        label: name.to_string_lossy().into_owned(),
        companions: Vec::new(),
        key: None,
        sort,
        verify: None,
        made: u64::try_from(stat.st_ctime).unwrap_or(0),
        bytes,
        is_superseded: false,
        name,
    })
}

impl From<Item> for Thing {
    fn from(item: Item) -> Self {
        Self {
            label: item
                .url
                .unwrap_or_else(|| item.name.to_string_lossy().into_owned()),
            name: item.name,
            companions: item.companions,
            key: None,
            sort: match item.form {
                Form::Raw => "raw",
                Form::Tar => "tar",
            },
            verify: item.verify,
            made: item.made,
            bytes: item.bytes,
            is_superseded: item.is_superseded,
        }
    }
}

impl From<Unfinished> for Thing {
    fn from(one: Unfinished) -> Self {
        let name = one.key.to_string();
        Self {
            label: one.url.unwrap_or_else(|| name.clone()),
            name: name.into(),
            companions: Vec::new(),
            key: Some(one.key),
            sort: "unfinished",
            verify: None,
            made: seconds(one.modified),
            bytes: one.bytes,
            is_superseded: false,
        }
    }
}

impl Thing {
    fn is_called(&self, text: &str) -> bool {
        self.label == text || self.name == OsStr::new(text)
    }

    fn remove(&self, folders: &Folders, context: &Context) -> Result<()> {
        context
            .cancel
            .check()
            .map_err(|error| Error::io("Cancelled", error))?;
        if let (Some(store), Some(key)) = (&folders.store, &self.key) {
            // Somebody who works on it by now needs it.
            let removed = store.remove(key).map(drop);
            return removed.doing(|| format!("Failed to remove what is here of '{}'", self.label));
        }
        let Some(root) = &folders.root else {
            return Ok(());
        };
        if self.sort == "layer" {
            // Somebody who has begun to use it by now needs it.
            let removed = unused::remove(root, &self.name).map(drop);
            return removed.doing(|| {
                format!(
                    "Failed to remove '{}'",
                    root.path.join(&self.name).display()
                )
            });
        }
        for name in std::iter::once(&self.name).chain(&self.companions) {
            match staging::discard(&root.folder, name) {
                Ok(()) => {}
                // Swept, or replaced by a newer one, meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let text = format!("Failed to remove '{}'", root.path.join(name).display());
                    return Err(Error::io(text, error));
                }
            }
        }
        Ok(())
    }

    fn to_json(&self, is_removed: bool) -> Value {
        json!({
            "type": self.sort,
            "name": self.name.to_string_lossy(),
            "url": (self.sort != "leftover" && self.name != OsStr::new(&self.label))
                .then_some(&self.label),
            "verify": self.verify,
            "time": self.made.saturating_mul(1_000_000),
            "usage": self.bytes,
            "superseded": self.is_superseded,
            "removed": is_removed,
        })
    }
}

fn in_json(things: &[Thing], dry_run: bool, output: Output) -> String {
    let all = things.iter().map(|thing| thing.to_json(!dry_run)).collect();
    let all = Value::Array(all);
    match output {
        Output::PrettyJson => format!("{all:#}\n"),
        Output::Text | Output::Json => format!("{all}\n"),
    }
}

fn told(things: &[Thing], request: &Request) -> String {
    let mut text = String::new();
    let mut total = 0u64;
    for thing in things {
        total = total.saturating_add(thing.bytes);
        let note = if thing.is_superseded {
            " (superseded)"
        } else {
            ""
        };
        text.push_str(&format!(
            "{:<11}{:<10}{:>8}  {}{note}\n",
            thing.sort,
            thing.verify.unwrap_or("-"),
            size(thing.bytes),
            thing.label.escape_debug()
        ));
    }
    let root = request.root.display();
    let count = things.len();
    let what = if count == 1 { "entry" } else { "entries" };
    let line = match (count, request.dry_run) {
        (0, _) => format!("Nothing to remove in '{root}'.\n"),
        (_, true) => format!(
            "Would remove {count} {what} of {} in '{root}'.\n",
            size(total)
        ),
        (_, false) => format!("Removed {count} {what} of {} in '{root}'.\n", size(total)),
    };
    text + &line
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
