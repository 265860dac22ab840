//! Whether a download has a chance to fit, asked before its body is fetched.
//!
//! Nobody knows in advance how much room an image takes: holes take none, packed bytes grow. What is
//! packed grows in any case, but for a few bytes in a thousand. So a packed download that is larger
//! than all room there is cannot succeed and is refused at once; one that is not packed may consist
//! of holes, and gets a warning.

use super::Request;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::install::Root;
use crate::report::size;
use importd_api::name::Form;
use rustix::io::Errno;

/// How long a download is, and how it is packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// Its length in bytes, as it is transferred, if the server says.
    pub(super) bytes: Option<u64>,
    /// It is smaller than what becomes of it.
    pub(super) is_packed: bool,
}

/// What becomes of how much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing speaks against it.
    Fits,
    /// It fits only if much of it is zeros.
    Doubtful,
    /// So many bytes are needed at least, and are not there.
    Lacks(u64),
}

/// Compares a download with the room in the image root.
///
/// # Errors
/// [`importd_api::failure::Kind::NoSpace`] if it cannot fit.
pub(super) fn check(
    announced: Announced,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<()> {
    let label = request.url.to_string();
    compare(announced, (request.form, &label), root, context)
}

/// As [`check`], of an image of layers with so many packed bytes.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_layers(bytes: u64, label: &str, root: &Root, context: &Context) -> Result<()> {
    let announced = Announced {
        bytes: Some(bytes),
        is_packed: true,
    };
    compare(announced, (Form::Tar, label), root, context)
}

fn compare(
    announced: Announced,
    (form, label): (Form, &str),
    root: &Root,
    context: &Context,
) -> Result<()> {
    let shown = root.path.display();
    let found = rustix::fs::fstatvfs(&root.folder)
        .doing(|| format!("Failed to find out how much room there is in '{shown}'"))?;
    // Blocks that are kept for the superuser count: it may be us.
    let free = found.f_bfree.saturating_mul(found.f_frsize);
    match judge(announced, form, free) {
        Verdict::Fits => Ok(()),
        Verdict::Doubtful => {
            context.report.warning(format!(
                "{label} may not fit into '{shown}': it has {}, and {} are free.",
                size(announced.bytes.unwrap_or(0)),
                size(free)
            ));
            Ok(())
        }
        Verdict::Lacks(needed) => Err(Error::io(
            format!(
                "There is not enough room in '{shown}' for {label}: at least {} are needed, {} are free",
                size(needed),
                size(free)
            ),
            Errno::NOSPC.into(),
        )),
    }
}

fn judge(announced: Announced, form: Form, free: u64) -> Verdict {
    let Some(bytes) = announced.bytes else {
        return Verdict::Fits;
    };
    if !announced.is_packed {
        return match bytes > free {
            true => Verdict::Doubtful,
            false => Verdict::Fits,
        };
    }
    let needed = match form {
        // What cannot be packed is stored, with a little around it.
        Form::Raw => bytes - bytes / 10,
        // The file system may pack too, and has room of its own for names and empty files.
        Form::Tar => bytes / 2,
    };
    match needed > free {
        true => Verdict::Lacks(needed),
        false => Verdict::Fits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_fit_is_refused() {
        let packed = |bytes| Announced {
            bytes,
            is_packed: true,
        };
        let plain = |bytes| Announced {
            bytes,
            is_packed: false,
        };
        for (announced, form, verdict) in [
            (packed(Some(1000)), Form::Raw, Verdict::Fits),
            (packed(Some(1120)), Form::Raw, Verdict::Lacks(1008)),
            (packed(Some(1120)), Form::Tar, Verdict::Fits),
            (packed(Some(2002)), Form::Tar, Verdict::Lacks(1001)),
            (packed(None), Form::Raw, Verdict::Fits),
            (plain(Some(1001)), Form::Raw, Verdict::Doubtful),
            (plain(Some(1000)), Form::Tar, Verdict::Fits),
            (
                packed(Some(u64::MAX)),
                Form::Raw,
                Verdict::Lacks(u64::MAX - u64::MAX / 10),
            ),
        ] {
            assert_eq!(judge(announced, form, 1000), verdict, "{announced:?}");
        }
    }
}
