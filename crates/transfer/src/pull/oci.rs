//! An OCI image is downloaded and becomes a mount stack, or one tree: `systemd-pull oci`.

pub mod plan;

use crate::cage;
use crate::context::{Context, Target};
use crate::error::Result;
use crate::import::report_success;
use crate::oci::install::Wish;
use crate::oci::registry::{Credentials, Place, Purpose, Registry, Surroundings};
use crate::sink::tree::Limits;
use crate::source::settings::Settings;
use importd_api::name::ImageName;
use importd_api::oci::Reference;
use importd_formats::oci::platform::Wanted;
use importd_host::dir::Dir;
use importd_host::partial::Store;
use std::path::PathBuf;

/// What to pull, as checked by the command line.
#[derive(Debug)]
pub struct Request {
    /// The image's name in its registry.
    pub reference: Reference,
    /// Its name here.
    pub name: ImageName,
    /// Where registries are described, and credentials for them are.
    pub registries: Surroundings,
    /// For which machine.
    pub platform: Wanted,
    /// One tree, not a stack of layers.
    pub flat: bool,
    /// With a stack that is replaced, what was changed in it goes too.
    pub reset: bool,
    /// What each layer may become.
    pub limits: Limits,
    /// Certificate files that the environment names.
    pub certificates: Vec<PathBuf>,
    /// How patient the network is taken.
    pub network: Settings,
    /// The folder of unfinished downloads; `None` to keep nothing of them.
    pub cache: Option<PathBuf>,
    /// Where the image goes.
    pub target: Target,
}

impl Request {
    /// What is to become of the image.
    fn wish(&self) -> Wish {
        Wish {
            name: self.name.clone(),
            platform: self.platform.clone(),
            flat: self.flat,
            reset: self.reset,
            limits: self.limits,
            target: self.target.clone(),
        }
    }

    /// Where the image is, and who we are there: all that is read of this machine.
    fn look_up(&self, context: &Context) -> Result<(Place, Credentials)> {
        let folders = &self.registries.descriptions;
        let place = Place::find(&self.reference, Purpose::Pull, folders)?;
        let credentials = Credentials::look_up(&place, &self.registries, context)?;
        Ok((place, credentials))
    }

    /// The folder of unfinished downloads, where there can be one.
    fn open_store(&self, place: &Place, context: &Context) -> Option<Store> {
        let path = self.cache.as_ref().filter(|_| place.folder().is_none());
        super::open_store(path?, context)
    }
}

/// Pulls an image.
///
/// # Errors
/// As [`Wish::install`]; what is wrong with description files and credentials.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    request.target.check_free(&request.name)?;
    let (reference, name) = (&request.reference, &request.name);
    let text = format!("Pulling '{reference}', saving as '{name}'.");
    context.report.info(text);
    let (place, credentials) = request.look_up(context)?;
    let root = request.target.open_root(context)?;
    let store = request.open_store(&place, context);
    let folders: Vec<&Dir> = std::iter::once(&root.folder)
        .chain(store.as_ref().map(Store::folder))
        .collect();
    let registry = place.folder();
    cage::enter_pull_oci(
        &folders,
        registry.as_deref(),
        &request.certificates,
        context,
    )?;
    let fetcher = place.fetcher(&request.network, context)?;
    let registry = Registry::open(place, &credentials, &fetcher, store.as_ref(), context)?;
    request.wish().install(&registry, &root, context)?;
    report_success(context);
    Ok(())
}
