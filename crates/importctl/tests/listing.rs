//! Lists.

use crate::bus::Bus;
use crate::program::{importctl, run};
use crate::service::{ImageRow, Service, Step, TransferRow};

const UNKNOWN: u64 = u64::MAX;

fn transfer(id: u32, kind: &str, class: &str, local: &str, progress: f64) -> TransferRow {
    let remote = if kind.starts_with("pull") {
        "http://server/k.tar"
    } else {
        ""
    };
    (
        id,
        kind.into(),
        remote.into(),
        local.into(),
        class.into(),
        progress,
    )
}

fn transfers() -> Vec<TransferRow> {
    vec![
        transfer(10, "import-tar", "sysext", "st", -f64::MAX),
        transfer(2, "pull-tar", "confext", "", 0.29),
        transfer(1, "pull-tar", "machine", "", 0.0),
    ]
}

fn images() -> Vec<ImageRow> {
    let image = |class: &str, name: &str, kind: &str, path: &str, ro, numbers| -> ImageRow {
        (
            class.into(),
            name.into(),
            kind.into(),
            path.into(),
            ro,
            numbers,
        )
    };
    let v9 = [
        1_795_394_813_131_520,
        1_795_394_816_040_709,
        4096,
        UNKNOWN,
        300_000,
        UNKNOWN,
    ];
    let host = [1_795_392_915_000_000, 0, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN];
    vec![
        image(
            "sysext",
            "v9",
            "raw",
            "/var/lib/extensions/v9.raw",
            false,
            v9,
        ),
        image("machine", ".host", "directory", "/", true, host),
    ]
}

#[test]
fn transfers_are_a_sorted_table_with_a_footer() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, |_| vec![Step::Transfers(transfers())]);
    let ran = run(&mut importctl(&bus.address, &[]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.stdout,
        "ID PROGRESS TYPE       CLASS   LOCAL REMOTE\n \
         1       0% pull-tar   machine       http://server/k.tar\n \
         2      29% pull-tar   confext       http://server/k.tar\n\
         10        - import-tar sysext  st    \n\
         \n\
         3 transfers listed.\n"
    );
    let asked = service.asked();
    assert_eq!(asked[0].method, "ListTransfersEx");
    assert_eq!(asked[0].arguments, ["", "0"]);
    let words = ["-S", "--no-legend", "list-transfers"];
    let ran = run(&mut importctl(&bus.address, &words));
    assert_eq!(ran.stdout, "10 - import-tar sysext st \n");
    assert_eq!(service.asked()[0].arguments, ["sysext", "0"]);
}

#[test]
fn a_service_without_the_new_list_is_asked_for_the_old_one() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, |method| match method {
        "ListTransfers" => vec![Step::TransfersOld(transfers())],
        _ => vec![Step::Refuse(
            "org.freedesktop.DBus.Error.UnknownMethod",
            "?",
        )],
    });
    let ran = run(&mut importctl(&bus.address, &["-j", "-m"]));
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["class"], "machine");
    let ran = run(&mut importctl(&bus.address, &["-j", "-S"]));
    assert_eq!(ran.stdout, "[]\n");
    assert_eq!(service.asked().len(), 4);
}

#[test]
fn images_are_a_sorted_table_with_a_footer() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |_| vec![Step::Images(images())]);
    let ran = run(&mut importctl(&bus.address, &["list-images"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "CLASS   NAME  TYPE      PATH                       RO CRTIME                      MTIME                       USAGE LIMIT",
            "machine .host directory /                          ro Mon 2026-11-23 00:15:15 UTC -                           -     -",
            "sysext  v9    raw       /var/lib/extensions/v9.raw rw Mon 2026-11-23 00:46:53 UTC Mon 2026-11-23 00:46:56 UTC 4K    292.9K",
            "",
            "2 images listed.",
        ]
    );
}

#[test]
fn json_has_the_columns_as_keys() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |method| match method {
        "ListImages" => vec![Step::Images(images())],
        _ => vec![Step::Transfers(transfers())],
    });
    let ran = run(&mut importctl(
        &bus.address,
        &["--json=short", "list-images"],
    ));
    assert_eq!(
        ran.stdout,
        "[{\"class\":\"machine\",\"name\":\".host\",\"type\":\"directory\",\"path\":\"/\",\
         \"ro\":true,\"crtime\":1795392915000000,\"mtime\":0,\"usage\":null,\"limit\":null},\
         {\"class\":\"sysext\",\"name\":\"v9\",\"type\":\"raw\",\
         \"path\":\"/var/lib/extensions/v9.raw\",\"ro\":false,\"crtime\":1795394813131520,\
         \"mtime\":1795394816040709,\"usage\":4096,\"limit\":300000}]\n"
    );
    let ran = run(&mut importctl(&bus.address, &["-j", "list-transfers"]));
    assert!(ran.stdout.starts_with(
        "[{\"id\":1,\"progress\":0,\"type\":\"pull-tar\",\"class\":\"machine\",\
         \"local\":\"\",\"remote\":\"http://server/k.tar\"},"
    ));
    assert!(ran.stdout.contains("{\"id\":10,\"progress\":null,"));
    let ran = run(&mut importctl(
        &bus.address,
        &["--json=pretty", "list-transfers"],
    ));
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(rows.as_array().unwrap().len() == 3 && ran.stdout.lines().count() > 3);
}

#[test]
fn empty_lists_say_so_or_are_an_empty_array() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |method| match method {
        "ListImages" => vec![Step::Images(Vec::new())],
        _ => vec![Step::Transfers(Vec::new())],
    });
    for (words, text) in [
        (["-q", "list-transfers"], "No transfers.\n"),
        (["-q", "list-images"], "No images.\n"),
        (["--no-legend", "list-images"], ""),
        (["--json=short", "list-images"], "[]\n"),
        (["--json=pretty", "list-transfers"], "[]\n"),
    ] {
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), text),
            "{words:?}"
        );
    }
}

#[test]
fn refused_lists_name_what_was_wanted() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |_| {
        vec![Step::Refuse(
            "org.freedesktop.DBus.Error.FileNotFound",
            "Gone away",
        )]
    });
    for (verb, text) in [
        ("list-transfers", "Could not get transfers: Gone away\n"),
        ("list-images", "Could not list images: Gone away\n"),
    ] {
        let ran = run(&mut importctl(&bus.address, &[verb]));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), text));
    }
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_as_long_as_was_said() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |_| Vec::new());
    let mut command = importctl(&bus.address, &["list-transfers"]);
    let ran = run(command.env("SYSTEMD_BUS_TIMEOUT", "50ms"));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "Could not get transfers: Connection timed out\n")
    );
}
