//! A server that does what a test says, and what is fetched from it.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::{LogSettings, Report};
use crate::source::remote::Fetcher;
use crate::source::settings::Settings;
use crate::stage::chunks::Reader;
use importd_api::url::Url;
use importd_host::cancel::Cancel;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What a server does with one request: bytes to send, and whether to fall silent then instead of
/// closing the connection.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) stalls: bool,
}

/// A server that answers each request on a connection of its own, in order, with what it is told.
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) heads: Receiver<String>,
}

impl Server {
    pub(super) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/image", listener.local_addr().unwrap());
        let (told, heads) = channel();
        std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                told.send(head(&stream)).unwrap();
                stream.write_all(&reply.bytes).unwrap();
                if reply.stalls {
                    // Until the client goes away.
                    drop(stream.read_exact(&mut [0]));
                }
            }
        });
        Self {
            url: Url::parse(&url).unwrap(),
            heads,
        }
    }

    /// The value of a header of each request so far.
    pub(super) fn asked(&self, name: &str) -> Vec<Option<String>> {
        let value = |head: String| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(found, value)| (found == name).then(|| value.to_owned()))
        };
        self.heads.try_iter().map(value).collect()
    }
}

pub(super) fn head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    head
}

pub(super) fn reply(head: &str, body: &[u8]) -> Reply {
    let head = head.replace('\n', "\r\n");
    Reply {
        bytes: [head.as_bytes(), b"\r\n\r\n", body].concat(),
        stalls: false,
    }
}

/// All bytes of `data`, of which only `sent` come.
pub(super) fn whole(headers: &str, data: &[u8], sent: usize) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\nContent-Length: {}{headers}\nConnection: close",
        data.len()
    );
    reply(&head, &data[..sent])
}

/// The bytes of `data` from `first` on, of which only those before `end` come.
pub(super) fn rest(headers: &str, data: &[u8], first: usize, end: usize) -> Reply {
    let head = format!(
        "HTTP/1.1 206 Partial Content\nContent-Length: {}\nContent-Range: bytes {first}-{}/{}\
         {headers}\nConnection: close",
        data.len() - first,
        data.len() - 1,
        data.len()
    );
    reply(&head, &data[first..end])
}

pub(super) fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
        owners: crate::owners::Owners::All,
    }
}

pub(super) fn settings(retries: u32) -> Settings {
    Settings {
        retries,
        stall_timeout: Duration::from_millis(200),
        ..Settings::default()
    }
}

pub(super) fn fetcher(server: &Server, settings: &Settings, context: &Context) -> Fetcher {
    Fetcher::new(&server.url, "test", settings, context).unwrap()
}

pub(super) fn fetch(server: &Server, retries: u32) -> Result<Vec<u8>> {
    fetch_with(server, &settings(retries)).map(|(bytes, _)| bytes)
}

/// The bytes, and where they came from.
pub(super) fn fetch_with(server: &Server, settings: &Settings) -> Result<(Vec<u8>, String)> {
    let context = context();
    let remote = fetcher(server, settings, &context).get(&server.url)?;
    let mut bytes = Vec::new();
    let read = Reader::new(remote.body).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("Failed to read", error))?;
    Ok((bytes, remote.origins.to_string()))
}

pub(super) fn data() -> Vec<u8> {
    (0..300_000u32).map(|i| (i * 7 % 251) as u8).collect()
}

pub(super) const ETAG: &str = "\nETag: \"one\"";
pub(super) const DATES: &str = "\nLast-Modified: Sat, 03 Feb 2001 04:05:06 GMT\
                     \nDate: Sat, 03 Feb 2001 05:05:06 GMT";
