//! The interface of the manager, `org.freedesktop.import1.Manager`: calls decoded, lists encoded.

use crate::authorize::Action;
use crate::bus::fault::Fault;
use crate::bus::interface::{Argument, Interface, Method, Signal, argument};
use crate::echo::echo;
use crate::images::Image;
use crate::manager::{Manager, Order};
use crate::refusal::Refusal;
use crate::request::{Options, Subject};
use importd_api::bus::{self, MANAGER_INTERFACE, transfer_path};
use importd_api::class::{Class, Scope};
use importd_api::flags::Flags;
use importd_api::job::{ImportSource, Job, Kind, Shape};
use importd_api::name::Form;
use serde::Serialize;
use std::os::fd::{AsFd, OwnedFd};
use zbus::message::Body;
use zbus::{Message, ObjectPath, Type};

const FD: Argument = argument("h", "fd");
const LOCAL_NAME: Argument = argument("s", "local_name");
const CLASS: Argument = argument("s", "class");
const FLAGS: Argument = argument("t", "flags");
const FORCE: Argument = argument("b", "force");
const READ_ONLY: Argument = argument("b", "read_only");
const FORMAT: Argument = argument("s", "format");
const URL: Argument = argument("s", "url");
const VERIFY_MODE: Argument = argument("s", "verify_mode");
const TRANSFER_ID: Argument = argument("u", "transfer_id");
const TRANSFER_PATH: Argument = argument("o", "transfer_path");

const IMPORT: &[Argument] = &[FD, LOCAL_NAME, FORCE, READ_ONLY];
const IMPORT_EX: &[Argument] = &[FD, LOCAL_NAME, CLASS, FLAGS];
const EXPORT: &[Argument] = &[LOCAL_NAME, FD, FORMAT];
const EXPORT_EX: &[Argument] = &[LOCAL_NAME, CLASS, FD, FORMAT, FLAGS];
const PULL: &[Argument] = &[URL, LOCAL_NAME, VERIFY_MODE, FORCE];
const PULL_EX: &[Argument] = &[URL, LOCAL_NAME, CLASS, VERIFY_MODE, FLAGS];
const PULL_OCI: &[Argument] = &[argument("s", "ref"), LOCAL_NAME, CLASS, FLAGS];

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: MANAGER_INTERFACE,
    methods: &[
        starting("ImportTar", IMPORT, Action::Import),
        starting("ImportTarEx", IMPORT_EX, Action::Import),
        starting("ImportRaw", IMPORT, Action::Import),
        starting("ImportRawEx", IMPORT_EX, Action::Import),
        starting("ImportFileSystem", IMPORT, Action::Import),
        starting("ImportFileSystemEx", IMPORT_EX, Action::Import),
        starting("ExportTar", EXPORT, Action::Export),
        starting("ExportTarEx", EXPORT_EX, Action::Export),
        starting("ExportRaw", EXPORT, Action::Export),
        starting("ExportRawEx", EXPORT_EX, Action::Export),
        starting("PullTar", PULL, Action::Pull),
        starting("PullTarEx", PULL_EX, Action::Pull),
        starting("PullRaw", PULL, Action::Pull),
        starting("PullRawEx", PULL_EX, Action::Pull),
        starting("PullOci", PULL_OCI, Action::Pull),
        listing("ListTransfers", &[], &[argument("a(usssdo)", "transfers")]),
        listing(
            "ListTransfersEx",
            &[CLASS, FLAGS],
            &[argument("a(ussssdo)", "transfers")],
        ),
        Method {
            name: "CancelTransfer",
            inputs: &[TRANSFER_ID],
            outputs: &[],
            action: Some(Action::Cancel),
        },
        listing(
            "ListImages",
            &[CLASS, FLAGS],
            &[argument("a(ssssbtttttt)", "images")],
        ),
    ],
    properties: &[],
    signals: &[
        Signal {
            name: "TransferNew",
            arguments: &[TRANSFER_ID, TRANSFER_PATH],
        },
        Signal {
            name: "TransferRemoved",
            arguments: &[TRANSFER_ID, TRANSFER_PATH, argument("s", "result")],
        },
    ],
};

const fn starting(name: &'static str, inputs: &'static [Argument], action: Action) -> Method {
    Method {
        name,
        inputs,
        outputs: &[TRANSFER_ID, TRANSFER_PATH],
        action: Some(action),
    }
}

