//! The network thread: an asynchronous HTTP client behind blocking requests.
//!
//! One thread with a single-threaded runtime does all the waiting of a worker; each body comes out
//! of a bounded channel as the chunks the network delivered, without another copy.

use super::clients::Clients;
use super::content_range::ContentRange;
use super::failure::Failure;
use super::labels::Labels;
use super::message::Message;
use super::pace::Pace;
use super::rate::Rate;
use super::redirect;
use super::settings::Settings;
use bytes::{Bytes, BytesMut};
use importd_host::cancel::Cancel;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Chunks between the network and the reader; each is at most some hundred KiB.
const CHUNKS_WAITING: usize = 32;
/// KiB that wait of all bodies together, but for one chunk of each: a single body is bounded by its
/// chunks, and many at once do not take many times as much.
const WAITING_KIB: u32 = 4 << 10;
/// Chunks below this are small, in bytes.
const SMALL_BYTES: usize = 64 << 10;
/// What small chunks are gathered into, in bytes.
const GATHERED_BYTES: usize = 256 << 10;
/// Longest ETag kept, in bytes: it becomes an extended attribute.
const ETAG_MAX: usize = 1024;

/// A handle of the network thread; the thread ends when the last handle and body are gone.
#[derive(Clone, Debug)]
pub struct Network {
    requests: UnboundedSender<Request>,
}

#[derive(Debug)]
struct Request {
    url: String,
    /// Its lane says which client sends it; there may be fewer, and they take turns.
    message: Message,
    head: std::sync::mpsc::SyncSender<Result<Response, Failure>>,
}

/// The answer to a request: its head, and its body still on the way.
#[derive(Debug)]
pub struct Response {
    /// Status code of the last answer, after redirects.
    pub status: u16,
    /// The address that gave it, credentials included: for further requests, not for people.
    pub address: String,
    /// Announced length of the body, in bytes.
    pub length: Option<u64>,
    /// The ETag as it was sent.
    pub etag: Option<String>,
    /// When the server says the file was changed.
    pub last_modified: Option<SystemTime>,
    /// When the server made the answer, by its clock.
    pub date: Option<SystemTime>,
    /// In which time the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Which bytes the body holds, if the server says.
    pub range: Option<ContentRange>,
    /// What else it says.
    pub(crate) labels: Labels,
    /// The body.
    pub body: Body,
}

/// The body of a response.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<Result<Arrived, Failure>>,
    /// A failure that is told next.
    failure: Option<Failure>,
    /// A failure has been told; what looks like the end after it is none.
    has_failed: bool,
}

/// Bytes that wait for the reader.
#[derive(Debug)]
struct Arrived {
    bytes: Bytes,
    /// Their share of what may wait, given back when they are taken.
    _room: Option<OwnedSemaphorePermit>,
}

