//! Follows redirects: a limited number, never from https to http, and without the credentials of
//! the address once they lead to another server.

use super::failure::Failure;
use super::message::{Message, Payload};
use reqwest::header::LOCATION;
use reqwest::{Client, Method, Response, StatusCode, Url};

/// Most redirects followed, as the reference.
const REDIRECTS_MAX: usize = 30;

/// The last answer to a request for an address, made with its headers at each step, and the
/// address that gave it, with the credentials that were sent there. Its secret goes to its own server
/// only. Requests that change something are not sent elsewhere: their answer is the first one.
///
/// # Errors
/// [`Failure::Address`] for what cannot be asked for, [`Failure::Redirect`] for a redirect that is
/// not followed; what the network says.
pub(super) async fn send(
    client: &Client,
    address: &str,
    message: &mut Message,
) -> Result<(Response, Url), Failure> {
    let start = Url::parse(address).map_err(|error| Failure::Address(error.to_string()))?;
    let mut url = start.clone();
    for _ in 0..=REDIRECTS_MAX {
        let asked = with_credentials(&url, &start);
        let mut headers = message.headers.clone();
        if let Some(secret) = &message.secret {
            secret.add_to(&asked, &mut headers);
        }
        let mut request = client.request(message.method.clone(), asked.clone());
        // Only what changes something has one, and is sent once.
        let payload = std::mem::replace(&mut message.payload, Payload::None);
        if let Some(body) = payload.into_body() {
            request = request.body(body);
        }
        let response = request.headers(headers).send().await;
        let response = response.map_err(Failure::of)?;
        let follows = matches!(message.method, Method::GET | Method::HEAD);
        let next = match follows {
            true => next(&url, &response)?,
            false => None,
        };
        let Some(next) = next else {
            return Ok((response, asked));
        };
        url = next;
    }
    let text = format!("more than {REDIRECTS_MAX} of them");
    Err(Failure::Redirect(text))
}

/// Where an answer leads; `None` if it is the last one.
fn next(url: &Url, response: &Response) -> Result<Option<Url>, Failure> {
    let follows = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| follows);
    let Some(location) = location else {
        return Ok(None);
    };
    let text = location.to_str().ok();
    let next = text.and_then(|text| url.join(text).ok());
    let next = next.ok_or_else(|| Failure::Redirect("its address is none".into()))?;
    judge(url, &next).map(|()| Some(next))
}

fn judge(from: &Url, to: &Url) -> Result<(), Failure> {
    let refused = |text: &str| Err(Failure::Redirect(text.to_owned()));
    match (from.scheme(), to.scheme()) {
        ("https", "http") => refused("it leads from https to an address without encryption"),
        (_, "http" | "https") => Ok(()),
        _ => refused("it leads to an address that is neither http nor https"),
    }
}

/// The address to ask for: with the credentials of the start on its own server, without any
/// elsewhere, a redirect's own included.
fn with_credentials(url: &Url, start: &Url) -> Url {
    let mut url = url.clone();
    let (user, password) = match url.origin() == start.origin() {
        true => (start.username(), start.password()),
        false => ("", None),
    };
    // Both fail only for addresses without a host, which no request is made for.
    url.set_username(user).unwrap_or(());
    url.set_password(password).unwrap_or(());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn credentials_stay_with_their_server() {
        let start = url("https://u:p@h/x");
        for (text, asked) in [
            ("https://u:p@h/x", "https://u:p@h/x"),
            ("https://h/other", "https://u:p@h/other"),
            ("https://h:8443/x", "https://h:8443/x"),
            ("http://h/x", "http://h/x"),
            ("https://evil/x", "https://evil/x"),
            ("https://a:b@evil/x", "https://evil/x"),
        ] {
            assert_eq!(with_credentials(&url(text), &start).as_str(), asked);
        }
    }

    #[test]
    fn encryption_is_not_given_up_and_other_schemes_are_refused() {
        for (from, to, is_good) in [
            ("http://h/", "https://h/", true),
            ("http://h/", "http://i/", true),
            ("https://h/", "http://h/", false),
            ("http://h/", "file:///etc/passwd", false),
            ("http://h/", "ftp://h/", false),
        ] {
            assert_eq!(judge(&url(from), &url(to)).is_ok(), is_good, "{from} {to}");
        }
    }
}
