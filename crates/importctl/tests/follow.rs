//! What a running transfer shows, and how it ends.

use crate::bus::Bus;
use crate::program::{Ran, importctl, run, run_and_signal};
use crate::service::{Service, Step};

const PULL: [&str; 4] = ["-mN", "--verify=no", "pull-tar", "http://h/a.tar"];

fn log(priority: u32, line: &str) -> Step {
    Step::Log(1, priority, line.to_owned())
}

/// One pull with the service playing these steps; `None` if there is no bus.
fn pull(options: &[&str], steps: &[Step]) -> Option<Ran> {
    let bus = Bus::start()?;
    let steps = steps.to_vec();
    let _service = Service::start(&bus.address, move |_| steps.clone());
    let words = [options, &PULL].concat();
    Some(run(&mut importctl(&bus.address, &words)))
}

const ENQUEUED: &str = "Enqueued transfer job 1. Press C-c to continue download in background.\n";

#[test]
fn log_lines_of_this_transfer_are_shown_plain_and_nothing_else() {
    let steps = [
        Step::New(1),
        Step::Started,
        log(30, "Pulling 'http://h/a.tar', saving as 'a'."),
        Step::Log(2, 27, "another transfer".into()),
        Step::Removed(2, "failed"),
        Step::Progress(1, 0.5),
        log(30, "escape \x1b[2J and return\r"),
        log(29, "Done."),
        Step::Removed(1, "done"),
    ];
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let expected = "Pulling 'http://h/a.tar', saving as 'a'.\n\
                    escape \\u{1b}[2J and return\nDone.\n";
    assert_eq!(ran.stderr, format!("{ENQUEUED}{expected}"));
}

#[test]
fn more_signals_than_any_queue_holds_arrive_in_order() {
    let mut steps = vec![Step::New(1)];
    // Some before the answer, as those of other transfers are.
    steps.extend((0..300).map(|_| Step::Progress(2, 0.5)));
    steps.push(Step::Started);
    steps.extend((0..1000).map(|number| log(30, &number.to_string())));
    steps.push(Step::Removed(1, "done"));
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(0));
    let numbers: Vec<usize> = ran
        .stderr
        .lines()
        .skip(1)
        .map(|l| l.parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn quiet_shows_notices_and_worse_only() {
    let steps = [
        Step::Started,
        log(31, "debug"),
        log(30, "info"),
        log(6, "info without facility"),
        log(29, "notice"),
        log(27, "error"),
        Step::Removed(1, "failed"),
    ];
    let Some(ran) = pull(&["-q"], &steps) else {
        return;
    };
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "notice\nerror\n")
    );
}

#[test]
fn a_failure_exits_1_and_json_repeats_the_last_error_with_a_code() {
    let steps = [
        Step::Started,
        log(27, "Failed to move into place: File exists"),
        log(30, "Exiting."),
        Step::Removed(1, "failed"),
    ];
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(1));
    let lines = "Failed to move into place: File exists\nExiting.\n";
    let hint = "(--force replaces an image of that name)\n";
    assert_eq!(ran.stderr, format!("{ENQUEUED}{lines}{hint}"));
    let Some(ran) = pull(&["--json=short"], &steps) else {
        return;
    };
    let object = "{\"error\":{\"code\":\"transfer-failed\",\
                  \"message\":\"Failed to move into place: File exists\",\
                  \"hint\":\"--force replaces an image of that name\"}}\n";
    assert_eq!(ran.stderr, format!("{ENQUEUED}{lines}{object}"));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
}

#[test]
fn a_failure_without_an_error_line_gets_one() {
    let Some(ran) = pull(&["-q"], &[Step::Started, Step::Removed(1, "failed")]) else {
        return;
    };
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "Transfer 1 failed without a reason\n");
}

#[test]
fn a_cancelled_transfer_exits_1_and_says_so() {
    let steps = [
        Step::Started,
        log(29, "Transfer aborted."),
        Step::Removed(1, "canceled"),
    ];
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(1));
    let lines = "Transfer aborted.\nTransfer 1 was cancelled\n";
    assert_eq!(ran.stderr, format!("{ENQUEUED}{lines}"));
}

#[test]
fn a_refusal_is_one_line_with_the_services_words() {
    let refuse = |name| vec![Step::Refuse(name, "Transfer for x already in progress.")];
    let steps = refuse("org.freedesktop.import1.TransferInProgress");
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(1));
    let message = "Failed to transfer image: Transfer for x already in progress.";
    let hint = "\"importctl list-transfers\" shows it";
    assert_eq!(ran.stderr, format!("{message} ({hint})\n"));
    let Some(ran) = pull(&["-j"], &steps) else {
        return;
    };
    assert_eq!(
        ran.stderr,
        format!(
            "{{\"error\":{{\"code\":\"in-progress\",\"message\":\"{message}\",\
             \"hint\":\"\\\"importctl list-transfers\\\" shows it\"}}}}\n"
        )
    );
}

