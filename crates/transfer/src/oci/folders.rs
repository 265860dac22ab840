//! The layers of an image as folders of the image root, which several images share.
//!
//! A layer that is here already, of whatever image, is not fetched. The others are unpacked into hidden
//! folders as they come. One that needs nothing of those below gets its name at once; the others in turn,
//! lowest first. What has its name is complete, proven and read-only, and stays for the next try if the
//! image fails.

use super::fetch::{Arrived, Fetch, expectation, named};
use super::image::Layer;
use super::layer::{self, Chain, Unpacked};
use crate::error::{Doing, Error, Result};
use crate::install::{Manner, Root};
use crate::stage::digest::Received;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging;
use std::ffi::{OsStr, OsString};

/// A layer that has its name.
#[derive(Debug)]
pub struct Ready {
    /// The name.
    pub name: OsString,
    /// The folder.
    pub folder: Dir,
}

/// What is to become of layers.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// Where they come from.
    pub fetch: Fetch<'a>,
    /// Where their folders are.
    pub root: &'a Root,
    /// Flush each before it gets its name.
    pub sync: bool,
}

/// What has become of the layers so far.
struct Settling<'a, 'b> {
    folders: &'b Folders<'a>,
    layers: &'b [Layer],
    names: &'b [Chain],
    /// Layers that are ready, and have some below them that are not.
    ready: Vec<Option<Ready>>,
    /// Layers that wait for those below.
    waiting: Vec<Option<Arrived<'a, Unpacked>>>,
    /// The lowest layers, up to the first one that is not ready.
    below: Vec<Dir>,
    /// What those are called.
    called: Vec<OsString>,
}

impl Folders<'_> {
    /// Sees to it that these layers are here, the lowest first.
    ///
    /// # Errors
    /// [`importd_api::failure::Kind::Corrupt`] for a blob that is not what its digest says; as
    /// [`layer::unpack`] and [`Unpacked::settle`]; what the source and the file system say.
    pub fn complete(&self, layers: &[Layer]) -> Result<Vec<Ready>> {
        let names = chains(layers);
        let ready = self.find(&names)?;
        let missing: Vec<(usize, &Layer)> = layers
            .iter()
            .enumerate()
            .filter(|(at, _)| ready[*at].is_none())
            .collect();
        let here = layers.len() - missing.len();
        if here > 0 {
            let report = &self.fetch.context.report;
            report.info(format!("{here} of them are here already."));
        }
        let mut settling = Settling {
            folders: self,
            layers,
            names: &names,
            waiting: layers.iter().map(|_| None).collect(),
            ready,
            below: Vec::with_capacity(layers.len()),
            called: Vec::with_capacity(layers.len()),
        };
        let Fetch {
            limits, context, ..
        } = self.fetch;
        self.fetch.several(
            &missing,
            |at, coming| {
                let name = names[at].own_name();
                let place = (&self.root.folder, name.as_os_str());
                let (archive, packed) = (coming.archive, Some(coming.packed));
                layer::unpack(place, archive, limits, packed, context)
            },
            |at, layer| settling.arrive(at, layer),
        )?;
        settling.advance()?;
        let ready = settling.called.into_iter().zip(settling.below);
        Ok(ready.map(|(name, folder)| Ready { name, folder }).collect())
    }

    /// Which layers are here already, the lowest first.
    ///
    /// # Errors
    /// What the file system says.
    pub fn are_here(&self, layers: &[Layer]) -> Result<Vec<bool>> {
        let found = self.find(&chains(layers))?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    /// The layers that are here already.
    fn find(&self, names: &[Chain]) -> Result<Vec<Option<Ready>>> {
        let find = |chain: &Chain| {
            for name in [chain.name(), chain.own_name()] {
                if let Some(ready) = self.usable(&name)? {
                    return Ok(Some(ready));
                }
            }
            Ok(None)
        };
        names.iter().map(find).collect()
    }

    /// A layer of this name that is complete, if it is here.
    fn usable(&self, name: &OsStr) -> Result<Option<Ready>> {
        let failed = || format!("Failed to look at layer '{}'", name.display());
        // Held for as long as it is open: nobody removes it before a stack names it.
        let opened = staging::open_used(&self.root.folder, name).doing(failed)?;
        let Some(folder) = opened else {
            return Ok(None);
        };
        if layer::is_usable(&folder).doing(failed)? {
            let name = name.to_owned();
            return Ok(Some(Ready { name, folder }));
        }
        self.fetch.context.report.info(format!(
            "Layer '{}' is here, but its markers of what it removes are files; it is fetched anew.",
            name.display()
        ));
        Ok(None)
    }
}

impl<'a> Settling<'a, '_> {
    fn arrive(&mut self, at: usize, layer: Arrived<'a, Unpacked>) -> Result<()> {
        if layer.made.needs_below() {
            self.waiting[at] = Some(layer);
        } else {
            self.place(at, layer)?;
        }
        self.advance()
    }

    /// Gives their names to those that waited for what is ready now.
    fn advance(&mut self) -> Result<()> {
        loop {
            let at = self.below.len();
            if let Some(layer) = self.waiting.get_mut(at).and_then(Option::take) {
                self.place(at, layer)?;
            }
            let Some(ready) = self.ready.get_mut(at).and_then(Option::take) else {
                return Ok(());
            };
            self.below.push(ready.folder);
            self.called.push(ready.name);
        }
    }

    /// Gives a layer its name; those below that it needs have theirs.
    fn place(&mut self, at: usize, layer: Arrived<'a, Unpacked>) -> Result<()> {
        let placed = layer.finish(|made, received| self.install(at, made, &received))?;
        self.ready[at] = Some(placed);
        Ok(())
    }

    fn install(&self, at: usize, unpacked: Unpacked, received: &Received) -> Result<Ready> {
        let Folders { fetch, root, sync } = *self.folders;
        let layer = &self.layers[at];
        let label = fetch.label(layer);
        let failed = || format!("Failed to open {label}");
        let below = match unpacked.needs_below() {
            true => self.below.as_slice(),
            false => &[],
        };
        let settled = unpacked.settle(below);
        let (staged, depends) = settled.map_err(|error| named(error, &label))?;
        let proven = staged.prove(&label, &expectation(layer.blob.digest), received)?;
        let name = match depends {
            true => self.names[at].name(),
            false => self.names[at].own_name(),
        };
        // Somebody else may have had the same layer meanwhile.
        if let Some(ready) = self.folders.usable(&name)? {
            return Ok(ready);
        }
        let manner = Manner {
            // What is there is of no use to anybody.
            replace: Replace::Exchange,
            read_only: true,
            sync,
            quota: false,
        };
        drop(proven.install(root, &name, manner, fetch.context)?);
        match staging::open_used(&root.folder, &name).doing(failed)? {
            Some(folder) => Ok(Ready { name, folder }),
            None => {
                let text = format!("{label} was removed by somebody while it was put into place");
                Err(Error::new(Kind::NotFound, text))
            }
        }
    }
}

/// What the folders of layers are called, the lowest first.
fn chains(layers: &[Layer]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::with_capacity(layers.len());
    for layer in layers {
        let digest = &layer.blob.digest;
        let below = chains.last();
        chains.push(below.map_or_else(|| Chain::lowest(digest), |below| below.above(digest)));
    }
    chains
}
