//! Callers without privileges: what is refused, and what polkit grants.

use crate::harness::{Daemon, PATIENCE, has};
use crate::polkit::Polkit;
use crate::varlink::socket::{path, pull};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Sends its input to the socket and prints what comes back, until that ends or says the last word.
const CLIENT: &str = r#"
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(sys.stdin.buffer.read() + b"\0")
answer = b""
while not answer.endswith(b"\0"):
    piece = connection.recv(4096)
    if not piece:
        break
    answer += piece
sys.stdout.buffer.write(answer.rstrip(b"\0"))
"#;

fn start_as_nobody(daemon: &Daemon, call: &Value) -> Child {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(daemon.folder.path(), open).unwrap();
    let mut child = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["/usr/bin/python3", "-c", CLIENT])
        .arg(path(daemon))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, call.to_string().as_bytes()).unwrap();
    child
}

async fn as_nobody(daemon: &Arc<Daemon>, call: Value) -> Value {
    let daemon = Arc::clone(daemon);
    let answer = tokio::task::spawn_blocking(move || {
        start_as_nobody(&daemon, &call).wait_with_output().unwrap()
    });
    let answer = answer.await.unwrap().stdout;
    serde_json::from_slice(&answer).unwrap()
}

fn start() -> Option<Arc<Daemon>> {
    let daemon = Daemon::start()?;
    (has("setpriv") && has("/usr/bin/python3")).then(|| Arc::new(daemon))
}

fn interactive(mut call: Value) -> Value {
    call["parameters"]["allowInteractiveAuthentication"] = true.into();
    call
}

#[tokio::test]
async fn without_polkit_only_root_may() {
    let Some(daemon) = start() else {
        return;
    };
    let bus = daemon.client().await;
    let id = bus.pull("hold").await;
    let denied = json!({"error": "org.varlink.service.PermissionDenied"});
    for call in [
        pull("tell"),
        json!({"method": "io.importd.Import.Cancel", "parameters": {"id": id}}),
        json!({"method": "io.systemd.service.SetLogLevel", "parameters": {"level": 7}}),
        json!({"method": "io.systemd.service.GetEnvironment"}),
        json!({"method": "io.systemd.service.Reload"}),
    ] {
        assert_eq!(as_nobody(&daemon, call.clone()).await, denied, "{call}");
    }
    let ping = json!({"method": "io.systemd.service.Ping"});
    assert_eq!(as_nobody(&daemon, ping).await, json!({}));
    let level = json!({"method": "io.systemd.service.GetLogLevel"});
    assert_eq!(as_nobody(&daemon, level).await["parameters"]["level"], 6);
    let list = json!({"method": "io.systemd.Import.ListTransfers", "more": true});
    assert_eq!(as_nobody(&daemon, list).await["parameters"]["id"], id);
    // What makes no sense is said before anybody is asked, as in the original.
    let mut wrong = pull("tell");
    wrong["parameters"]["class"] = "x".into();
    let invalid = as_nobody(&daemon, wrong).await;
    assert_eq!(invalid["parameters"]["parameter"], "class");
}

#[tokio::test]
async fn polkit_is_asked_about_the_process_with_all_that_it_wants() {
    let Some(daemon) = start() else {
        return;
    };
    let mut polkit = Polkit::start(&daemon).await;
    polkit.answer(&[(true, false), (false, true), (false, false)]);
    let denied = json!({"error": "org.varlink.service.PermissionDenied"});
    assert_eq!(as_nobody(&daemon, pull("tell")).await, denied);
    let asked = polkit.question().await;
    assert_eq!(asked.subject, "unix-process");
    assert_eq!(asked.action, "org.freedesktop.import1.pull");
    assert_eq!((asked.flags, asked.uid), (0, Some(65534)));
    let challenge = json!({"error": "io.systemd.InteractiveAuthenticationRequired"});
    assert_eq!(as_nobody(&daemon, pull("tell")).await, challenge);
    polkit.question().await;
    let mut granted = interactive(pull("tell"));
    granted["parameters"]["imageRoot"] = "/srv/images".into();
    granted["parameters"]["remote"] = "file:///srv/secret.raw".into();
    let granted = as_nobody(&daemon, granted).await;
    assert!(granted["parameters"]["id"].is_u64(), "{granted}");
    let asked = polkit.question().await;
    assert_eq!(asked.flags, 1);
    // Who may download may not therefore read and write as root.
    assert_eq!(asked.action, "io.importd.pull-local");
    for (name, value) in [
        ("remote", "file:///srv/secret.raw"),
        ("imageRoot", "/srv/images"),
        ("local", "tell"),
        ("class", "machine"),
        ("type", "raw"),
        ("verify", "no"),
        ("force", "no"),
        ("readOnly", "no"),
        ("verb", "pull-raw"),
    ] {
        assert_eq!(asked.details[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_question_is_withdrawn_when_its_caller_leaves() {
    let Some(daemon) = start() else {
        return;
    };
    let mut polkit = Polkit::start(&daemon).await;
    let mut caller = start_as_nobody(&daemon, &pull("tell"));
    polkit.question().await;
    caller.kill().unwrap();
    caller.wait().unwrap();
    let cancelled = tokio::time::timeout(PATIENCE, polkit.cancelled.recv()).await;
    cancelled.expect("the question stays").unwrap();
}
