//! Section `[Service]` of `importd.conf`: how many transfers there may be.
//!
//! The rest of the file is for the workers. What is wrong is warned of and left out: a service that
//! does not start helps nobody.

use crate::queue::{Limits, RUNNING_MAX, WAITING_MAX};
use importd_host::config::{self, Assignment};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The section.
const SECTION: &str = "Service";

/// The limits that the files in these folders set, the most important first; the usual ones without.
#[must_use]
pub fn limits(folders: &[PathBuf]) -> Limits {
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    // What is wrong in general is said by each worker, which reads the same files.
    let mut ignored = |text: String| tracing::debug!("{text}");
    let assignments = config::read(&folders, config::NAME, &mut ignored);
    let mut limits = Limits::USUAL;
    for assignment in assignments.iter().filter(|it| it.section == SECTION) {
        if let Err(why) = assign(assignment, &mut limits) {
            let place = &assignment.place;
            tracing::warn!("{place}: the line is left out: {why}.");
        }
    }
    limits
}

/// Takes one line; an empty value sets what is usual.
fn assign(assignment: &Assignment, limits: &mut Limits) -> Result<(), String> {
    let usual = Limits::USUAL;
    let key = assignment.key.as_str();
    let (place, usual, range) = match key {
        "MaxTransfers" => (&mut limits.running, usual.running, 1..=RUNNING_MAX),
        "MaxTransfersPerUser" => (
            &mut limits.running_of_user,
            usual.running_of_user,
            1..=RUNNING_MAX,
        ),
        "MaxQueued" => (&mut limits.waiting, usual.waiting, 0..=WAITING_MAX),
        "MaxQueuedPerUser" => (
            &mut limits.waiting_of_user,
            usual.waiting_of_user,
            0..=WAITING_MAX,
        ),
        _ => return Err(format!("there is no {key}= in section [{SECTION}]")),
    };
    *place = match assignment.value.as_str() {
        "" => usual,
        text => number(key, text, &range)?,
    };
    Ok(())
}

fn number(key: &str, text: &str, range: &RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        let shown = text.escape_debug();
        format!("{key}= takes a number from {least} to {most}, not: {shown}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn limits_of(text: &str) -> Limits {
        let place = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(place.path().join("importd.conf")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        limits(&[place.path().to_owned()])
    }

    #[test]
    fn what_is_set_holds_and_what_is_wrong_is_left_out() {
        let three = |running, waiting, waiting_of_user| Limits {
            running,
            waiting,
            waiting_of_user,
            ..Limits::USUAL
        };
        let per_user = Limits {
            running_of_user: 8,
            ..Limits::USUAL
        };
        for (text, expected) in [
            ("", Limits::USUAL),
            ("[Transfer]\nMaxTransfers=2\n", Limits::USUAL),
            ("[Service]\nMaxTransfersPerUser=8\n", per_user),
            ("[Service]\nMaxTransfers=2\n", three(2, 1024, 512)),
            (
                "[Service]\nMaxQueued=0\nMaxQueuedPerUser=7\n",
                three(64, 0, 7),
            ),
            ("[Service]\nMaxTransfers=2\nMaxTransfers=\n", Limits::USUAL),
            (
                "[Service]\nMaxTransfers=0\nMaxQueued=-1\nNo=1\n",
                Limits::USUAL,
            ),
            ("[Service]\nMaxTransfers=1025\nMaxQueued=x\n", Limits::USUAL),
        ] {
            assert_eq!(limits_of(text), expected, "{text}");
        }
        assert_eq!(limits(&["/nonexistent".into()]), Limits::USUAL);
    }
}
