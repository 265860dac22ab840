//! Who somebody is at registries: `auth.json`, `config.json`.
//!
//! ```text
//! { "auths": { "registry.example/path": { "auth": "dXNlcjpwYXNz" } },
//!   "credHelpers": { "other.example": "name" }, "credsStore": "name" }
//! ```
//!
//! # Source
//! containers-auth.json(5); Docker's `config.json`.

use super::Error;
use super::object::Object;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// Largest file, in bytes: with a token of some KiB for each of hundreds of registries.
pub const LOGINS_MAX: u64 = 4 << 20;

/// Under which names Docker's registry is in files, besides its host.
const HUB_KEYS: [&str; 5] = [
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
];

/// What lets somebody in. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// User and password.
    Password {
        /// Without a colon.
        user: String,
        /// The password, or what stands for it.
        password: String,
    },
    /// What tokens are given out for, without a password.
    Identity(String),
}

impl Login {
    /// As the value of `Authorization`; `None` for an identity, which only tokens are given out for.
    #[must_use]
    pub fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                let text = STANDARD.encode(format!("{user}:{password}"));
                Some(format!("Basic {text}"))
            }
            Self::Identity(_) => None,
        }
    }
}

impl fmt::Debug for Login {
    /// Without what lets in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Identity(_) => "Identity",
        })
    }
}

/// Where a file says that somebody's login is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the file.
    Here(Login),
    /// A program knows it.
    Helper {
        /// What its name ends in: `docker-credential-NAME`.
        name: String,
        /// What it is to be asked for.
        server: String,
    },
}

/// A file of logins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Logins {
    auths: Option<BTreeMap<String, Object<Written>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl Logins {
    /// Reads a file, of at most [`LOGINS_MAX`] bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no such file; nothing of it is repeated.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let parsed: Result<Object<Self>, _> = serde_json::from_slice(bytes);
        match parsed {
            Ok(Object(logins)) => Ok(logins),
            // The library's words may repeat a value.
            Err(error) => Err(Error::Invalid(format!(
                "line {}, column {} is not what it should be",
                error.line(),
                error.column()
            ))),
        }
    }

    /// The login for an image of a registry: of the longest key that both begin with.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that makes no sense.
    pub fn find(&self, registry: &str, image: &str) -> Result<Option<Found>, Error> {
        let keys = keys(registry, image);
        for key in &keys {
            let helpers = self.cred_helpers.iter().flatten();
            if let Some((server, name)) = helpers.into_iter().find(|(it, _)| normal(it) == *key) {
                return Ok(Some(Found::Helper {
                    name: name.clone(),
                    server: server.clone(),
                }));
            }
            let auths = self.auths.iter().flatten();
            let mut same = auths.filter(|(it, _)| normal(it) == *key);
            let found = same.find_map(|(_, written)| written.0.login().transpose());
            if let Some(login) = found {
                return login.map(|login| Some(Found::Here(login)));
            }
        }
        Ok(self.creds_store.as_ref().map(|name| Found::Helper {
            name: name.clone(),
            server: match is_hub(registry) {
                true => HUB_KEYS[0].to_owned(),
                false => registry.to_owned(),
            },
        }))
    }
}

impl Written {
    /// What it says; `None` if that is nothing: the program of the file knows it then.
    fn login(&self) -> Result<Option<Login>, Error> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = text(&self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(auth) = text(&self.auth) {
            return decode(&auth).map(Some);
        }
        let (user, password) = (text(&self.username), text(&self.password));
        Ok(user.map(|user| Login::Password {
            user,
            password: password.unwrap_or_default(),
        }))
    }
}

fn decode(auth: &str) -> Result<Login, Error> {
    let invalid = || Error::Invalid("its 'auth' is not base64 of USER:PASSWORD".into());
    // Some writers put a line's end behind it, or a zero byte into it.
    let bytes = STANDARD.decode(auth.trim()).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(invalid)?;
    let (user, password) = text.split_once(':').ok_or_else(invalid)?;
    Ok(Login::Password {
        user: user.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    })
}

fn is_hub(registry: &str) -> bool {
    HUB_KEYS.contains(&registry)
}

/// What may be written for an image, the longest first: `h/a/b`, `h/a`, `h`.
fn keys(registry: &str, image: &str) -> Vec<String> {
    let hosts = match is_hub(registry) {
        true => HUB_KEYS.iter().skip(1).copied().collect(),
        false => vec![registry],
    };
    let mut keys = Vec::new();
    let mut path = image;
    loop {
        keys.extend(hosts.iter().map(|host| match path {
            "" => (*host).to_owned(),
            _ => format!("{host}/{path}"),
        }));
        match path.rfind('/').and_then(|slash| path.get(..slash)) {
            Some(shorter) => path = shorter,
            None if path.is_empty() => return keys,
            None => path = "",
        }
    }
}

