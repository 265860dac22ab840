//! Options about what an archive may become.

use crate::error::{Error, Result};
use crate::sink::tree::{DEPTH_MAX_POSSIBLE, Limits};
use importd_api::failure::Kind;

/// Limits of unpacking: options of the workers that make trees of archives.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LimitOptions {
    /// Most entries of an archive
    #[arg(long, value_name = "NUMBER")]
    entries_max: Option<String>,
    /// Deepest path of an archive, in components
    #[arg(long, value_name = "NUMBER")]
    depth_max: Option<String>,
    /// Most bytes of an archive for each byte of its packed form
    #[arg(long, value_name = "NUMBER")]
    ratio_max: Option<String>,
}

impl LimitOptions {
    /// The limits, with what `--size-max=` says.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what is no number, or one out of range.
    pub(super) fn limits(&self, size_max: Option<u64>) -> Result<Limits> {
        let usual = Limits::default();
        let depth = number("depth-max", self.depth_max.as_deref(), usual.depth as u64)?;
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        if depth > DEPTH_MAX_POSSIBLE {
            let text = format!("--depth-max= takes numbers up to {DEPTH_MAX_POSSIBLE}");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        Ok(Limits {
            bytes: size_max,
            entries: number("entries-max", self.entries_max.as_deref(), usual.entries)?,
            depth,
            ratio: number("ratio-max", self.ratio_max.as_deref(), usual.ratio)?,
        })
    }
}

/// A number of at least one, or the default.
fn number(option: &str, text: Option<&str>, default: u64) -> Result<u64> {
    let Some(text) = text else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("Failed to parse number of '--{option}=': {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_within_their_range() {
        let options = |entries: &str, depth: &str, ratio: &str| LimitOptions {
            entries_max: Some(entries.into()),
            depth_max: Some(depth.into()),
            ratio_max: Some(ratio.into()),
        };
        let limits = options("5", "400", "7").limits(Some(9)).unwrap();
        let expected = Limits {
            bytes: Some(9),
            entries: 5,
            depth: 400,
            ratio: 7,
        };
        assert_eq!(limits, expected);
        for (entries, depth, ratio) in [
            ("0", "1", "1"),
            ("1", "401", "1"),
            ("1", "1", "-1"),
            ("1k", "1", "1"),
            ("", "1", "1"),
        ] {
            let error = options(entries, depth, ratio).limits(None).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidArgument);
            assert!(error.doing.contains("-max="), "{}", error.doing);
        }
    }
}
