//! What lets requests into a registry: tokens, or user and password.
//!
//! A registry says with its first 401 what it wants. A token is asked for where the challenge says,
//! kept for all requests, and asked for anew shortly before it expires or when the registry does not
//! take it any more; several threads that need a new one get the same one. Nothing is sent with a
//! request before the registry has asked for it.
//!
//! # Source
//! "Token Authentication Specification" and "OAuth2 Token Authentication" of Docker's registry.

use super::credentials::Credential;
use super::place::{Endpoint, Purpose};
use crate::error::Error;
use crate::source::guard::Guard;
use crate::source::http::missed;
use crate::source::message::{Message, Payload, Secret};
use crate::source::retry::{Again, Miss, Try, may_pass};
use crate::source::wire::{Network, Response};
use bytes::Bytes;
use importd_api::failure::Kind;
use importd_formats::oci::challenge::{Bearer, Challenge};
use importd_formats::oci::login::Login;
use importd_formats::oci::token::{TOKEN_MAX, Token};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long before its end a token is not used any more: a request may be on its way for a while.
const MARGIN: Duration = Duration::from_secs(10);
/// What we call ourselves to who gives out tokens.
const CLIENT: &str = "importd";

/// Lets requests into one registry, for one image.
#[derive(Debug)]
pub(super) struct Access {
    endpoint: Endpoint,
    purpose: Purpose,
    credential: Option<Credential>,
    network: Network,
    /// Whether it is done without, once it does not answer.
    is_mirror: bool,
    is_silent: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ticket: Option<Ticket>,
    /// Where tokens are to be had, once the registry has said it.
    bearer: Option<Bearer>,
}

#[derive(Debug)]
struct Ticket {
    secret: Secret,
    /// Not to be used from then on.
    end: Option<Instant>,
}

