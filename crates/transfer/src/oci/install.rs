//! All of it, from a source to an image: documents, layers, settings, the name.
//!
//! The name comes last, by one rename, when the layers are complete and proven and the settings made.

use super::fetch::Fetch;
use super::folders::Folders;
use super::image::Image;
use super::source::Source;
use super::stack::{self, Beside, Stack};
use super::{one_tree, settings};
use crate::context::{Context, Target};
use crate::error::{Error, Result};
use crate::install::Root;
use crate::pull::room;
use crate::sink::tree::Limits;
use importd_api::class::Class;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_api::name::ImageName;
use importd_formats::oci::platform::Wanted;

/// Most layers of a stack: more than that overlayfs does not mount (`OVL_MAX_STACK`).
const STACKED_MAX: usize = 500;

/// What is to become of an image of OCI.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its name here.
    pub name: ImageName,
    /// For which machine it is taken, if there are several.
    pub platform: Wanted,
    /// One tree, not a stack of layers.
    pub flat: bool,
    /// With a stack that is replaced, what was changed in it goes too.
    pub reset: bool,
    /// What each layer may become.
    pub limits: Limits,
    /// Where the image goes.
    pub target: Target,
}

impl Wish {
    /// Reads an image from its source and installs it.
    ///
    /// # Errors
    /// As [`Image::read`], [`Folders::complete`] and [`stack::install`]. Nothing is left then but layers
    /// that are complete.
    pub fn install(&self, source: &dyn Source, root: &Root, context: &Context) -> Result<()> {
        let report = &context.report;
        report.phase(Phase::Checking);
        let image = Image::read(source, &self.platform, context)?;
        self.check_count(source, &image)?;
        let beside = self.beside(&image, context)?;
        room::check_layers(image.bytes(), &source.label(), root, context)?;
        report.phase(Phase::Downloading);
        let fetch = Fetch {
            source,
            limits: self.limits,
            context,
        };
        let (name, target) = (&self.name, &self.target);
        if self.flat {
            let proven = one_tree::complete(&fetch, &image.layers, (root, target, name))?;
            return stack::install_tree(proven, &beside, (root, name), target, context);
        }
        let folders = Folders {
            fetch,
            root,
            sync: target.sync,
        };
        let layers = folders.complete(&image.layers)?;
        let stack = Stack {
            layers: layers.iter().map(|layer| layer.name.clone()).collect(),
            beside,
            reset: self.reset,
        };
        stack::install(&stack, root, name, target, context)
    }

    /// Refuses a stack that cannot be mounted.
    ///
    /// # Errors
    /// [`Kind::Unsupported`].
    pub fn check_count(&self, source: &dyn Source, image: &Image) -> Result<()> {
        let count = image.layers.len();
        if self.flat || count <= STACKED_MAX {
            return Ok(());
        }
        let label = source.label();
        let text = format!(
            "{label} has {count} layers, and the kernel puts at most {STACKED_MAX} together; --flat \
             makes one tree of them"
        );
        Err(Error::new(Kind::Unsupported, text))
    }

    /// The files beside the image. An image that says nothing has none, and neither have those that are
    /// not started.
    ///
    /// # Errors
    /// As [`settings::nspawn`].
    pub fn beside(&self, image: &Image, context: &Context) -> Result<Beside> {
        let is_started = matches!(self.target.places.class, Class::Machine | Class::Portable);
        if image.config.is_empty || image.config_bytes.is_none() || !is_started {
            return Ok(Beside::default());
        }
        let settings = settings::nspawn(&image.config)?;
        for warning in settings.warnings {
            context.report.warning(format!("{warning}."));
        }
        Ok(Beside {
            settings: Some(settings.text.into_bytes()),
            config: image.config_bytes.clone(),
        })
    }
}
