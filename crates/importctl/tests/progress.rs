//! How a transfer shows how far it is.

use crate::bus::Bus;
use crate::program::{Ran, importctl, run};
use crate::service::{Service, Step, Value};
use crate::standalone::{alone, has, workers};
use crate::terminal::{Terminal, on_terminal_with};

const PULL: [&str; 4] = ["-mN", "--verify=no", "pull-tar", "http://h/a.tar"];

/// A transfer of a service that has our own interface.
fn figures(_: &str) -> Vec<Step> {
    let changed = |values: &[(&'static str, Value)]| Step::Changed(1, values.to_vec());
    vec![
        Step::Properties(vec![
            ("State", Value::Word("queued")),
            ("Total", Value::Number(u64::MAX)),
        ]),
        Step::Started,
        changed(&[
            ("State", Value::Word("running")),
            ("Phase", Value::Word("downloading")),
            ("Bytes", Value::Number(5 << 20)),
            ("Total", Value::Number(10 << 20)),
            ("Rate", Value::Number(1 << 20)),
            ("TimeLeft", Value::Number(5_000_000)),
            ("Retries", Value::Count(2)),
            ("Owner", Value::Count(0)),
        ]),
        Step::Progress(1, 0.5),
        Step::Log(1, 27, "It \"broke\"".into()),
        Step::Finished(1, "failed", "corrupt", "The image is damaged"),
        Step::Removed(1, "failed"),
    ]
}

fn pull(options: &[&str], steps: impl Fn(&str) -> Vec<Step> + Send + 'static) -> Option<Ran> {
    let bus = Bus::start()?;
    let _service = Service::start(&bus.address, steps);
    let words = [options, &PULL].concat();
    Some(run(&mut importctl(&bus.address, &words)))
}

#[test]
fn objects_have_stable_keys_and_end_with_the_result() {
    let Some(ran) = pull(&["--progress=json"], figures) else {
        return;
    };
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let unknown = "\"percent\":null,\"bytes\":null,\"total\":null,\"rate\":null,\
                   \"timeLeft\":null,\"retries\":null}";
    let known = "\"bytes\":5242880,\"total\":10485760,\"rate\":1048576,\
                 \"timeLeft\":5000000,\"retries\":2}";
    let begins = "{\"type\":\"progress\",\"id\":1,\"state\":";
    let expected = [
        format!("{begins}\"queued\",\"phase\":null,{unknown}"),
        format!("{begins}\"running\",\"phase\":\"downloading\",\"percent\":null,{known}"),
        format!("{begins}\"running\",\"phase\":\"downloading\",\"percent\":50,{known}"),
        "{\"type\":\"log\",\"priority\":3,\"message\":\"It \\\"broke\\\"\"}".to_owned(),
        "{\"type\":\"result\",\"id\":1,\"result\":\"failed\",\"kind\":\"corrupt\",\
         \"reason\":\"The image is damaged\"}"
            .to_owned(),
    ];
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines, expected);
}

#[test]
fn every_end_of_a_transfer_is_one_object() {
    let of = |outcome| move |_: &str| vec![Step::Started, Step::Removed(1, outcome)];
    for (outcome, code, words) in [
        (
            "done",
            0,
            "\"result\":\"done\",\"kind\":null,\"reason\":null}",
        ),
        (
            "canceled",
            1,
            "\"result\":\"canceled\",\"kind\":\"transfer-cancelled\",",
        ),
        (
            "failed",
            1,
            "\"result\":\"failed\",\"kind\":\"transfer-failed\",",
        ),
    ] {
        let Some(ran) = pull(&["--progress=json"], of(outcome)) else {
            return;
        };
        assert_eq!(ran.code, Some(code));
        let last = ran.stderr.lines().last().unwrap();
        let begin = format!("{{\"type\":\"result\",\"id\":1,{words}");
        assert!(last.starts_with(&begin), "{last}");
        assert!(
            ran.stderr.lines().all(|line| line.starts_with('{')),
            "{}",
            ran.stderr
        );
    }
    let refuse = |_: &str| {
        vec![Step::Refuse(
            "org.freedesktop.DBus.Error.AccessDenied",
            "No",
        )]
    };
    let Some(ran) = pull(&["--progress=json"], refuse) else {
        return;
    };
    assert_eq!(
        ran.stderr,
        "{\"type\":\"result\",\"id\":null,\"result\":\"failed\",\"kind\":\"denied\",\
         \"reason\":\"Failed to transfer image: No\"}\n"
    );
}

#[test]
fn plain_lines_come_now_and_then_and_none_means_none() {
    let steps = |_: &str| {
        let mut steps = vec![Step::Started];
        steps.extend((0..=100).map(|percent| Step::Progress(1, f64::from(percent) / 100.0)));
        steps.push(Step::Removed(1, "done"));
        steps
    };
    let Some(ran) = pull(&["-q", "--progress=plain"], steps) else {
        return;
    };
    let percents: Vec<&str> = ran
        .stderr
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    let expected: Vec<String> = (1..=10).map(|ten| format!("{ten}0%")).collect();
    assert_eq!(percents, expected);
    for options in [["-q"].as_slice(), &["-q", "--progress=none"]] {
        let Some(ran) = pull(options, steps) else {
            return;
        };
        assert_eq!(ran.stderr, "", "{options:?}");
    }
}

fn on_terminal(options: &str, variables: &[(&str, &str)]) -> Option<String> {
    let bus = Bus::start()?;
    let _service = Service::start(&bus.address, figures);
    let line = format!("{options} {}", PULL.join(" "));
    let Terminal { text, .. } = on_terminal_with(&bus.address, &line, variables)?;
    Some(text)
}

#[test]
fn the_bar_shows_what_the_service_knows() {
    let Some(text) = on_terminal("", &[("COLUMNS", "100")]) else {
        return;
    };
    assert!(
        text.contains("\x1b]9;4;1;50\x1b\\Total: \x1b[1;32m━"),
        "{text:?}"
    );
    assert!(text.contains("0%\x1b[0m queued\x1b[K"), "{text:?}");
    let figures = " 50%\x1b[0m downloading 5M/10M 1M/s 5s left 2 retries\x1b[K\r";
    assert!(text.contains(figures), "{text:?}");
    // The error stands in a line of its own, and the bar is gone at the end.
    assert!(
        text.contains("\x1b[K\x1b[1;31mIt \"broke\"\x1b[0m\r\n"),
        "{text:?}"
    );
    assert!(text.ends_with("\r\x1b]9;4;0;\x1b\\\x1b[K"), "{text:?}");
}

#[test]
fn the_bar_heeds_the_terminal() {
    let no_color = [("NO_COLOR", "1"), ("COLUMNS", "40")];
    let Some(text) = on_terminal("", &no_color) else {
        return;
    };
    assert!(text.contains("┄  50% downloading\x1b[K"), "{text:?}");
    assert!(!text.contains("\x1b[1"), "{text:?}");
    let Some(text) = on_terminal("", &[("TERM", "dumb")]) else {
        return;
    };
    assert!(text.contains("\rTotal:  50%\r"), "{text:?}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let Some(text) = on_terminal("--progress=none", &[]) else {
        return;
    };
    assert!(!text.contains("Total"), "{text:?}");
}

#[test]
fn without_the_service_the_worker_tells_the_same() {
    if !has("python3") {
        println!("skipped: no python3 to send datagrams");
        return;
    }
    let workers = workers(
        "python3 - <<'END'\nimport os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         def tell(text): s.sendto(text.encode(), '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n\
         tell('X_IMPORT_PROGRESS=7%\\nX_IMPORTD_BYTES=70\\nX_IMPORTD_TOTAL=1000\\n\
         X_IMPORTD_PHASE=downloading\\nX_IMPORTD_RETRIES=1'.replace('\\n ', '\\n'))\n\
         tell('X_IMPORTD_BYTES=80\\nX_IMPORTD_RETRIES=1')\n\
         tell('X_IMPORTD_REASON=It is damaged\\nX_IMPORTD_KIND=corrupt')\nEND\nexit 1\n",
    );
    let words = ["-m", "--progress=json", "pull-raw", "http://h/a"];
    let ran = run(&mut alone(&workers, &words));
    assert_eq!(ran.code, Some(1));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let begins = "{\"type\":\"progress\",\"id\":null,\"state\":\"running\",\"phase\":";
    let ends = "\"rate\":null,\"timeLeft\":null,\"retries\":1}";
    let known = format!("{begins}\"downloading\",\"percent\":7,\"bytes\":");
    assert_eq!(lines[1], format!("{known}70,\"total\":1000,{ends}"));
    // What is not told any more is not known any more.
    assert_eq!(lines[2], format!("{known}80,\"total\":null,{ends}"));
    let end = "{\"type\":\"result\",\"id\":null,\"result\":\"failed\",\"kind\":\"corrupt\",";
    assert!(lines[3].starts_with(end), "{lines:?}");
    assert!(lines[3].contains("It is damaged"), "{lines:?}");
}