/// A key without the scheme and version that old files have.
fn normal(key: &str) -> String {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    match rest {
        Some(rest) => {
            let rest = rest.trim_end_matches('/');
            let rest = rest.strip_suffix("/v1").unwrap_or(rest);
            rest.strip_suffix("/v2").unwrap_or(rest).to_owned()
        }
        None => key.trim_end_matches('/').to_owned(),
    }
}

/// What a program that knows logins answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Login {
    /// Reads what `docker-credential-NAME get` answers.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no answer; nothing of it is repeated.
    pub fn parse_answer(bytes: &[u8]) -> Result<Self, Error> {
        let answer: Result<Object<Answer>, _> = serde_json::from_slice(bytes);
        let invalid = || Error::Invalid("its answer has no user and secret".into());
        let Object(answer) = answer.ok().ok_or_else(invalid)?;
        Ok(match answer.username.as_str() {
            "<token>" => Self::Identity(answer.secret),
            _ => Self::Password {
                user: answer.username,
                password: answer.secret,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Found {
        Found::Here(Login::Password {
            user: user.into(),
            password: password.into(),
        })
    }

    fn helper(name: &str, server: &str) -> Found {
        Found::Helper {
            name: name.into(),
            server: server.into(),
        }
    }

    #[test]
    fn the_longest_key_wins() {
        // u:h, u:org, u:img
        let text = br#"{"auths":{"h":{"auth":"dTpo"},"h/org":{"auth":"dTpvcmc="},
            "h/org/img":{"username":"u","password":"img"},"h:1":{"identitytoken":"t"}}}"#;
        let logins = Logins::parse(text).unwrap();
        for (registry, image, expected) in [
            ("h", "org/img", Some(password("u", "img"))),
            ("h", "org/img2", Some(password("u", "org"))),
            ("h", "organ", Some(password("u", "h"))),
            ("h:1", "x", Some(Found::Here(Login::Identity("t".into())))),
            ("h.example", "org/img", None),
            ("g", "x", None),
        ] {
            assert_eq!(logins.find(registry, image).unwrap(), expected, "{image}");
        }
    }

    #[test]
    fn docker_has_many_names() {
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
        ] {
            let text = format!("{{\"auths\":{{\"{key}\":{{\"auth\":\"dTpo\"}}}}}}");
            let logins = Logins::parse(text.as_bytes()).unwrap();
            let found = logins.find("registry-1.docker.io", "library/x").unwrap();
            assert_eq!(found, Some(password("u", "h")), "{key}");
            assert_eq!(logins.find("h", "x").unwrap(), None);
        }
    }

    #[test]
    fn programs_are_asked_for_what_they_know() {
        let text = br#"{"auths":{"h":{}},"credHelpers":{"g":"special"},"credsStore":"usual"}"#;
        let logins = Logins::parse(text).unwrap();
        for (registry, expected) in [
            ("g", helper("special", "g")),
            ("h", helper("usual", "h")),
            ("registry-1.docker.io", helper("usual", HUB_KEYS[0])),
        ] {
            assert_eq!(logins.find(registry, "x").unwrap(), Some(expected));
        }
        let answer = br#"{"ServerURL":"h","Username":"<token>","Secret":"s"}"#;
        let basic = |text: &[u8]| Login::parse_answer(text).unwrap().basic();
        let known = basic(br#"{"Username":"u","Secret":"h"}"#);
        assert_eq!(known.as_deref(), Some("Basic dTpo"));
        let login = Login::parse_answer(answer).unwrap();
        assert_eq!(login, Login::Identity("s".into()));
        Login::parse_answer(b"credentials not found").unwrap_err();
    }

    #[test]
    fn no_error_repeats_a_secret() {
        for bad in [
            r#"{"auths":{"h":{"auth":["secret"]}}}"#,
            r#"{"auths":"secret"}"#,
            "secret",
            r#"{"auths":[{"h":"secret"}]}"#,
        ] {
            let error = Logins::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let logins = Logins::parse(br#"{"auths":{"h":{"auth":"secret!"}}}"#).unwrap();
        let error = logins.find("h", "x").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        let logins = Logins::parse(br#"{"auths":{"h":{"password":"secret"}}}"#).unwrap();
        assert!(!format!("{logins:?}").contains("secret"));
    }
}
