//! The interface of the log, `org.freedesktop.LogControl1`: `systemctl service-log-level` and
//! `service-log-target`.
//!
//! # Source
//! org.freedesktop.LogControl1(5).

use crate::bus::fault::Fault;
use crate::bus::interface::{Access, Changes, Interface, Property};
use crate::echo::echo;
use crate::log::control::{Control, Level, Target};
use importd_api::bus::{ERROR_INVALID_ARGS, LOG_CONTROL_INTERFACE};
use zbus::Variant;

/// Who writes the lines.
const IDENTIFIER: &str = "systemd-importd";

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: LOG_CONTROL_INTERFACE,
    methods: &[],
    properties: &[
        property("LogLevel", Access::ReadWrite),
        property("LogTarget", Access::ReadWrite),
        property("SyslogIdentifier", Access::Read),
    ],
    signals: &[],
};

const fn property(name: &'static str, access: Access) -> Property {
    Property {
        name,
        signature: "s",
        changes: Changes::Silently,
        access,
    }
}

/// The values of the properties, in the order of the interface.
#[must_use]
pub fn values(control: &Control) -> Vec<(&'static str, Variant<'static>)> {
    vec![
        ("LogLevel", control.level().as_str().into()),
        ("LogTarget", control.target().as_str().into()),
        ("SyslogIdentifier", IDENTIFIER.into()),
    ]
}

/// Sets a property.
///
/// # Errors
/// `InvalidArgs` for a value that is none of the property's.
pub fn set(control: &Control, name: &str, value: &Variant<'_>) -> Result<(), Fault> {
    let Ok(text) = <&str>::try_from(value) else {
        return Err(invalid(format!(
            "Incorrect parameters for property '{name}', expected 's', got '{}'.",
            value.value_signature()
        )));
    };
    if name == "LogLevel" {
        let level = Level::parse(text);
        let level = level.ok_or_else(|| invalid(format!("Invalid log level '{}'", echo(text))))?;
        control.set_level(level);
        tracing::info!("The log level is {} now.", level.as_str());
    } else {
        let target = Target::parse(text);
        let unknown = || invalid(format!("Invalid log target '{}'", echo(text)));
        control.set_target(target.ok_or_else(unknown)?);
    }
    Ok(())
}

const fn invalid(text: String) -> Fault {
    Fault {
        name: ERROR_INVALID_ARGS,
        text,
    }
}
