//! The signals that ask a program to end.

use crate::report::Failure;
use crate::system;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the signal was ignored when we were started, as by nohup(1): it stays so then.
    hangup: Option<Signal>,
    quit: Option<Signal>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGINT: somebody at a terminal wants us to end.
    Interrupt,
    /// SIGTERM: somebody wants us to end.
    Terminate,
    /// SIGHUP, SIGQUIT: as SIGTERM, but a terminal that is closed sends it, and maybe twice.
    HangUp,
}

impl Signals {
    /// Takes over the signals: from now on they only end [`Signals::next`].
    ///
    /// # Errors
    /// A failure if the handlers cannot be installed.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::io("Failed to install a signal handler", &error))
        };
        let take_unless_ignored = |kind: SignalKind| {
            let wanted = !system::is_ignored(kind.as_raw_value());
            wanted.then(|| take(kind)).transpose()
        };
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take_unless_ignored(SignalKind::hangup())?,
            quit: take_unless_ignored(SignalKind::quit())?,
        })
    }

    /// What the next signal asks for. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Request {
        tokio::select! {
            () = arrival(Some(&mut self.interrupt)) => Request::Interrupt,
            () = arrival(Some(&mut self.terminate)) => Request::Terminate,
            () = arrival(self.hangup.as_mut()) => Request::HangUp,
            () = arrival(self.quit.as_mut()) => Request::HangUp,
        }
    }
}

/// While this value lives, SIGINT and SIGQUIT do not end us: they are meant for a child at the same
/// terminal.
#[derive(Debug)]
pub(crate) struct Spared {
    _interrupt: Signal,
    _quit: Signal,
}

impl Spared {
    /// Takes over the two signals.
    ///
    /// # Errors
    /// A failure if the handlers cannot be installed.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let fail = |error| Failure::io("Failed to install a signal handler", &error);
        Ok(Self {
            _interrupt: signal(SignalKind::interrupt()).map_err(fail)?,
            _quit: signal(SignalKind::quit()).map_err(fail)?,
        })
    }
}

/// SIGWINCH: the terminal has another size now.
#[derive(Debug)]
pub(crate) struct Resizes(Option<Signal>);

impl Resizes {
    /// Listens; a system that cannot tell tells nothing.
    pub(crate) fn new() -> Self {
        Self(signal(SignalKind::window_change()).ok())
    }

    /// Waits for the next change. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) {
        arrival(self.0.as_mut()).await;
    }
}

async fn arrival(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
