//! What a call wants that not everybody may, checked, and not yet authorised.

use crate::authorize::Action;
use crate::polkit::Details;
use crate::refusal::Refusal;
use crate::varlink::fault::{self, Fault};
use crate::varlink::own;
use importd_api::bus::Outcome;
use importd_api::figures::Reason;
use importd_api::job::{Job, Packing, Work};
use std::os::fd::OwnedFd;

/// A wish.
#[derive(Debug)]
pub struct Wish {
    /// Whose words its answers are in.
    pub dialect: Dialect,
    /// What the caller has to be allowed to do.
    pub action: Action,
    /// The same more exactly, for polkit.
    pub details: Details,
    /// Whether the caller allows a person to be asked.
    pub is_interactive: bool,
    /// What is to be done.
    pub deed: Deed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Deed {
    /// A transfer is to be started, with the caller's descriptor if it has one.
    Start(Box<Job>, Option<OwnedFd>),
    /// A transfer is to be cancelled.
    Cancel(u32),
}

/// The words of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `io.systemd.Import`.
    Original,
    /// `io.importd.Import`.
    Own,
}

impl Dialect {
    /// Why a request is refused.
    #[must_use]
    pub fn refusal(self, refusal: Refusal) -> Fault {
        match self {
            Dialect::Original => refusal.into(),
            Dialect::Own => own::refusal(refusal),
        }
    }

    /// How a transfer ended, if not well.
    #[must_use]
    pub fn end(self, outcome: Outcome, reason: Option<&Reason>) -> Option<Fault> {
        match (self, outcome) {
            (_, Outcome::Done) => None,
            (Dialect::Original, Outcome::Canceled) => Some(Fault::new(fault::CANCELLED)),
            (Dialect::Original, Outcome::Failed) => Some(Fault::new(fault::FAILED)),
            (Dialect::Own, Outcome::Canceled) => Some(Fault::new(own::CANCELLED)),
            (Dialect::Own, Outcome::Failed) => Some(own::failure(reason)),
        }
    }
}

/// What rules of polkit can look at: what the bus tells of such a call, and what it cannot ask for.
#[must_use]
pub fn details(job: &Job) -> Details {
    let yes_or_no = |is_set| if is_set { "yes" } else { "no" }.to_owned();
    let mut details = vec![
        ("verb", job.kind().as_str().to_owned()),
        ("class", job.class.as_str().to_owned()),
        ("force", yes_or_no(job.force)),
        ("readOnly", yes_or_no(job.read_only)),
    ];
    if !job.local().is_empty() {
        details.push(("local", job.local().to_owned()));
    }
    if let Some(root) = &job.image_root {
        details.push(("imageRoot", root.to_string_lossy().into_owned()));
    }
    match &job.work {
        Work::Pull { form, url, .. } => details.extend([
            ("remote", url.without_credentials()),
            ("type", form.as_str().to_owned()),
            ("verify", job.verify()),
        ]),
        Work::Export { format, .. } => {
            let format = format.as_ref().map_or("uncompressed", |it| it.as_str());
            details.push(("format", format.to_owned()));
        }
        Work::PullOci {
            reference, shape, ..
        } => {
            details.extend([
                ("remote", reference.to_string()),
                ("flat", yes_or_no(shape.flat)),
                ("reset", yes_or_no(shape.reset)),
            ]);
            let architecture = shape.architecture.as_ref();
            details.extend(architecture.map(|it| ("architecture", it.to_string())));
        }
        Work::ImportOci { shape, tag, .. } => {
            details.extend([
                ("flat", yes_or_no(shape.flat)),
                ("reset", yes_or_no(shape.reset)),
            ]);
            let architecture = shape.architecture.as_ref();
            details.extend(architecture.map(|it| ("architecture", it.to_string())));
            details.extend(tag.as_ref().map(|it| ("tag", it.as_str().to_owned())));
        }
        Work::ExportOci { packing, .. } => push_packing(&mut details, packing),
        Work::PushOci {
            reference, packing, ..
        } => {
            details.push(("remote", reference.to_string()));
            push_packing(&mut details, packing);
        }
        Work::Import { .. } => {}
    }
    details
}

fn push_packing(details: &mut Details, packing: &Packing) {
    let format = packing.format.as_ref().map(|it| it.as_str().to_owned());
    let architecture = packing.architecture.as_ref().map(ToString::to_string);
    let tag = packing.tag.as_ref().map(|it| it.as_str().to_owned());
    let given = [
        ("format", format),
        ("architecture", architecture),
        ("tag", tag),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    details.extend(given);
}
