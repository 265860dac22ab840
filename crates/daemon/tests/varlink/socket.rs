//! A client that sends and reads any bytes.

use crate::harness::{Daemon, PATIENCE};
use importd_varlink::client::Client;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Where the socket of a daemon under test is.
pub(crate) fn path(daemon: &Daemon) -> PathBuf {
    daemon.folder.path().join("varlink")
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: UnixStream,
    read: Vec<u8>,
}

impl Socket {
    pub(crate) fn open(daemon: &Daemon) -> Self {
        Self::connect(&path(daemon))
    }

    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends messages, each with its end.
    pub(crate) fn send(&mut self, messages: &[Value]) {
        let text: String = messages.iter().map(|it| format!("{it}\0")).collect();
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The text of the next message; `None` if the connection has ended.
    pub(crate) fn text(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.read.drain(..=end).collect();
                return Some(String::from_utf8(message[..end].to_vec()).unwrap());
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Value {
        let text = self.text().expect("the connection has ended");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a call and reads one reply.
    pub(crate) fn ask(&mut self, call: Value) -> Value {
        self.send(&[call]);
        self.message()
    }

    /// Sends a call that wants more and reads all replies.
    pub(crate) fn all(&mut self, mut call: Value) -> Vec<Value> {
        call["more"] = true.into();
        self.send(&[call]);
        let mut replies = vec![self.message()];
        while replies.last().unwrap()["continues"] == true {
            replies.push(self.message());
        }
        replies
    }
}

/// A client of the library.
pub(crate) fn client(daemon: &Daemon) -> Client {
    Client::connect(&path(daemon), Some(PATIENCE)).unwrap()
}

/// A call of `io.systemd.Import.Pull` of an image of that name.
pub(crate) fn pull(name: &str) -> Value {
    serde_json::json!({"method": "io.systemd.Import.Pull", "parameters": {
        "remote": format!("http://server/{name}.raw"), "local": name, "type": "raw",
        "class": "machine", "verify": "no"}})
}