const fn listing(
    name: &'static str,
    inputs: &'static [Argument],
    outputs: &'static [Argument],
) -> Method {
    Method {
        name,
        inputs,
        outputs,
        action: None,
    }
}

/// What follows from a call.
#[derive(Debug)]
pub enum Answer {
    /// This reply.
    Reply(Message),
    /// A transfer has been started.
    Started(u32),
    /// The images of a class, or of all, have to be listed.
    Images(Option<Class>),
}

/// Does what a call of that user asks for.
///
/// # Errors
/// [`Refusal`]s of the request, and bodies that cannot be decoded.
pub fn call(
    table: &mut Manager,
    method: &Method,
    (call, owner): (&Message, u32),
) -> Result<Answer, Fault> {
    let header = call.header();
    let body = call.body();
    match method.name {
        "ListTransfers" => {
            let reply = Message::method_return(&header).build(&transfers(table))?;
            Ok(Answer::Reply(reply))
        }
        "ListTransfersEx" => {
            let class = listed_class(&body)?;
            let reply = Message::method_return(&header).build(&transfers_of(table, class))?;
            Ok(Answer::Reply(reply))
        }
        "ListImages" => Ok(Answer::Images(listed_class(&body)?)),
        "CancelTransfer" => {
            table.cancel(body.deserialize()?)?;
            Ok(Answer::Reply(Message::method_return(&header).build(&())?))
        }
        name => {
            let (job, stream) = job(table.scope(), name, &body)?;
            let order = Order { job, stream, owner };
            Ok(Answer::Started(table.start(order)?))
        }
    }
}

/// Decodes and checks the request of a method that starts a transfer.
fn job(scope: Scope, method: &str, body: &Body) -> Result<(Job, Option<OwnedFd>), Fault> {
    let kind = Kind::ALL.into_iter().find_map(|kind| {
        let (plain, extended) = bus::methods(kind);
        if extended == method {
            Some((kind, true))
        } else {
            (plain == Some(method)).then_some((kind, false))
        }
    });
    let Some((kind, is_extended)) = kind else {
        return Err(Fault::unknown_method(Some(MANAGER_INTERFACE), method));
    };
    let stream = ImportSource::Stream;
    match kind {
        Kind::ImportTar => import(scope, stream(Form::Tar), is_extended, body),
        Kind::ImportRaw => import(scope, stream(Form::Raw), is_extended, body),
        Kind::ImportFs => import(scope, ImportSource::Folder, is_extended, body),
        Kind::ExportTar => export(scope, Form::Tar, is_extended, body),
        Kind::ExportRaw => export(scope, Form::Raw, is_extended, body),
        Kind::PullTar => pull(scope, Form::Tar, is_extended, body),
        Kind::PullRaw => pull(scope, Form::Raw, is_extended, body),
        // Those of our own are in an interface of their own.
        Kind::ImportOci | Kind::ExportOci | Kind::PushOci => {
            Err(Fault::unknown_method(Some(MANAGER_INTERFACE), method))
        }
        Kind::PullOci => {
            let (reference, name, class, flags) = body.deserialize::<(&str, &str, &str, u64)>()?;
            let subject = Subject::PullOci {
                reference,
                name,
                shape: &Shape::default(),
            };
            let options = Options::Extended { class, flags };
            Ok((subject.check(scope, options)?, None))
        }
    }
}

fn import(
    scope: Scope,
    source: ImportSource,
    is_extended: bool,
    body: &Body,
) -> Result<(Job, Option<OwnedFd>), Fault> {
    let (fd, name, options) = if is_extended {
        let (fd, name, class, flags) = body.deserialize::<(zbus::OwnedFd, &str, &str, u64)>()?;
        (fd, name, Options::Extended { class, flags })
    } else {
        let (fd, name, force, read_only) =
            body.deserialize::<(zbus::OwnedFd, &str, bool, bool)>()?;
        (fd, name, plain(force, read_only))
    };
    let fd = OwnedFd::from(fd);
    let subject = Subject::Import {
        fd: fd.as_fd(),
        source,
        name,
    };
    Ok((subject.check(scope, options)?, Some(fd)))
}

