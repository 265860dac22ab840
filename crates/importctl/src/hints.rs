//! What to do next, for failures that people meet.

use crate::report;

/// Where there is no service, for what can be done without.
pub(crate) const STANDALONE: &str = "--standalone works without the service";
/// Where there is no service, for what only it can do.
pub(crate) const STATUS: &str = "\"systemctl status systemd-importd\" tells more";

/// Where a container cannot be reached.
pub(crate) const MACHINE: &str = "\"machinectl list\" shows the containers that run";
/// Where the service went away.
pub(crate) const LOST: &str = "run it again; a download goes on from where it was";

/// Hints by the code of the failure.
const BY_CODE: [(&str, &str); 5] = [
    (
        "denied",
        "root may do it, others need a rule of polkit for org.freedesktop.import1",
    ),
    (
        report::AUTHORIZATION_REQUIRED,
        "nobody can be asked here: run it as root, or at a terminal without --no-ask-password",
    ),
    ("in-progress", "\"importctl list-transfers\" shows it"),
    (
        "too-many-transfers",
        "\"importctl list-transfers\" shows what runs, \"importctl cancel-transfer\" ends it",
    ),
    (
        "no-such-transfer",
        "\"importctl list-transfers\" shows those that run",
    ),
];

/// The hint for a refused call; `no_service` is the one for a service that cannot be reached.
pub(crate) fn for_call(code: &str, no_service: &'static str) -> Option<&'static str> {
    if code == report::NO_SERVICE {
        return Some(no_service);
    }
    let found = BY_CODE.iter().find(|(known, _)| *known == code);
    found.map(|(_, hint)| *hint)
}

/// The hint for a failed transfer, by its last line: the original's service tells no more than that.
/// A line that names an option already says what to do.
pub(crate) fn for_line(line: &str) -> Option<&'static str> {
    let says = |text: &str| line.contains(text);
    if says(" --") {
        None
    } else if says("File exists") || says("already exists") {
        Some("--force replaces an image of that name")
    } else if says("Registry") && says("credentials") {
        Some(
            "the service has the logins of its credential oci.auth; with --standalone those of your \
             auth.json count, as \"podman login\" writes it",
        )
    } else if says("No space left on device") || says("Disk quota exceeded") {
        Some("make room there; \"importctl clean\" removes kept downloads")
    } else {
        None
    }
}

/// The hint for a worker of our own that failed, by its last line.
pub(crate) fn for_worker(line: &str) -> Option<&'static str> {
    if line.contains("Permission denied") || line.contains("Operation not permitted") {
        Some("root may do it; --user or --image-root= put images into a folder of yours")
    } else {
        for_line(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_given_once_and_only_where_they_help() {
        for (line, word) in [
            (
                "Failed to move 'x' into place: File exists",
                Some("--force"),
            ),
            ("Failed to write: No space left on device", Some("clean")),
            // Less proof is no way out of a bad one.
            ("DOWNLOAD INVALID: Signature verification failed.", None),
            (
                "Registry h has no 'a', or wants credentials for it; none were found",
                Some("auth.json"),
            ),
            ("Image 'x' already exists; --force replaces it", None),
            ("Failed to unpack", None),
        ] {
            let hint = for_line(line);
            assert_eq!(hint.is_some(), word.is_some(), "{line}");
            assert!(hint.unwrap_or_default().contains(word.unwrap_or_default()));
        }
        let denied = for_worker("Failed to check whether image 'x' exists: Permission denied.");
        assert!(denied.is_some_and(|hint| hint.contains("--image-root=")));
        assert_eq!(for_line("Permission denied"), None);
        assert!(for_call("denied", STATUS).is_some() && for_call("io", STATUS).is_none());
        assert_eq!(for_call("no-service", STATUS), Some(STATUS));
    }
}
