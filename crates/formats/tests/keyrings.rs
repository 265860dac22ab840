//! Files of several keys and of several signatures, and signatures of texts.

use crate::gpg::{Gpg, judge, keyring};
use importd_formats::pgp::{Error, Keyring, SIGNATURE_MAX};

const DATA: &[u8] = b"signed\n";

/// Which of the keys `names` a keyring file holds, by whose signatures are good.
fn known(gpg: &Gpg, file: &[u8], names: &[&'static str]) -> Vec<&'static str> {
    let mut trusted = Keyring::new();
    let added = trusted.add("file", file).unwrap_or(0);
    let known: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| judge(&trusted, &gpg.sign(name, DATA, &[]), DATA).is_ok())
        .collect();
    assert_eq!(added, known.len());
    known
}

fn gpg_with_keys(names: &[&str]) -> Option<Gpg> {
    let gpg = Gpg::new()?;
    for name in names {
        gpg.key(name, "ed25519", &[]);
    }
    Some(gpg)
}

#[test]
fn several_keyrings_are_one_and_the_verdict_names_the_file() {
    let Some(gpg) = gpg_with_keys(&["one", "two"]) else {
        return;
    };
    let mut trusted = Keyring::new();
    assert!(trusted.is_empty());
    let two = gpg.sign("two", DATA, &[]);
    for (file, name, expected) in [
        (
            "/a.pgp",
            "one",
            Err(Error::UnknownKey(gpg.key_id("two", 0))),
        ),
        ("/b.pgp", "two", Ok("/b.pgp".to_owned())),
        // The same key once more changes nothing.
        ("/c.pgp", "two", Ok("/b.pgp".to_owned())),
    ] {
        let armor = ["--armor"];
        assert_eq!(trusted.add(file, &gpg.export(&[name], &armor)), Ok(1));
        let result = judge(&trusted, &two, DATA).map(|verdict| verdict.keyring);
        assert_eq!(result, expected, "{file}");
    }
    let one = judge(&trusted, &gpg.sign("one", DATA, &[]), DATA);
    assert_eq!(one.unwrap().keyring, "/a.pgp");
}

#[test]
fn a_keyring_file_may_hold_several_keys_in_every_form() {
    let names = ["one", "two", "three"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    let binary = names.map(|name| gpg.export(&[name], &[])).concat();
    let armored = names.map(|name| gpg.export(&[name], &["--armor"]));
    let text = String::from_utf8(armored.concat()).unwrap();
    let windows = text.replace('\n', "\r\n");
    let commented = armored
        .iter()
        .flat_map(|block| [b"pub   ed25519 2020-01-01\n      uid\n\n", &block[..]].concat())
        .collect();
    for (form, file) in [
        ("binary", binary.clone()),
        ("one block", gpg.export(&names, &["--armor"])),
        ("several blocks", armored.concat()),
        ("CRLF", windows.into_bytes()),
        ("no last newline", text.trim_end().into()),
        ("text between", commented),
    ] {
        assert_eq!(known(&gpg, &file, &names), names, "{form}");
    }
}

#[test]
fn what_cannot_be_read_in_a_keyring_is_left_out() {
    let names = ["one", "two", "three"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    let [one, two, three] = names.map(|name| gpg.export(&[name], &[]));
    let [armored_one, armored_two] = ["one", "two"].map(|name| gpg.export(&[name], &["--armor"]));
    let secret = gpg.run(&["--export-secret-keys", "<two@example.org>"], b"");
    // A packet of the old form: tag, length, version, time (4), algorithm.
    let altered = |at: usize, byte: u8| {
        let mut bytes = two.clone();
        bytes[at] = byte;
        [&one, &bytes, &three].map(|part| &part[..]).concat()
    };
    for (what, file) in [
        ("a version of the past", altered(2, 3)),
        ("a version of the future", altered(2, 99)),
        ("a secret key", [&one[..], &secret, &three].concat()),
    ] {
        assert_eq!(known(&gpg, &file, &names), ["one", "three"], "{what}");
    }
    let mut broken = armored_one.clone();
    broken[150] = b'!';
    let half = &armored_one[..armored_one.len() / 2];
    for (what, file) in [
        ("a damaged block", [&broken[..], &armored_two].concat()),
        ("a cut block", [half, &armored_two].concat()),
    ] {
        assert_eq!(known(&gpg, &file, &names), ["two"], "{what}");
    }
}

#[test]
fn a_file_without_a_key_is_no_keyring() {
    let Some(gpg) = gpg_with_keys(&["key"]) else {
        return;
    };
    let whole = gpg.export(&["key"], &[]);
    let secret = ["--export-secret-keys", "<key@example.org>"];
    for (what, file) in [
        ("nothing", Vec::new()),
        ("blanks", b" \n".to_vec()),
        ("text", b"no key".to_vec()),
        ("a signature", gpg.sign("key", DATA, &[])),
        ("an armored signature", gpg.sign("key", DATA, &["--armor"])),
        ("half a key", whole[..30].to_vec()),
        ("a secret key", gpg.run(&secret, b"")),
    ] {
        let mut trusted = Keyring::new();
        let result = trusted.add("/etc/ring", &file);
        assert_eq!(
            result,
            Err(Error::NoCertificate("/etc/ring".into())),
            "{what}"
        );
        assert!(trusted.is_empty(), "{what}");
    }
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let Some(gpg) = gpg_with_keys(&["key", "unknown"]) else {
        return;
    };
    let trusted = gpg.keyring(&["key"]);
    let good = gpg.sign("key", DATA, &[]);
    let bad = gpg.sign("key", b"another", &[]);
    let unknown = gpg.sign("unknown", DATA, &[]);
    let ids = ["key", "unknown"].map(|name| gpg.key_id(name, 0));
    let weak = Error::WeakDigest {
        key_id: ids[0].clone(),
        digest: "SHA1".into(),
    };
    let sha1 = gpg.sign("key", DATA, &["--digest-algo=SHA1"]);
    for (what, parts, expected) in [
        ("good, bad", vec![&good, &bad], None),
        ("bad, good", vec![&bad, &good], None),
        ("unknown, good", vec![&unknown, &good], None),
        (
            "weak, bad, unknown, good",
            vec![&sha1, &bad, &unknown, &good],
            None,
        ),
        // Of several errors the most telling one.
        (
            "unknown",
            vec![&unknown],
            Some(Error::UnknownKey(ids[1].clone())),
        ),
        (
            "unknown, bad",
            vec![&unknown, &bad],
            Some(Error::Bad(ids[0].clone())),
        ),
        (
            "bad, weak",
            vec![&bad, &sha1],
            Some(Error::Bad(ids[0].clone())),
        ),
        ("unknown, weak", vec![&unknown, &sha1], Some(weak)),
        (
            "64",
            vec![&unknown; 64],
            Some(Error::UnknownKey(ids[1].clone())),
        ),
        ("65", vec![&good; 65], Some(Error::TooMany(64))),
    ] {
        let file: Vec<u8> = parts.into_iter().flatten().copied().collect();
        let result = judge(&trusted, &file, DATA);
        assert_eq!(result.err(), expected, "{what}");
    }
    let both = ["--local-user", "<unknown@example.org>", "--local-user"];
    let both = [
        &both[..],
        &["<key@example.org>", "--armor", "--detach-sign"],
    ]
    .concat();
    assert_eq!(
        judge(&trusted, &gpg.run(&both, DATA), DATA).map(|_| ()),
        Ok(())
    );
}

#[test]
fn text_around_an_armored_signature_is_nothing() {
    let Some(gpg) = gpg_with_keys(&["key"]) else {
        return;
    };
    let ring = gpg.export(&["key"], &[]);
    let armored = gpg.sign("key", DATA, &["--armor"]);
    let text = String::from_utf8(armored).unwrap();
    let commented = text.replacen("\n\n", "\nVersion: 1\nComment: two words\n\n", 1);
    for (what, file) in [
        ("before", format!("hello\n\n{text}")),
        ("after", format!("{text}\nhello\n")),
        ("CRLF", text.replace('\n', "\r\n")),
        ("no last newline", text.trim_end().into()),
        ("headers", commented),
    ] {
        let result = judge(&keyring(&[&ring]), file.as_bytes(), DATA);
        assert_eq!(result.map(|_| ()), Ok(()), "{what}");
        let theirs = gpg.gpgv_accepts(&ring, file.as_bytes(), DATA);
        assert!(theirs, "gpgv: {what}");
    }
}

#[test]
fn the_signature_of_a_text_is_the_same_for_all_its_line_ends() {
    let Some(gpg) = gpg_with_keys(&["key"]) else {
        return;
    };
    let ring = gpg.export(&["key"], &[]);
    let trusted = keyring(&[&ring]);
    for (signed, presented, good) in [
        (&b"a\nb\n"[..], &b"a\nb\n"[..], true),
        (b"a\nb\n", b"a\r\nb\r\n", true),
        (b"a\r\nb\r\n", b"a\nb\n", true),
        (b"a\nb\r\nc", b"a\r\nb\nc", true),
        (b"a \n", b"a \r\n", true),
        (b"\xff\0\xfe\n\n", b"\xff\0\xfe\r\n\r\n", true),
        (b"a\rb\n", b"a\rb\r\n", true),
        (b"", b"", true),
        (b"\n", b"\r\n", true),
        (b"a\nb\n", b"a\nb", false),
        (b"a\nb\n", b"a\nb\n\n", false),
        (b"a\nb\n", b"a\n b\n", false),
        (b"a\nb\n", b"a\rb\n", false),
        (b"a \n", b"a\n", false),
        (b"a\n", b"a\t\n", false),
    ] {
        let signature = gpg.sign("key", signed, &["--textmode"]);
        let ours = judge(&trusted, &signature, presented);
        let expected = match good {
            true => Ok(()),
            false => Err(Error::Bad(gpg.key_id("key", 0))),
        };
        assert_eq!(ours.map(|_| ()), expected, "{signed:?} {presented:?}");
        let theirs = gpg.gpgv_accepts(&ring, &signature, presented);
        assert_eq!(theirs, good, "gpgv: {signed:?} {presented:?}");
    }
}

#[test]
fn a_ring_that_gpg_wrote_itself_is_a_keyring() {
    let names = ["one", "two"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    let ring = gpg.import_into("gnupg-ring:", &gpg.export(&names, &[]));
    assert!(gpg.gpgv_accepts(&ring, &gpg.sign("two", DATA, &[]), DATA));
    assert_eq!(known(&gpg, &ring, &names), names);
}

#[test]
fn a_keybox_is_refused_by_name() {
    let names = ["one", "two"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    // What `gpg --keyring=FILE --import` makes of a new file.
    let keybox = gpg.import_into("", &gpg.export(&names, &[]));
    assert!(gpg.gpgv_accepts(&keybox, &gpg.sign("two", DATA, &[]), DATA));
    let mut trusted = Keyring::new();
    let result = trusted.add("/etc/ring", &keybox);
    assert_eq!(result, Err(Error::Keybox("/etc/ring".into())));
}

#[test]
fn text_with_a_colon_after_an_armored_block_is_nothing() {
    let names = ["one", "two"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    let blocks = names.map(|name| {
        let block = gpg.export(&[name], &["--armor"]);
        [&block[..], b"Next: another one\n\n"].concat()
    });
    assert_eq!(known(&gpg, &blocks.concat(), &names), names);
    let signature = [&gpg.sign("one", DATA, &["--armor"])[..], b"Name: x\n"].concat();
    let ring = gpg.export(&names, &[]);
    assert!(gpg.gpgv_accepts(&ring, &signature, DATA));
    assert_eq!(
        judge(&keyring(&[&ring]), &signature, DATA).map(|_| ()),
        Ok(())
    );
}

#[test]
fn a_signature_file_may_hold_several_armored_blocks() {
    let Some(gpg) = gpg_with_keys(&["key", "unknown"]) else {
        return;
    };
    let blocks = ["unknown", "key"].map(|name| gpg.sign(name, DATA, &["--armor"]));
    let result = judge(&gpg.keyring(&["key"]), &blocks.concat(), DATA);
    assert_eq!(result.map(|_| ()), Ok(()));
}

#[test]
fn a_damaged_key_does_not_take_the_others_with_it() {
    let names = ["one", "two"];
    let Some(gpg) = gpg_with_keys(&names) else {
        return;
    };
    let [one, two] = names.map(|name| gpg.export(&[name], &[]));
    for (what, tail) in [("cut", &two[..20]), ("junk", b"junk"), ("zeros", &[0; 9])] {
        let file = [&one[..], tail].concat();
        assert_eq!(known(&gpg, &file, &names), ["one"], "{what}");
    }
}

#[test]
fn a_signature_file_of_nothing_but_beginnings_takes_time_by_its_length() {
    let Some(gpg) = gpg_with_keys(&["key"]) else {
        return;
    };
    let trusted = gpg.keyring(&["key"]);
    let most = usize::try_from(SIGNATURE_MAX).unwrap();
    let begin = b"-----BEGIN PGP SIGNATURE-----\n";
    let file = begin.repeat(most / begin.len() / 8);
    let start = std::time::Instant::now();
    assert_eq!(judge(&trusted, &file, DATA), Err(Error::Malformed));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn the_keyring_that_comes_with_systemd_is_read_whole() {
    let Some(gpg) = Gpg::new() else { return };
    let roots = [
        "/".into(),
        std::env::var_os("REFERENCE_ROOT").unwrap_or_default(),
    ];
    let names = ["import-pubring.pgp", "import-pubring.gpg"];
    let files = roots.iter().flat_map(|root| {
        let folder = std::path::Path::new(root).join("usr/lib/systemd");
        names.map(|name| folder.join(name))
    });
    for file in files.filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        let mut trusted = Keyring::new();
        let added = trusted.add("ring", &bytes).unwrap();
        let shown = gpg.run(&["--with-colons", "--show-keys"], &bytes);
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let theirs = shown.lines().filter(|line| line.starts_with("pub:"));
        assert_eq!(added, theirs.count(), "{}", file.display());
    }
}
