//! What a registry wants to see before it answers: `WWW-Authenticate`.
//!
//! ```text
//! Bearer realm="https://auth.example/token", service="registry.example", scope="repository:a/b:pull", Basic realm="x"
//! ```
//!
//! A header may hold several challenges, and commas stand between those as well as between what
//! belongs to one. Servers write much that no grammar allows: what makes no sense is passed over.
//!
//! # Source
//! RFC 9110, section 11.6.1; RFC 6750, section 3; "Token Authentication Specification" of Docker's
//! registry.

/// Longest text of all headers that is looked at, in bytes.
const TEXT_MAX: usize = 16 << 10;
/// Most challenges.
const CHALLENGES_MAX: usize = 16;
/// Most parameters of a challenge.
const PARAMETERS_MAX: usize = 16;

/// What a server wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token of somebody who gives them out.
    Bearer(Bearer),
    /// User and password.
    Basic,
    /// Something else, by its name in lower case; or one of the above that makes no sense.
    Other(String),
}

/// A token is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The address of who gives it out.
    pub realm: String,
    /// For which service; who gives it out may know only one.
    pub service: Option<String>,
    /// For what: names divided by blanks.
    pub scope: Option<String>,
}

impl Challenge {
    /// Reads the values of all headers, in order.
    #[must_use]
    pub fn parse_all<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut left = TEXT_MAX;
        let mut all = Vec::new();
        for header in headers {
            let Some(rest) = left.checked_sub(header.len()) else {
                break;
            };
            left = rest;
            Reader { text: header }.read(&mut all);
        }
        all.into_iter().map(Written::meant).collect()
    }
}

/// A challenge as it is written.
#[derive(Debug)]
struct Written {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Written {
    fn meant(self) -> Challenge {
        match self.scheme.as_str() {
            "basic" => Challenge::Basic,
            "bearer" => self.bearer(),
            _ => Challenge::Other(self.scheme),
        }
    }