fn export(
    scope: Scope,
    form: Form,
    is_extended: bool,
    body: &Body,
) -> Result<(Job, Option<OwnedFd>), Fault> {
    let (name, fd, format, options) = if is_extended {
        let (name, class, fd, format, flags) =
            body.deserialize::<(&str, &str, zbus::OwnedFd, &str, u64)>()?;
        (name, fd, format, Options::Extended { class, flags })
    } else {
        let (name, fd, format) = body.deserialize::<(&str, zbus::OwnedFd, &str)>()?;
        (name, fd, format, plain(false, false))
    };
    let fd = OwnedFd::from(fd);
    let subject = Subject::Export {
        fd: fd.as_fd(),
        form,
        name,
        format,
    };
    Ok((subject.check(scope, options)?, Some(fd)))
}

fn pull(
    scope: Scope,
    form: Form,
    is_extended: bool,
    body: &Body,
) -> Result<(Job, Option<OwnedFd>), Fault> {
    let (url, name, verify, options) = if is_extended {
        let (url, name, class, verify, flags) =
            body.deserialize::<(&str, &str, &str, &str, u64)>()?;
        (url, name, verify, Options::Extended { class, flags })
    } else {
        let (url, name, verify, force) = body.deserialize::<(&str, &str, &str, bool)>()?;
        (url, name, verify, plain(force, false))
    };
    let subject = Subject::Pull {
        form,
        url,
        name,
        verify,
    };
    Ok((subject.check(scope, options)?, None))
}

const fn plain(force: bool, read_only: bool) -> Options<'static> {
    Options::Plain(Flags {
        force,
        read_only,
        keep_download: false,
    })
}

/// The class whose transfers or images are wanted; an empty name means all.
///
/// # Errors
/// Unknown classes, flags, and bodies that cannot be decoded.
pub fn listed_class(body: &Body) -> Result<Option<Class>, Fault> {
    let (class, flags) = body.deserialize::<(&str, u64)>()?;
    let class = match class {
        "" => None,
        name => Some(Class::parse(echo(name)).map_err(Refusal::from)?),
    };
    Flags::parse(flags, Flags::NONE).map_err(Refusal::from)?;
    Ok(class)
}

#[derive(Serialize, Type)]
struct ListedTransfer<'a> {
    id: u32,
    kind: &'static str,
    remote: String,
    local: &'a str,
    progress: f64,
    path: ObjectPath<'static>,
}

fn transfers(table: &Manager) -> Vec<ListedTransfer<'_>> {
    let listed = table.transfers().map(|(id, transfer)| ListedTransfer {
        id,
        kind: transfer.job().kind().as_str(),
        remote: transfer.job().remote(),
        local: transfer.job().local(),
        progress: transfer.progress(),
        path: path(id),
    });
    listed.collect()
}

#[derive(Serialize, Type)]
struct ListedTransferEx<'a> {
    id: u32,
    kind: &'static str,
    remote: String,
    local: &'a str,
    class: &'static str,
    progress: f64,
    path: ObjectPath<'static>,
}

fn transfers_of(table: &Manager, class: Option<Class>) -> Vec<ListedTransferEx<'_>> {
    let of_class = table.transfers_of(class);
    let listed = of_class.map(|(id, transfer)| ListedTransferEx {
        id,
        kind: transfer.job().kind().as_str(),
        remote: transfer.job().remote(),
        local: transfer.job().local(),
        class: transfer.job().class.as_str(),
        progress: transfer.progress(),
        path: path(id),
    });
    listed.collect()
}

/// The path of a transfer's object.
#[must_use]
pub fn path(id: u32) -> ObjectPath<'static> {
    ObjectPath::from_string_unchecked(transfer_path(id))
}

/// An image as it stands in a list.
#[derive(Debug, Serialize, Type)]
pub struct ListedImage {
    class: &'static str,
    name: String,
    r#type: &'static str,
    path: String,
    read_only: bool,
    created_usec: u64,
    modified_usec: u64,
    usage_bytes: u64,
    usage_exclusive_bytes: u64,
    limit_bytes: u64,
    limit_exclusive_bytes: u64,
}

impl From<Image> for ListedImage {
    fn from(image: Image) -> Self {
        // Only subvolumes share bytes with others, and of those nothing is known.
        Self {
            class: image.class.as_str(),
            name: image.name,
            r#type: image.r#type.as_str(),
            path: image.path,
            read_only: image.read_only,
            created_usec: image.created_usec,
            modified_usec: image.modified_usec,
            usage_bytes: image.usage_bytes,
            usage_exclusive_bytes: image.usage_bytes,
            limit_bytes: image.limit_bytes,
            limit_exclusive_bytes: image.limit_bytes,
        }
    }
}
