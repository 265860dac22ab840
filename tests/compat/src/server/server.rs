//! A running server: what it answers is set, what it has seen is asked.

use super::answer::Answer;
use super::reply::Reply;
use super::send::send;
use super::state::{Request, Seen, State};
use super::tls::{Certificate, Plain, Secure, Stream};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// A running server; it ends with the test process.
#[derive(Debug)]
pub(crate) struct Server {
    state: Arc<State>,
    base: String,
}

/// An address at which nothing listens.
pub(crate) fn unreachable(path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}{path}")
}

impl Server {
    /// One that speaks plainly.
    pub(crate) fn start() -> Self {
        Self::start_with("http", |listener, state| listen(listener, &state, None))
    }

    /// One that speaks TLS, with a certificate of an authority of its own, which is written to
    /// `authority`.
    pub(crate) fn start_tls(authority: &Path) -> Self {
        Self::start_tls_with(Certificate::Good, authority)
    }

    /// One that speaks TLS, with a certificate of which something may be wrong.
    pub(crate) fn start_tls_with(certificate: Certificate, authority: &Path) -> Self {
        let config = certificate.config(authority, &[]);
        Self::start_with("https", |listener, state| {
            listen(listener, &state, Some(config));
        })
    }

    /// One that speaks HTTP/2 only, over TLS.
    pub(crate) fn start_http2(authority: &Path) -> Self {
        let config = Certificate::Good.config(authority, &[b"h2"]);
        Self::start_with("https", |listener, state| {
            super::http2::listen(listener, state, config);
        })
    }

    /// One that closes each connection as soon as the client has said something.
    pub(crate) fn start_mute() -> Self {
        Self::start_with("https", |listener, state| {
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    state.count_connection();
                    // Read, so that it is an end and not a reset.
                    let mut stream = BufReader::new(stream);
                    drop(stream.fill_buf().map(<[u8]>::len));
                }
            });
        })
    }

    fn start_with(scheme: &str, start: impl FnOnce(TcpListener, Arc<State>)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        start(listener, Arc::clone(&state));
        Self {
            state,
            base: format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    /// Sets what a path answers with.
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        self.state.put(path, vec![answer]);
    }

    /// Sets what a path answers with, one answer for each request; the last one stays.
    pub(crate) fn put_sequence(&self, path: &str, answers: Vec<Answer>) {
        self.state.put(path, answers);
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.seen().requests.clone()
    }

    /// The paths that were asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.path)
            .collect()
    }

    /// All that was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.state.seen().clone()
    }

    /// Waits until what was seen is enough.
    pub(crate) fn wait(&self, is_enough: impl Fn(&Seen) -> bool) {
        self.state.wait(is_enough);
    }

    /// Lets all go on that [`super::Fault::HoldAfter`] holds, for good.
    pub(crate) fn release(&self) {
        self.state.release();
    }
}

fn listen(listener: TcpListener, state: &Arc<State>, tls: Option<Arc<rustls::ServerConfig>>) {
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (shared, tls) = (Arc::clone(&state), tls.clone());
            std::thread::spawn(move || {
                // A client that goes away is what many tests are about.
                drop(serve(stream, &shared, tls));
            });
        }
    });
}

fn serve(
    socket: TcpStream,
    state: &State,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> std::io::Result<()> {
    state.count_connection();
    socket.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(Plain(socket)),
        Some(config) => {
            let connection =
                rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
            Box::new(Secure(rustls::StreamOwned::new(connection, socket)))
        }
    };
    let mut stream = BufReader::new(stream);
    loop {
        let request = match read_request(&mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(error) => {
                // As servers do with what is no HTTP: a client that means TLS hears it.
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
                return Err(error);
            }
        };
        let answer = state.ask(request.clone());
        let reply = Reply::to(&request, &answer);
        let wants_end = request.header("connection") == Some("close");
        if !send(
            &mut stream,
            &reply,
            &|bytes| state.count(&request.path, bytes),
            state,
        )? || wants_end
        {
            break;
        }
    }
    Ok(())
}

/// The head of the next request; `None` at the end of the connection.
pub(super) fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next(), words.next());
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        match header.trim_end() {
            "" => break,
            text => headers.push(text.to_owned()),
        }
    }
    Ok(Some(Request {
        method: method.unwrap_or_default(),
        path: path.unwrap_or_else(|| "/".into()),
        headers,
    }))
}
