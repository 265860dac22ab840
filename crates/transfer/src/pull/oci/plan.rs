//! What a pull of an OCI image would do, told without doing it (`--dry-run`).
//!
//! Documents are fetched as by the pull itself; of the layers nothing is asked, since the manifest says
//! how large they are. Nothing is written, and the image root is not made.

use super::Request;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result, chain};
use crate::install::Root;
use crate::oci::fetch::Fetch;
use crate::oci::folders::Folders;
use crate::oci::image::Image;
use crate::oci::registry::Registry;
use crate::oci::stack::stack_name;
use crate::pull::clean::Output;
use crate::pull::plan::{installs, nearest, printable, verdict};
use crate::pull::room;
use crate::report::size;
use importd_api::failure::Kind;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// What was found out.
#[derive(Debug, Default)]
struct Plan {
    /// Path of the image.
    local: Option<PathBuf>,
    /// The registry.
    registry: Option<String>,
    layers: Vec<Planned>,
    /// Whether there would be settings of systemd-nspawn.
    has_settings: bool,
    /// Free bytes on the file system of the image root.
    free: Option<u64>,
}

/// A layer.
#[derive(Debug)]
struct Planned {
    digest: String,
    /// Bytes, as it is stored.
    bytes: u64,
    is_here: bool,
}

/// Finds out, and prints it.
///
/// # Errors
/// The first of what the pull would fail with.
pub fn run(
    request: &Request,
    output: Output,
    (out, context): (&mut dyn Write, &Context),
) -> Result<()> {
    let mut plan = Plan::default();
    let name = plan.name(request);
    let answers = plan.ask(request, context);
    if answers
        .as_ref()
        .is_err_and(|error| error.kind == Kind::Cancelled)
    {
        return answers;
    }
    let problems = [&name, &answers].into_iter();
    let problems: Vec<&Error> = problems.filter_map(|it| it.as_ref().err()).collect();
    let text = match output {
        Output::Text => plan.told(request, &problems),
        Output::Json => format!("{}\n", plan.to_json(request, &problems)),
        Output::PrettyJson => format!("{:#}\n", plan.to_json(request, &problems)),
    };
    out.write_all(text.as_bytes())
        .doing(|| "Failed to write to standard output".into())?;
    name.and(answers)
}

impl Plan {
    /// Where the image would be, and whether it can.
    fn name(&mut self, request: &Request) -> Result<()> {
        let file_name = match request.flat {
            true => request.name.as_str().into(),
            false => stack_name(&request.name)?,
        };
        self.local = Some(request.target.places.root.join(file_name));
        request.target.check_free(&request.name)
    }

    /// Asks whoever the pull would ask.
    fn ask(&mut self, request: &Request, context: &Context) -> Result<()> {
        let (place, credentials) = request.look_up(context)?;
        self.registry = Some(place.registry().base().to_string());
        let path = &request.target.places.root;
        let (is_there, folder) = nearest(path)?;
        let registry = place.folder();
        cage::enter_plan_oci(&folder, registry.as_deref(), &request.certificates, context)?;
        let stat = rustix::fs::fstatvfs(&folder)
            .doing(|| format!("Failed to look for free space in '{}'", path.display()))?;
        self.free = Some(stat.f_bavail.saturating_mul(stat.f_frsize));
        let fetcher = place.fetcher(&request.network, context)?;
        let source = Registry::open(place, &credentials, &fetcher, None, context)?;
        let image = Image::read(&source, &request.platform, context)?;
        let wish = request.wish();
        wish.check_count(&source, &image)?;
        self.has_settings = wish.beside(&image, context)?.settings.is_some();
        let root = Root {
            folder,
            path: path.clone(),
        };
        let here = match is_there && !request.flat {
            true => {
                let fetch = Fetch {
                    source: &source,
                    limits: request.limits,
                    context,
                };
                let folders = Folders {
                    fetch,
                    root: &root,
                    sync: false,
                };
                folders.are_here(&image.layers)?
            }
            // Nothing lies in a folder that is not there, and one tree shares nothing.
            false => vec![false; image.layers.len()],
        };
        let layers = image.layers.iter().zip(here);
        let planned = layers.map(|(layer, is_here)| Planned {
            digest: layer.blob.digest.to_string(),
            bytes: layer.blob.size,
            is_here,
        });
        self.layers = planned.collect();
        room::check_layers(self.bytes(), &request.reference.to_string(), &root, context)
    }

    /// Bytes that would be downloaded.
    fn bytes(&self) -> u64 {
        let missing = self.layers.iter().filter(|layer| !layer.is_here);
        missing.fold(0, |sum, layer| sum.saturating_add(layer.bytes))
    }

    fn told(&self, request: &Request, problems: &[&Error]) -> String {
        let mut lines = Vec::new();
        if let Some(registry) = &self.registry {
            lines.push(format!("'{}' is at {registry}.", request.reference));
        }
        for layer in &self.layers {
            let note = if layer.is_here { ", here already" } else { "" };
            lines.push(format!(
                "Layer {} ({}){note}.",
                layer.digest,
                size(layer.bytes)
            ));
        }
        if !self.layers.is_empty() {
            let missing = self.layers.iter().filter(|layer| !layer.is_here).count();
            lines.push(format!(
                "Would download {missing} of {} layers ({}).",
                self.layers.len(),
                size(self.bytes())
            ));
        }
        lines.extend(
            self.local
                .as_deref()
                .map(|it| installs(it, &request.target)),
        );
        lines.extend(verdict(self.free, &request.target, problems));
        lines.iter().map(|line| printable(line)).collect()
    }

    fn to_json(&self, request: &Request, problems: &[&Error]) -> Value {
        json!({
            "reference": request.reference.to_string(),
            "registry": self.registry,
            "layers": self.layers.iter().map(|layer| json!({
                "digest": layer.digest,
                "size": layer.bytes,
                "here": layer.is_here,
            })).collect::<Vec<_>>(),
            "size": self.bytes(),
            "settings": self.has_settings,
            "flat": request.flat,
            "local": self.local.as_deref().map(|path| path.to_string_lossy().into_owned()),
            "free": self.free,
            "problems": problems.iter().map(|error| json!({
                "code": error.kind.code(),
                "message": chain(error),
            })).collect::<Vec<_>>(),
        })
    }
}
