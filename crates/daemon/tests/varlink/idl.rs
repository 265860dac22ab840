//! The descriptions, read by a reader of Varlink's language that takes nothing else.
//!
//! Source: <https://varlink.org/Interface-Definition>.

use importd_daemon::varlink::method::INTERFACES;
use std::collections::BTreeSet;

/// Words and signs of a description; comments and blanks are dropped.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap();
        let mut word = String::new();
        for c in line.chars() {
            if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            match c {
                ' ' | '\t' => {}
                '(' | ')' | '[' | ']' | ',' | ':' | '?' | '-' | '>' => tokens.push(c.to_string()),
                other => panic!("{other:?} in {line:?}"),
            }
        }
        tokens.extend((!word.is_empty()).then_some(word));
    }
    tokens
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
    /// Types that are named.
    used: BTreeSet<String>,
}

impl Reader {
    fn next(&mut self) -> String {
        self.tokens.next().expect("more text")
    }

    fn expect(&mut self, token: &str) {
        assert_eq!(self.next(), token);
    }

    fn takes(&mut self, token: &str) -> bool {
        self.tokens.next_if_eq(token).is_some()
    }

    fn name(&mut self, starts_large: bool) -> String {
        let name = self.next();
        let first = name.chars().next().unwrap();
        assert_eq!(first.is_ascii_uppercase(), starts_large, "{name}");
        assert!(first.is_ascii_alphabetic() && !name.contains('.'), "{name}");
        name
    }

    fn kind(&mut self) {
        if self.takes("?") {
            assert_ne!(self.tokens.peek().unwrap(), "?");
            return self.kind();
        }
        if self.takes("[") {
            self.takes("string");
            self.expect("]");
            return self.kind();
        }
        match self.next().as_str() {
            "bool" | "int" | "float" | "string" | "object" | "any" => {}
            name => {
                assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
                self.used.insert(name.to_owned());
            }
        }
    }

    /// Fields with their types, or words of an enumeration.
    fn members(&mut self, may_be_words: bool) -> Vec<String> {
        self.expect("(");
        let mut names = Vec::new();
        let mut with_type = 0;
        while !self.takes(")") {
            if !names.is_empty() {
                self.expect(",");
            }
            names.push(self.name(false));
            if self.takes(":") {
                self.kind();
                with_type += 1;
            }
        }
        let are_words = with_type == 0 && may_be_words && !names.is_empty();
        assert!(are_words || with_type == names.len(), "{names:?}");
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        names
    }
}

/// What a description declares: `kind Name(members)`, and for methods `-> (members)`.
fn symbols(interface: &str, text: &str) -> Vec<String> {
    let mut reader = Reader {
        tokens: tokens(text).into_iter().peekable(),
        used: BTreeSet::new(),
    };
    reader.expect("interface");
    reader.expect(interface);
    let (mut symbols, mut types) = (Vec::new(), BTreeSet::new());
    while reader.tokens.peek().is_some() {
        let kind = reader.next();
        let name = reader.name(true);
        let members = reader.members(kind == "type").join(" ");
        let mut symbol = format!("{kind} {name}({members})");
        match kind.as_str() {
            "type" => assert!(types.insert(name), "{symbol}"),
            "error" => {}
            "method" => {
                reader.expect("-");
                reader.expect(">");
                symbol += &format!(" -> ({})", reader.members(false).join(" "));
            }
            other => panic!("{other}"),
        }
        symbols.push(symbol);
    }
    let unknown: Vec<_> = reader.used.difference(&types).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    symbols
}

#[test]
fn all_descriptions_can_be_read() {
    for interface in INTERFACES {
        symbols(interface.name, interface.description);
    }
}

#[test]
fn the_interface_of_the_original_has_its_symbols() {
    let text = INTERFACES.iter().find(|it| it.name == "io.systemd.Import");
    let symbols = symbols("io.systemd.Import", text.unwrap().description);
    let pull = "method Pull(remote local type class verify force readOnly keepDownload imageRoot \
                allowInteractiveAuthentication) -> (progress log id)";
    let expected = [
        "type ImageClass(machine portable sysext confext)",
        "type RemoteType(raw tar)",
        "type TransferType(import_tar import_raw import_fs export_tar export_raw pull_tar \
         pull_raw pull_oci import_oci export_oci push_oci)",
        "type ImageVerify(no checksum signature)",
        "type LogMessage(message priority)",
        "method ListTransfers(class) -> (id type remote local class percent)",
        pull,
        "error AlreadyInProgress(remote)",
        "error TransferCancelled()",
        "error TransferFailed()",
        "error NoTransfers()",
    ];
    assert_eq!(symbols, expected);
}

#[test]
#[should_panic(expected = "more text")]
fn the_reader_takes_no_halves() {
    symbols("a.b", "interface a.b\nmethod C(");
}

#[test]
#[should_panic(expected = "\"Missing\"")]
fn the_reader_misses_types() {
    symbols("a.b", "interface a.b\nmethod C(a: ?[]Missing) -> ()");
}
