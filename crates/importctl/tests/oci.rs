//! Images of OCI: without the service, and what is said where it refuses.

use crate::bus::Bus;
use crate::program::{importctl, run};
use crate::service::{Service, Step};
use crate::standalone::{alone, workers};
use std::fs;

#[test]
fn without_the_service_the_worker_gets_all_that_was_said() {
    let workers = workers("exit 0\n");
    for (line, expected) in [
        (
            "-m pull-oci localhost:5000/a/b:c",
            "systemd-pull oci --system -- localhost:5000/a/b:c b",
        ),
        (
            "-P --user --force --read-only --arch=arm/v7 --flat --reset --image-root=/ir --retries=3 \
             pull-oci a/b name.tar",
            "systemd-pull --retries=3 oci --user --class portable --force --read-only --arch arm/v7 \
             --flat --reset --image-root /ir -- a/b name.tar",
        ),
        (
            "-m --verify=checksum -N pull-oci a",
            "systemd-pull oci --system -- a a",
        ),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = run(&mut alone(&workers, &words));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        let said = fs::read_to_string(workers.path().join("arguments")).unwrap();
        assert_eq!(said.trim_end().replace('\n', " "), expected, "{line}");
    }
}

#[test]
fn what_a_registry_refuses_is_told_with_where_credentials_belong() {
    let Some(bus) = Bus::start() else { return };
    let line = "The registry h.example wants credentials for 'a/b', and there are none.";
    let _service = Service::start(&bus.address, move |_| {
        vec![
            Step::Started,
            Step::Log(1, 27, line.into()),
            Step::Finished(1, "failed", "unauthorized", line),
            Step::Removed(1, "failed"),
        ]
    });
    let words = ["-m", "--json=short", "pull-oci", "h.example/a/b"];
    let ran = run(&mut importctl(&bus.address, &words));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    assert!(ran.stderr.contains("auth.json"), "{}", ran.stderr);
    assert!(
        [&*ran.stderr, &ran.stdout]
            .concat()
            .contains("unauthorized"),
        "{ran:?}"
    );
}

#[test]
fn a_service_that_has_no_words_for_it_is_told_as_such() {
    let Some(bus) = Bus::start() else { return };
    let name = "org.freedesktop.DBus.Error.UnknownMethod";
    let _service = Service::start(&bus.address, move |_| {
        vec![Step::Refuse(name, "Unknown interface io.importd.Manager1.")]
    });
    let ran = run(&mut importctl(
        &bus.address,
        &["-m", "--flat", "pull-oci", "a"],
    ));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("io.importd.Manager1"), "{}", ran.stderr);
}
