//! A stream of Varlink messages. Never: a panic; more held than came; other messages when the bytes
//! come in other pieces; a call that is written and read again to something else.
#![no_main]

use importd_varlink::frame::Splitter;
use importd_varlink::message::{Call, Reply};
use libfuzzer_sys::fuzz_target;

/// Bytes of a message at most, small enough that the limit is reached.
const LIMIT: usize = 1 << 10;

fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new(LIMIT);
    let (mut came, mut messages) = (0, Vec::new());
    for piece in pieces {
        came += piece.len();
        splitter.push(piece);
        assert!(splitter.held() <= came);
        loop {
            match splitter.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_too_long) => return messages,
            }
        }
    }
    messages
}

fuzz_target!(|bytes: &[u8]| {
    let (cut, stream) = bytes
        .split_first()
        .map_or((1, bytes), |(cut, rest)| (usize::from(*cut).max(1), rest));
    let at_once = messages(std::iter::once(stream));
    assert_eq!(at_once, messages(stream.chunks(cut)));
    for message in at_once {
        drop(Reply::parse(&message));
        if let Ok(call) = Call::parse(&message) {
            let written = call.encode().expect("what is read can be written");
            let (end, again) = written.split_last().expect("a message has an end");
            assert_eq!(*end, 0);
            assert_eq!(
                Call::parse(again).expect("what is written can be read"),
                call
            );
        }
    }
});
