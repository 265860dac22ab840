//! Configuration files, read as systemd reads its own: one main file, and drop-ins.
//!
//! The main file is the first `NAME` that there is in the folders; drop-ins are all `NAME.d/*.conf`
//! of all folders in the order of their file names, where a file of an earlier folder hides those of
//! the same name, and an empty one or a link to `/dev/null` says nothing. Later settings win.
//!
//! # Source
//! systemd.syntax(7); systemd-system.conf(5), section "Configuration Directories and Precedence".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of the main file.
pub const NAME: &str = "importd.conf";

/// Where the files are, the most important first.
pub const FOLDERS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// Largest file read, in bytes: people write them, and a few lines are in them.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// `KEY=VALUE` in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The section's name; empty before the first.
    pub section: String,
    /// What stands before the `=`.
    pub key: String,
    /// What stands behind it.
    pub value: String,
    /// File and line, for messages.
    pub place: String,
}

/// Takes a warning: one sentence.
pub type Warn<'a> = &'a mut dyn FnMut(String);

/// All assignments in all files called `name`, those that count more later. What cannot be read is
/// warned of and left out.
#[must_use]
pub fn read(folders: &[&Path], name: &str, warn: Warn<'_>) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for path in files(folders, name) {
        let mut text = String::new();
        let opened = File::open(&path).map(|file| file.take(FILE_BYTES_MAX));
        match opened.and_then(|mut file| file.read_to_string(&mut text)) {
            Ok(_) => parse(&text, &path, &mut assignments, warn),
            Err(error) => {
                let shown = path.display();
                warn(format!("{shown} is left out: it cannot be read: {error}."));
            }
        }
    }
    assignments
}

fn files(folders: &[&Path], name: &str) -> Vec<PathBuf> {
    let main = folders.iter().map(|folder| folder.join(name));
    let mut files: Vec<PathBuf> = main.filter(|path| path.exists()).take(1).collect();
    let mut dropins: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        // One that is not there has none.
        let Ok(entries) = folder.join(format!("{name}.d")).read_dir() else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
            {
                dropins.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    files.extend(dropins.into_values());
    files
}

fn parse(text: &str, path: &Path, assignments: &mut Vec<Assignment>, warn: Warn<'_>) {
    let mut section = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut line = first.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            // Comments may stand between the parts of a line.
            match next.trim_start().starts_with(['#', ';']) {
                true => line.push('\\'),
                false => line.push_str(&format!(" {}", next.trim())),
            }
        }
        let place = format!("{}:{}", path.display(), number + 1);
        let title = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(title) = title {
            section = title.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            assignments.push(Assignment {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                place,
            });
        } else {
            warn(format!(
                "{place}: the line is left out: it assigns nothing."
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dir::Dir;

    fn put(path: &Path, text: &str) {
        drop(Dir::create_all(path.parent().unwrap(), 0o700).unwrap());
        std::io::Write::write_all(&mut File::create(path).unwrap(), text.as_bytes()).unwrap();
    }

    #[test]
    fn files_count_in_the_order_of_systemd() {
        let place = tempfile::tempdir().unwrap();
        let (etc, usr) = (place.path().join("etc"), place.path().join("usr"));
        put(&etc.join("x.conf"), "[A]\nk=main\n");
        put(&usr.join("x.conf"), "[A]\nk=vendor\n");
        put(&usr.join("x.conf.d/20.conf"), "[A]\nk=20\n");
        put(&usr.join("x.conf.d/30.conf"), "[A]\nk=hidden\n");
        put(&etc.join("x.conf.d/30.conf"), "");
        put(&etc.join("x.conf.d/10.conf"), "[A]\nk=10\n");
        put(&etc.join("x.conf.d/40.bak"), "[A]\nk=backup\n");
        let folders = [etc.as_path(), usr.as_path(), Path::new("/nowhere")];
        let values: Vec<String> = read(&folders, "x.conf", &mut |text| panic!("{text}"))
            .into_iter()
            .map(|assignment| assignment.value)
            .collect();
        assert_eq!(values, ["main", "10", "20"]);
    }

    #[test]
    fn lines_have_the_syntax_of_systemd() {
        let text = "lost=1\n# c\n; c\n\n[A]\n k = v w \nl=a\\\n# c\n  b\nnothing\n[B]\nk=\nm=\\";
        let mut found = Vec::new();
        let mut warnings = Vec::new();
        let warn = &mut |text| warnings.push(text);
        parse(text, Path::new("/f"), &mut found, warn);
        assert_eq!(
            warnings,
            ["/f:10: the line is left out: it assigns nothing."]
        );
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                let (section, key) = (one.section.as_str(), one.key.as_str());
                (section, key, one.value.as_str(), one.place.as_str())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("", "lost", "1", "/f:1"),
                ("A", "k", "v w", "/f:6"),
                ("A", "l", "a b", "/f:7"),
                ("B", "k", "", "/f:12"),
                ("B", "m", "", "/f:13"),
            ]
        );
    }
}
