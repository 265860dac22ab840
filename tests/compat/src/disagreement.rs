//! Archives that readers read in different ways. Each is made here, byte by byte; GNU tar and bsdtar
//! unpack the same bytes.

use crate::arena::Must::{Read, Refuse};
use crate::arena::check_all;
use crate::tarball::{DEVICE_MAJOR, GNU, Header, MAGIC, PREFIX, SIZE, Tarball};

fn file(name: &str) -> Header {
    Header::new(b'0', name).size(5)
}

const FIVE: &[u8] = b"12345";

#[test]
fn sizes_in_every_spelling() {
    let spelled = |size: &[u8]| {
        let header = file("f").field(SIZE, size);
        Tarball::new().raw(header, FIVE).file("next", b"n").end()
    };
    let mut base256 = [0; 12];
    (base256[0], base256[11]) = (0x80, 5);
    let mut overflow = [0xff; 12];
    overflow[0] = 0x80;
    let mut beyond_63_bits = [0; 12];
    (beyond_63_bits[0], beyond_63_bits[4]) = (0x80, 0x80);
    check_all(vec![
        ("octal", Read, spelled(b"00000000005\0")),
        ("blanks in front", Read, spelled(b"          5\0")),
        ("a blank behind", Read, spelled(b"00000000005 ")),
        ("no end", Read, spelled(b"000000000005")),
        ("base-256", Read, spelled(&base256)),
        (
            "base-256, too large",
            Refuse("bad size"),
            spelled(&overflow),
        ),
        (
            "base-256, 2^63",
            Refuse("bad size"),
            spelled(&beyond_63_bits),
        ),
        (
            "base-256, negative",
            Refuse("bad size"),
            spelled(&[0xff; 12]),
        ),
        ("a plus", Refuse("bad size"), spelled(b"+0000000005\0")),
        ("a minus", Refuse("bad size"), spelled(b"-0000000005\0")),
        ("hexadecimal", Refuse("bad size"), spelled(b"0x000000005\0")),
        ("decimal", Refuse("bad size"), spelled(b"00000000008\0")),
        ("two numbers", Refuse("bad size"), spelled(b"5 5\0")),
        (
            "beyond the end",
            Refuse("cut off"),
            spelled(b"77777777777\0"),
        ),
    ]);
}

#[test]
fn headers_that_two_readers_could_read() {
    let wide = Header::new(b'0', b"name-\xff\xfe\xfd").size(0);
    let with_magic = |magic: &[u8]| {
        let header = file("f").field(MAGIC, magic).field(PREFIX, b"prefix");
        Tarball::new().raw(header, FIVE).end()
    };
    let junk_device = file("f").field(DEVICE_MAJOR, b"junk");
    let mut broken = Tarball::new().file("f", FIVE).end();
    broken[0] = b'g';
    let mut later = Tarball::new().file("f", FIVE).file("g", FIVE).end();
    later[1024] = b'h';
    check_all(vec![
        (
            "a checksum of unsigned bytes",
            Read,
            Tarball::new().raw(wide.clone(), b"").end(),
        ),
        (
            "a checksum of signed bytes",
            Read,
            Tarball::new().signed(wide).end(),
        ),
        (
            "a wrong checksum at the start",
            Refuse("Not an archive"),
            broken,
        ),
        ("a wrong checksum later", Refuse("checksum"), later),
        (
            "a name with NUL inside",
            Read,
            Tarball::new().file(b"a\0b", FIVE).end(),
        ),
        ("a prefix of ustar", Read, with_magic(b"ustar\x0000")),
        ("a prefix in a header of GNU tar", Read, with_magic(GNU)),
        ("a prefix before 1988", Read, with_magic(b"")),
        (
            "a prefix of nobody",
            Refuse("dialect"),
            with_magic(b"ustarX\0\0"),
        ),
        (
            "junk where a file has no number",
            Read,
            Tarball::new().file("a", FIVE).raw(junk_device, FIVE).end(),
        ),
    ]);
}

