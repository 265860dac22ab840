//! The interface of a transfer, `org.freedesktop.import1.Transfer`.

use crate::authorize::Action;
use crate::bus::interface::{Access, Changes, Interface, Method, Property, Signal, argument};
use crate::transfer::Transfer;
use importd_api::bus::TRANSFER_INTERFACE;
use zbus::Variant;

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: TRANSFER_INTERFACE,
    methods: &[Method {
        name: "Cancel",
        inputs: &[],
        outputs: &[],
        action: Some(Action::Cancel),
    }],
    properties: &[
        constant("Id", "u"),
        constant("Local", "s"),
        constant("Remote", "s"),
        constant("Type", "s"),
        constant("Verify", "s"),
        Property {
            name: "Progress",
            signature: "d",
            changes: Changes::Silently,
            access: Access::Read,
        },
    ],
    signals: &[
        Signal {
            name: "LogMessage",
            arguments: &[argument("u", "priority"), argument("s", "line")],
        },
        Signal {
            name: "ProgressUpdate",
            arguments: &[argument("d", "progress")],
        },
    ],
};

const fn constant(name: &'static str, signature: &'static str) -> Property {
    Property {
        name,
        signature,
        changes: Changes::Never,
        access: Access::Read,
    }
}

/// The values of the properties, in the order of the interface.
#[must_use]
pub fn values(id: u32, transfer: &Transfer) -> Vec<(&'static str, Variant<'static>)> {
    let job = transfer.job();
    vec![
        ("Id", id.into()),
        ("Local", job.local().to_owned().into()),
        ("Remote", job.remote().into()),
        ("Type", job.kind().as_str().into()),
        ("Verify", job.verify().into()),
        ("Progress", transfer.progress().into()),
    ]
}
