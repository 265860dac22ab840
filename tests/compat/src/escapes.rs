//! Archives whose names and links lead out, or seem to.

use crate::arena::Must::{Read, Refuse};
use crate::arena::{Arena, check_all};
use crate::make::has;
use crate::tarball::Tarball;

const FIVE: &[u8] = b"12345";

#[test]
fn names_that_lead_out() {
    let plain = |name: &str| Tarball::new().file(name, FIVE).end();
    let long = |name: &[u8]| Tarball::new().long(b'L', name).file("short", FIVE).end();
    let pax = |key: &str, name: &[u8]| {
        let archive = Tarball::new().pax(b'x', &[(key, name)]);
        archive.file("short", FIVE).end()
    };
    let deep = |depth: usize| "d/".repeat(depth - 1) + "f";
    check_all(vec![
        ("..", Refuse(".."), plain("..")),
        ("../x", Refuse(".."), plain("../x")),
        ("a/../../x", Refuse(".."), plain("a/../../x")),
        ("a/../x, which stays inside", Refuse(".."), plain("a/../x")),
        ("/../x", Refuse(".."), plain("/../x")),
        ("x/..", Refuse(".."), plain("x/..")),
        ("absolute", Read, plain("/outside/x")),
        ("slashes and dots", Read, plain(".//./a//b/./c")),
        ("dots that are none", Read, plain("..a/...")),
        ("a long name out", Refuse(".."), long(b"../x")),
        ("a pax name out", Refuse(".."), pax("path", b"../x")),
        ("a name with NUL", Refuse("path"), pax("path", b"a\0b")),
        ("no name", Refuse("empty"), plain("")),
        ("a long component", Refuse("255"), long(&[b'n'; 256])),
        ("127 components", Read, long(deep(127).as_bytes())),
        (
            "128 components",
            Refuse("--depth-max="),
            long(deep(128).as_bytes()),
        ),
    ]);
}

#[test]
fn links_and_tops_that_lead_out() {
    let Some(arena) = Arena::new() else { return };
    let out = arena.outside();
    let start = Tarball::new;
    for (what, must, archive) in [
        (
            "a file through a link",
            Refuse("Failed to enter"),
            start().symlink("l", &out).file("l/x", FIVE),
        ),
        (
            "a folder through a link",
            Refuse("Failed to enter"),
            start().symlink("l", "../../outside").folder("l/x"),
        ),
        (
            "a mode through a link",
            Refuse("File exists"),
            start().symlink("l", format!("{out}/folder")).folder("l"),
        ),
        (
            "a link in the place of a folder",
            Refuse("Is a directory"),
            start().folder("d").symlink("d", &out).file("d/x", FIVE),
        ),
        (
            "a top that is a link",
            Refuse("top entry"),
            start().symlink("./", &out),
        ),
        (
            "a top that is a file",
            Refuse("top entry"),
            start().file(".", FIVE),
        ),
        (
            "a link without a target",
            Refuse("Failed to create symlink"),
            start().symlink("l", ""),
        ),
    ] {
        arena.check(what, must, &archive.end());
    }
}

#[test]
fn hard_links_that_lead_out() {
    let Some(arena) = Arena::new() else { return };
    let out = arena.outside();
    let canary = format!("{out}/canary");
    let start = Tarball::new;
    for (what, must, archive) in [
        (
            "a hard link to an absolute path",
            Refuse("No such file"),
            start().hard_link("h", &canary),
        ),
        (
            "a hard link to /etc/passwd",
            Refuse("No such file"),
            start().hard_link("h", "/etc/passwd"),
        ),
        (
            "a hard link out",
            Refuse(".."),
            start().hard_link("h", "../../outside/canary"),
        ),
        (
            "a hard link through a link",
            Refuse("Failed to enter"),
            start().symlink("l", &out).hard_link("h", "l/canary"),
        ),
        (
            "a hard link to a folder",
            Refuse("Failed to create hard link"),
            start().folder("d").hard_link("h", "d"),
        ),
        (
            "a hard link to the top",
            Refuse("top directory"),
            start().hard_link("h", "."),
        ),
        (
            "a hard link to itself",
            Refuse("No such file"),
            start().hard_link("h", "h"),
        ),
        (
            "a hard link to nothing",
            Refuse("empty"),
            start().hard_link("h", ""),
        ),
    ] {
        arena.check(what, must, &archive.end());
    }
}

#[test]
fn links_that_stay_inside() {
    let Some(arena) = Arena::new() else { return };
    if !has("bsdtar") {
        return;
    }
    let start = Tarball::new;
    for (what, archive) in [
        (
            "a file in the place of a hard link to a link",
            start()
                .symlink("l", "target")
                .hard_link("h", "l")
                .file("h", FIVE),
        ),
        (
            "a link to a link",
            start().symlink("a", "b").symlink("b", "a"),
        ),
        (
            "a file in the place of one of two names",
            start()
                .file("a", b"first")
                .hard_link("b", "a")
                .file("a", b"second"),
        ),
        (
            "a folder again",
            start().folder("d").file("d/x", FIVE).folder("d/"),
        ),
    ] {
        arena.check(what, Read, &archive.end());
    }
}
