//! The network thread: an asynchronous HTTP client behind blocking requests.
//!
//! One thread with a single-threaded runtime does all the waiting of a worker; each body comes out
//! of a bounded channel as the chunks the network delivered, without another copy.

use super::redirect;
use bytes::Bytes;
use importd_host::cancel::{Cancel, Cancelled};
use reqwest::Client;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender};

/// A connection that cannot be made in this time is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that sends nothing for this time is given up (the reference: below 30 bytes a second
/// for 60 seconds).
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Chunks between the network and the reader; each is at most some hundred KiB.
const CHUNKS_WAITING: usize = 32;
/// Longest ETag kept, in bytes: it becomes an extended attribute.
const ETAG_MAX: usize = 1024;

/// A handle of the network thread; the thread ends when the last handle and body are gone.
#[derive(Debug)]
pub struct Network {
    requests: UnboundedSender<Request>,
}

#[derive(Debug)]
struct Request {
    url: String,
    headers: HeaderMap,
    head: std::sync::mpsc::SyncSender<Result<Response, Failure>>,
}

/// The answer to a request: its head, and its body still on the way.
#[derive(Debug)]
pub struct Response {
    /// Status code of the last answer, after redirects.
    pub status: u16,
    /// Announced length of the body, in bytes.
    pub length: Option<u64>,
    /// The ETag as it was sent.
    pub etag: Option<String>,
    /// When the server says the file was changed.
    pub last_modified: Option<SystemTime>,
    /// Which bytes the body holds, if the server says.
    pub range: Option<ContentRange>,
    /// The body.
    pub body: Body,
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`.
///
/// # Source
/// RFC 9110, section 14.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Number of the first byte, from 0.
    pub first: u64,
    /// Number of the last byte, not below `first` and below [`u64::MAX`].
    pub last: u64,
    /// How many bytes there are in all; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the header's value; `None` for anything but one range of bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        let is_sound = first <= last && last < total.unwrap_or(u64::MAX);
        is_sound.then_some(Self { first, last, total })
    }
}

/// Why a request failed, without the address.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The transfer was cancelled.
    #[error("The transfer was cancelled")]
    Cancelled,
    /// The server's certificate is not trusted.
    #[error(
        "The server's certificate is not trusted: {0}; add its issuer to the system's certificate \
         store or name it in SSL_CERT_FILE"
    )]
    Certificate(String),
    /// No connection could be made.
    #[error("Cannot connect: {0}")]
    Connect(String),
    /// The server was silent for too long.
    #[error("The server sent nothing for {} seconds", STALL_TIMEOUT.as_secs())]
    Stalled,
    /// The address has a port or host that cannot be.
    #[error("The address is invalid: {0}")]
    Address(String),
    /// Redirected too often, from https to http, or to what is no address.
    #[error("The redirect is refused: {0}")]
    Redirect(String),
    /// The connection broke.
    #[error("The connection broke: {0}")]
    Broken(String),
    /// The network thread is gone.
    #[error("The network thread ended")]
    Ended,
}

/// The body of a response.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<Result<Bytes, Failure>>,
    current: Bytes,
    /// A failure has been told; what looks like the end after it is none.
    has_failed: bool,
}

impl Network {
    /// Starts the thread. `user_agent` is sent with each request.
    ///
    /// # Errors
    /// When no thread can be started, or the system's certificates cannot be read.
    pub fn start(user_agent: &str, cancel: Cancel) -> io::Result<Self> {
        // Fails only where a provider was chosen before: that one is as good.
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .unwrap_or(());
        let client = Client::builder()
            .user_agent(user_agent)
            // Followed by ourselves, see [`redirect`].
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(STALL_TIMEOUT)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| io::Error::other(root_cause(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("network".into())
            .spawn(move || runtime.block_on(serve(client, receiver, cancel)))?;
        Ok(Self { requests })
    }

    /// Asks for an address and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Failure`] by cause. Any status is an answer, not a failure.
    pub fn get(&self, url: &str, headers: HeaderMap) -> Result<Response, Failure> {
        let (head, answer) = std::sync::mpsc::sync_channel(1);
        let url = url.to_owned();
        self.requests
            .send(Request { url, headers, head })
            .map_err(|_lost| Failure::Ended)?;
        answer.recv().unwrap_or(Err(Failure::Ended))
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let failure = match self.chunks.blocking_recv() {
                None if self.has_failed => Failure::Ended,
                None => return Ok(0),
                Some(Ok(chunk)) => {
                    self.current = chunk;
                    continue;
                }
                Some(Err(failure)) => failure,
            };
            self.has_failed = true;
            return Err(match failure {
                Failure::Cancelled => io::Error::other(Cancelled),
                failure => io::Error::other(failure),
            });
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

async fn serve(client: Client, mut requests: UnboundedReceiver<Request>, cancel: Cancel) {
    let mut bodies = tokio::task::JoinSet::new();
    while let Some(request) = requests.recv().await {
        bodies.spawn(answer(client.clone(), request, cancel.clone()));
    }
    // Bodies still on their way end when their readers are gone.
    while bodies.join_next().await.is_some() {}
}

async fn answer(client: Client, request: Request, cancel: Cancel) {
    let stop = cancelled(&cancel);
    tokio::pin!(stop);
    let response = tokio::select! {
        () = &mut stop => Err(Failure::Cancelled),
        response = redirect::get(&client, &request.url, &request.headers) => response,
    };
    let response = match response {
        Ok(response) => response,
        // Whoever asked may be gone.
        Err(failure) => return request.head.send(Err(failure)).unwrap_or(()),
    };
    let (sender, chunks) = tokio::sync::mpsc::channel(CHUNKS_WAITING);
    let head = head_of(&response, chunks);
    if request.head.send(Ok(head)).is_err() {
        return;
    }
    tokio::select! {
        () = &mut stop => sender.send(Err(Failure::Cancelled)).await.unwrap_or(()),
        () = deliver(response, &sender) => {}
    }
}

fn head_of(response: &reqwest::Response, chunks: Receiver<Result<Bytes, Failure>>) -> Response {
    let headers = response.headers();
    Response {
        status: response.status().as_u16(),
        length: length_of(response),
        etag: text(headers, ETAG.as_str()).filter(|etag| etag.len() <= ETAG_MAX),
        last_modified: text(headers, LAST_MODIFIED.as_str())
            .and_then(|text| httpdate::parse_http_date(&text).ok()),
        range: text(headers, CONTENT_RANGE.as_str()).and_then(|text| ContentRange::parse(&text)),
        body: Body {
            chunks,
            current: Bytes::new(),
            has_failed: false,
        },
    }
}

fn length_of(response: &reqwest::Response) -> Option<u64> {
    text(response.headers(), CONTENT_LENGTH.as_str())?
        .parse()
        .ok()
}

/// Hands the body over. One of another length than was announced is broken: some ways of ending a
/// connection look like the end of the body.
async fn deliver(mut response: reqwest::Response, sender: &Sender<Result<Bytes, Failure>>) {
    let announced = length_of(&response);
    let mut sent = 0;
    loop {
        let message = match response.chunk().await {
            Ok(Some(chunk)) => {
                sent += chunk.len() as u64;
                Ok(chunk)
            }
            Ok(None) => match announced.filter(|announced| *announced != sent) {
                None => return,
                Some(announced) => Err(Failure::Broken(format!(
                    "the server announced {announced} bytes and sent {sent}"
                ))),
            },
            Err(error) => Err(Failure::from(&error)),
        };
        let last = message.is_err();
        if sender.send(message).await.is_err() || last {
            return;
        }
    }
}

/// Waits for the cancel; for ever if its descriptor cannot be watched.
async fn cancelled(cancel: &Cancel) {
    if let Ok(fd) = cancel.fd().as_fd().try_clone_to_owned()
        && let Ok(watched) = pipe::Receiver::from_owned_fd(fd)
        && watched.readable().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.trim().to_owned())
}

impl From<&reqwest::Error> for Failure {
    fn from(error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        if error.is_timeout() && !error.is_connect() {
            Failure::Stalled
        } else if cause.contains("certificate") {
            Failure::Certificate(cause)
        } else if error.is_connect() {
            Failure::Connect(cause)
        } else {
            Failure::Broken(cause)
        }
    }
}

/// The innermost cause: what happened, without the layers it came through.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_ranges_are_ranges() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        for (text, expected) in [
            ("bytes 0-9/10", range(0, 9, Some(10))),
            ("bytes 5-9/*", range(5, 9, None)),
            ("bytes 9-5/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes */10", None),
            ("items 0-9/10", None),
            ("bytes -9/10", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }
}