impl Access {
    pub(super) fn new(
        endpoint: &Endpoint,
        purpose: Purpose,
        credential: Option<Credential>,
        network: &Network,
    ) -> Self {
        Self {
            endpoint: endpoint.clone(),
            purpose,
            credential,
            network: network.clone(),
            is_mirror: false,
            is_silent: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// The same for a mirror: once it does not answer it is not asked any more, so that a server that is
    /// gone costs the time to find that out once, not for each blob.
    pub(super) fn of_mirror(self) -> Self {
        Self {
            is_mirror: true,
            ..self
        }
    }

    /// What other threads left when they panicked is whole: every change is one statement.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be asked for: for a push always all of it, since the first challenge may come for
    /// a question that needs less.
    fn scope(&self, bearer: &Bearer) -> String {
        let image = self.endpoint.image();
        match (self.purpose, &bearer.scope) {
            (Purpose::Push, _) => format!("repository:{image}:pull,push"),
            (Purpose::Pull, Some(scope)) => scope.clone(),
            (Purpose::Pull, None) => format!("repository:{image}:pull"),
        }
    }

    /// Gets a token.
    fn token(&self, bearer: &Bearer) -> Try<Ticket> {
        let realm = self.realm(bearer)?;
        let started = Instant::now();
        let doing = || {
            let (host, registry) = (host(&realm), self.endpoint.registry());
            format!("Failed to get a token from {host} for registry {registry}")
        };
        let (address, message) = self.question(bearer, realm.clone());
        let is_identity = message.method == Method::POST;
        let response = self.network.send(address.as_str(), message);
        let response = response.map_err(|failure| missed(doing(), failure))?;
        match response.status {
            200 => {}
            // The answer to an identity that is none any more (RFC 6749, section 5.2).
            400 if is_identity => return Err(Miss::last(self.denied())),
            401 | 403 => return Err(Miss::last(self.denied())),
            status => return Err(status_miss(&doing(), &response, status)),
        }
        let bytes = whole(response, TOKEN_MAX, &doing)?;
        let token = Token::parse(&bytes)
            .map_err(|error| Miss::last(Error::caused(Kind::Corrupt, doing(), error)))?;
        let secret = self.secret(&format!("Bearer {}", token.text))?;
        let end = token.life.map(|life| {
            let margin = MARGIN.min(life / 4);
            started + life.saturating_sub(margin)
        });
        Ok(Ticket { secret, end })
    }

    /// A request for a token: with an identity by POST, else by GET, with user and password if
    /// there are any. They go to the server of the realm only.
    fn question(&self, bearer: &Bearer, mut realm: Url) -> (Url, Message) {
        let scope = self.scope(bearer);
        let mut pairs = Vec::new();
        if let Some(service) = &bearer.service {
            pairs.push(("service", service.as_str()));
        }
        pairs.push(("scope", scope.as_str()));
        let login = self.credential.as_ref().map(|it| &it.login);
        let mut message = Message::get(HeaderMap::new());
        match login {
            Some(Login::Identity(token)) => {
                let own = [
                    ("grant_type", "refresh_token"),
                    ("client_id", CLIENT),
                    ("refresh_token", token.as_str()),
                ];
                let mut form = realm.clone();
                form.query_pairs_mut()
                    .clear()
                    .extend_pairs(own)
                    .extend_pairs(pairs);
                let text = form.query().unwrap_or_default().to_owned();
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                message.headers.insert(CONTENT_TYPE, kind);
                message.method = Method::POST;
                message.payload = Payload::Bytes(Bytes::from(text));
            }
            Some(Login::Password { user, .. }) => {
                pairs.push(("account", user));
                realm.query_pairs_mut().extend_pairs(pairs);
                let value = login.and_then(Login::basic).unwrap_or_default();
                message.secret = Secret::new(realm.as_str(), &value);
            }
            None => {
                realm.query_pairs_mut().extend_pairs(pairs);
            }
        }
        (realm, message)
    }

    /// The address of who gives out tokens: encrypted, or on the very host of a registry that is not.
    fn realm(&self, bearer: &Bearer) -> Try<Url> {
        let registry = self.endpoint.registry();
        let own = Url::parse(self.endpoint.base().as_str()).ok();
        let realm = Url::parse(&bearer.realm).ok().filter(|realm| {
            let is_own_host = own
                .as_ref()
                .is_some_and(|own| own.scheme() == "http" && own.host_str() == realm.host_str());
            let is_plain = realm.username().is_empty() && realm.password().is_none();
            is_plain && (realm.scheme() == "https" || (realm.scheme() == "http" && is_own_host))
        });
        realm.ok_or_else(|| {
            let shown: String = bearer
                .realm
                .chars()
                .take(200)
                .flat_map(char::escape_debug)
                .collect();
            let text = format!(
                "Registry {registry} wants a token from '{shown}', which is no https:// address"
            );
            Miss::last(Error::new(Kind::Unauthorized, text))
        })
    }

    fn secret(&self, value: &str) -> Try<Secret> {
        Secret::new(self.endpoint.base().as_str(), value).ok_or_else(|| {
            let text = format!(
                "What was to be sent to registry {} cannot stand in a header",
                self.endpoint.registry()
            );
            Miss::last(Error::new(Kind::Unauthorized, text))
        })
    }

    /// User and password, if there are any.
    fn basic(&self) -> Option<String> {
        self.credential.as_ref()?.login.basic()
    }
}

impl Guard for Access {
    fn pass(&self) -> Try<Option<Secret>> {
        if self.is_silent.load(Ordering::Relaxed) {
            let text = format!("Mirror {} did not answer before", self.endpoint.registry());
            return Err(Miss::last(Error::new(Kind::Io, text)));
        }
        let mut state = self.lock();
        let is_over = state
            .ticket
            .as_ref()
            .is_some_and(|ticket| ticket.end.is_some_and(|end| Instant::now() >= end));
        if let Some(bearer) = state.bearer.clone().filter(|_| is_over) {
            // Others wait meanwhile, and take what comes.
            state.ticket = Some(self.token(&bearer)?);
        }
        Ok(state.ticket.as_ref().map(|ticket| ticket.secret.clone()))
    }

    fn refused(&self, challenges: &[String], used: Option<&Secret>) -> Try<()> {
        let mut state = self.lock();
        let current = state.ticket.as_ref().map(|ticket| &ticket.secret);
        if current.is_some() && current != used {
            // Another thread was faster.
            return Ok(());
        }
        let challenges = Challenge::parse_all(challenges.iter().map(String::as_str));
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => Some(bearer.clone()),
            Challenge::Basic | Challenge::Other(_) => None,
        });
        if let Some(bearer) = bearer {
            state.ticket = Some(self.token(&bearer)?);
            state.bearer = Some(bearer);
            return Ok(());
        }
        if !challenges.contains(&Challenge::Basic) {
            let registry = self.endpoint.registry();
            let text = format!("Registry {registry} wants credentials of a kind not known here");
            return Err(Miss::last(Error::new(Kind::Unauthorized, text)));
        }
        let value = self.basic().ok_or_else(|| Miss::last(self.denied()))?;
        let secret = self.secret(&value)?;
        if used == Some(&secret) {
            return Err(Miss::last(self.denied()));
        }
        state.bearer = None;
        state.ticket = Some(Ticket { secret, end: None });
        Ok(())
    }

