//! Calls of `io.importd.Import` about images of OCI.

use crate::authorize::Action;
use crate::request::Subject;
use crate::varlink::fault::Fault;
use crate::varlink::own::{Common, flags, only, refusal};
use crate::varlink::parameters::Parameters;
use crate::varlink::wish::Wish;
use importd_api::architecture::Architecture;
use importd_api::class::Scope;
use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{Packing, Shape};
use importd_api::oci::Tag;
use std::os::fd::{AsFd, OwnedFd};

fn architecture(parameters: &mut Parameters) -> Result<Option<Architecture>, Fault> {
    let text = parameters.text_optional("architecture")?;
    let architecture = text.map(|text| text.parse()).transpose();
    architecture.map_err(|_invalid| Fault::parameter("architecture"))
}

fn tag(parameters: &mut Parameters) -> Result<Option<Tag>, Fault> {
    let text = parameters.text_optional("tag")?;
    let tag = text.map(|text| text.parse()).transpose();
    tag.map_err(|_invalid| Fault::parameter("tag"))
}

fn shape(parameters: &mut Parameters) -> Result<Shape, Fault> {
    Ok(Shape {
        architecture: architecture(parameters)?,
        flat: parameters.flag("flat")?,
        reset: parameters.flag("reset")?,
    })
}

fn packing(parameters: &mut Parameters) -> Result<Packing, Fault> {
    let text = parameters.text_optional("format")?;
    let format = text.map(|text| Format::parse(&text)).transpose();
    Ok(Packing {
        format: format.map_err(|_unknown| Fault::parameter("format"))?,
        architecture: architecture(parameters)?,
        tag: None,
    })
}

/// Reads a call of `PullOci`.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub fn pull(scope: Scope, mut parameters: Parameters) -> Result<Wish, Fault> {
    let reference = parameters.text("reference")?;
    let local = parameters.text_optional("local")?;
    if local.as_deref() == Some("") {
        return Err(Fault::parameter("local"));
    }
    let flags = flags(&mut parameters)?;
    let shape = shape(&mut parameters)?;
    let class = parameters.text("class")?;
    let common = Common::last(class, parameters)?;
    let subject = Subject::PullOci {
        reference: &reference,
        name: local.as_deref().unwrap_or_default(),
        shape: &shape,
    };
    let job = subject.check(scope, common.options(flags, Flags::IMPORT));
    Ok(common.wish(Action::Pull, job.map_err(refusal)?, None))
}

/// Reads a call of `ImportOci`.
///
/// # Errors
/// [`Fault`] that names the parameter, or says what is wrong with the descriptor.
pub fn import(
    scope: Scope,
    mut parameters: Parameters,
    descriptors: Vec<OwnedFd>,
) -> Result<Wish, Fault> {
    let local = parameters.text("local")?;
    let flags = flags(&mut parameters)?;
    let shape = shape(&mut parameters)?;
    let tag = tag(&mut parameters)?;
    let class = parameters.text("class")?;
    let common = Common::last(class, parameters)?;
    let descriptor = only(descriptors)?;
    let subject = Subject::ImportOci {
        fd: descriptor.as_fd(),
        name: &local,
        tag: tag.as_ref(),
        shape: &shape,
    };
    let job = subject.check(scope, common.options(flags, Flags::IMPORT));
    Ok(common.wish(Action::Import, job.map_err(refusal)?, Some(descriptor)))
}

/// Reads a call of `ExportOci`.
///
/// # Errors
/// [`Fault`] that names the parameter, or says what is wrong with the descriptor.
pub fn export(
    scope: Scope,
    mut parameters: Parameters,
    descriptors: Vec<OwnedFd>,
) -> Result<Wish, Fault> {
    let local = parameters.text("local")?;
    let packing = Packing {
        tag: tag(&mut parameters)?,
        ..packing(&mut parameters)?
    };
    let class = parameters.text("class")?;
    let common = Common::last(class, parameters)?;
    let descriptor = only(descriptors)?;
    let subject = Subject::ExportOci {
        fd: descriptor.as_fd(),
        name: &local,
        packing: &packing,
    };
    let job = subject.check(scope, common.options(Flags::default(), Flags::NONE));
    Ok(common.wish(Action::Export, job.map_err(refusal)?, Some(descriptor)))
}

/// Reads a call of `PushOci`.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub fn push(scope: Scope, mut parameters: Parameters) -> Result<Wish, Fault> {
    let local = parameters.text("local")?;
    let reference = parameters.text("reference")?;
    let packing = packing(&mut parameters)?;
    let class = parameters.text("class")?;
    let common = Common::last(class, parameters)?;
    let subject = Subject::PushOci {
        name: &local,
        reference: &reference,
        packing: &packing,
    };
    let job = subject.check(scope, common.options(Flags::default(), Flags::NONE));
    Ok(common.wish(Action::Push, job.map_err(refusal)?, None))
}
