//! Images of OCI: without the service, and what is said where it refuses.

use crate::bus::Bus;
use crate::program::{importctl, run};
use crate::service::{Service, Step};
use crate::standalone::{alone, workers};
use std::fs::{self, File};
use tempfile::TempDir;

/// Runs a line without the service; the worker that it starts must get what is expected.
fn assert_passed_on(workers: &TempDir, line: &str, expected: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ran = run(&mut alone(workers, &words));
    assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    let said = fs::read_to_string(workers.path().join("arguments")).unwrap();
    assert_eq!(said.trim_end().replace('\n', " "), expected, "{line}");
}

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
        assert_passed_on(&workers, line, expected);
    }
}

#[test]
fn what_a_registry_refuses_is_told_with_where_credentials_belong() {
    let Some(bus) = Bus::start() else { return };
    let line = "Registry h.example has no 'a/b', or wants credentials for it; none were found.";
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

#[test]
fn images_of_oci_come_and_go_through_the_service() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, |_| {
        vec![Step::Started, Step::Removed(1, "done")]
    });
    let folder = bus.folder.path().to_str().unwrap().to_owned();
    let archive = format!("{folder}/a.oci.tar");
    File::create(&archive).unwrap();
    let layout = format!("{folder}/layout");
    fs::create_dir_all(&layout).unwrap();
    let ask = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        let mut asked = service.asked();
        assert_eq!(asked.len(), 1, "{line}");
        let asked = asked.remove(0);
        (asked.method, asked.arguments)
    };
    let (method, arguments) = ask(&format!("-m --force --flat --tag=a:1 import-oci {archive}"));
    assert_eq!(method, "ImportOci");
    let options = "flat=true force=true tag=\"a:1\"";
    assert_eq!(
        arguments,
        [&format!("r:{archive}"), "a.oci", "machine", options]
    );
    let (_, arguments) = ask(&format!("-P import-oci {layout}"));
    assert_eq!(
        arguments,
        [&format!("d:{layout}"), "layout", "portable", ""]
    );
    let out = format!("{folder}/out.tar");
    let (method, arguments) = ask(&format!(
        "-m --format=zstd --tag=x --arch=arm64 export-oci n {out}"
    ));
    assert_eq!(method, "ExportOci");
    assert_eq!((&*arguments[0], &*arguments[1]), ("n", "machine"));
    assert!(arguments[2].starts_with("w:"), "{arguments:?}");
    let options = "architecture=\"arm64\" format=\"zstd\" tag=\"x\"";
    assert_eq!(arguments[3], options);
    assert!(fs::exists(&out).unwrap());
    let (method, arguments) = ask("-m push-oci n h:1/a:2");
    assert_eq!(method, "PushOci");
    assert_eq!(arguments, ["n", "h:1/a:2", "machine", ""]);
}

#[test]
fn without_the_service_workers_get_files_folders_and_names() {
    let workers = workers("cat > /dev/null\nexit 0\n");
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("a.tar");
    File::create(&archive).unwrap();
    let (archive, folder) = (archive.display(), place.path().display());
    for (line, expected) in [
        (
            format!("-m --tag=x import-oci {archive}"),
            "systemd-import oci --system --tag x -- - a".to_owned(),
        ),
        (
            format!("-m --entrypoint=/bin/sh --entrypoint=-c --env=A=b --run-as=u --workdir=/w \
                     export-oci n {archive}"),
            "systemd-export --entrypoint=/bin/sh --entrypoint=-c --env=A=b --run-as=u --workdir=/w oci \
             --system -- n"
                .to_owned(),
        ),
        (
            format!("-m --format=zstd --tag=x export-oci n {folder}/new"),
            format!("systemd-export oci --system --format zstd --tag x -- n {folder}/new"),
        ),
        (
            "-S --retries=2 --cmd=x push-oci n h/a".to_owned(),
            "systemd-pull --retries=2 --cmd=x push --system --class sysext -- n h/a".to_owned(),
        ),
    ] {
        assert_passed_on(&workers, &line, &expected);
    }
}

#[test]
fn options_and_targets_that_make_no_sense_are_refused() {
    let nowhere = "unix:path=/nonexistent/bus";
    for (line, text) in [
        ("-m --tag=a pull-oci a", "--tag= is for"),
        ("-m --tag=-a export-oci a x.tar", "Failed to parse --tag="),
        ("-m --flat export-oci a x.tar", "--flat and --reset are for"),
        ("-m --env=A=b pull-oci a", "are for export-oci and push-oci"),
        (
            "-m --env=A=b export-oci a x.tar",
            "--env= needs --standalone",
        ),
        (
            "-m --retries=3 push-oci a b",
            "--retries= needs --standalone",
        ),
        ("-m --arch=arm64 pull-tar http://h/a", "--arch= is for"),
        ("-m export-oci a folder", "needs --standalone"),
        ("-m push-oci a A", "Ref 'A' is not valid."),
        ("-m push-oci a", "Too few arguments."),
        ("-m import-oci /nonexistent.tar", "No such file"),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = run(&mut importctl(nowhere, &words));
        assert_eq!(ran.code, Some(1), "{line}");
        assert!(ran.stderr.contains(text), "{line}: {}", ran.stderr);
    }
}
