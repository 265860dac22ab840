//! Errors as they stand in a reply: a name and a text. What a text repeats of the call is bounded.

use crate::bus::interface::Method;
use crate::echo::echo;
use crate::refusal::Refusal;
use importd_api::bus;
use zbus::Message;
use zbus::message::Header;

/// An error reply to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the error.
    pub name: &'static str,
    /// Text for people.
    pub text: String,
}

impl Fault {
    /// The error `org.freedesktop.DBus.Error.UnknownObject`.
    #[must_use]
    pub fn unknown_object(path: &str) -> Self {
        Self {
            name: "org.freedesktop.DBus.Error.UnknownObject",
            text: format!("Unknown object '{}'.", echo(path)),
        }
    }

    /// The error `org.freedesktop.DBus.Error.UnknownMethod`.
    #[must_use]
    pub fn unknown_method(interface: Option<&str>, member: &str) -> Self {
        let (interface, member) = (interface.map(echo), echo(member));
        Self {
            name: "org.freedesktop.DBus.Error.UnknownMethod",
            text: match interface {
                Some(interface) => format!("Unknown method {member} or interface {interface}."),
                None => format!("Unknown method {member}."),
            },
        }
    }

    /// The error `org.freedesktop.DBus.Error.UnknownInterface`.
    #[must_use]
    pub fn unknown_interface(interface: &str) -> Self {
        Self {
            name: "org.freedesktop.DBus.Error.UnknownInterface",
            text: format!("Unknown interface '{}'.", echo(interface)),
        }
    }

    /// The error `org.freedesktop.DBus.Error.UnknownProperty`.
    #[must_use]
    pub fn unknown_property(interface: &str, property: &str) -> Self {
        let (interface, property) = (echo(interface), echo(property));
        Self {
            name: "org.freedesktop.DBus.Error.UnknownProperty",
            text: format!("Unknown interface {interface} or property {property}."),
        }
    }

    /// The error `org.freedesktop.DBus.Error.PropertyReadOnly`.
    #[must_use]
    pub fn property_read_only(property: &str) -> Self {
        Self {
            name: "org.freedesktop.DBus.Error.PropertyReadOnly",
            text: format!("Property '{property}' is not writable."),
        }
    }

    /// The error for a call whose body has another signature than the method.
    #[must_use]
    pub fn signature(interface: &str, method: &Method, got: &str) -> Self {
        let (name, expected) = (method.name, method.input_signature());
        Self {
            name: bus::ERROR_INVALID_ARGS,
            text: format!(
                "Invalid arguments '{got}' to call {interface}.{name}(), expecting '{expected}'."
            ),
        }
    }

    /// The error for a call that brings more or fewer descriptors than the method takes.
    #[must_use]
    pub fn descriptors(interface: &str, method: &Method, got: usize) -> Self {
        let (name, expected) = (method.name, method.input_descriptors());
        Self {
            name: bus::ERROR_INVALID_ARGS,
            text: format!(
                "Invalid number of file descriptors, {got}, with a call to {interface}.{name}(), \
                 expecting {expected}."
            ),
        }
    }

    /// The reply to a call.
    ///
    /// # Errors
    /// When the message cannot be built.
    pub fn reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name).build(&self.text)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self {
            name: refusal.bus_error(),
            text: refusal.to_string(),
        }
    }
}

/// A body that cannot be decoded, although its signature is right: the sender's fault.
impl From<zbus::Error> for Fault {
    fn from(error: zbus::Error) -> Self {
        Self {
            name: bus::ERROR_INVALID_ARGS,
            text: echo(&error.to_string()).to_owned(),
        }
    }
}
