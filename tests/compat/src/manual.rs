//! Manual pages say what the programs say of themselves.

use crate::subject::{Work, is_ours};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs, and the pages that describe them.
const DESCRIBED: [(&str, &str); 6] = [
    ("importctl", "man1/importctl.1"),
    ("systemd-importd", "man8/systemd-importd.service.8"),
    ("systemd-pull", "man8/systemd-pull.8"),
    ("systemd-import", "man8/systemd-import.8"),
    ("systemd-import-fs", "man8/systemd-import-fs.8"),
    ("systemd-export", "man8/systemd-export.8"),
];

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist")
}

/// The text of a page as people read it, as far as words go.
fn page(path: &str) -> String {
    let path = dist().join("usr/share/man").join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    text.replace("\\-", "-")
}

/// Words that begin as options do: `--name`, and `-x` at the beginning of a line of options.
fn options(text: &str) -> BTreeSet<&str> {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let words = text.split(|character| !word(character));
    let long = |word: &&str| word.len() > 3 && word.starts_with("--");
    let short = |word: &&str| word.len() == 2 && word.starts_with('-') && *word != "--";
    words
        .filter(|word| long(word) || short(word))
        .collect::<BTreeSet<_>>()
}

/// Verbs of a help: the first word of indented lines between `Commands:` and the options.
fn verbs(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let verbs = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    verbs
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn every_option_and_verb_is_in_the_manual_page() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    for (program, path) in DESCRIBED {
        let help = work.bare(program).arg("--help").succeed();
        let help = String::from_utf8(help.stdout).unwrap();
        let page = page(path);
        let (said, written) = (options(&help), options(&page));
        assert!(said.contains("--version"), "{program}: {said:?}");
        let missing: Vec<_> = said.difference(&written).collect();
        assert!(missing.is_empty(), "{path} does not name {missing:?}");
        for verb in verbs(&help) {
            let found = page.split(|character: char| character.is_whitespace());
            assert!(
                found
                    .map(|word| word.trim_start_matches("\\fB"))
                    .any(|word| word == verb),
                "{path} does not name {verb}"
            );
        }
    }
    let help = work.bare("importctl").arg("--help").succeed();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(verbs(&help).len() >= 14, "{:?}", verbs(&help));
}

#[test]
fn every_setting_is_in_the_manual_page() {
    let vendor = std::fs::read_to_string(dist().join("usr/lib/systemd/importd.conf")).unwrap();
    let page = page("man5/importd.conf.5");
    let settings = vendor.lines().filter_map(|line| {
        let (key, _) = line.strip_prefix('#')?.split_once('=')?;
        key.chars().all(char::is_alphanumeric).then_some(key)
    });
    let settings: BTreeSet<_> = settings.collect();
    assert!(settings.contains("Mirror"), "{settings:?}");
    for setting in settings {
        assert!(page.contains(&format!(".B {setting}=")), "{setting}");
    }
}

/// Each method with its arguments in order as the page writes them, each signal and property by name,
/// of one interface in a text of introspection.
fn members(xml: &str, interface: &str) -> Vec<String> {
    let attribute = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let start = format!("<interface name=\"{interface}\">");
    let lines = xml.lines().map(str::trim).skip_while(|line| *line != start);
    let mut members: Vec<String> = Vec::new();
    for line in lines.take_while(|line| *line != "</interface>") {
        let name = attribute(line, "name").unwrap_or_default();
        if line.starts_with("<method") {
            members.push(format!("{name}("));
        } else if line.starts_with("<signal") || line.starts_with("<property") {
            members.push(name);
        } else if line.starts_with("<arg") && attribute(line, "direction").as_deref() == Some("in")
        {
            let signature = attribute(line, "type").unwrap();
            let method = members.last_mut().unwrap();
            let comma = if method.ends_with('(') { "" } else { ", " };
            *method += &format!("{comma}{signature} {name}");
        }
    }
    members
}

#[test]
fn every_member_on_the_bus_is_in_the_manual_page() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    let page = page("man5/org.freedesktop.import1.5");
    let mut count = 0;
    for (object, interface) in [
        (
            "/org/freedesktop/import1",
            "org.freedesktop.import1.Manager",
        ),
        (
            "/org/freedesktop/import1/transfer",
            "org.freedesktop.import1.Transfer",
        ),
    ] {
        let run = work.bare("systemd-importd");
        let run = run.arg(format!("--bus-introspect={object}")).succeed();
        let xml = String::from_utf8(run.stdout).unwrap();
        for member in members(&xml, interface) {
            assert!(page.contains(&member), "{interface}: {member}");
            count += 1;
        }
    }
    assert_eq!(
        count, 30,
        "19 methods and 2 signals; 1 method, 2 signals, 6 properties"
    );
}

#[test]
fn pages_are_formatted_without_a_warning() {
    if Command::new("man").arg("--version").output().is_err() {
        println!("skipped: there is no man");
        return;
    }
    let mut pages = 0;
    for section in ["man1", "man5", "man8"] {
        let folder = dist().join("usr/share/man").join(section);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let run = Command::new("man")
                .args(["--warnings", "-E", "UTF-8", "-l"])
                .arg(&path)
                .env("MANWIDTH", "100")
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", path.display());
            let told = String::from_utf8_lossy(&run.stderr);
            assert_eq!(told, "", "{}", path.display());
            pages += 1;
        }
    }
    assert!(pages >= 11, "{pages}");
}
