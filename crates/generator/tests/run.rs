//! Runs the program in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The files below a folder by their names: what a file holds, `-> TARGET` for a link.
pub(crate) type Tree = BTreeMap<String, String>;

/// One run that is being prepared.
pub(crate) struct Run {
    folder: TempDir,
    command: Command,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The exit status.
    pub(crate) status: Option<i32>,
    /// Standard error.
    pub(crate) log: String,
    /// What was written into the first folder; the two others are empty.
    pub(crate) tree: Tree,
}

impl Run {
    /// A run on the host with this kernel command line and nothing else.
    pub(crate) fn new(command_line: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_systemd-import-generator"));
        command.env_clear();
        command.env("SYSTEMD_IN_INITRD", "0");
        command.env("SYSTEMD_PROC_CMDLINE", command_line);
        Self { folder, command }
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a credential into a folder, and the folder into a variable.
    pub(crate) fn credential(self, variable: &str, text: &[u8]) -> Self {
        let folder = self.make(variable);
        fs::File::create(folder.join("import.pull"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, text))
            .unwrap();
        self.variable(variable, folder.to_str().unwrap())
    }

    /// Runs with three folders.
    pub(crate) fn finish(mut self) -> Outcome {
        let folders = ["normal", "early", "late"].map(|name| self.make(name));
        let output = self.command.args(&folders).output().unwrap();
        let [normal, others @ ..] = folders.map(|folder| tree(&folder));
        assert_eq!(others, [Tree::new(), Tree::new()]);
        Outcome {
            status: output.status.code(),
            log: String::from_utf8(output.stderr).unwrap(),
            tree: normal,
        }
    }

    /// Runs with these arguments and without folders.
    pub(crate) fn finish_with(mut self, arguments: &[&str]) -> Option<i32> {
        self.command.args(arguments).output().unwrap().status.code()
    }

    fn make(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

impl Outcome {
    /// The names of the units, without their links.
    pub(crate) fn units(&self) -> Vec<&str> {
        let names = self.tree.keys().map(String::as_str);
        names.filter(|name| !name.contains('/')).collect()
    }

    /// The lines of the only unit.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let units = self.units();
        let [unit] = units.as_slice() else {
            panic!("One unit expected, not {units:?}: {}", self.log);
        };
        self.tree[*unit].lines().collect()
    }

    /// The parameters of the call in the only unit, as they are written there.
    pub(crate) fn call(&self) -> &str {
        let exec = "ExecStart=:varlinkctl call -q --more --timeout=infinity \
                    /run/systemd/io.systemd.Import io.systemd.Import.Pull ";
        let lines = self.lines();
        let mut found = lines.iter().filter_map(|line| line.strip_prefix(exec));
        found.next().unwrap()
    }
}

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap();
            let held = if kind.is_dir() {
                folders.push(path);
                continue;
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                assert_eq!(kind.permissions().mode() & 0o7777, 0o644, "{path:?}");
                fs::read_to_string(&path).unwrap()
            };
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            tree.insert(name.to_owned(), held);
        }
    }
    tree
}
