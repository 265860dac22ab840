//! The layers of an image as one tree.

use super::fetch::{Fetch, expectation};
use super::flat::Flat;
use super::image::Layer;
use crate::context::Target;
use crate::error::Result;
use crate::install::Root;
use crate::proof::{Part, Proven};
use importd_api::name::ImageName;
use std::ffi::OsStr;

/// Fetches layers, the lowest first, and makes one tree of them, which is still hidden.
///
/// # Errors
/// As [`Fetch::several`], [`Flat::unpack`] and [`Flat::finish`].
pub fn complete(
    fetch: &Fetch<'_>,
    layers: &[Layer],
    (root, target, name): (&Root, &Target, &ImageName),
) -> Result<Proven> {
    let Fetch {
        limits, context, ..
    } = *fetch;
    let name = OsStr::new(name.as_str());
    let flat = Flat::create(&root.folder, name, target.tree_shape(), context)?;
    let numbered: Vec<(usize, &Layer)> = layers.iter().enumerate().collect();
    let mut parts: Vec<Part> = Vec::with_capacity(layers.len());
    fetch.several(
        &numbered,
        |at, coming| flat.unpack(at, coming.archive, limits, Some(coming.packed)),
        |at, layer| {
            parts.push(Part {
                label: fetch.label(&layers[at]),
                expected: expectation(layers[at].blob.digest),
                received: layer.finish(|(), received| Ok(received))?,
            });
            Ok(())
        },
    )?;
    flat.finish()?.prove_parts(&parts)
}