impl Network {
    /// Starts the thread. `user_agent` is sent with each request.
    ///
    /// # Errors
    /// When no thread can be started, or a proxy has no usable address.
    pub fn start(user_agent: &str, settings: &Settings, cancel: Cancel) -> io::Result<Self> {
        let clients = Clients::new(user_agent, settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
        let server = Server {
            clients: Arc::new(clients),
            connect_timeout: settings.connect_timeout,
            stall_timeout: settings.stall_timeout,
            rate: Rate::new(settings.rate),
            room: Arc::new(Semaphore::new(WAITING_KIB as usize)),
            cancel,
        };
        std::thread::Builder::new()
            .name("network".into())
            .spawn(move || runtime.block_on(server.serve(receiver)))?;
        Ok(Self { requests })
    }

    /// Asks for an address and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Failure`] by cause. Any status is an answer, not a failure.
    pub fn get(&self, url: &str, headers: HeaderMap) -> Result<Response, Failure> {
        self.send(url, Message::get(headers))
    }

    /// Sends a request, over a connection that those of other lanes do not use, and waits for the
    /// head of the answer. There are as many lanes as the settings say.
    ///
    /// # Errors
    /// As [`Network::get`].
    pub(crate) fn send(&self, url: &str, message: Message) -> Result<Response, Failure> {
        let (head, answer) = std::sync::mpsc::sync_channel(1);
        let request = Request {
            url: url.to_owned(),
            message,
            head,
        };
        self.requests
            .send(request)
            .map_err(|_lost| Failure::Ended)?;
        answer.recv().unwrap_or(Err(Failure::Ended))
    }
}

impl Body {
    /// The next bytes, never none; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`] by cause; after it [`Failure::Ended`], again and again.
    pub fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let failure = self.failure.take().map(Err);
            match failure.or_else(|| self.chunks.blocking_recv()) {
                None if self.has_failed => return Err(Failure::Ended),
                None => return Ok(None),
                Some(Ok(arrived)) if arrived.bytes.is_empty() => {}
                Some(Ok(arrived)) => return Ok(Some(self.gathered(arrived.bytes))),
                Some(Err(failure)) => {
                    self.has_failed = true;
                    return Err(failure);
                }
            }
        }
    }

    /// Small chunks that are here already come as one: each costs its way through the stages.
    fn gathered(&mut self, chunk: Bytes) -> Bytes {
        if chunk.len() >= SMALL_BYTES || self.chunks.is_empty() {
            return chunk;
        }
        let mut gathered = BytesMut::with_capacity(GATHERED_BYTES);
        gathered.extend_from_slice(&chunk);
        while gathered.len() + SMALL_BYTES < GATHERED_BYTES {
            match self.chunks.try_recv() {
                Ok(Ok(arrived)) => gathered.extend_from_slice(&arrived.bytes),
                Ok(Err(failure)) => {
                    self.failure = Some(failure);
                    break;
                }
                Err(_) => break,
            }
        }
        gathered.freeze()
    }
}

/// The thread's side of it.
#[derive(Clone, Debug)]
struct Server {
    clients: Arc<Clients>,
    connect_timeout: Duration,
    stall_timeout: Duration,
    rate: Rate,
    /// KiB that may still wait for readers.
    room: Arc<Semaphore>,
    cancel: Cancel,
}

impl Server {
    async fn serve(self, mut requests: UnboundedReceiver<Request>) {
        let mut bodies = tokio::task::JoinSet::new();
        while let Some(request) = requests.recv().await {
            bodies.spawn(self.clone().answer(request));
        }
        // Bodies still on their way end when their readers are gone.
        while bodies.join_next().await.is_some() {}
    }

    async fn answer(self, mut request: Request) {
        let stop = cancelled(&self.cancel);
        tokio::pin!(stop);
        let response = tokio::select! {
            () = &mut stop => Err(Failure::Cancelled),
            response = self.head(&mut request) => response,
        };
        let (response, address) = match response {
            Ok(answer) => answer,
            // Whoever asked may be gone.
            Err(failure) => return request.head.send(Err(failure)).unwrap_or(()),
        };
        let (sender, chunks) = tokio::sync::mpsc::channel(CHUNKS_WAITING);
        let head = head_of(&response, address, chunks);
        if request.head.send(Ok(head)).is_err() {
            return;
        }
        tokio::select! {
            () = &mut stop => sender.send(Err(Failure::Cancelled)).await.unwrap_or(()),
            () = self.deliver(response, &sender) => {}
        }
    }

    /// Waits for the head of the answer. It must come whole within the time that a silence may
    /// last, from when the last byte of ours went: a head that drips is no answer.
    async fn head(&self, request: &mut Request) -> Result<(reqwest::Response, String), Failure> {
        let time = self.connect_timeout.saturating_add(self.stall_timeout);
        let client = self.clients.of(request.message.lane)?;
        let moved = request.message.payload.moved();
        let asked = redirect::send(&client, &request.url, &mut request.message);
        tokio::pin!(asked);
        let mut before = 0;
        loop {
            if let Ok(answer) = tokio::time::timeout(time, &mut asked).await {
                return answer.map(|(response, address)| (response, address.into()));
            }
            let now = moved.as_ref().map_or(0, |it| it.load(Ordering::Relaxed));
            if now == before {
                return Err(Failure::Stalled(time));
            }
            before = now;
        }
    }

