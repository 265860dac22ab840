//! Companion files get their names: beside the image, and beside the kept download.

use super::{Arrival, Arrivals, Companion};
use crate::context::Context;
use crate::error::{Doing, Result, chain};
use crate::install::{Manner, Root};
use crate::proof::{Proven, Staged};
use crate::pull::Request;
use importd_api::failure::Kind;
use importd_api::job::Local;
use importd_api::name::Form;
use importd_host::copy;
use importd_host::rename::Replace;
use importd_host::staging::{Installed, Shape, Staging};
use rustix::fs::Mode;
use std::ffi::{OsStr, OsString};

impl Arrivals {
    /// Gives the files their names, after the image has its own. `pristine` is the name of the kept
    /// download, if one is kept.
    ///
    /// # Errors
    /// [`Kind::Cancelled`]. What else goes wrong is told: the image is complete without them.
    pub(in crate::pull) fn install(
        self,
        pristine: &OsStr,
        request: &Request,
        root: &Root,
        context: &Context,
    ) -> Result<()> {
        let is_kept = request.keep_download || !matches!(request.local, Local::Named(_));
        for Arrival { companion, proven } in self.0 {
            let kept = is_kept.then(|| kept_name(pristine, request.form, companion));
            let placing = Placing {
                request,
                root,
                context,
            };
            let done = match &request.local {
                Local::Named(name) => {
                    let local = OsString::from(format!("{name}{}", companion.ending()));
                    placing.both(proven, &local, kept.as_deref())
                }
                Local::Derived | Local::Pristine => match &kept {
                    Some(kept) => placing.keep(proven, kept),
                    None => Ok(()),
                },
            };
            match done {
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                Err(error) => {
                    let why = chain(&error);
                    let ending = companion.ending();
                    let text = format!("A {ending} file of the image is left out: {why}.");
                    context.report.warning(text);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The name of a file that is kept beside a kept download.
fn kept_name(pristine: &OsStr, form: Form, companion: Companion) -> OsString {
    let name = pristine.to_string_lossy();
    let stem = match form {
        Form::Raw => name.strip_suffix(".raw").unwrap_or(&name),
        Form::Tar => &name,
    };
    format!("{stem}{}", companion.ending()).into()
}

#[derive(Clone, Copy)]
struct Placing<'a> {
    request: &'a Request,
    root: &'a Root,
    context: &'a Context,
}

impl Placing<'_> {
    /// Beside the image, and a copy beside the kept download.
    fn both(self, proven: Proven, local: &OsStr, kept: Option<&OsStr>) -> Result<()> {
        let (root, target) = (self.root, &self.request.target);
        let shown = root.path.join(local);
        // The old image's are gone by now; what is there was put there by somebody else.
        let manner = Manner {
            replace: if target.force {
                Replace::File
            } else {
                Replace::Refuse
            },
            ..target.manner()
        };
        match proven.install(root, local, manner, self.context) {
            Ok(installed) => {
                let text = format!("Created new file {}.", shown.display());
                self.context.report.info(text);
                match kept {
                    Some(kept) => self.copy(&installed, kept),
                    None => Ok(()),
                }
            }
            Err(error) if error.kind == Kind::Exists => {
                self.context.report.warning(format!(
                    "File {} already exists, not replacing; --force replaces it.",
                    shown.display()
                ));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn copy(self, installed: &Installed, kept: &OsStr) -> Result<()> {
        let failed = || "Failed to keep a copy of a companion file".to_owned();
        let staging = Staging::create(&self.root.folder, kept, Shape::File).doing(failed)?;
        let (from, to) = (installed.fd(), staging.fd());
        let stat = rustix::fs::fstat(from).doing(failed)?;
        let cancel = &self.context.cancel;
        copy::duplicate(from, to, &|| cancel.check()).doing(failed)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
        rustix::fs::fchmod(to, mode).doing(failed)?;
        // A copy of what is proven.
        self.keep(Staged(staging).accept_local(), kept)
    }

    /// Beside the kept download, read-only as that is.
    fn keep(self, proven: Proven, kept: &OsStr) -> Result<()> {
        let manner = Manner {
            replace: Replace::File,
            read_only: true,
            sync: self.request.target.sync,
            quota: false,
        };
        proven.install(self.root, kept, manner, self.context)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_files_are_called_as_the_kept_download() {
        let name = |pristine: &str, form| kept_name(pristine.as_ref(), form, Companion::Settings);
        assert_eq!(name(".raw-u.e.raw", Form::Raw), ".raw-u.e.nspawn");
        assert_eq!(name(".tar-u.e", Form::Tar), ".tar-u.e.nspawn");
        let signature = kept_name(
            ".raw-u.raw".as_ref(),
            Form::Raw,
            Companion::RoothashSignature,
        );
        assert_eq!(signature, ".raw-u.roothash.p7s");
    }
}
