//! Where lines of the log go.
//!
//! # Source
//! sd-daemon(3) for the prefixes; "Native Journal Protocol" of systemd's documentation; `/dev/kmsg`
//! in the kernel's ABI documentation.

use super::control::Target;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

/// The name that lines carry where the reader cannot know who writes.
pub(super) const IDENTIFIER: &str = "systemd-importd";
/// The journal's socket.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// The kernel's log.
const KMSG: &str = "/dev/kmsg";
/// Facility `daemon`, as it stands in a priority.
const FACILITY: u8 = 3 << 3;

/// The places, each opened when the first line goes there.
#[derive(Debug, Default)]
pub(super) struct Places {
    journal: OnceLock<Option<UnixDatagram>>,
    kmsg: OnceLock<Option<File>>,
    stderr_is_journal: OnceLock<bool>,
}

impl Places {
    /// Writes a line. One that cannot be written where it should goes to standard error, and one
    /// that cannot be written there is lost: there is nobody left to tell.
    pub(super) fn write(&self, target: Target, priority: u8, text: &str) {
        let written = match target {
            Target::Null => true,
            Target::Auto if self.stderr_is_journal() => false,
            Target::Auto | Target::Console => {
                return to_stderr(&format!("{text}\n"));
            }
            Target::ConsolePrefixed => false,
            Target::Kmsg => self.to_kmsg(priority, text),
            Target::Journal | Target::Syslog => self.to_journal(priority, text),
            Target::JournalOrKmsg | Target::SyslogOrKmsg => {
                self.to_journal(priority, text) || self.to_kmsg(priority, text)
            }
        };
        if !written {
            to_stderr(&format!("<{priority}>{text}\n"));
        }
    }

    /// Whether standard error leads to the journal: `$JOURNAL_STREAM` names its device and inode,
    /// systemd.exec(5).
    fn stderr_is_journal(&self) -> bool {
        *self.stderr_is_journal.get_or_init(|| {
            let stderr = std::fs::metadata("/proc/self/fd/2").ok();
            let stderr = stderr.map(|meta| format!("{}:{}", meta.dev(), meta.ino()));
            stderr.is_some() && stderr == std::env::var("JOURNAL_STREAM").ok()
        })
    }

    fn to_journal(&self, priority: u8, text: &str) -> bool {
        let socket = self.journal.get_or_init(|| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect(JOURNAL).ok()?;
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        });
        let entry = journal_entry(priority, text);
        socket
            .as_ref()
            .is_some_and(|socket| socket.send(entry.as_bytes()).is_ok())
    }

    fn to_kmsg(&self, priority: u8, text: &str) -> bool {
        let file = self
            .kmsg
            .get_or_init(|| OpenOptions::new().write(true).open(KMSG).ok());
        let pid = std::process::id();
        let line = format!("<{}>{IDENTIFIER}[{pid}]: {text}\n", FACILITY | priority);
        file.as_ref()
            .is_some_and(|mut file| file.write_all(line.as_bytes()).is_ok())
    }
}

/// One entry; lines have no line breaks, so that each field is a line.
fn journal_entry(priority: u8, text: &str) -> String {
    format!(
        "PRIORITY={priority}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER={IDENTIFIER}\nMESSAGE={text}\n",
        FACILITY >> 3
    )
}

fn to_stderr(line: &str) {
    io::stderr().write_all(line.as_bytes()).unwrap_or(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_journal_has_a_field_a_line() {
        let expected = "PRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=systemd-importd\n\
                        MESSAGE=a=b\n";
        assert_eq!(journal_entry(4, "a=b"), expected);
    }
}
