//! Methods of our own for images of OCI, `io.importd.Manager1`: calls decoded.

use crate::authorize::Action;
use crate::bus::fault::Fault;
use crate::bus::interface::{Argument, Method, argument};
use crate::bus::options::{Given, Options};
use crate::request::{self, Subject};
use importd_api::bus::OWN_MANAGER_INTERFACE;
use importd_api::class::Scope;
use importd_api::flags::Flags;
use importd_api::job::Job;
use std::os::fd::{AsFd, OwnedFd};
use zbus::message::Body;

const FD: Argument = argument("h", "fd");
const REFERENCE: Argument = argument("s", "reference");
const LOCAL_NAME: Argument = argument("s", "local_name");
const CLASS: Argument = argument("s", "class");
const STARTED: &[Argument] = &[argument("u", "transfer_id"), argument("o", "transfer_path")];
const OPTIONS: Argument = argument("a{sv}", "options");

/// Downloads one.
pub const PULL: Method = starting(
    "PullOci",
    &[REFERENCE, LOCAL_NAME, CLASS, OPTIONS],
    Action::Pull,
);
/// Makes an image of one in files.
pub const IMPORT: Method = starting(
    "ImportOci",
    &[FD, LOCAL_NAME, CLASS, OPTIONS],
    Action::Import,
);
/// Writes one.
pub const EXPORT: Method = starting(
    "ExportOci",
    &[LOCAL_NAME, CLASS, FD, OPTIONS],
    Action::Export,
);
/// Sends one.
pub const PUSH: Method = starting(
    "PushOci",
    &[LOCAL_NAME, REFERENCE, CLASS, OPTIONS],
    Action::Push,
);

const fn starting(name: &'static str, inputs: &'static [Argument], action: Action) -> Method {
    Method {
        name,
        inputs,
        outputs: STARTED,
        action: Some(action),
    }
}

/// What a method starts, and the caller's descriptor if it has one.
pub type Started = (Job, Option<OwnedFd>);

/// Decodes and checks a call.
///
/// # Errors
/// [`crate::refusal::Refusal`]s of the request, and bodies that cannot be decoded.
pub fn job(scope: Scope, method: &str, body: &Body) -> Result<Started, Fault> {
    match method {
        "PullOci" => pull(scope, body),
        "ImportOci" => import(scope, body),
        "ExportOci" => export(scope, body),
        "PushOci" => push(scope, body),
        _ => Err(Fault::unknown_method(Some(OWN_MANAGER_INTERFACE), method)),
    }
}

const fn extended<'a>(class: &'a str, given: &Given, known: u64) -> request::Options<'a> {
    let flags = given.flags.word(known);
    request::Options::Extended { class, flags }
}

fn pull(scope: Scope, body: &Body) -> Result<Started, Fault> {
    const KNOWN: [&str; 5] = ["force", "readOnly", "architecture", "flat", "reset"];
    let (reference, name, class, options) = body.deserialize::<(&str, &str, &str, Options)>()?;
    let given = Given::read(&options, &KNOWN)?;
    let subject = Subject::PullOci {
        reference,
        name,
        shape: &given.shape,
    };
    let options = extended(class, &given, Flags::IMPORT);
    Ok((subject.check(scope, options)?, None))
}

fn import(scope: Scope, body: &Body) -> Result<Started, Fault> {
    const KNOWN: [&str; 6] = ["force", "readOnly", "architecture", "flat", "reset", "tag"];
    let (fd, name, class, options) = body.deserialize::<(zbus::OwnedFd, &str, &str, Options)>()?;
    let given = Given::read(&options, &KNOWN)?;
    let fd = OwnedFd::from(fd);
    let subject = Subject::ImportOci {
        fd: fd.as_fd(),
        name,
        tag: given.packing.tag.as_ref(),
        shape: &given.shape,
    };
    let options = extended(class, &given, Flags::IMPORT);
    Ok((subject.check(scope, options)?, Some(fd)))
}

fn export(scope: Scope, body: &Body) -> Result<Started, Fault> {
    const KNOWN: [&str; 3] = ["format", "architecture", "tag"];
    let (name, class, fd, options) = body.deserialize::<(&str, &str, zbus::OwnedFd, Options)>()?;
    let given = Given::read(&options, &KNOWN)?;
    let fd = OwnedFd::from(fd);
    let subject = Subject::ExportOci {
        fd: fd.as_fd(),
        name,
        packing: &given.packing,
    };
    let options = extended(class, &given, Flags::NONE);
    Ok((subject.check(scope, options)?, Some(fd)))
}

fn push(scope: Scope, body: &Body) -> Result<Started, Fault> {
    const KNOWN: [&str; 2] = ["format", "architecture"];
    let (name, reference, class, options) = body.deserialize::<(&str, &str, &str, Options)>()?;
    let given = Given::read(&options, &KNOWN)?;
    let subject = Subject::PushOci {
        name,
        reference,
        packing: &given.packing,
    };
    let options = extended(class, &given, Flags::NONE);
    Ok((subject.check(scope, options)?, None))
}
