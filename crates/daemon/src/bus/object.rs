//! Which objects there are: the manager, the running transfers, and the paths above them.

use crate::bus::interface::{Interface, Method};
use crate::bus::{log_control, manager, standard, transfer};
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

    /// The interface that makes the object what it is.
    #[must_use]
    pub const fn own_interface(self) -> Option<&'static Interface> {
        match self {
            Object::Ancestor(_) | Object::TransferRoot => None,
            Object::Manager => Some(&manager::INTERFACE),
            Object::Transfer(_) => Some(&transfer::INTERFACE),
            Object::LogControl => Some(&log_control::INTERFACE),
        }
    }

    /// All its interfaces, the standard ones first.
    pub fn interfaces(self) -> impl Iterator<Item = &'static Interface> {
        standard::ALL.into_iter().chain(self.own_interface())
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
const DESCRIBED: [(&str, &Interface); 3] = [
    (MANAGER_PATH, &manager::INTERFACE),
    (TRANSFER_ROOT, &transfer::INTERFACE),
    (LOG_CONTROL_PATH, &log_control::INTERFACE),
];

/// What `--bus-introspect=` prints: for `list` the paths with their interfaces, for one of these
/// paths its introspection. The parent of the transfers stands for any transfer.
#[must_use]
pub fn describe(path: &str) -> Option<String> {
    if path == "list" {
        let line = |(path, interface): &(&str, &Interface)| format!("{path}\t{}\n", interface.name);
        return Some(DESCRIBED.iter().map(line).collect());
    }
    let (_, interface) = DESCRIBED.into_iter().find(|(known, _)| *known == path)?;
    let children = match path {
        MANAGER_PATH => vec![TRANSFER_FOLDER.to_owned()],
        _ => Vec::new(),
    };
    let interfaces = standard::ALL.into_iter().chain([interface]);
    Some(super::interface::introspect(interfaces, &children))
}
