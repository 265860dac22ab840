//! An HTTP server on loopback that does what it is told, wrong things above all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// The connection is closed after so many bytes of the body.
    CutAfter(usize),
    /// Nothing more comes after so many bytes, until the client goes away.
    StallAfter(usize),
    /// The body comes in chunks, its length is not told.
    Chunked,
    /// The body ends with the connection, its length is not told.
    NoLength,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Arc<Vec<u8>>,
    pub(crate) fault: Fault,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Arc::new(body.into()),
            fault: Fault::None,
        }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::status(status, "moved").header("Location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

#[derive(Debug, Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<Request>>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
}

/// A running server; it ends with the test process.
#[derive(Debug)]
pub(crate) struct Server {
    state: Arc<State>,
    base: String,
}

impl Server {
    /// One that speaks plainly.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that speaks TLS, with a certificate of an authority of its own, which is written to
    /// `authority`.
    pub(crate) fn start_tls(authority: &Path) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]);
        let key = key.unwrap();
        let mut file = std::fs::File::create(authority).unwrap();
        file.write_all(key.cert.pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], PrivateKeyDer::from(private))
            .unwrap();
        Self::start_with(Some(Arc::new(config)))
    }

    fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), shared, tls) = (stream, Arc::clone(&shared), tls.clone()) else {
                    continue;
                };
                std::thread::spawn(move || {
                    // A client that goes away is what many tests are about.
                    drop(serve(stream, &shared, tls));
                });
            }
        });
        Self {
            state,
            base: format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    /// Sets what a path answers with.
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        self.state
            .answers
            .lock()
            .unwrap()
            .insert(path.into(), answer);
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The paths that were asked for, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.path)
            .collect()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    stream: TcpStream,
    state: &State,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> std::io::Result<()> {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let connection =
                rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
            Box::new(rustls::StreamOwned::new(connection, stream))
        }
    };
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            match header.trim_end() {
                "" => break,
                text => headers.push(text.to_owned()),
            }
        }
        let answer = state.answers.lock().unwrap().get(&path).cloned();
        state
            .requests
            .lock()
            .unwrap()
            .push(Request { path, headers });
        let answer = answer.unwrap_or_else(|| Answer::status(404, "not here"));
        if !send(&mut stream, &answer)? {
            return Ok(());
        }
    }
}

/// Sends an answer; whether the connection can go on.
fn send(stream: &mut BufReader<Box<dyn Stream>>, answer: &Answer) -> std::io::Result<bool> {
    let body = answer.body.as_slice();
    let mut head = format!("HTTP/1.1 {} Whatever\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match answer.fault {
        Fault::Chunked => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        Fault::NoLength => head.push_str("Connection: close\r\n\r\n"),
        _ => head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len())),
    }
    let out = stream.get_mut();
    out.write_all(head.as_bytes())?;
    match answer.fault {
        Fault::None => out.write_all(body)?,
        Fault::NoLength => {
            out.write_all(body)?;
            out.flush()?;
            return Ok(false);
        }
        Fault::CutAfter(length) => {
            out.write_all(&body[..length])?;
            out.flush()?;
            return Ok(false);
        }
        Fault::StallAfter(length) => {
            out.write_all(&body[..length])?;
            out.flush()?;
            // Until the client goes away.
            return Ok(out.read(&mut [0; 1])? > 0);
        }
        Fault::Chunked => {
            for chunk in body.chunks(10_000) {
                out.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                out.write_all(chunk)?;
                out.write_all(b"\r\n")?;
            }
            out.write_all(b"0\r\n\r\n")?;
        }
    }
    out.flush()?;
    Ok(true)
}
