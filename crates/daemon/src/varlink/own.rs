//! `io.importd.Import`: what the original's interface does not have.
//!
//! Calls that read or write an image bring one descriptor: the file, pipe or socket with the bytes,
//! or the folder. It is not named among the parameters.

use crate::authorize::Action;
use crate::images::{Image, Places};
use crate::manager::Manager;
use crate::refusal::Refusal;
use crate::request::{Options, Subject};
use crate::transfer::Transfer;
use crate::varlink::fault::Fault;
use crate::varlink::import::{self, class_optional, form};
use crate::varlink::method::Interface;
use crate::varlink::outbox::Outbox;
use crate::varlink::parameters::Parameters;
use crate::varlink::wish::{self, Deed, Dialect, Wish};
use importd_api::bus::{PROGRESS_UNKNOWN, SIZE_UNKNOWN};
use importd_api::class::{Class, Scope};
use importd_api::failure::Kind;
use importd_api::figures::{Phase, Reason};
use importd_api::flags::Flags;
use importd_api::job::{ImportSource, Job};
use serde_json::{Value, json};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: "io.importd.Import",
    methods: &[
        "Import",
        "Export",
        "Pull",
        "PullOci",
        "ImportOci",
        "ExportOci",
        "PushOci",
        "Cancel",
        "ListTransfers",
        "ListImages",
    ],
    description: include_str!("idl/io.importd.Import.varlink"),
};

/// Error: the transfer was cancelled.
pub const CANCELLED: &str = "io.importd.Import.TransferCancelled";
/// Error: the transfer failed.
const FAILED: &str = "io.importd.Import.TransferFailed";
const NO_TRANSFERS: &str = "io.importd.Import.NoTransfers";
const NO_IMAGES: &str = "io.importd.Import.NoImages";
const NO_SUCH_TRANSFER: &str = "io.importd.Import.NoSuchTransfer";
const IN_PROGRESS: &str = "io.importd.Import.AlreadyInProgress";
const INVALID_DESCRIPTOR: &str = "io.importd.Import.InvalidDescriptor";
const TOO_MANY: &str = "io.importd.Import.TooMany";

/// What the interface says to a request that is refused: the same as the original's where it has a
/// word for it, and the reason.
#[must_use]
pub fn refusal(refusal: Refusal) -> Fault {
    let name = match &refusal {
        Refusal::NoSuchTransfer(_) | Refusal::NoId => NO_SUCH_TRANSFER,
        Refusal::AddressInProgress(_) | Refusal::ImageInProgress { .. } => IN_PROGRESS,
        Refusal::FileType | Refusal::NotFolder | Refusal::FileFlags | Refusal::Descriptor(_) => {
            INVALID_DESCRIPTOR
        }
        Refusal::TooMany { .. }
        | Refusal::TooManyOfUser(_)
        | Refusal::TooManyQuestions
        | Refusal::TooManyLists => TOO_MANY,
        _ => return refusal.into(),
    };
    Fault::with(name, json!({"reason": refusal.to_string()}))
}

/// The one descriptor of a call.
///
/// # Errors
/// [`Fault`] if there is none, or another.
pub(super) fn only(mut descriptors: Vec<OwnedFd>) -> Result<OwnedFd, Fault> {
    match (descriptors.pop(), descriptors.is_empty()) {
        (Some(descriptor), true) => Ok(descriptor),
        _ => {
            let reason = "The call needs exactly one file descriptor";
            Err(Fault::with(INVALID_DESCRIPTOR, json!({"reason": reason})))
        }
    }
}

/// What all calls that start something may say.
pub(super) struct Common {
    class: String,
    image_root: Option<PathBuf>,
    is_interactive: bool,
}

impl Common {
    /// Reads it, and says that there is nothing else.
    ///
    /// # Errors
    /// [`Fault`] that names the parameter.
    pub(super) fn last(class: String, mut parameters: Parameters) -> Result<Self, Fault> {
        let common = Self {
            class,
            image_root: import::image_root(&mut parameters)?,
            is_interactive: parameters.flag("allowInteractiveAuthentication")?,
        };
        parameters.finish()?;
        Ok(common)
    }

    pub(super) fn options(&self, flags: Flags, known: u64) -> Options<'_> {
        Options::Extended {
            class: &self.class,
            flags: flags.word(known),
        }
    }

    pub(super) fn wish(self, action: Action, job: Job, stream: Option<OwnedFd>) -> Wish {
        let image_root = self.image_root;
        let job = Job { image_root, ..job };
        let details = wish::details(&job);
        Wish {
            dialect: Dialect::Own,
            action: action.of(&details),
            details,
            is_interactive: self.is_interactive,
            deed: Deed::Start(Box::new(job), stream),
        }
    }
}

/// How an image is put there.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub(super) fn flags(parameters: &mut Parameters) -> Result<Flags, Fault> {
    Ok(Flags {
        force: parameters.flag("force")?,
        read_only: parameters.flag("readOnly")?,
        keep_download: false,
    })
}

/// Reads a call of `Import`.
///
/// # Errors
/// [`Fault`] that names the parameter, or says what is wrong with the descriptor.
pub fn import(
    scope: Scope,
    mut parameters: Parameters,
    descriptors: Vec<OwnedFd>,
) -> Result<Wish, Fault> {
    let local = parameters.text("local")?;
    let source = match parameters.text("type")?.as_str() {
        "fs" => ImportSource::Folder,
        name => ImportSource::Stream(form(name)?),
    };
    let class = parameters.text("class")?;
    let flags = flags(&mut parameters)?;
    let common = Common::last(class, parameters)?;
    let descriptor = only(descriptors)?;
    let subject = Subject::Import {
        fd: descriptor.as_fd(),
        source,
        name: &local,
    };
    let job = subject.check(scope, common.options(flags, Flags::IMPORT));
    Ok(common.wish(Action::Import, job.map_err(refusal)?, Some(descriptor)))
}

