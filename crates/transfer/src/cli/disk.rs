//! Options about what a disk image is, and which part of a target it fills.

use super::values::{size, switch};
use crate::error::{Error, Result};
use crate::sink::raw::{Bounds, Range};
use importd_api::failure::Kind;
use importd_formats::disk::Format;

/// How a disk image is read and written: options of the workers that make one.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DiskOptions {
    /// Unpack disk images of other formats than raw
    #[arg(long, value_name = "BOOL")]
    convert_qcow2: Option<String>,
    /// Format of the disk image, not probed: raw, qcow2, vmdk, vhd, vhdx or vdi
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<String>,
    /// Zero the rest of the range, with --offset= and --size-max=
    #[arg(long, value_name = "BOOL")]
    zero_fill: Option<String>,
    /// Write at this offset, in bytes, with --direct
    #[arg(long, value_name = "BYTES")]
    offset: Option<String>,
    /// Most bytes of the image, unpacked
    #[arg(long, value_name = "BYTES")]
    size_max: Option<String>,
}

impl DiskOptions {
    /// What the image may be and which range it fills, after the checks between the options, in the
    /// reference's order.
    pub(super) fn checked(&self, direct: bool) -> Result<(Bounds, Option<Range>)> {
        let convert = switch("convert-qcow2", self.convert_qcow2.as_deref(), true)?;
        let zero_fill = switch("zero-fill", self.zero_fill.as_deref(), false)?;
        let offset = self.offset.as_deref().map(offset).transpose()?;
        let size_max = self.size_max.as_deref();
        let size_max = size_max.map(|text| size("size-max", text)).transpose()?;
        let end = offset.unwrap_or(0).checked_add(size_max.unwrap_or(0));
        if end.is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(refused("File offset and maximum size out of range"));
        }
        if offset.is_some() && !direct {
            return Err(refused("File offset only supported in --direct mode"));
        }
        if zero_fill && (offset.is_none() || size_max.is_none()) {
            let text =
                "Zero filling only supported if both --offset= and --size-max= are specified";
            return Err(refused(text));
        }
        let format = match self.input_format.as_deref() {
            Some("auto") => None,
            Some(name) => Some(Format::parse(name).ok_or_else(|| {
                refused(&format!(
                    "Unknown disk image format '{}'; known are auto, raw, qcow2, vmdk, vhd, vhdx \
                     and vdi",
                    name.escape_debug()
                ))
            })?),
            // As in the reference nothing is unpacked on its way to a path.
            None => (direct || !convert).then_some(Format::Raw),
        };
        let range = offset.map(|offset| Range { offset, zero_fill });
        Ok((Bounds { size_max, format }, range))
    }
}

/// A plain number, without a suffix.
fn offset(text: &str) -> Result<u64> {
    let number = text.parse::<u64>().ok();
    number
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| {
            let shown = text.escape_debug();
            refused(&format!("Failed to parse --offset= argument: {shown}"))
        })
}

fn refused(text: &str) -> Error {
    Error::new(Kind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        disk: DiskOptions,
    }

    fn checked(direct: bool, line: &[&str]) -> Result<(Bounds, Option<Range>)> {
        let line = ["x"].iter().chain(line);
        Line::try_parse_from(line).unwrap().disk.checked(direct)
    }

    #[test]
    fn the_first_check_that_fails_is_told() {
        for (direct, line, text) in [
            (
                true,
                &["--offset=9223372036854775807", "--size-max=1"][..],
                "out of range",
            ),
            (false, &["--offset=1", "--zero-fill=yes"], "--direct mode"),
            (true, &["--offset=1", "--zero-fill=yes"], "Zero filling"),
            (true, &["--size-max=1", "--zero-fill=yes"], "Zero filling"),
            (true, &["--offset=1K"], "--offset= argument: 1K"),
            (
                true,
                &["--offset=9223372036854775808"],
                "--offset= argument",
            ),
            (true, &["--input-format=qcow"], "'qcow'"),
        ] {
            let error = checked(direct, line).unwrap_err();
            assert!(error.doing.contains(text), "{line:?}: {error}");
            assert_eq!(error.kind, Kind::InvalidArgument);
        }
    }

    #[test]
    fn images_are_probed_unless_told_otherwise_or_written_to_a_path() {
        for (direct, line, format) in [
            (false, &[][..], None),
            (false, &["--convert-qcow2=no"], Some(Format::Raw)),
            (false, &["--input-format=vdi"], Some(Format::Vdi)),
            (true, &[], Some(Format::Raw)),
            (true, &["--input-format=auto"], None),
        ] {
            let (bounds, range) = checked(direct, line).unwrap();
            assert_eq!((bounds.format, range), (format, None), "{line:?}");
        }
    }
}
