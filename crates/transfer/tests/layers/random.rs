//! Images by chance, from few names, so that layers meet.

use std::collections::{BTreeMap, BTreeSet};

/// How many are tried.
pub(crate) const IMAGES: u64 = 60;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn name(&mut self) -> &'static str {
        NAMES[usize::try_from(self.roll(4)).unwrap()]
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.roll(3);
        (0..depth)
            .map(|_| self.name())
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// The entries of each layer. Each has a path once, and nothing below what is no folder in it.
pub(crate) fn layers(seed: u64) -> Vec<Vec<String>> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    // What is there so far, as far as this knows: links are not followed.
    let mut tree: BTreeMap<String, char> = BTreeMap::new();
    let count = 2 + dice.roll(4);
    (0..count).map(|_| layer(&mut dice, &mut tree)).collect()
}

fn layer(dice: &mut Dice, tree: &mut BTreeMap<String, char>) -> Vec<String> {
    let mut own: BTreeMap<String, char> = BTreeMap::new();
    let mut entries = Vec::new();
    // Where each entry leads: an archive that has two things there contradicts itself.
    let mut meant: BTreeMap<String, char> = BTreeMap::new();
    let before = tree.clone();
    for _ in 0..4 + dice.roll(8) {
        let path = dice.path();
        let parents: Vec<String> = path
            .match_indices('/')
            .map(|(at, _)| path[..at].to_owned())
            .collect();
        let is_free = !own.contains_key(&path)
            && !own.keys().any(|other| other.starts_with(&format!("{path}/")))
            // A file or a link of this layer, or a file below, is in the way of nobody.
            && parents.iter().all(|parent| {
                own.get(parent).is_none_or(|kind| "dlo".contains(*kind))
                    && (own.contains_key(parent) || before.get(parent).is_none_or(|kind| "dl".contains(*kind)))
            });
        if !is_free {
            continue;
        }
        let (kind, text) = thing(dice, &before, &path);
        let is_there = before.contains_key(&path);
        if (kind == 'w' && !is_there) || (kind == 'o' && before.get(&path) != Some(&'d')) {
            continue;
        }
        let seen = with_links(&before, &own);
        let target = resolved(&seen, &path);
        if contradicts(&meant, &target, kind) {
            continue;
        }
        if let Some((_, file)) = text.split_once(" => ") {
            // Nobody else may have anything to do with the file.
            let file = resolved(&seen, file);
            if file == target || contradicts(&meant, &file, 'f') {
                continue;
            }
            meant.insert(file, 'f');
        }
        meant.insert(target, kind);
        own.insert(path, kind);
        entries.push(text);
    }
    let gone: BTreeSet<&String> = own
        .iter()
        .filter(|(_, kind)| !"do".contains(**kind))
        .map(|(path, _)| path)
        .collect();
    tree.retain(|path, _| {
        !gone
            .iter()
            .any(|gone| path == *gone || path.starts_with(&format!("{gone}/")))
    });
    for (path, kind) in own {
        match kind {
            'w' => {}
            'o' => drop(tree.insert(path, 'd')),
            'h' => drop(tree.insert(path, 'f')),
            kind => drop(tree.insert(path, kind)),
        }
    }
    entries
}

fn contradicts(meant: &BTreeMap<String, char>, target: &str, kind: char) -> bool {
    let is_inside = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}/"));
    meant.iter().any(|(other, other_kind)| {
        *other == target
            || (is_inside(target, other) && !"do".contains(*other_kind))
            || (is_inside(other, target) && !"do".contains(kind))
    })
}

/// Follows the links of the layers below on the way to a path; all of them lead to the first name.
fn resolved(tree: &BTreeMap<String, char>, path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let link = path
            .match_indices('/')
            .map(|(at, _)| at)
            .find(|at| tree.get(&path[..*at]) == Some(&'l'));
        match link {
            Some(at) => path = format!("{}{}", NAMES[0], &path[at..]),
            None => break,
        }
    }
    path
}

/// What paths lead through: the layers below, and the links of this one.
fn with_links(
    before: &BTreeMap<String, char>,
    own: &BTreeMap<String, char>,
) -> BTreeMap<String, char> {
    let links = own.iter().filter(|(_, kind)| **kind == 'l');
    let mut seen = before.clone();
    seen.extend(links.map(|(path, kind)| (path.clone(), *kind)));
    seen
}

/// What a path becomes: its kind, and the entry.
fn thing(dice: &mut Dice, before: &BTreeMap<String, char>, path: &str) -> (char, String) {
    let depth = path.matches('/').count();
    match dice.roll(13) {
        0..=3 => ('f', path.to_owned()),
        4..=6 => ('d', format!("{path}/")),
        7 => ('l', format!("{path} -> {}", "../".repeat(depth) + NAMES[0])),
        8..=9 => ('w', marker(path)),
        10 => ('o', format!("{path}/.wh..wh..opq")),
        _ => ('h', linked(dice, before, path)),
    }
}

/// A hard link to some file of the layers below.
fn linked(dice: &mut Dice, before: &BTreeMap<String, char>, path: &str) -> String {
    let files: Vec<&String> = before
        .iter()
        .filter(|(_, kind)| **kind == 'f')
        .map(|(path, _)| path)
        .collect();
    match files.len() {
        0 => path.to_owned(),
        count => {
            let number = dice.roll(count as u64);
            format!("{path} => {}", files[usize::try_from(number).unwrap()])
        }
    }
}

fn marker(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((parent, name)) => format!("{parent}/.wh.{name}"),
        None => format!(".wh.{path}"),
    }
}
