//! Which objects there are: the manager, the running transfers, and the paths above them.

use crate::bus::interface::{Interface, Method};
use crate::bus::{log_control, manager, own, standard, transfer};
use crate::manager::Manager;
use importd_api::bus::{LOG_CONTROL_PATH, MANAGER_PATH, TRANSFER_ROOT, transfer_path};

/// An object, found by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A path above the others', with its children.
    Ancestor(&'static [&'static str]),
    /// The manager.
    Manager,
    /// The parent of all transfers.
    TransferRoot,
    /// A running transfer.
    Transfer(u32),
    /// The log.
    LogControl,
}

impl Object {
    /// The object at a path, if there is one at this moment.
    #[must_use]
    pub fn find(path: &str, manager: &Manager) -> Option<Self> {
        match path {
            "/" => Some(Object::Ancestor(&["org"])),
            "/org" => Some(Object::Ancestor(&["freedesktop"])),
            "/org/freedesktop" => Some(Object::Ancestor(&["LogControl1", "import1"])),
            MANAGER_PATH => Some(Object::Manager),
            TRANSFER_ROOT => Some(Object::TransferRoot),
            LOG_CONTROL_PATH => Some(Object::LogControl),
            _ => {
                let digits = path.strip_prefix(TRANSFER_ROOT)?.strip_prefix("/_")?;
                let id = digits.parse().ok()?;
                // Other spellings of the number are other paths.
                (manager.get(id).is_some() && transfer_path(id) == path)
                    .then_some(Object::Transfer(id))
            }
        }
    }

    /// The interfaces that make the object what it is, the original's first.
    #[must_use]
    pub const fn own_interfaces(self) -> &'static [&'static Interface] {
        match self {
            Object::Ancestor(_) | Object::TransferRoot => &[],
            Object::Manager => &[&manager::INTERFACE, &own::MANAGER],
            Object::Transfer(_) => &[&transfer::INTERFACE, &own::TRANSFER],
            Object::LogControl => &[&log_control::INTERFACE],
        }
    }

    /// All its interfaces, the standard ones first.
    pub fn interfaces(self) -> impl Iterator<Item = &'static Interface> {
        let own = self.own_interfaces().iter().copied();
        standard::ALL.into_iter().chain(own)
    }

    /// The names of its children.
    #[must_use]
    pub fn children(self, table: &Manager) -> Vec<String> {
        match self {
            Object::Ancestor(children) => children.iter().map(ToString::to_string).collect(),
            Object::Manager => vec![TRANSFER_FOLDER.to_owned()],
            Object::TransferRoot => table.transfers().map(|(id, _)| format!("_{id}")).collect(),
            Object::Transfer(_) | Object::LogControl => Vec::new(),
        }
    }

    /// A method by its name; `interface` is `None` in calls that leave it to us.
    #[must_use]
    pub fn method(
        self,
        interface: Option<&str>,
        member: &str,
    ) -> Option<(&'static Interface, &'static Method)> {
        self.interfaces()
            .filter(|candidate| interface.is_none_or(|name| name == candidate.name))
            .find_map(|candidate| Some((candidate, candidate.method(member)?)))
    }
}

/// Last component of [`TRANSFER_ROOT`].
const TRANSFER_FOLDER: &str = "transfer";

/// The paths and own interfaces that `--bus-introspect=list` names.
const DESCRIBED: [(&str, Object); 3] = [
    (MANAGER_PATH, Object::Manager),
    (TRANSFER_ROOT, Object::Transfer(0)),
    (LOG_CONTROL_PATH, Object::LogControl),
];

/// What `--bus-introspect=` prints: for `list` the paths with their interfaces, for one of these
/// paths its introspection. The parent of the transfers stands for any transfer.
#[must_use]
pub fn describe(path: &str) -> Option<String> {
    if path == "list" {
        let lines = DESCRIBED.iter().flat_map(|(path, object)| {
            let own = object.own_interfaces().iter();
            own.map(move |interface| format!("{path}\t{}\n", interface.name))
        });
        return Some(lines.collect());
    }
    let (_, object) = DESCRIBED.into_iter().find(|(known, _)| *known == path)?;
    let children = match path {
        MANAGER_PATH => vec![TRANSFER_FOLDER.to_owned()],
        _ => Vec::new(),
    };
    Some(super::interface::introspect(object.interfaces(), &children))
}
