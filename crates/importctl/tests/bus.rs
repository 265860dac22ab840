//! A private message bus.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const CONFIGURATION: &str = r#"<busconfig>
<type>session</type>
<listen>unix:path=FOLDER/bus</listen>
<auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/>
<allow own="*"/>
</policy>
</busconfig>
"#;

/// A running dbus-daemon; it ends with this value.
pub(crate) struct Bus {
    child: Child,
    pub(crate) address: String,
    pub(crate) folder: TempDir,
}

impl Bus {
    /// Starts a bus that nothing is on; `None`, with the reason printed, if there is no
    /// dbus-daemon.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus.conf");
        let text = CONFIGURATION.replace("FOLDER", folder.path().to_str().unwrap());
        File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let child = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&path)
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: dbus-daemon cannot be started: {error}");
                return None;
            }
        };
        let mut address = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        Some(Self {
            child,
            address: address.trim_end().to_owned(),
            folder,
        })
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
