//! What an interface is made of, and its introspection.
//!
//! Descriptions are constants: the introspection, the check of a call's signature and the need of
//! an authorization all follow from the same table.

use crate::authorize::Action;
use std::fmt::Write;

/// An interface.
#[derive(Debug)]
pub struct Interface {
    /// Its name.
    pub name: &'static str,
    /// Its methods, in the order of the introspection.
    pub methods: &'static [Method],
    /// Its properties.
    pub properties: &'static [Property],
    /// Its signals.
    pub signals: &'static [Signal],
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What a call carries.
    pub inputs: &'static [Argument],
    /// What a reply carries.
    pub outputs: &'static [Argument],
    /// What the caller must be authorised for; `None`: open to everyone.
    pub action: Option<Action>,
}

/// An argument of a method or signal.
#[derive(Debug)]
pub struct Argument {
    /// Its D-Bus signature.
    pub signature: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// A property.
#[derive(Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its D-Bus signature.
    pub signature: &'static str,
    /// Whether it changes while the object lives.
    pub changes: Changes,
    /// What can be done with it.
    pub access: Access,
}

/// Whether a property changes while its object lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// It does not.
    Never,
    /// It does, and no signal tells.
    Silently,
    /// It does, and `PropertiesChanged` tells.
    Told,
}

impl Changes {
    const fn emits(self) -> &'static str {
        match self {
            Changes::Never => "const",
            Changes::Silently => "false",
            Changes::Told => "true",
        }
    }
}

/// What callers can do with a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone can read it.
    Read,
    /// Everyone can read it, and root can set it.
    ReadWrite,
}

impl Access {
    const fn as_str(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::ReadWrite => "readwrite",
        }
    }
}

/// A signal.
#[derive(Debug)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// What it carries.
    pub arguments: &'static [Argument],
}

/// Short for an argument in a table.
#[must_use]
pub const fn argument(signature: &'static str, name: &'static str) -> Argument {
    Argument { signature, name }
}

impl Interface {
    /// A method by its name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl Method {
    /// The signature of a call's body.
    #[must_use]
    pub fn input_signature(&self) -> String {
        self.inputs.iter().map(|input| input.signature).collect()
    }

    /// How many descriptors a call brings.
    #[must_use]
    pub fn input_descriptors(&self) -> usize {
        let descriptors = self.inputs.iter().filter(|input| input.signature == "h");
        descriptors.count()
    }
}

/// The introspection document of an object with these interfaces and children.
#[must_use]
pub fn introspect<'a>(
    interfaces: impl Iterator<Item = &'a Interface>,
    children: &[String],
) -> String {
    let mut xml = String::from(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n\
         \"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n\
         <node>\n",
    );
    for interface in interfaces {
        interface.write(&mut xml);
    }
    for child in children {
        line(&mut xml, 1, format_args!("node name=\"{child}\"/"));
    }
    xml.push_str("</node>\n");
    xml
}

impl Interface {
    fn write(&self, xml: &mut String) {
        line(xml, 1, format_args!("interface name=\"{}\"", self.name));
        for property in self.properties {
            property.write(xml);
        }
        for method in self.methods {
            let inputs = method.inputs.iter().map(|input| (input, Some("in")));
            let outputs = method.outputs.iter().map(|output| (output, Some("out")));
            member(xml, "method", method.name, inputs.chain(outputs));
        }
        for signal in self.signals {
            let arguments = signal.arguments.iter().map(|argument| (argument, None));
            member(xml, "signal", signal.name, arguments);
        }
        line(xml, 1, format_args!("/interface"));
    }
}

impl Property {
    fn write(&self, xml: &mut String) {
        let (name, signature) = (self.name, self.signature);
        let access = self.access.as_str();
        let property =
            format_args!("property name=\"{name}\" type=\"{signature}\" access=\"{access}\"");
        line(xml, 2, property);
        annotation(
            xml,
            "org.freedesktop.DBus.Property.EmitsChangedSignal",
            self.changes.emits(),
        );
        if self.access == Access::ReadWrite {
            annotation(xml, "org.freedesktop.systemd1.Privileged", "true");
        }
        line(xml, 2, format_args!("/property"));
    }
}

fn annotation(xml: &mut String, name: &str, value: &str) {
    line(
        xml,
        3,
        format_args!("annotation name=\"{name}\" value=\"{value}\"/"),
    );
}

fn member<'a>(
    xml: &mut String,
    element: &str,
    name: &str,
    arguments: impl Iterator<Item = (&'a Argument, Option<&'static str>)>,
) {
    line(xml, 2, format_args!("{element} name=\"{name}\""));
    for (argument, direction) in arguments {
        let (signature, name) = (argument.signature, argument.name);
        let direction = direction.map_or_else(String::new, |d| format!(" direction=\"{d}\""));
        line(
            xml,
            3,
            format_args!("arg type=\"{signature}\" name=\"{name}\"{direction}/"),
        );
    }
    line(xml, 2, format_args!("/{element}"));
}

fn line(xml: &mut String, depth: usize, tag: std::fmt::Arguments<'_>) {
    // Writing into a String does not fail.
    writeln!(xml, "{:depth$}<{tag}>", "").unwrap_or(());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Interface = Interface {
        name: "a.b",
        methods: &[Method {
            name: "M",
            inputs: &[argument("s", "x"), argument("t", "y")],
            outputs: &[argument("o", "z")],
            action: None,
        }],
        properties: &[Property {
            name: "P",
            signature: "d",
            changes: Changes::Silently,
            access: Access::Read,
        }],
        signals: &[Signal {
            name: "S",
            arguments: &[argument("u", "n")],
        }],
    };

    #[test]
    fn a_document_holds_members_annotations_and_children() {
        let expected =
            "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"
\"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">
<node>
 <interface name=\"a.b\">
  <property name=\"P\" type=\"d\" access=\"read\">
   <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" value=\"false\"/>
  </property>
  <method name=\"M\">
   <arg type=\"s\" name=\"x\" direction=\"in\"/>
   <arg type=\"t\" name=\"y\" direction=\"in\"/>
   <arg type=\"o\" name=\"z\" direction=\"out\"/>
  </method>
  <signal name=\"S\">
   <arg type=\"u\" name=\"n\"/>
  </signal>
 </interface>
 <node name=\"_1\"/>
</node>
";
        assert_eq!(
            introspect([&SMALL].into_iter(), &["_1".to_owned()]),
            expected
        );
        assert_eq!(SMALL.methods[0].input_signature(), "st");
    }
}
