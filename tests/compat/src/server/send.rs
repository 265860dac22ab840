//! Sends a reply over HTTP/1, with all that is wrong with it.

use super::answer::Fault;
use super::reply::Reply;
use super::state::State;
use super::tls::Stream;
use std::io::{BufReader, Read, Result, Write};
use std::time::{Duration, Instant};

/// Bytes of a chunk of a chunked body.
const CHUNK_BYTES: usize = 10_000;
/// Bytes that are written, and counted, at a time.
const PIECE_BYTES: usize = 64 << 10;

type Connection = BufReader<Box<dyn Stream>>;

/// Sends a reply, and tells `count` of each piece of its body; whether the connection can go on.
pub(super) fn send(
    stream: &mut Connection,
    reply: &Reply,
    count: &dyn Fn(usize),
    state: &State,
) -> Result<bool> {
    match reply.fault {
        Fault::CutHead => return Ok(false),
        Fault::StallHead => return wait_for_client(stream),
        Fault::Garbage => {
            stream
                .get_mut()
                .write_all(b"\0\x01\x02 this is not HTTP\n\n")?;
            return end(stream);
        }
        _ => {}
    }
    let head = head(reply);
    if reply.fault == Fault::CutInHead {
        stream
            .get_mut()
            .write_all(&head.as_bytes()[..head.len() / 2])?;
        return end(stream);
    }
    stream.get_mut().write_all(head.as_bytes())?;
    if reply.fault == Fault::EndlessHead {
        let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
        loop {
            stream.get_mut().write_all(line.as_bytes())?;
            count(line.len());
        }
    }
    stream.get_mut().write_all(b"\r\n")?;
    if reply.is_head || reply.status == 304 {
        stream.get_mut().flush()?;
        return Ok(true);
    }
    let mut body = Body { stream, count };
    body.send(reply, state)
}

fn head(reply: &Reply) -> String {
    let version = match reply.fault {
        Fault::Http10 => "1.0",
        _ => "1.1",
    };
    let mut head = format!("HTTP/{version} {} Whatever\r\n", reply.status);
    let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    for (name, value) in &reply.headers {
        add(name, value);
    }
    match reply.fault {
        Fault::Chunked
        | Fault::ChunkedTrailers
        | Fault::ChunkedCutAfter(_)
        | Fault::ChunkedSize(_) => add("Transfer-Encoding", "chunked"),
        Fault::NoLength | Fault::NoLengthCutAfter(_) | Fault::Http10 | Fault::Endless => {
            add("Connection", "close");
        }
        Fault::Length(text) => add("Content-Length", text),
        Fault::HugeHeader(length) => {
            add("X-Huge", &"x".repeat(length));
            add("Content-Length", &reply.body().len().to_string());
        }
        _ if reply.status == 304 => {}
        _ => add("Content-Length", &reply.body().len().to_string()),
    }
    head
}

/// Nothing happens until the client goes away.
fn wait_for_client(stream: &mut Connection) -> Result<bool> {
    stream.get_mut().flush()?;
    while stream.read(&mut [0; 512])? > 0 {}
    Ok(false)
}

/// The connection ends in order.
fn end(stream: &mut Connection) -> Result<bool> {
    stream.get_mut().flush()?;
    stream.get_mut().close()?;
    Ok(false)
}

struct Body<'a> {
    stream: &'a mut Connection,
    count: &'a dyn Fn(usize),
}

impl Body<'_> {
    fn send(&mut self, reply: &Reply, state: &State) -> Result<bool> {
        let body = reply.body();
        let first = |length: usize| &body[..length.min(body.len())];
        match reply.fault {
            Fault::CutAfter(length)
            | Fault::GoAwayAfter(length)
            | Fault::NoLengthCutAfter(length) => {
                self.write(first(length))?;
                self.stream.get_mut().flush()?;
                // Without the end that TLS has.
                return Ok(false);
            }
            Fault::ResetAfter(length) => {
                self.write(first(length))?;
                self.stream.get_mut().flush()?;
                self.stream.get_mut().reset()?;
                return Ok(false);
            }
            Fault::StallAfter(length) => {
                self.write(first(length))?;
                return wait_for_client(self.stream);
            }
            Fault::HoldAfter(length) => {
                self.write(first(length))?;
                self.stream.get_mut().flush()?;
                state.wait_for_release();
                self.write(&body[first(length).len()..])?;
            }
            Fault::Drip { bytes, every } => self.drip(body, bytes, every)?,
            Fault::Rate(rate) => self.limited(body, rate)?,
            Fault::Endless => loop {
                self.write(body)?;
            },
            Fault::NoLength | Fault::Http10 | Fault::Length(_) => {
                self.write(body)?;
                return end(self.stream);
            }
            Fault::Chunked
            | Fault::ChunkedTrailers
            | Fault::ChunkedCutAfter(_)
            | Fault::ChunkedSize(_) => return self.chunked(body, reply.fault),
            _ => self.write(body)?,
        }
        self.stream.get_mut().flush()?;
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.stream.get_mut().write_all(piece)?;
            (self.count)(piece.len());
        }
        Ok(())
    }

    fn drip(&mut self, body: &[u8], bytes: usize, every: Duration) -> Result<()> {
        for piece in body.chunks(bytes) {
            self.write(piece)?;
            self.stream.get_mut().flush()?;
            std::thread::sleep(every);
        }
        Ok(())
    }

    fn limited(&mut self, body: &[u8], rate: u32) -> Result<()> {
        let (start, mut sent) = (Instant::now(), 0);
        for piece in body.chunks(PIECE_BYTES) {
            self.write(piece)?;
            sent += piece.len();
            let due = Duration::from_secs_f64(sent as f64 / f64::from(rate));
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        Ok(())
    }

    fn chunked(&mut self, body: &[u8], fault: Fault) -> Result<bool> {
        let (body, is_cut) = match fault {
            Fault::ChunkedCutAfter(length) => (&body[..length.min(body.len())], true),
            _ => (body, false),
        };
        for chunk in body.chunks(CHUNK_BYTES) {
            let size = format!("{:x}\r\n", chunk.len());
            self.stream.get_mut().write_all(size.as_bytes())?;
            self.write(chunk)?;
            self.stream.get_mut().write_all(b"\r\n")?;
        }
        let last: &[u8] = match fault {
            _ if is_cut => return end(self.stream),
            Fault::ChunkedSize(text) => {
                self.stream.get_mut().write_all(text.as_bytes())?;
                self.stream.get_mut().write_all(b"\r\nabc\r\n0\r\n\r\n")?;
                return end(self.stream);
            }
            Fault::ChunkedTrailers => b"0\r\nETag: \"trailer\"\r\nX-More: yes\r\n\r\n",
            _ => b"0\r\n\r\n",
        };
        self.stream.get_mut().write_all(last)?;
        self.stream.get_mut().flush()?;
        Ok(true)
    }
}
