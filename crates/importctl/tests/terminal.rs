//! On a terminal, which script(1) plays.

use crate::bus::Bus;
use crate::program::run;
use crate::service::{Service, Step};
use std::process::{Command, Stdio};

/// What was written to a terminal, and how the program ended.
pub(crate) struct Terminal {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

/// What importctl writes to a terminal; `None`, with the reason printed, without script(1).
fn on_terminal(address: &str, line: &str) -> Option<(Option<i32>, String)> {
    let Terminal { code, text } = on_terminal_with(address, line, &[])?;
    Some((code, text))
}

/// As [`on_terminal`], with more variables.
pub(crate) fn on_terminal_with(
    address: &str,
    line: &str,
    variables: &[(&str, &str)],
) -> Option<Terminal> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: no script(1) to play a terminal");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_importctl");
    let mut command = Command::new("script");
    command
        .args(["-qec", &format!("{program} {line}"), "/dev/null"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", address)
        .env("TERM", "xterm");
    for name in [
        "NO_COLOR",
        "COLUMNS",
        "PAGER",
        "SUDO_UID",
        "SYSTEMD_COLORS",
        "SYSTEMD_LESS",
        "SYSTEMD_PAGER",
        "SYSTEMD_PAGERSECURE",
    ] {
        command.env_remove(name);
    }
    let ran = run(command.envs(variables.iter().copied()).stdin(Stdio::null()));
    Some(Terminal {
        code: ran.code,
        text: ran.stdout,
    })
}

fn steps(_: &str) -> Vec<Step> {
    vec![
        Step::Started,
        Step::Progress(1, 0.42),
        Step::Log(1, 27, "an error".into()),
        Step::Log(1, 30, "some news".into()),
        Step::Removed(1, "done"),
    ]
}

#[test]
fn a_transfer_has_a_bar_that_is_gone_at_the_end() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, steps);
    let line = "-m pull-tar http://h/a";
    let Some((code, text)) = on_terminal(&bus.address, line) else {
        return;
    };
    assert_eq!(code, Some(0), "{text:?}");
    assert!(text.contains("Total: "), "{text:?}");
    assert!(text.contains("42%"), "{text:?}");
    assert!(text.contains("\x1b[1;31man error\x1b[0m"), "{text:?}");
    assert!(text.contains("some news\r\n"), "{text:?}");
    let last = text.rsplit("some news").next().unwrap();
    assert!(last.ends_with("\r\x1b]9;4;0;\x1b\\\x1b[K"), "{last:?}");
    let Some((_, quiet)) = on_terminal(&bus.address, &format!("-q {line}")) else {
        return;
    };
    assert!(!quiet.contains("Total"), "{quiet:?}");
}

#[test]
fn an_image_is_neither_written_to_a_terminal_nor_read_from_one() {
    let Some((code, text)) = on_terminal("unix:path=/nonexistent", "-m export-tar a") else {
        return;
    };
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with("Refusing to write an image to a terminal"),
        "{text:?}"
    );
    let line = "-m import-tar - n";
    let Some((code, text)) = on_terminal("unix:path=/nonexistent", line) else {
        return;
    };
    assert_eq!(code, Some(1));
    assert!(
        text.starts_with("Refusing to read an image from a terminal"),
        "{text:?}"
    );
}

#[test]
fn headers_are_underlined_and_states_coloured() {
    let Some(bus) = Bus::start() else { return };
    let image = ["machine", "a", "raw", "/a"].map(String::from);
    let [class, name, kind, path] = image;
    let row = (class, name, kind, path, true, [0, 0, 0, 0, 0, 0]);
    let _service = Service::start(&bus.address, move |_| vec![Step::Images(vec![row.clone()])]);
    let Some((_, text)) = on_terminal(&bus.address, "--no-pager list-images") else {
        return;
    };
    assert!(text.starts_with("\x1b[4mCLASS "), "{text:?}");
    assert!(text.contains("\x1b[31m ro \x1b[0m"), "{text:?}");
}

/// Gives a program a terminal of 100 columns, and one of 50 once the bar is drawn; it ends by C-c
/// once the bar has been drawn again. What it wrote goes to standard output.
const RESIZE: &str = "import fcntl, os, pty, signal, struct, sys, termios\n\
    def size(columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('4H', 25, columns, 0, 0))\n\
    child, fd = pty.fork()\n\
    signal.alarm(60 if child else 0)\n\
    if child == 0:\n\
    \x20   os.read(0, 1)\n\
    \x20   os.execv(sys.argv[1], sys.argv[1:])\n\
    size(100)\n\
    os.write(fd, b'\\n')\n\
    text = b''\n\
    steps = [(b'Total: ', lambda: size(50)), (b'Total: ', lambda: os.write(fd, b'\\x03'))]\n\
    seen = 0\n\
    while True:\n\
    \x20   try: more = os.read(fd, 4096)\n\
    \x20   except OSError: break\n\
    \x20   if not more: break\n\
    \x20   text += more\n\
    \x20   while steps and steps[0][0] in text[seen:] and text.endswith(b'\\x1b[K\\r'):\n\
    \x20       seen = len(text)\n\
    \x20       steps.pop(0)[1]()\n\
    sys.stdout.buffer.write(text)\n\
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n";

#[test]
fn a_window_that_changes_its_size_gets_another_bar() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3 to change the size of a terminal");
        return;
    }
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |_| vec![Step::Started]);
    let mut command = Command::new("python3");
    command
        .args(["-c", RESIZE, env!("CARGO_BIN_EXE_importctl")])
        .args(["-m", "--no-ask-password", "pull-tar", "http://h/a"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS")
        .stdin(Stdio::null());
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let bars: Vec<usize> = ran
        .stdout
        .split("Total: ")
        .skip(1)
        .map(|bar| bar.chars().filter(|cell| *cell == '┄').count())
        .collect();
    assert_eq!(bars, [100 - 13, 50 - 13], "{:?}", ran.stdout);
    assert!(
        ran.stdout.contains("Continuing download"),
        "{:?}",
        ran.stdout
    );
}
