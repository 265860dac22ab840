//! `cancel-transfer`.

use super::Context;
use crate::hints;
use crate::report::Failure;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Ends transfers, in order, until one cannot be ended. All ids are read before the first is used.
///
/// # Errors
/// A failure if an id is none, or the service refuses one.
pub(crate) async fn run(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    if context.settings.standalone {
        return Err(Failure::usage(
            "cancel-transfer has no --standalone form: such a transfer ends with its importctl",
        ));
    }
    let ids: Vec<u32> = arguments
        .iter()
        .map(|id| parse(id))
        .collect::<anyhow::Result<_>>()?;
    let _agent = context.agent();
    let mut client = context.connect(hints::STATUS).await?;
    for id in ids {
        let cancelled = client.cancel(id).await;
        cancelled.map_err(|e| e.into_failure("Could not cancel transfer", hints::STATUS))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Decimal, or hexadecimal after `0x`.
fn parse(text: &OsStr) -> anyhow::Result<u32> {
    let number = text
        .to_str()
        .and_then(|text| match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        });
    number.ok_or_else(|| {
        let text = text.to_string_lossy();
        Failure::usage(format!("Failed to parse transfer id: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_decimal_or_hexadecimal() {
        assert_eq!(parse(OsStr::new("17")).unwrap(), 17);
        assert_eq!(parse(OsStr::new("0x1F")).unwrap(), 31);
        for bad in ["", "x", "-1", "4294967296", "0x", "1 "] {
            let error = parse(OsStr::new(bad)).unwrap_err().to_string();
            assert_eq!(error, format!("Failed to parse transfer id: {bad}"));
        }
    }
}
