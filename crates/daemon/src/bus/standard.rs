//! Peer, Introspectable and Properties, which every object has.
//!
//! Source: D-Bus specification, "Standard Interfaces".

use crate::bus::fault::Fault;
use crate::bus::interface::{
    Access, Argument, Interface, Method, Property, Signal, argument, introspect,
};
use crate::bus::object::Object;
use crate::bus::own::{self, Value};
use crate::bus::{log_control, transfer};
use crate::manager::Manager;
use importd_api::bus::{OWN_MANAGER_INTERFACE, OWN_TRANSFER_INTERFACE};
use importd_api::failure::Kind;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use zbus::message::Header;
use zbus::{Message, Signature, Type, Variant};

/// The standard interfaces, in the order of the introspection.
pub const ALL: [&Interface; 3] = [&PEER, &INTROSPECTABLE, &PROPERTIES];

/// Answers on every path, of an object or not.
pub const PEER: Interface = Interface {
    name: "org.freedesktop.DBus.Peer",
    methods: &[
        method("Ping", &[], &[]),
        method("GetMachineId", &[], &[argument("s", "machine_uuid")]),
    ],
    properties: &[],
    signals: &[],
};

/// What an object has.
pub const INTROSPECTABLE: Interface = Interface {
    name: "org.freedesktop.DBus.Introspectable",
    methods: &[method("Introspect", &[], &[argument("s", "xml_data")])],
    properties: &[],
    signals: &[],
};

const INTERFACE_NAME: Argument = argument("s", "interface_name");
const PROPERTY_NAME: Argument = argument("s", "property_name");

/// Values of an object.
pub const PROPERTIES: Interface = Interface {
    name: "org.freedesktop.DBus.Properties",
    methods: &[
        method(
            "Get",
            &[INTERFACE_NAME, PROPERTY_NAME],
            &[argument("v", "value")],
        ),
        method("GetAll", &[INTERFACE_NAME], &[argument("a{sv}", "props")]),
        method(
            "Set",
            &[INTERFACE_NAME, PROPERTY_NAME, argument("v", "value")],
            &[],
        ),
    ],
    properties: &[],
    signals: &[Signal {
        name: "PropertiesChanged",
        arguments: &[
            INTERFACE_NAME,
            argument("a{sv}", "changed_properties"),
            argument("as", "invalidated_properties"),
        ],
    }],
};

const fn method(
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

/// Where the machine's identity stands, machine-id(5), and where D-Bus kept it before that.
const MACHINE_ID_FILES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Answers a call of [`PEER`].
///
/// # Errors
/// `FileNotFound` if the machine has no identity.
pub fn peer(method: &Method, header: &Header<'_>) -> Result<Message, Fault> {
    if method.name == "Ping" {
        return Ok(Message::method_return(header).build(&())?);
    }
    let files = MACHINE_ID_FILES.into_iter();
    let id = files
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find(|text| text.trim_end().len() == 32)
        .ok_or_else(|| Fault {
            name: Kind::NotFound.bus_error(),
            text: "This machine has no machine id".to_owned(),
        })?;
    Ok(Message::method_return(header).build(&id.trim_end())?)
}

/// Answers a call of [`INTROSPECTABLE`].
///
/// # Errors
/// When the message cannot be built.
pub fn introspection(
    object: Object,
    table: &Manager,
    header: &Header<'_>,
) -> Result<Message, Fault> {
    let xml = introspect(object.interfaces(), &object.children(table));
    Ok(Message::method_return(header).build(&xml)?)
}

/// Answers a call of [`PROPERTIES`].
///
/// # Errors
/// Unknown interfaces and properties; attempts to set what can only be read, or to what it cannot be.
pub fn properties(
    object: Object,
    table: &Manager,
    (method, call): (&Method, &Message),
) -> Result<Message, Fault> {
    let header = call.header();
    let body = call.body();
    if method.name == "GetAll" {
        let interface: &str = body.deserialize()?;
        let known =
            interface.is_empty() || object.interfaces().any(|known| known.name == interface);
        if !known {
            return Err(Fault::unknown_interface(interface));
        }
        let all = values(object, interface, table);
        return Ok(Message::method_return(&header).build(&Values(all))?);
    }
    if method.name == "Get" {
        let (interface, name) = body.deserialize::<(&str, &str)>()?;
        let value = values(object, interface, table)
            .into_iter()
            .find(|(known, _)| *known == name);
        return match value {
            None => Err(Fault::unknown_property(interface, name)),
            Some((_, value)) => Ok(Message::method_return(&header).build(&value)?),
        };
    }
    let (interface, name, value) = body.deserialize::<(&str, &str, Variant<'_>)>()?;
    match property(object, interface, name) {
        None => Err(Fault::unknown_property(interface, name)),
        Some(property) if property.access == Access::Read => {
            Err(Fault::property_read_only(property.name))
        }
        Some(property) => {
            log_control::set(table.log(), property.name, &value)?;
            Ok(Message::method_return(&header).build(&())?)
        }
    }
}

/// Whether a call would set a property that can be set: then its caller must be allowed to.
#[must_use]
pub fn sets_property(object: Object, method: &Method, call: &Message) -> bool {
    let body = call.body();
    let names = body.deserialize::<(&str, &str, Variant<'_>)>();
    method.name == "Set"
        && names.is_ok_and(|(interface, name, _)| {
            property(object, interface, name)
                .is_some_and(|property| property.access == Access::ReadWrite)
        })
}

fn property(object: Object, interface: &str, name: &str) -> Option<&'static Property> {
    let own = object.own_interfaces().iter();
    own.filter(|own| interface.is_empty() || own.name == interface)
        .flat_map(|own| own.properties)
        .find(|property| property.name == name)
}

/// The values of an interface of an object; the empty name stands for all.
fn values(object: Object, interface: &str, table: &Manager) -> Vec<Value> {
    let wanted = object.own_interfaces().iter();
    let wanted = wanted.filter(|own| interface.is_empty() || own.name == interface);
    let of = |name: &str| match object {
        Object::Transfer(id) => table.get(id).map_or_else(Vec::new, |it| match name {
            OWN_TRANSFER_INTERFACE => own::of_transfer(it),
            _ => transfer::values(id, it),
        }),
        Object::Manager if name == OWN_MANAGER_INTERFACE => own::of_manager(table),
        Object::LogControl => log_control::values(table.log()),
        Object::Ancestor(_) | Object::Manager | Object::TransferRoot => Vec::new(),
    };
    wanted.flat_map(|own| of(own.name)).collect()
}

/// A dictionary in the order of the introspection.
#[derive(Debug)]
pub struct Values(pub Vec<Value>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Type for Values {
    const SIGNATURE: &'static Signature = <BTreeMap<&str, Variant<'_>>>::SIGNATURE;
}
