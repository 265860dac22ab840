//! Device nodes that cannot be made, since only the machine's own root may.

use crate::report::Report;

/// How many were left out, and one of them.
#[derive(Debug, Default)]
pub(super) struct LostDevices {
    count: u64,
    example: String,
}

impl LostDevices {
    /// Notes one that is left out.
    pub(super) fn note(&mut self, path: &[u8]) {
        if self.count == 0 {
            self.example = String::from_utf8_lossy(path).into_owned();
        }
        self.count += 1;
    }

    /// Says what is missing, if something is.
    pub(super) fn tell(&self, report: &Report) {
        if self.count > 0 {
            report.warning(format!(
                "Left out {} device nodes, which only root can make, such as '{}'.",
                self.count, self.example
            ));
        }
    }
}
