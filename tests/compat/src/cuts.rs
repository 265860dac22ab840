//! Archives that are cut, go on behind their end, or have maps of holes that lie.

use crate::arena::Must::{Read, Refuse};
use crate::arena::check_all;
use crate::tarball::{GNU, Header, MAGIC, Tarball, record};

const FIVE: &[u8] = b"12345";

const MAP: &str = "map of a sparse file";

/// What sparse files here store: a whole block for the start, five bytes for 8192.
fn data() -> Vec<u8> {
    [&[b'x'; 512][..], FIVE].concat()
}

/// A sparse file of version 0.1.
fn mapped(size: &str, map: &str) -> Vec<u8> {
    let pairs = (map.split(',').count() / 2).to_string();
    let records = [
        ("GNU.sparse.size", size.as_bytes()),
        ("GNU.sparse.numblocks", pairs.as_bytes()),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.map", map.as_bytes()),
    ];
    let archive = Tarball::new().pax(b'x', &records);
    archive.file("f", &data()).end()
}

/// A sparse file of version 1.0.
fn in_front(map: &str) -> Vec<u8> {
    let records = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"10000"),
    ];
    let mut contents = map.as_bytes().to_vec();
    contents.resize(512, 0);
    contents.extend(data());
    let archive = Tarball::new().pax(b'x', &records);
    archive.file("f", &contents).end()
}

#[test]
fn maps_of_sparse_files_that_lie() {
    check_all(vec![
        ("in order", Read, mapped("10000", "0,512,8192,5,10000,0")),
        (
            "parts of blocks",
            Refuse("parts of blocks"),
            mapped("10000", "0,2,8192,515"),
        ),
        ("out of order", Refuse(MAP), mapped("10000", "8192,512,0,5")),
        ("overlapping", Refuse(MAP), mapped("10000", "0,512,511,5")),
        (
            "beyond the size",
            Refuse(MAP),
            mapped("8196", "0,512,8192,5"),
        ),
        (
            "more than is stored",
            Refuse(MAP),
            mapped("10000", "0,512,8192,6"),
        ),
        ("less than is stored", Refuse(MAP), mapped("10000", "0,512")),
        (
            "beyond 64 bits",
            Refuse(MAP),
            mapped("10000", "0,512,18446744073709551615,5"),
        ),
        (
            "half a pair",
            Refuse("GNU.sparse"),
            mapped("10000", "0,512,8192"),
        ),
        ("in front", Read, in_front("3\n0\n512\n8192\n5\n10000\n0\n")),
        (
            "more extents than can be",
            Refuse("more than"),
            in_front("99999999999\n0\n2\n"),
        ),
        (
            "a map without an end",
            Refuse(MAP),
            in_front("3\n0\n512\n8192\n5\n"),
        ),
        ("no number", Refuse("GNU.sparse"), in_front("x\n0\n2\n")),
    ]);
}

#[test]
fn sparse_files_that_are_none() {
    check_all(vec![
        (
            "a name that leads out",
            Refuse(".."),
            Tarball::new()
                .pax(
                    b'x',
                    &[
                        ("GNU.sparse.name", b"../x"),
                        ("GNU.sparse.size", b"5"),
                        ("GNU.sparse.map", b"0,5"),
                    ],
                )
                .file("f", FIVE)
                .end(),
        ),
        (
            "a folder with holes",
            Refuse("no file"),
            Tarball::new()
                .pax(
                    b'x',
                    &[("GNU.sparse.size", b"5"), ("GNU.sparse.map", b"0,5")],
                )
                .folder("d")
                .end(),
        ),
    ]);
}

#[test]
fn what_follows_or_is_missing() {
    let one = || Tarball::new().file("f", FIVE);
    let whole = one().end();
    let text = [&record("path", b"x")[..], b"junk"].concat();
    check_all(vec![
        ("cut after an entry", Refuse("no end marker"), one().open()),
        ("cut in contents", Refuse("cut off"), whole[..700].to_vec()),
        (
            "cut in a header",
            Refuse("cut off"),
            Tarball::new().file("f", b"").file("g", b"").open()[..700].to_vec(),
        ),
        (
            "two archives",
            Refuse("follows"),
            [&whole[..], &whole].concat(),
        ),
        (
            "one block of zeros, then more",
            Refuse("follows"),
            one().bytes(&[0; 512]).file("g", FIVE).end(),
        ),
        (
            "junk behind",
            Refuse("follows"),
            [&whole[..], b"junk"].concat(),
        ),
        (
            "junk behind records",
            Refuse("pax record"),
            Tarball::new()
                .raw(Header::new(b'x', "p").size(text.len()), &text)
                .file("f", FIVE)
                .end(),
        ),
        ("zeros behind", Read, [&whole[..], &[0; 70_000]].concat()),
        ("nothing", Refuse("empty"), Vec::new()),
        (
            "another volume",
            Refuse("another volume"),
            Tarball::new()
                .raw(Header::new(b'M', "f").field(MAGIC, GNU).size(5), FIVE)
                .end(),
        ),
        ("zip", Refuse("zip"), b"PK\x03\x04".repeat(200)),
    ]);
}
