//! Signatures of the real minisign and signify, and what becomes of them when they are changed.

use crate::program::{has, run};
use importd_formats::minisign::{Error, Keys, Verdict, is_signature, verify};
use std::path::Path;
use tempfile::TempDir;

const DATA: &[u8] =
    b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  image.raw\n";

/// Which program signs, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    /// minisign of the digest, its default.
    Hashed,
    /// minisign of the data (`-l`).
    Legacy,
    /// signify.
    Signify,
}

impl Tool {
    const ALL: [Tool; 3] = [Tool::Hashed, Tool::Legacy, Tool::Signify];

    fn is_there(self) -> bool {
        match self {
            Tool::Hashed | Tool::Legacy => has(&["minisign"]),
            Tool::Signify => has(&["signify-openbsd"]),
        }
    }
}

/// A pair of keys in a folder of its own.
struct Pair {
    tool: Tool,
    folder: TempDir,
}

impl Pair {
    fn new(tool: Tool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        match tool {
            Tool::Signify => {
                let make = ["-G", "-n", "-c", "the key", "-p", "k.pub", "-s", "k.sec"];
                run("signify-openbsd", &make, at, b"");
            }
            _ => {
                run("minisign", &["-GWf", "-p", "k.pub", "-s", "k.key"], at, b"");
            }
        }
        Self { tool, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn public(&self) -> Vec<u8> {
        std::fs::read(self.path().join("k.pub")).unwrap()
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::new();
        keys.add("k.pub", &self.public()).unwrap();
        keys
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let file = std::fs::File::create(self.path().join("list"));
        file.unwrap().write_all(data).unwrap();
        let comment = "timestamp:1700000000\tfile:list";
        let minisign = [
            "-S", "-s", "k.key", "-x", "list.sig", "-m", "list", "-t", comment,
        ];
        match self.tool {
            Tool::Hashed => run("minisign", &minisign, self.path(), b""),
            Tool::Legacy => run(
                "minisign",
                &[&minisign[..], &["-l"]].concat(),
                self.path(),
                b"",
            ),
            Tool::Signify => {
                let sign = ["-S", "-s", "k.sec", "-x", "list.sig", "-m", "list"];
                run("signify-openbsd", &sign, self.path(), b"")
            }
        };
        std::fs::read(self.path().join("list.sig")).unwrap()
    }

    fn id(&self) -> String {
        match verify(&Keys::new(), &self.sign(DATA), DATA) {
            Err(Error::UnknownKey(id)) => id,
            other => panic!("{other:?}"),
        }
    }
}

fn pairs() -> impl Iterator<Item = Pair> {
    let there = Tool::ALL.into_iter().filter(|tool| tool.is_there());
    there.map(Pair::new)
}

#[test]
fn signatures_of_the_real_programs_are_good_and_explained() {
    for pair in pairs() {
        let signature = pair.sign(DATA);
        assert!(is_signature(&signature));
        let id = pair.id();
        let from_minisign = pair.tool != Tool::Signify;
        let comment = match from_minisign {
            // minisign leaves zeros at the beginning out.
            true => format!("minisign public key {}", id.trim_start_matches('0')),
            false => "the key public key".into(),
        };
        let verdict = verify(&pair.keys(), &signature, DATA);
        let expected = Verdict {
            key_id: id,
            key_comment: Some(comment),
            key_file: "k.pub".into(),
            trusted_comment: from_minisign.then(|| "timestamp:1700000000\tfile:list".into()),
            created: from_minisign.then_some(1_700_000_000),
        };
        assert_eq!(verdict, Ok(expected), "{:?}", pair.tool);
        let text = String::from_utf8(signature).unwrap().replace('\n', "\r\n");
        assert!(verify(&pair.keys(), text.as_bytes(), DATA).is_ok());
    }
}

#[test]
fn other_data_and_other_keys_are_refused_by_reason() {
    for pair in pairs() {
        let (signature, id) = (pair.sign(DATA), pair.id());
        let other = verify(&pair.keys(), &signature, b"another list");
        assert_eq!(other, Err(Error::Bad(id.clone())), "{:?}", pair.tool);
        let stranger = Pair::new(pair.tool);
        let unknown = verify(&stranger.keys(), &signature, DATA);
        assert_eq!(unknown, Err(Error::UnknownKey(id.clone())));
        // A key of the same number that is another one does not hide the right one.
        let mut public = pair.public();
        let at = public.len() - 10;
        public[at] = if public[at] == b'A' { b'B' } else { b'A' };
        let mut keys = Keys::new();
        if keys.add("other.pub", &public).is_ok() {
            assert_eq!(verify(&keys, &signature, DATA), Err(Error::Bad(id)));
            keys.add("k.pub", &pair.public()).unwrap();
            let verdict = verify(&keys, &signature, DATA);
            assert_eq!(verdict.map(|it| it.key_file), Ok("k.pub".into()));
        }
    }
}

#[test]
fn any_changed_byte_of_what_is_signed_is_a_refusal() {
    for pair in pairs() {
        let (signature, keys) = (pair.sign(DATA), pair.keys());
        let first_line = signature.iter().position(|byte| *byte == b'\n').unwrap();
        let good = verify(&keys, &signature, DATA).unwrap();
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            // What follows "untrusted comment:" proves nothing and is not looked at; the last
            // digit of base64 has bits that stand for nothing, the last line end may be any blank.
            match verify(&keys, &changed, DATA) {
                Ok(verdict) => {
                    assert_eq!(verdict, good, "{:?} byte {at}", pair.tool);
                    let is_blank = signature[at].is_ascii_whitespace();
                    assert!(at < first_line || is_blank, "{:?} byte {at}", pair.tool);
                }
                Err(error) => assert!(
                    matches!(
                        error,
                        Error::Malformed
                            | Error::Embedded
                            | Error::Bad(_)
                            | Error::BadComment(_)
                            | Error::UnknownKey(_)
                    ),
                    "{:?} byte {at}: {error}",
                    pair.tool
                ),
            }
        }
        for cut in 0..signature.len() - 1 {
            let result = verify(&keys, &signature[..cut], DATA);
            // Without its last two lines a signature of the data itself is one of signify's.
            assert!(
                result.is_err() || pair.tool == Tool::Legacy,
                "{:?} {cut}",
                pair.tool
            );
        }
    }
}

#[test]
fn a_changed_trusted_comment_is_named() {
    let pair = match Tool::Hashed.is_there() {
        true => Pair::new(Tool::Hashed),
        false => return,
    };
    let text = String::from_utf8(pair.sign(DATA)).unwrap();
    let changed = text.replace("file:list", "file:tsil");
    let result = verify(&pair.keys(), changed.as_bytes(), DATA);
    assert_eq!(result, Err(Error::BadComment(pair.id())));
    let without: Vec<&str> = text.lines().take(2).collect();
    let result = verify(&pair.keys(), without.join("\n").as_bytes(), DATA);
    assert_eq!(result, Err(Error::Malformed));
}

#[test]
fn a_text_with_its_signature_before_it_is_not_taken() {
    if !Tool::Signify.is_there() {
        return;
    }
    let pair = Pair::new(Tool::Signify);
    let embedded = [&pair.sign(DATA)[..], DATA].concat();
    assert_eq!(verify(&pair.keys(), &embedded, DATA), Err(Error::Embedded));
}