    /// Hands the body over. One of another length than was announced is broken: some ways of
    /// ending a connection look like the end of the body.
    async fn deliver(
        &self,
        mut response: reqwest::Response,
        sender: &Sender<Result<Arrived, Failure>>,
    ) {
        let announced = length_of(&response);
        let mut pace = Pace::new(self.stall_timeout);
        let mut sent = 0;
        loop {
            let message = match next_chunk(&mut response, &mut pace).await {
                Ok(Some(chunk)) => {
                    let length = chunk.len() as u64;
                    self.rate.passed(length).await;
                    sent += length;
                    Ok(self.arrived(chunk, sender).await)
                }
                Ok(None) => match announced.filter(|announced| *announced != sent) {
                    None => return,
                    Some(announced) => Err(Failure::Broken(format!(
                        "the server announced {announced} bytes and sent {sent}"
                    ))),
                },
                Err(failure) => Err(failure),
            };
            let last = message.is_err();
            if sender.send(message).await.is_err() || last {
                return;
            }
        }
    }

    /// Waits until a chunk may wait: there is room, or nothing of its body waits.
    async fn arrived(&self, bytes: Bytes, sender: &Sender<Result<Arrived, Failure>>) -> Arrived {
        let kib = u32::try_from(bytes.len().div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib.min(WAITING_KIB));
        let room = tokio::select! {
            biased;
            room = room => room.ok(),
            // Those that wait may be read after this one only.
            _all_or_gone = sender.reserve_many(CHUNKS_WAITING) => None,
        };
        Arrived { bytes, _room: room }
    }
}

/// The next bytes of a body, if they come in time.
async fn next_chunk(
    response: &mut reqwest::Response,
    pace: &mut Pace,
) -> Result<Option<Bytes>, Failure> {
    loop {
        let started = tokio::time::Instant::now();
        // Given up in the middle, the read loses nothing: it takes whole pieces or none.
        let result = tokio::time::timeout(pace.longest_wait(), response.chunk()).await;
        let bytes = match &result {
            Ok(Ok(Some(chunk))) => chunk.len() as u64,
            _ => 0,
        };
        match result {
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(error)) => return Err(Failure::of(error)),
            other => {
                pace.waited(started.elapsed(), bytes)?;
                if let Ok(Ok(Some(chunk))) = other {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

fn head_of(
    response: &reqwest::Response,
    address: String,
    chunks: Receiver<Result<Arrived, Failure>>,
) -> Response {
    let headers = response.headers();
    let date = |name: HeaderName| {
        text(headers, name.as_str()).and_then(|text| httpdate::parse_http_date(&text).ok())
    };
    Response {
        status: response.status().as_u16(),
        address,
        length: length_of(response),
        etag: text(headers, ETAG.as_str()).filter(|etag| etag.len() <= ETAG_MAX),
        last_modified: date(LAST_MODIFIED),
        date: date(DATE),
        retry_after: text(headers, RETRY_AFTER.as_str()).and_then(|text| retry_after(&text)),
        range: text(headers, CONTENT_RANGE.as_str()).and_then(|text| ContentRange::parse(&text)),
        labels: Labels::of(headers),
        body: Body {
            chunks,
            failure: None,
            has_failed: false,
        },
    }
}

fn length_of(response: &reqwest::Response) -> Option<u64> {
    text(response.headers(), CONTENT_LENGTH.as_str())?
        .parse()
        .ok()
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

/// The pause of `Retry-After`: seconds, or a date by our clock.
///
/// # Source
/// RFC 9110, section 10.2.3.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_asks_for_a_pause_in_seconds_or_by_a_date() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Sat, 03 Feb 2001 04:05:06 GMT"),
            Some(Duration::ZERO)
        );
        let later = SystemTime::now() + Duration::from_secs(100);
        let pause = retry_after(&httpdate::fmt_http_date(later)).unwrap();
        assert!((90..=100).contains(&pause.as_secs()), "{pause:?}");
        for bad in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }
}
