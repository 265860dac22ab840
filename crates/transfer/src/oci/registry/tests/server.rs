//! Servers that do what a test says: registries, mirrors, storage hosts, givers of tokens.

use crate::context::Context;
use crate::error::Result;
use crate::oci::hash::sha256;
use crate::oci::registry::credentials::Credentials;
use crate::oci::registry::fetch::Registry;
use crate::oci::registry::place::{Place, Purpose};
use crate::oci::registry::surroundings::Surroundings;
use crate::oci::source::{Blob, Source};
use crate::report::{LogSettings, Report};
use crate::source::settings::Settings;
use crate::stage::chunks::Reader;
use importd_formats::oci::{Descriptor, MediaType};
use importd_host::cancel::Cancel;
use importd_host::partial::Store;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What a server answers.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    pub(super) cut: Option<usize>,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut: None,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server, as long as the test runs.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let (asked, handler): (_, Arc<Handler>) = (Arc::clone(&server.asked), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, handler) = (Arc::clone(&asked), Arc::clone(&handler));
                std::thread::spawn(move || serve(&stream.unwrap(), &asked, &*handler));
            }
        });
        server
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was asked for: `METHOD PATH`.
    pub(super) fn lines(&self) -> Vec<String> {
        let asked = self.asked();
        let line = |one: &Asked| format!("{} {}", one.method, one.path);
        asked.iter().map(line).collect()
    }
}

/// One connection, one request: the client may not rest on its luck with open ones.
fn serve(stream: &TcpStream, asked: &Mutex<Vec<Asked>>, handler: &Handler) {
    let Some(request) = read(stream) else { return };
    asked.lock().unwrap().push(request.clone());
    let answer = handler(&request);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    if !answer
        .headers
        .iter()
        .any(|(name, _)| *name == "Content-Length")
    {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = stream;
    // The client may have seen enough.
    drop(stream.write_all(head.as_bytes()));
    if request.method != "HEAD" {
        let end = answer.cut.unwrap_or(answer.body.len());
        drop(stream.write_all(&answer.body[..end]));
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}

pub(in crate::oci::registry) fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
        owners: crate::owners::Owners::All,
    }
}

/// What a test has beside its servers.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) context: Context,
    pub(super) surroundings: Surroundings,
    pub(super) settings: Settings,
    pub(super) purpose: Purpose,
}

impl Bench {
    /// Of a registry that is not encrypted, with these mirrors.
    pub(super) fn new(registry: &Server, mirrors: &[&Server]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirrors: Vec<String> = mirrors
            .iter()
            .map(|it| format!("\"{}\"", it.address))
            .collect();
        let text = format!(
            "{{\"defaultProtocol\":\"http\",\"overrideRegistry\":\"{}\",\"mirrors\":[{}]}}",
            registry.address,
            mirrors.join(",")
        );
        put(&folder.path().join("registry.test.oci-registry"), &text);
        Self {
            context: context(),
            surroundings: Surroundings {
                descriptions: vec![folder.path().to_owned()],
                home: Some(folder.path().to_owned()),
                runtime: Some(folder.path().join("run")),
                ..Surroundings::default()
            },
            settings: Settings {
                retries: 2,
                stall_timeout: Duration::from_secs(20),
                ..Settings::default()
            },
            purpose: Purpose::Pull,
            folder,
        }
    }

    /// With a login for the registry.
    pub(super) fn logged_in(self, registry: &Server, login: &str) -> Self {
        let path = self.folder.path().join("auth.json");
        put(
            &path,
            &format!("{{\"auths\":{{\"{}\":{login}}}}}", registry.address),
        );
        Self {
            surroundings: Surroundings {
                auth_file: Some(path),
                ..self.surroundings
            },
            ..self
        }
    }

    pub(super) fn open<'a>(
        &self,
        reference: &str,
        store: Option<&'a Store>,
    ) -> Result<Registry<'a>> {
        let reference = reference.parse().unwrap();
        let place = Place::find(&reference, self.purpose, &self.surroundings.descriptions)?;
        let credentials = Credentials::look_up(&place, &self.surroundings, &self.context)?;
        let fetcher = place.fetcher(&self.settings, &self.context)?;
        Registry::open(place, &credentials, &fetcher, store, &self.context)
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.folder.path().join("cache")).unwrap()
    }
}

pub(super) fn put(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// Bytes that are not all alike.
pub(super) fn data(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from((i * 7 + (i >> 16)) % 251).unwrap())
        .collect()
}

pub(super) fn descriptor(bytes: &[u8], media_type: MediaType) -> Descriptor {
    Descriptor {
        media_type,
        digest: sha256(bytes),
        size: bytes.len() as u64,
        data: None,
        platform: None,
    }
}

/// All bytes of a blob, and the rest of it.
pub(super) fn read_blob(blob: &mut Blob<'_>) -> Result<Vec<u8>> {
    let body = std::mem::replace(&mut blob.body, Box::new(bytes::Bytes::new()));
    let mut bytes = Vec::new();
    Reader::new(body)
        .read_to_end(&mut bytes)
        .map_err(|error| crate::Error::io("Failed to read", error))?;
    Ok(bytes)
}

/// The bytes of a blob that is fetched, and all is well.
pub(super) fn fetch(registry: &Registry<'_>, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let mut blob = registry.blob(descriptor)?;
    let bytes = read_blob(&mut blob)?;
    (blob.end)(&Ok(()));
    Ok(bytes)
}
