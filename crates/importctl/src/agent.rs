//! The helper that asks for passwords on the terminal: pkttyagent(1) of polkit.

use crate::system::{self, Signal};
use std::io::{IsTerminal, Read};
use std::process::{Child, Command, Stdio};

/// Where polkit installs it.
const PROGRAM: &str = "/usr/bin/pkttyagent";

/// A running agent; it ends with this value.
#[derive(Debug)]
pub(crate) struct Agent(Child);

impl Agent {
    /// Starts the agent and waits until it is registered. `None` if it is not needed (root), not
    /// installed, or there is no terminal to ask on: the service then refuses if it has to ask.
    pub(crate) fn start() -> Option<Self> {
        if system::is_root() || !std::io::stdin().is_terminal() {
            return None;
        }
        let (mut ready, notify) = std::io::pipe().ok()?;
        // The agent talks to the terminal itself, so its standard output is free to be the
        // descriptor that it closes once it is registered.
        let child = Command::new(PROGRAM)
            .args(["--notify-fd", "1", "--fallback"])
            .stdin(Stdio::null())
            .stdout(notify)
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        // End of file, from closing or from its end, is all that it says.
        let agent = Self(child);
        ready.read_to_end(&mut Vec::new()).ok()?;
        Some(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It restores the terminal if it is in the middle of a question.
        if system::send_signal(self.0.id(), Signal::TERM).is_ok() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "nothing is left to be done about an agent that cannot be waited for"
            )]
            let _ = self.0.wait();
        }
    }
}
