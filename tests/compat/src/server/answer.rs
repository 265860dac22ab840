//! What a path answers with, and how that goes wrong.

use std::sync::Arc;
use std::time::Duration;

/// How an answer goes wrong. Numbers are bytes of the body of this one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// The connection is closed before anything is sent.
    CutHead,
    /// The connection is closed in the middle of the head.
    CutInHead,
    /// Nothing is sent until the client goes away.
    StallHead,
    /// What is sent is not HTTP.
    Garbage,
    /// The head has a header of so many bytes.
    HugeHeader(usize),
    /// The head never ends.
    EndlessHead,
    /// The connection is closed after so many bytes of the body.
    CutAfter(usize),
    /// The connection is reset after so many bytes of the body.
    ResetAfter(usize),
    /// HTTP/2: the whole connection is given up after so many bytes of the body.
    GoAwayAfter(usize),
    /// Nothing more comes after so many bytes, until the client goes away.
    StallAfter(usize),
    /// Nothing more comes after so many bytes, until the test releases it.
    HoldAfter(usize),
    /// So many bytes of the body come at a time, with a pause after each piece.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// The pause.
        every: Duration,
    },
    /// Each connection gets at most so many bytes a second.
    Rate(u32),
    /// The body has no length, and is sent again and again.
    Endless,
    /// What the length of the body is said to be.
    Length(&'static str),
    /// The body comes in chunks, its length is not told.
    Chunked,
    /// As chunks, with something behind the last one.
    ChunkedTrailers,
    /// As chunks, and the connection is closed after so many bytes.
    ChunkedCutAfter(usize),
    /// As chunks, and the size of the last one is this text.
    ChunkedSize(&'static str),
    /// The body ends with the connection, its length is not told.
    NoLength,
    /// As that, and without the end of TLS after so many bytes.
    NoLengthCutAfter(usize),
    /// As a server of the old days: without a length, without ranges.
    Http10,
}

/// How a request for a part of the body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// As it should be.
    Honoured,
    /// All bytes are sent, whatever is asked for.
    Ignored,
    /// Of what has changed too: `If-Range` is not looked at.
    Blind,
    /// The part begins a byte later than asked for, and says so.
    OtherStart,
    /// The part begins a byte later than asked for, and does not say so.
    LyingStart,
    /// The whole is said to be a byte longer than it is.
    OtherTotal,
    /// The part ends before the end, and says so.
    Short,
    /// There is no `Content-Range`.
    Unsaid,
    /// `Content-Range` makes no sense.
    Nonsense,
    /// The part comes as `multipart/byteranges`.
    Multipart,
    /// 416, always.
    Refused,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Arc<Vec<u8>>,
    pub(crate) fault: Fault,
    pub(crate) ranges: Ranges,
    pub(crate) has_conditions: bool,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    /// As [`Answer::ok`], of a body that others have too.
    pub(crate) fn shared(body: &Arc<Vec<u8>>) -> Self {
        let mut answer = Self::ok([]);
        answer.body = Arc::clone(body);
        answer
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Arc::new(body.into()),
            fault: Fault::None,
            ranges: Ranges::Honoured,
            has_conditions: true,
        }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::status(status, "moved").header("Location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With an ETag; `text` has the quotes, if it is to have any.
    pub(crate) fn etag(self, text: &str) -> Self {
        self.header("ETag", text)
    }

    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    pub(crate) fn ranges(mut self, ranges: Ranges) -> Self {
        self.ranges = ranges;
        self
    }

    /// `If-None-Match` is not looked at.
    pub(crate) fn without_conditions(mut self) -> Self {
        self.has_conditions = false;
        self
    }

    /// The value of a header; its name in any case.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}