/// Reads a call of `Export`.
///
/// # Errors
/// [`Fault`] that names the parameter, or says what is wrong with the descriptor.
pub fn export(
    scope: Scope,
    mut parameters: Parameters,
    descriptors: Vec<OwnedFd>,
) -> Result<Wish, Fault> {
    let local = parameters.text("local")?;
    let form = form(&parameters.text("type")?)?;
    let class = parameters.text("class")?;
    let format = parameters.text_optional("format")?;
    let common = Common::last(class, parameters)?;
    let descriptor = only(descriptors)?;
    let subject = Subject::Export {
        fd: descriptor.as_fd(),
        form,
        name: &local,
        format: format.as_deref().unwrap_or_default(),
    };
    let job = subject.check(scope, common.options(Flags::default(), Flags::NONE));
    Ok(common.wish(Action::Export, job.map_err(refusal)?, Some(descriptor)))
}

/// Reads a call of `Cancel`.
///
/// # Errors
/// [`Fault`] that names the parameter, or says that there is no such transfer.
pub fn cancel(table: &Manager, mut parameters: Parameters) -> Result<Wish, Fault> {
    let id = parameters.number("id")?;
    let is_interactive = parameters.flag("allowInteractiveAuthentication")?;
    parameters.finish()?;
    let id = u32::try_from(id).map_err(|_large| Fault::parameter("id"))?;
    let transfer = table.get(id);
    let transfer = transfer.ok_or_else(|| refusal(Refusal::NoSuchTransfer(id)))?;
    let mut details = wish::details(transfer.job());
    details.push(("id", id.to_string()));
    Ok(Wish {
        dialect: Dialect::Own,
        action: Action::Cancel,
        details,
        is_interactive,
        deed: Deed::Cancel(id),
    })
}

/// The replies to `ListTransfers`.
///
/// # Errors
/// [`Fault`] for wrong parameters, and if there is none.
pub fn list_transfers(table: &Manager, mut parameters: Parameters) -> Result<Vec<Value>, Fault> {
    let class = class_optional(&mut parameters)?;
    parameters.finish()?;
    let of_class = table.transfers_of(class);
    let listed = of_class.map(|(id, transfer)| {
        let job = transfer.job();
        let progress = transfer.progress();
        let is_known = progress.to_bits() != PROGRESS_UNKNOWN.to_bits();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "id": id,
            "type": import::kind(job),
            "class": job.class.as_str(),
            "local": text(job.local()),
            "remote": text(&job.remote()),
            "verify": text(&job.verify()),
            "progress": is_known.then_some(progress),
            "owner": transfer.owner(),
            "destination": text(transfer.destination()),
            "figures": figures(transfer),
        })
    });
    let listed: Vec<Value> = listed.collect();
    if listed.is_empty() {
        return Err(Fault::new(NO_TRANSFERS));
    }
    Ok(listed)
}

/// How far a transfer is, in figures. What nobody knows is null.
#[must_use]
pub fn figures(transfer: &Transfer) -> Value {
    let (figures, now) = (transfer.figures(), Instant::now());
    let started = transfer.started_usec();
    json!({
        "state": transfer.state().as_str(),
        "phase": transfer.phase().map(Phase::as_str),
        "bytes": figures.bytes,
        "total": figures.total,
        "rate": transfer.rate(now),
        "timeLeft": transfer.time_left_usec(now),
        "retries": figures.retries,
        "started": (started != 0).then_some(started),
    })
}

/// How a transfer ended that has failed: the kind of failure, by its stable word, and the reason.
#[must_use]
pub fn failure(reason: Option<&Reason>) -> Fault {
    let kind = reason.and_then(|reason| reason.kind).map(Kind::code);
    let text = reason.map(|reason| reason.text.as_str());
    Fault::with(FAILED, json!({"kind": kind, "reason": text}))
}

/// The class that a call of `ListImages` asks for.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub fn images_class(mut parameters: Parameters) -> Result<Option<Class>, Fault> {
    let class = class_optional(&mut parameters)?;
    parameters.finish()?;
    Ok(class)
}

/// Makes a list of images on another thread and sends it.
pub async fn list_images(
    places: Arc<Places>,
    (class, permit): (Option<Class>, OwnedSemaphorePermit),
    outbox: Outbox,
) {
    let images = tokio::task::spawn_blocking(move || places.list(class)).await;
    match images {
        Ok(Ok(images)) => match images.split_last() {
            None => outbox.fail(&Fault::new(NO_IMAGES)),
            Some((last, others)) => {
                for image in others {
                    outbox.room().await;
                    if outbox.part(&listed(image)).is_err() {
                        return;
                    }
                }
                outbox.reply(&listed(last));
            }
        },
        Ok(Err(error)) => outbox.fail(&refusal(error)),
        Err(error) => tracing::error!("The list of images was not finished: {error}"),
    }
    drop(permit);
}

fn listed(image: &Image) -> Value {
    let size = |bytes: u64| (bytes != SIZE_UNKNOWN).then_some(bytes);
    let time = |usec: u64| (usec != 0).then_some(usec);
    json!({
        "class": image.class.as_str(),
        "name": image.name,
        "type": image.r#type.as_str(),
        "path": image.path,
        "readOnly": image.read_only,
        "creationTimestamp": time(image.created_usec),
        "modificationTimestamp": time(image.modified_usec),
        "usage": size(image.usage_bytes),
        "limit": size(image.limit_bytes),
    })
}