#[test]
fn a_refusal_that_people_meet_says_what_to_do_next() {
    for (name, code, hint) in [
        (
            "org.freedesktop.DBus.Error.AccessDenied",
            "denied",
            "root may do it",
        ),
        (
            "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
            "authorization-required",
            "nobody can be asked here",
        ),
        (
            "System.Error.E2BIG",
            "too-many-transfers",
            "cancel-transfer",
        ),
        ("org.freedesktop.DBus.Error.FileNotFound", "not-found", ""),
    ] {
        let steps = [Step::Refuse(name, "It may not be")];
        let Some(ran) = pull(&[], &steps) else { return };
        let message = "Failed to transfer image: It may not be";
        let rest = ran.stderr.strip_prefix(message).unwrap();
        assert_eq!(ran.stderr.lines().count(), 1, "{name}: {}", ran.stderr);
        assert_eq!(rest.contains(" ("), !hint.is_empty(), "{name}: {rest}");
        assert!(rest.contains(hint), "{name}: {rest}");
        let Some(ran) = pull(&["--json=short"], &steps) else {
            return;
        };
        let object: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(object["error"]["code"], code);
        assert_eq!(object["error"]["message"], message);
        assert_eq!(object["error"]["hint"].is_string(), !hint.is_empty());
    }
}

#[test]
fn signals_of_an_impostor_do_not_count() {
    let steps = [
        Step::Started,
        Step::Impostor,
        log(30, "real"),
        Step::Removed(1, "failed"),
    ];
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(1));
    assert!(!ran.stderr.contains("impostor"), "{}", ran.stderr);
    assert!(ran.stderr.contains("real\n"));
}

#[test]
fn a_service_that_goes_away_ends_the_wait() {
    let steps = [Step::Started, log(30, "begun"), Step::Vanish];
    let Some(ran) = pull(&[], &steps) else { return };
    assert_eq!(ran.code, Some(1));
    let lines = "begun\nLost connection to the import service; the transfer did not finish \
                 (run it again; a download goes on from where it was)\n";
    assert_eq!(ran.stderr, format!("{ENQUEUED}{lines}"));
}

#[test]
fn a_missing_service_or_bus_names_the_way_without_it() {
    let Some(bus) = Bus::start() else { return };
    let ran = run(&mut importctl(&bus.address, &PULL));
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("Failed to transfer image: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--standalone"), "{}", ran.stderr);
    let words = [["--user"].as_slice(), &PULL].concat();
    let ran = run(&mut importctl("unix:path=/nonexistent/bus", &words));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            Some(1),
            "Failed to connect to user scope bus via local transport: \
             No such file or directory (--standalone works without the service)\n"
        )
    );
}

#[test]
fn an_interrupt_leaves_the_transfer_running() {
    for (signal, options) in [
        ("INT", [].as_slice()),
        ("TERM", &["-q"]),
        ("HUP", &["-q"]),
        ("QUIT", &["-q"]),
    ] {
        let Some(bus) = Bus::start() else { return };
        let _service = Service::start(&bus.address, |_| vec![Step::Started, log(29, "begun")]);
        let words = [options, &PULL].concat();
        let mut command = importctl(&bus.address, &words);
        let ran = run_and_signal(&mut command, "begun\n", signal);
        assert_eq!(ran.code, Some(1));
        let leaving = "Continuing download in the background. \
                       Use \"importctl cancel-transfer 1\" to abort transfer.\n";
        match signal {
            "INT" => assert_eq!(ran.stderr, format!("{ENQUEUED}begun\n{leaving}")),
            _ => assert_eq!(ran.stderr, "begun\n"),
        }
    }
}

#[test]
fn cancel_goes_on_until_the_first_refusal() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, |_| vec![Step::Empty]);
    let ran = run(&mut importctl(
        &bus.address,
        &["cancel-transfer", "0x10", "3"],
    ));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let arguments: Vec<_> = service
        .asked()
        .into_iter()
        .map(|asked| asked.arguments)
        .collect();
    assert_eq!(arguments, [["16"], ["3"]]);
    drop(service);
    let error = "org.freedesktop.import1.NoSuchTransfer";
    let service = Service::start(&bus.address, move |_| {
        vec![Step::Refuse(error, "No transfer by id 7")]
    });
    let ran = run(&mut importctl(&bus.address, &["cancel-transfer", "7", "8"]));
    let message = "Could not cancel transfer: No transfer by id 7 \
                   (\"importctl list-transfers\" shows those that run)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), message));
    assert_eq!(service.asked().len(), 1);
    let ran = run(&mut importctl(&bus.address, &["cancel-transfer", "7", "x"]));
    assert_eq!(ran.stderr, "Failed to parse transfer id: x\n");
    assert!(service.asked().is_empty());
}