    fn unanswered(&self) {
        self.is_silent.store(self.is_mirror, Ordering::Relaxed);
    }

    fn denied(&self) -> Error {
        let (registry, image) = (self.endpoint.registry(), self.endpoint.image());
        let text = match &self.credential {
            Some(credential) => format!(
                "Registry {registry} refuses '{image}' with the credentials from {}; log in again, or \
                 ask for access to it",
                credential.origin
            ),
            None => format!(
                "Registry {registry} has no '{image}', or wants credentials for it; none were found, \
                 REGISTRY_AUTH_FILE= or a login with another tool gives some"
            ),
        };
        Error::new(Kind::Unauthorized, text)
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// A code that is neither success nor refusal.
pub(super) fn status_miss(doing: &str, response: &Response, status: u16) -> Miss {
    Miss {
        error: Error::new(Kind::Io, format!("{doing}: it answers with code {status}")),
        again: match response.retry_after {
            _ if !may_pass(status) => Again::Never,
            Some(pause) => Again::After(pause),
            None => Again::Later,
        },
    }
}

/// All bytes of a small body.
fn whole(mut response: Response, limit: u64, doing: &dyn Fn() -> String) -> Try<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response.body.chunk();
        match chunk.map_err(|failure| missed(doing(), failure))? {
            None => return Ok(bytes),
            Some(chunk) => bytes.extend_from_slice(&chunk),
        }
        if bytes.len() as u64 > limit {
            let text = format!("{}: its answer has more than {limit} bytes", doing());
            return Err(Miss::last(Error::new(Kind::TooLarge, text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::registry::place::Place;
    use crate::source::settings::Settings;

    #[test]
    fn an_encrypted_registry_has_its_tokens_from_encrypted_hosts() {
        let reference = "registry.example/a/b".parse().unwrap();
        let place = Place::find(&reference, Purpose::Pull, &[]).unwrap();
        let context = crate::oci::registry::tests::context();
        let fetcher = place.fetcher(&Settings::default(), &context).unwrap();
        let network = fetcher.network().unwrap();
        let access = Access::new(place.registry(), Purpose::Pull, None, network);
        for (realm, is_good) in [
            ("https://registry.example/token", true),
            ("https://auth.example:8443/token?x=y", true),
            ("http://registry.example/token", false),
            ("http://127.0.0.1/token", false),
            ("https://u@auth.example/token", false),
            ("/token", false),
        ] {
            let bearer = Bearer {
                realm: realm.into(),
                service: None,
                scope: None,
            };
            assert_eq!(access.realm(&bearer).is_ok(), is_good, "{realm}");
            assert_eq!(access.scope(&bearer), "repository:a/b:pull");
        }
    }
}
