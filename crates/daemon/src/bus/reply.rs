//! Whether and how a call is answered.

use zbus::message::{Builder, Flags};
use zbus::{Connection, Message};

/// Whether the caller waits for an answer.
#[must_use]
pub fn is_wanted(call: &Message) -> bool {
    !call
        .primary_header()
        .flags()
        .contains(Flags::NO_REPLY_EXPECTED)
}

/// What an answer needs of a call that is answered later: its header, without body and descriptors.
///
/// # Errors
/// When the message cannot be built.
pub fn without_body(call: &Message) -> zbus::Result<Message> {
    Builder::from(call.header()).build(&())
}

/// Answers a call, if the caller waits for that.
pub async fn send(connection: &Connection, call: &Message, reply: zbus::Result<Message>) {
    if !is_wanted(call) {
        return;
    }
    let sent = match reply {
        Ok(reply) => connection.send(&reply).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::warn!("A call could not be answered: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use zbus::Fd;

    #[test]
    fn what_is_kept_of_a_call_can_be_answered_and_holds_nothing_else() {
        let (pipe, _writer) = std::io::pipe().unwrap();
        let call = Message::method_call("/a", "M")
            .sender(":1.7")
            .with_flags(Flags::NO_REPLY_EXPECTED)
            .build(&(Fd::from(pipe.as_fd()), "x".repeat(1 << 20)))
            .unwrap();
        let kept = without_body(&call).unwrap();
        assert!(kept.data().fds().is_empty());
        assert!(kept.data().len() < 256);
        assert!(!is_wanted(&kept));
        let reply = Message::method_return(&kept.header()).build(&()).unwrap();
        let serial = call.primary_header().serial_num();
        assert_eq!(reply.header().reply_serial(), Some(serial));
        assert_eq!(reply.header().destination().unwrap().as_str(), ":1.7");
    }
}
