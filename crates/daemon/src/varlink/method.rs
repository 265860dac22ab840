//! The table of interfaces and methods.

use crate::varlink::{import, own, service, standard};

/// An interface: its name, its methods, and what is written about it.
#[derive(Debug)]
pub struct Interface {
    /// Its name.
    pub name: &'static str,
    /// Its methods, without the interface's name.
    pub methods: &'static [&'static str],
    /// Its description in Varlink's language.
    pub description: &'static str,
}

/// What is served, in alphabetical order, as the original lists it.
pub const INTERFACES: [&Interface; 5] = [
    &own::INTERFACE,
    &standard::ERRORS,
    &import::INTERFACE,
    &service::INTERFACE,
    &standard::INTERFACE,
];

/// The interface and the method that a name means.
#[must_use]
pub fn find(name: &str) -> Option<(&'static Interface, &'static str)> {
    let (interface, method) = name.rsplit_once('.')?;
    let interface = interface_of(interface)?;
    let found = interface.methods.iter().find(|known| **known == method);
    found.map(|method| (interface, *method))
}

/// The interface of that name.
#[must_use]
pub fn interface_of(name: &str) -> Option<&'static Interface> {
    INTERFACES
        .into_iter()
        .find(|interface| interface.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_their_full_names_only() {
        let (interface, method) = find("io.systemd.Import.Pull").unwrap();
        assert_eq!((interface.name, method), ("io.systemd.Import", "Pull"));
        for name in [
            "",
            "Pull",
            ".Pull",
            "io.systemd.Import.",
            "io.systemd.Import.pull",
        ] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_served_is_described_and_the_other_way_round() {
        for interface in INTERFACES {
            let text = interface.description;
            let named = format!("interface {}\n", interface.name);
            assert!(text.lines().any(|line| format!("{line}\n") == named));
            let described: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("method "))
                .filter_map(|line| line.split('(').next())
                .collect();
            assert_eq!(described, interface.methods, "{}", interface.name);
        }
    }
}
