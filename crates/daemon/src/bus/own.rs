//! Our own interfaces beside the original's on the same objects: `io.importd.Transfer1` on each
//! transfer, `io.importd.Manager1` on the manager. docs/bus.md describes them.

use crate::bus::interface::{Access, Changes, Interface, Method, Property, Signal, argument};
use crate::bus::manager::{Answer, listed_class, path};
use crate::bus::standard::Values;
use crate::bus::{fault::Fault, oci, transfer};
use crate::manager::{Manager, Order};
use crate::transfer::Transfer;
use importd_api::bus::{FIGURE_UNKNOWN, OWN_MANAGER_INTERFACE, OWN_TRANSFER_INTERFACE};
use importd_api::class::Class;
use serde::Serialize;
use std::time::Instant;
use zbus::message::Body;
use zbus::{Message, ObjectPath, Type, Variant};

/// The interface of a transfer.
pub const TRANSFER: Interface = Interface {
    name: OWN_TRANSFER_INTERFACE,
    methods: &[],
    properties: &[
        property("Bytes", "t", Changes::Told),
        property("Class", "s", Changes::Never),
        property("Destination", "s", Changes::Never),
        property("Owner", "u", Changes::Never),
        property("Phase", "s", Changes::Told),
        property("Rate", "t", Changes::Told),
        property("Retries", "u", Changes::Told),
        property("Started", "t", Changes::Told),
        property("State", "s", Changes::Told),
        property("TimeLeft", "t", Changes::Told),
        property("Total", "t", Changes::Told),
    ],
    signals: &[Signal {
        name: "Finished",
        arguments: &[
            argument("s", "result"),
            argument("s", "kind"),
            argument("s", "reason"),
        ],
    }],
};

/// The interface of the manager.
pub const MANAGER: Interface = Interface {
    name: OWN_MANAGER_INTERFACE,
    methods: &[
        Method {
            name: "ListTransfers",
            inputs: &[argument("s", "class"), argument("t", "flags")],
            outputs: &[argument("a(uoa{sv})", "transfers")],
            action: None,
        },
        oci::PULL,
        oci::IMPORT,
        oci::EXPORT,
        oci::PUSH,
    ],
    properties: &[
        property("MaxTransfers", "u", Changes::Silently),
        property("MaxTransfersPerUser", "u", Changes::Silently),
        property("MaxQueued", "u", Changes::Silently),
        property("MaxQueuedPerUser", "u", Changes::Silently),
        property("Queued", "u", Changes::Silently),
        property("Running", "u", Changes::Silently),
    ],
    signals: &[],
};

const fn property(name: &'static str, signature: &'static str, changes: Changes) -> Property {
    Property {
        name,
        signature,
        changes,
        access: Access::Read,
    }
}

/// A property's name and value.
pub type Value = (&'static str, Variant<'static>);

/// The values of a transfer's properties, in the order of the interface.
#[must_use]
pub fn of_transfer(transfer: &Transfer) -> Vec<Value> {
    let now = Instant::now();
    let figures = transfer.figures();
    let phase = transfer.phase().map_or("", |phase| phase.as_str());
    let left = transfer.time_left_usec(now);
    vec![
        ("Bytes", figures.bytes.into()),
        ("Class", transfer.job().class.as_str().into()),
        ("Destination", transfer.destination().to_owned().into()),
        ("Owner", transfer.owner().into()),
        ("Phase", phase.into()),
        ("Rate", transfer.rate(now).into()),
        ("Retries", figures.retries.into()),
        ("Started", transfer.started_usec().into()),
        ("State", transfer.state().as_str().into()),
        ("TimeLeft", left.unwrap_or(FIGURE_UNKNOWN).into()),
        ("Total", figures.total.unwrap_or(FIGURE_UNKNOWN).into()),
    ]
}

/// The values of the manager's properties, in the order of the interface.
#[must_use]
pub fn of_manager(table: &Manager) -> Vec<Value> {
    let number = |number: usize| Variant::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let (limits, counts) = (table.limits(), table.counts());
    vec![
        ("MaxTransfers", number(limits.running)),
        ("MaxTransfersPerUser", number(limits.running_of_user)),
        ("MaxQueued", number(limits.waiting)),
        ("MaxQueuedPerUser", number(limits.waiting_of_user)),
        ("Queued", number(counts.queued)),
        ("Running", number(counts.running)),
    ]
}

/// A transfer as it stands in the list: all properties of both its interfaces.
#[derive(Debug, Serialize, Type)]
pub struct ListedTransfer {
    id: u32,
    path: ObjectPath<'static>,
    properties: Values,
}

/// Does what a call of that user of a method of the manager asks for.
///
/// # Errors
/// [`crate::refusal::Refusal`]s of the request, and bodies that cannot be decoded.
pub fn call(
    table: &mut Manager,
    method: &Method,
    (call, owner): (&Message, u32),
) -> Result<Answer, Fault> {
    let body = call.body();
    if method.name == "ListTransfers" {
        let listed = list(table, &body)?;
        let reply = Message::method_return(&call.header()).build(&listed)?;
        return Ok(Answer::Reply(reply));
    }
    let (job, stream) = oci::job(table.scope(), method.name, &body)?;
    let order = Order { job, stream, owner };
    Ok(Answer::Started(table.start(order)?))
}

/// Answers `ListTransfers`: the transfers of a class, or of all if it is empty.
fn list(table: &Manager, body: &Body) -> Result<Vec<ListedTransfer>, Fault> {
    let class: Option<Class> = listed_class(body)?;
    let wanted = table.transfers_of(class);
    let listed = wanted.map(|(id, transfer)| ListedTransfer {
        id,
        path: path(id),
        properties: Values(both(id, transfer)),
    });
    Ok(listed.collect())
}

fn both(id: u32, transfer: &Transfer) -> Vec<Value> {
    let mut values = transfer::values(id, transfer);
    values.extend(of_transfer(transfer));
    values
}