#[test]
fn types_that_two_readers_could_read() {
    let with_size = |letter: u8| {
        let header = Header::new(letter, "x").link("f").field(MAGIC, GNU);
        let archive = Tarball::new().file("f", FIVE);
        archive.raw(header.size(512), &[b'x'; 512]).end()
    };
    check_all(vec![
        (
            "contents of a hard link",
            Refuse("contents"),
            with_size(b'1'),
        ),
        ("contents of a symlink", Refuse("contents"), with_size(b'2')),
        ("contents of a folder", Refuse("contents"), with_size(b'5')),
        ("contents of a fifo", Refuse("contents"), with_size(b'6')),
        (
            "a file of an unknown type",
            Read,
            Tarball::new()
                .raw(Header::new(b'Q', "f").size(5), FIVE)
                .end(),
        ),
        (
            "a contiguous file",
            Read,
            Tarball::new()
                .raw(Header::new(b'7', "f").size(5), FIVE)
                .end(),
        ),
        (
            "a folder by its slash",
            Read,
            Tarball::new().raw(Header::new(b'0', "d/"), b"").end(),
        ),
        (
            "mode with a type",
            Read,
            Tarball::new()
                .raw(file("f").field((100, 8), b"0100600\0"), FIVE)
                .end(),
        ),
    ]);
}

fn paxed(records: &[(&str, &[u8])]) -> Vec<u8> {
    Tarball::new().pax(b'x', records).file("f", FIVE).end()
}

#[test]
fn extra_headers_that_two_readers_could_read() {
    let start = Tarball::new;
    check_all(vec![
        (
            "a long name, then another in a record",
            Refuse("two different names"),
            start()
                .long(b'L', "a")
                .pax(b'x', &[("path", b"b")])
                .file("f", FIVE)
                .end(),
        ),
        (
            "a record, then another long name",
            Refuse("two different names"),
            start()
                .pax(b'x', &[("path", b"b")])
                .long(b'L', "a")
                .file("f", FIVE)
                .end(),
        ),
        (
            "a record's size for the header between",
            Read,
            start()
                .pax(b'x', &[("size", b"5")])
                .long(b'L', "a")
                .file("f", FIVE)
                .end(),
        ),
        (
            "two long names",
            Refuse("two extra headers"),
            start()
                .long(b'L', "a")
                .long(b'L', "b")
                .file("f", FIVE)
                .end(),
        ),
        (
            "two headers of records",
            Refuse("two extra headers"),
            start()
                .pax(b'x', &[("path", b"a")])
                .pax(b'x', &[("uid", b"7")])
                .file("f", FIVE)
                .end(),
        ),
        (
            "a name for all entries",
            Refuse("same name"),
            start().pax(b'g', &[("path", b"a")]).file("f", FIVE).end(),
        ),
        (
            "records at the end",
            Refuse("cut off"),
            start().file("f", FIVE).pax(b'x', &[("path", b"a")]).end(),
        ),
    ]);
}

#[test]
fn records_that_two_readers_could_read() {
    let raw = |text: &[u8]| {
        let header = Header::new(b'x', "pax").size(text.len());
        Tarball::new().raw(header, text).file("f", FIVE).end()
    };
    check_all(vec![
        (
            "two sizes",
            Refuse("two different sizes"),
            paxed(&[("size", b"3")]),
        ),
        ("one size twice", Read, paxed(&[("size", b"5")])),
        (
            "two equal keys",
            Read,
            paxed(&[("path", b"a"), ("path", b"b")]),
        ),
        (
            "a link's target for a file",
            Read,
            paxed(&[("linkpath", b"x")]),
        ),
        ("an unknown key", Read, paxed(&[("NOBODY.knows", b"x")])),
        (
            "a length too short",
            Refuse("pax record"),
            raw(b"5 path=a\n"),
        ),
        (
            "a length too long",
            Refuse("pax record"),
            raw(b"99 path=a\n"),
        ),
        (
            "a length with a sign",
            Refuse("pax record"),
            raw(b"+9 path=a\n"),
        ),
        ("no line end", Refuse("pax record"), raw(b"9 path=ab")),
        ("no value", Refuse("pax record"), raw(b"7 path\n")),
        (
            "two values of an attribute",
            Refuse("two different values"),
            paxed(&[("SCHILY.xattr.user.a", b"1"), ("SCHILY.xattr.user.a", b"2")]),
        ),
        (
            "an owner too large",
            Refuse("owner"),
            paxed(&[("uid", b"4294967296")]),
        ),
        ("a negative size", Refuse("size"), paxed(&[("size", b"-5")])),
    ]);
}