    fn bearer(self) -> Challenge {
        let names = self.parameters.iter().map(|(name, _)| name);
        let is_twice = |name: &String| {
            let same = self.parameters.iter().filter(|(other, _)| other == name);
            same.count() > 1
        };
        // Who reads the first of two realms and who reads the last would ask different servers.
        if names.into_iter().any(is_twice) {
            return Challenge::Other(self.scheme);
        }
        let value = |name: &str| {
            let mut found = self.parameters.iter().filter(|(other, _)| other == name);
            let (_, value) = found.next()?;
            (!value.is_empty()).then(|| value.clone())
        };
        match value("realm") {
            Some(realm) => Challenge::Bearer(Bearer {
                realm,
                service: value("service"),
                scope: value("scope"),
            }),
            None => Challenge::Other(self.scheme),
        }
    }
}

/// What is left of a header.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn read(mut self, all: &mut Vec<Written>) {
        // What stands before the first scheme belongs to no challenge, of an earlier header neither.
        let mut has_scheme = false;
        loop {
            self.text = self.text.trim_start_matches([' ', '\t', ',']);
            if self.text.is_empty() {
                return;
            }
            let word = self.token();
            if word.is_empty() {
                self.skip();
                continue;
            }
            self.text = self.text.trim_start_matches([' ', '\t']);
            match self.text.strip_prefix('=') {
                Some(rest) => {
                    self.text = rest.trim_start_matches([' ', '\t']);
                    let value = self.value();
                    if let Some(last) = all.last_mut().filter(|_| has_scheme)
                        && last.parameters.len() < PARAMETERS_MAX
                    {
                        last.parameters.push((word, value));
                    }
                }
                None if all.len() < CHALLENGES_MAX => {
                    has_scheme = true;
                    all.push(Written {
                        scheme: word,
                        parameters: Vec::new(),
                    });
                }
                None => return,
            }
        }
    }

    /// A word, in lower case.
    fn token(&mut self) -> String {
        let is_of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let word = self.take(is_of_token);
        word.to_ascii_lowercase()
    }

    fn value(&mut self) -> String {
        match self.text.strip_prefix('"') {
            Some(rest) => {
                self.text = rest;
                self.quoted()
            }
            // More than a word, as addresses are that nobody quoted.
            None => self
                .take(|c| !matches!(c, ',' | ' ' | '\t' | '"'))
                .to_owned(),
        }
    }

    /// What stands between quotes; without a last one, nothing.
    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut is_escaped = false;
        let mut chars = self.text.chars();
        while let Some(c) = chars.next() {
            match c {
                _ if is_escaped => {
                    value.push(c);
                    is_escaped = false;
                }
                '\\' => is_escaped = true,
                '"' => {
                    self.text = chars.as_str();
                    return value;
                }
                _ => value.push(c),
            }
        }
        self.text = "";
        String::new()
    }

    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &str {
        let end = self.text.find(|c| !is_part(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        word
    }

    /// Passes over what makes no sense.
    fn skip(&mut self) {
        let mut chars = self.text.chars();
        if chars.next() == Some('"') {
            self.text = chars.as_str();
            self.quoted();
            return;
        }
        self.text = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Challenge::Bearer(Bearer {
            realm: realm.into(),
            service: text(service),
            scope: text(scope),
        })
    }

    fn other(name: &str) -> Challenge {
        Challenge::Other(name.into())
    }

    #[test]
    fn challenges_are_read_in_all_their_shapes() {
        let usual = bearer("https://a/t", "s", "repository:x:pull,push");
        for (header, expected) in [
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"",
                vec![usual.clone()],
            ),
            (
                "bEARER  Scope = \"repository:x:pull,push\" , SERVICE=\"s\", realm=\"https://a/t\",,",
                vec![usual.clone()],
            ),
            (
                "Basic realm=\"x, Bearer realm=y\", Bearer realm=\"https://a/t\"",
                vec![Challenge::Basic, bearer("https://a/t", "", "")],
            ),
            ("Basic", vec![Challenge::Basic]),
            (
                "Negotiate abc==, Basic realm=\"a\\\"b\"",
                vec![other("negotiate"), Challenge::Basic],
            ),
            (
                "Bearer realm=https://a/t?x,service=s",
                vec![bearer("https://a/t?x", "s", "")],
            ),
            (
                "Bearer realm=\"https://a/t\", error=\"insufficient_scope\"",
                vec![bearer("https://a/t", "", "")],
            ),
            ("Bearer service=\"s\"", vec![other("bearer")]),
            ("Bearer realm=\"\"", vec![other("bearer")]),
            ("Bearer realm=\"https://a", vec![other("bearer")]),
            (
                "Bearer realm=\"https://a\", realm=\"https://b\"",
                vec![other("bearer")],
            ),
            ("realm=\"x\"", vec![]),
            ("", vec![]),
            (" , ,\"x\" {}", vec![]),
        ] {
            assert_eq!(Challenge::parse_all([header]), expected, "{header}");
        }
    }

    #[test]
    fn parameters_of_one_header_are_none_of_another() {
        let both = Challenge::parse_all(["Bearer realm=\"https://a\"", "scope=\"x\", Basic"]);
        assert_eq!(both, [bearer("https://a", "", ""), Challenge::Basic]);
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let many = "Basic,".repeat(1000);
        assert_eq!(Challenge::parse_all([many.as_str()]).len(), CHALLENGES_MAX);
        let long = format!("Bearer realm=\"{}\"", "x".repeat(TEXT_MAX));
        assert_eq!(Challenge::parse_all([long.as_str(), "Basic"]), []);
        let parameters = format!("Bearer {} realm=\"x\"", "a=b,".repeat(PARAMETERS_MAX));
        assert_eq!(
            Challenge::parse_all([parameters.as_str()]),
            [other("bearer")]
        );
    }
}
