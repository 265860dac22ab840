//! What is sent for a request: an answer, or the part of it that was asked for.

use super::answer::{Answer, Fault, Ranges};
use super::state::Request;
use std::ops::Range;
use std::sync::Arc;

/// What is sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    body: Arc<Vec<u8>>,
    part: Range<usize>,
    pub(super) fault: Fault,
    /// Whether only the head was asked for.
    pub(super) is_head: bool,
}

impl Reply {
    /// The bytes of the body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body[self.part.clone()]
    }

    /// All of an answer.
    fn whole(answer: &Answer) -> Self {
        Self {
            status: answer.status,
            headers: answer.headers.clone(),
            body: Arc::clone(&answer.body),
            part: 0..answer.body.len(),
            fault: answer.fault,
            is_head: false,
        }
    }

    /// An answer without its body.
    fn bare(answer: &Answer, status: u16) -> Self {
        let mut reply = Self::whole(answer);
        (reply.status, reply.part) = (status, 0..0);
        reply
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.into(), value.into()));
    }

    /// What an answer is for a request.
    pub(super) fn to(request: &Request, answer: &Answer) -> Self {
        let mut reply = match (answer.status, answer.fault) {
            (200, Fault::Http10) => Self::whole(answer),
            (200, _) => conditional(request, answer),
            _ => Self::whole(answer),
        };
        reply.is_head = request.method == "HEAD";
        reply
    }
}

fn conditional(request: &Request, answer: &Answer) -> Reply {
    if answer.has_conditions && is_known(request, answer) {
        return Reply::bare(answer, 304);
    }
    let wanted = request.header("range").filter(|_| is_same(request, answer));
    let Some(wanted) = wanted.filter(|_| answer.ranges != Ranges::Ignored) else {
        let mut reply = Reply::whole(answer);
        if answer.ranges != Ranges::Ignored {
            reply.add("Accept-Ranges", "bytes");
        }
        return reply;
    };
    let length = answer.body.len();
    let part = part(wanted, length).filter(|_| answer.ranges != Ranges::Refused);
    let Some(part) = part else {
        let mut reply = Reply::bare(answer, 416);
        reply.add("Content-Range", &format!("bytes */{length}"));
        return reply;
    };
    partial(answer, part)
}

/// Whether one of the versions that the client has is this one.
fn is_known(request: &Request, answer: &Answer) -> bool {
    let weak = |etag: &str| etag.trim().trim_start_matches("W/").to_owned();
    let (Some(known), Some(etag)) = (request.header("if-none-match"), answer.value("etag")) else {
        return false;
    };
    known.split(',').any(|one| weak(one) == weak(etag))
}

/// Whether the rest that is asked for is one of this version.
fn is_same(request: &Request, answer: &Answer) -> bool {
    let Some(validator) = request.header("if-range") else {
        return true;
    };
    let is_etag = answer.value("etag") == Some(validator) && !validator.starts_with("W/");
    let is_date = answer.value("last-modified") == Some(validator);
    answer.ranges == Ranges::Blind || is_etag || is_date
}

/// The bytes that `Range` asks for; `None` if there are none.
fn part(wanted: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = wanted.strip_prefix("bytes=")?.split_once('-')?;
    let part = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..length.min(last.saturating_add(1)),
        (Ok(first), Err(_open)) => first..length,
        (Err(_suffix), Ok(count)) => length.saturating_sub(count)..length,
        (Err(_), Err(_)) => return None,
    };
    (part.start < part.end).then_some(part)
}

fn partial(answer: &Answer, part: Range<usize>) -> Reply {
    let mut reply = Reply::whole(answer);
    let length = answer.body.len();
    let said = |part: &Range<usize>, total: usize| {
        format!("bytes {}-{}/{total}", part.start, part.end - 1)
    };
    let truth = said(&part, length);
    let later = part.start.saturating_add(1).min(part.end - 1)..part.end;
    (reply.status, reply.part) = (206, part.clone());
    let range = match answer.ranges {
        Ranges::OtherStart => {
            reply.part = later.clone();
            said(&later, length)
        }
        Ranges::LyingStart => {
            reply.part = later;
            truth
        }
        Ranges::OtherTotal => said(&part, length + 1),
        Ranges::Short => {
            reply.part = part.start..part.end - (part.len() / 2);
            said(&reply.part, length)
        }
        Ranges::Nonsense => "bytes 9-5/3".to_owned(),
        Ranges::Multipart => {
            let mut body = format!("--edge\r\nContent-Range: {truth}\r\n\r\n").into_bytes();
            body.extend_from_slice(&answer.body[part]);
            body.extend_from_slice(b"\r\n--edge--\r\n");
            reply.part = 0..body.len();
            reply.body = Arc::new(body);
            reply.add("Content-Type", "multipart/byteranges; boundary=edge");
            return reply;
        }
        Ranges::Unsaid => return reply,
        _ => truth,
    };
    reply.add("Content-Range", &range);
    reply
}
