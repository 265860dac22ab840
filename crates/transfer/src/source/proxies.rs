//! Proxies, as the environment names them to curl(1).
//!
//! `http_proxy` counts in lower case only: a web server passes the `Proxy:` header of anybody to its
//! scripts as `HTTP_PROXY`. Of the others the lower case goes first. The client's own reading of the
//! environment differs in both.
//!
//! # Source
//! curl(1), section "Environment".

use reqwest::{NoProxy, Proxy};
use std::fmt;

/// Which proxies to use, and for which hosts none. Empty values are as none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    all: Option<String>,
    none_for: Option<String>,
}

impl fmt::Debug for Proxies {
    /// Without the addresses: there may be passwords in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}

/// A proxy's address that cannot be used; which variable it is from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The proxy that {0} names has no usable address")]
pub struct BadProxy(&'static str);

impl Proxies {
    /// By what the environment's variables are.
    #[must_use]
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            let values = names.iter().filter_map(|name| get(name));
            values
                .map(|text| text.trim().to_owned())
                .find(|text| !text.is_empty())
        };
        Self {
            http: first(&["http_proxy"]),
            https: first(&["https_proxy", "HTTPS_PROXY"]),
            all: first(&["all_proxy", "ALL_PROXY"]),
            none_for: first(&["no_proxy", "NO_PROXY"]),
        }
    }

    /// For the client: those of one scheme go before the one of all.
    ///
    /// # Errors
    /// [`BadProxy`] for what is no address of a proxy.
    pub(super) fn rules(&self) -> Result<Vec<Proxy>, BadProxy> {
        if self.none_for.as_deref() == Some("*") {
            // The client would take that for names only, not for addresses of numbers.
            return Ok(Vec::new());
        }
        let none_for = self.none_for.as_deref().and_then(NoProxy::from_string);
        let mut rules = Vec::new();
        for (name, address, make) in [
            ("http_proxy", &self.http, Proxy::http as fn(String) -> _),
            ("https_proxy", &self.https, Proxy::https),
            ("all_proxy", &self.all, Proxy::all),
        ] {
            let Some(address) = address else { continue };
            // The cause would show the address, and what is in it.
            let proxy = make(with_scheme(address)).map_err(|_shown| BadProxy(name))?;
            rules.push(proxy.no_proxy(none_for.clone()));
        }
        Ok(rules)
    }
}

fn with_scheme(address: &str) -> String {
    match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(|name| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_are_those_of_curl() {
        let found = proxies(&[("HTTP_PROXY", "http://bad"), ("http_proxy", "p:3128")]);
        assert_eq!(found.http.as_deref(), Some("p:3128"));
        assert_eq!(proxies(&[("HTTP_PROXY", "http://bad")]), Proxies::default());
        let found = proxies(&[
            ("HTTPS_PROXY", "upper"),
            ("https_proxy", ""),
            ("ALL_PROXY", "upper"),
            ("all_proxy", "lower"),
            ("NO_PROXY", "*"),
        ]);
        assert_eq!(found.https.as_deref(), Some("upper"));
        assert_eq!(found.all.as_deref(), Some("lower"));
        assert_eq!(found.none_for.as_deref(), Some("*"));
    }

    #[test]
    fn addresses_may_lack_their_scheme_and_bad_ones_are_not_shown() {
        let good = [
            ("http_proxy", "u:secret@proxy:3128"),
            ("https_proxy", "localhost:3128"),
            ("all_proxy", "socks5h://proxy"),
        ];
        assert_eq!(proxies(&good).rules().unwrap().len(), 3);
        let none = [("all_proxy", "proxy"), ("no_proxy", "*")];
        assert!(proxies(&none).rules().unwrap().is_empty());
        let bad = proxies(&[("all_proxy", "http://u:secret@:x")]);
        let error = bad.rules().unwrap_err().to_string();
        assert!(error.contains("all_proxy") && !error.contains("secret"));
        assert!(!format!("{bad:?}").contains("secret"));
    }
}
