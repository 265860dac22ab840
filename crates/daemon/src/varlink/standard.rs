//! `org.varlink.service`: what there is, and its description. And `io.systemd`, which has errors only.
//!
//! # Source
//! <https://varlink.org/Service>.

use crate::varlink::fault::Fault;
use crate::varlink::method::{INTERFACES, Interface, interface_of};
use crate::varlink::parameters::Parameters;
use serde_json::{Value, json};

/// The interface that every service has.
pub const INTERFACE: Interface = Interface {
    name: "org.varlink.service",
    methods: &["GetInfo", "GetInterfaceDescription"],
    description: include_str!("idl/org.varlink.service.varlink"),
};

/// The errors that all services of systemd have in common.
pub const ERRORS: Interface = Interface {
    name: "io.systemd",
    methods: &[],
    description: include_str!("idl/io.systemd.varlink"),
};

/// The answer to `GetInfo`.
///
/// # Errors
/// [`Fault`] for parameters, of which it has none.
pub fn info(parameters: Parameters) -> Result<Value, Fault> {
    parameters.finish()?;
    Ok(json!({
        "vendor": "importd",
        "product": "importd (systemd-importd)",
        "version": importd_api::VERSION,
        "url": "",
        "interfaces": INTERFACES.map(|interface| interface.name),
    }))
}

/// The answer to `GetInterfaceDescription`.
///
/// # Errors
/// [`Fault`] for wrong parameters, and an interface that is not there.
pub fn description(mut parameters: Parameters) -> Result<Value, Fault> {
    let name = parameters.text("interface")?;
    parameters.finish()?;
    let interface = interface_of(&name).ok_or_else(|| Fault::unknown_interface(&name))?;
    Ok(json!({"description": interface.description}))
}
