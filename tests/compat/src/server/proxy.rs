//! Proxies on loopback: by requests, by `CONNECT`, by SOCKS 5.
//!
//! Names that end in `.invalid` are this machine to them: a client that looked one up itself would
//! not get here.

use super::server::read_request;
use super::state::{Request, Seen, State};
use std::io::{BufReader, Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

/// What a proxy wants and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// HTTP, for everybody.
    Open,
    /// HTTP, for who shows these credentials, `user:password` in Base64.
    Basic(&'static str),
    /// HTTP, refuses all with this status.
    Refusing(u16),
    /// SOCKS 5, for everybody.
    Socks,
}

/// A running proxy; it ends with the test process.
#[derive(Debug)]
pub(crate) struct Proxy {
    state: Arc<State>,
    port: u16,
}

impl Proxy {
    pub(crate) fn start(kind: ProxyKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    state.count_connection();
                    // A client that goes away is what many tests are about.
                    drop(match kind {
                        ProxyKind::Socks => socks(socket, &state),
                        _ => http(socket, &state, kind),
                    });
                });
            }
        });
        Self { state, port }
    }

    /// `HOST:PORT`.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it was asked for: addresses, `HOST:PORT`s of `CONNECT`.
    pub(crate) fn seen(&self) -> Seen {
        self.state.seen().clone()
    }
}

/// Connects to a host as it is called, `HOST:PORT`.
fn connect(authority: &str) -> Result<TcpStream> {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let host = if host.ends_with(".invalid") {
        "127.0.0.1"
    } else {
        host
    };
    TcpStream::connect(format!("{host}:{port}"))
}

fn http(socket: TcpStream, state: &State, kind: ProxyKind) -> Result<()> {
    let mut stream = BufReader::new(socket);
    while let Some(request) = read_request(&mut stream)? {
        drop(state.ask(request.clone()));
        let refused = match kind {
            ProxyKind::Refusing(status) => Some(status),
            ProxyKind::Basic(secret) => {
                let shown = request.header("proxy-authorization");
                (shown != Some(&format!("Basic {secret}"))).then_some(407)
            }
            _ => None,
        };
        if let Some(status) = refused {
            let challenge = "Proxy-Authenticate: Basic realm=\"proxy\"\r\n";
            let answer = format!("HTTP/1.1 {status} No\r\n{challenge}Content-Length: 0\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes())?;
            continue;
        }
        return forward(stream, &request);
    }
    Ok(())
}

/// One request, and then whatever both say to each other.
fn forward(mut stream: BufReader<TcpStream>, request: &Request) -> Result<()> {
    if request.method == "CONNECT" {
        let server = connect(&request.path)?;
        stream.get_mut().write_all(b"HTTP/1.1 200 Go on\r\n\r\n")?;
        return pipe(stream, server);
    }
    let address = request.path.strip_prefix("http://");
    let address = address.ok_or_else(|| Error::other("it is asked as a server"))?;
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let mut server = connect(authority)?;
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nConnection: close\r\n",
        request.method
    );
    let is_ours = |header: &&String| {
        let name = header.to_ascii_lowercase();
        name.starts_with("proxy-") || name.starts_with("connection:")
    };
    for header in request.headers.iter().filter(|header| !is_ours(header)) {
        head.push_str(&format!("{header}\r\n"));
    }
    server.write_all(format!("{head}\r\n").as_bytes())?;
    pipe(stream, server)
}

/// SOCKS 5 without authentication (RFC 1928).
fn socks(mut socket: TcpStream, state: &State) -> Result<()> {
    let [_, count] = read(&mut socket)?;
    drop(read_some(&mut socket, count)?);
    socket.write_all(&[5, 0])?;
    let [_, _, _, kind] = read(&mut socket)?;
    let host = match kind {
        1 => {
            let [a, b, c, d] = read(&mut socket)?;
            format!("{a}.{b}.{c}.{d}")
        }
        3 => {
            let [length] = read(&mut socket)?;
            String::from_utf8_lossy(&read_some(&mut socket, length)?).into_owned()
        }
        _ => return Err(Error::other("no such kind of address")),
    };
    let port = u16::from_be_bytes(read(&mut socket)?);
    let target = format!("{host}:{port}");
    drop(state.ask(Request {
        method: "SOCKS".into(),
        path: target.clone(),
        headers: Vec::new(),
    }));
    let server = connect(&target)?;
    socket.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    pipe(BufReader::new(socket), server)
}

fn read<const N: usize>(socket: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_some(socket: &mut TcpStream, count: u8) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count.into()];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Carries both directions until both are over.
fn pipe(client: BufReader<TcpStream>, server: TcpStream) -> Result<()> {
    let (mut to_client, mut to_server) = (client.get_ref().try_clone()?, server.try_clone()?);
    let (mut client, mut server) = (client, server);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(std::io::copy(&mut client, &mut to_server));
            drop(to_server.shutdown(Shutdown::Write));
        });
        drop(std::io::copy(&mut server, &mut to_client));
        drop(to_client.shutdown(Shutdown::Both));
    });
    Ok(())
}
