//! Callers without privileges, and a polkit that says what the test wants.

use crate::access::call_as_nobody;
use crate::harness::{Client, Daemon, MANAGER, PATIENCE, has, transfer};
use importd_daemon::authorize::Action;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use zbus::OwnedVariant;

/// The actions as the service asks for them, with what the original's file says of each: for who
/// sits elsewhere, who is not active, and who is.
#[test]
fn the_installed_actions_are_those_that_are_asked_for() {
    let policy =
        include_str!("../../../dist/usr/share/polkit-1/actions/org.freedesktop.import1.policy");
    let ask = |action: Action| action.polkit_id().unwrap();
    let own = include_str!("../../../dist/usr/share/polkit-1/actions/io.importd.policy");
    assert_eq!(own.matches("<action id=").count(), 2);
    assert_eq!(policy.matches("<action id=").count(), 4);
    let policy = [policy, own].concat();
    for id in [
        Action::Import,
        Action::Export,
        Action::Pull,
        Action::Cancel,
        Action::PullLocal,
        Action::Push,
    ]
    .map(ask)
    {
        let of_action = policy.split_once(&format!("<action id=\"{id}\">"));
        let (of_action, _) = of_action.expect(id).1.split_once("</action>").unwrap();
        for (who, rule) in [
            ("any", "auth_admin"),
            ("inactive", "auth_admin"),
            ("active", "auth_admin_keep"),
        ] {
            let line = format!("<allow_{who}>{rule}</allow_{who}>");
            assert!(of_action.contains(&line), "{id}: {line}");
        }
    }
}

/// What the service asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) subject: String,
    /// The user, if the subject is a process.
    pub(crate) uid: Option<i32>,
    pub(crate) action: String,
    pub(crate) details: HashMap<String, String>,
    pub(crate) flags: u32,
}

type Reply = (bool, bool, HashMap<String, String>);

/// A stand-in for polkit.
struct Authority {
    asked: mpsc::UnboundedSender<Asked>,
    cancelled: mpsc::UnboundedSender<String>,
    /// Answers for the questions to come; without one left the question stays open.
    answers: Arc<Mutex<Vec<(bool, bool)>>>,
}

#[expect(clippy::too_many_arguments, reason = "the interface is polkit's")]
#[zbus::interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Authority {
    async fn check_authorization(
        &self,
        subject: (String, HashMap<String, OwnedVariant>),
        action: String,
        details: HashMap<String, String>,
        flags: u32,
        _cancellation: String,
    ) -> Reply {
        let uid = subject.1.get("uid");
        let asked = Asked {
            uid: uid.and_then(|uid| i32::try_from(&**uid).ok()),
            subject: subject.0,
            action,
            details,
            flags,
        };
        self.asked.send(asked).unwrap();
        let answer = self.answers.lock().unwrap().pop();
        match answer {
            Some((is_authorized, is_challenge)) => (is_authorized, is_challenge, HashMap::new()),
            None => std::future::pending().await,
        }
    }

    fn cancel_check_authorization(&self, id: String) {
        self.cancelled.send(id).unwrap();
    }
}

pub(crate) struct Polkit {
    asked: mpsc::UnboundedReceiver<Asked>,
    pub(crate) cancelled: mpsc::UnboundedReceiver<String>,
    answers: Arc<Mutex<Vec<(bool, bool)>>>,
    _client: Client,
}

impl Polkit {
    pub(crate) async fn start(daemon: &Daemon) -> Self {
        let (asked_in, asked) = mpsc::unbounded_channel();
        let (cancelled_in, cancelled) = mpsc::unbounded_channel();
        let answers = Arc::default();
        let authority = Authority {
            asked: asked_in,
            cancelled: cancelled_in,
            answers: Arc::clone(&answers),
        };
        let client = daemon.client().await;
        let server = client.connection.object_server();
        let path = "/org/freedesktop/PolicyKit1/Authority";
        server.at(path, authority).await.unwrap();
        client
            .connection
            .request_name("org.freedesktop.PolicyKit1")
            .await
            .unwrap();
        Self {
            asked,
            cancelled,
            answers,
            _client: client,
        }
    }

    /// The last answer stands for the first question.
    pub(crate) fn answer(&self, answers: &[(bool, bool)]) {
        *self.answers.lock().unwrap() = answers.to_vec();
    }

    pub(crate) async fn question(&mut self) -> Asked {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        asked.expect("polkit is not asked").unwrap()
    }
}

/// Calls as nobody, on another thread; the bus goes on.
pub(crate) async fn as_nobody(
    daemon: &Arc<Daemon>,
    path: &str,
    member: &str,
    arguments: &'static [&'static str],
) -> String {
    let (daemon, path) = (Arc::clone(daemon), path.to_owned());
    let member = format!("org.freedesktop.import1.{member}");
    tokio::task::spawn_blocking(move || call_as_nobody(&daemon, &path, &member, arguments))
        .await
        .unwrap()
}

async fn start() -> Option<(Arc<Daemon>, Polkit)> {
    let daemon = Daemon::start()?;
    if !has("setpriv") || !has("dbus-send") {
        return None;
    }
    let polkit = Polkit::start(&daemon).await;
    Some((Arc::new(daemon), polkit))
}

const PULL: &[&str] = &[
    "string:http://user:secret@server/tell.raw",
    "string:tell",
    "string:sysext",
    "string:",
    "uint64:3",
];

#[tokio::test]
async fn whom_polkit_lets_may_and_it_is_told_what_is_wanted() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    polkit.answer(&[(true, false)]);
    let said = as_nobody(&daemon, MANAGER, "Manager.PullRawEx", PULL).await;
    assert!(said.contains("uint32 1"), "{said}");
    let asked = polkit.question().await;
    assert_eq!(asked.subject, "system-bus-name");
    assert_eq!(asked.action, "org.freedesktop.import1.pull");
    assert_eq!(asked.flags, 0);
    let expected = [
        ("verb", "pull-raw"),
        ("remote", "http://server/tell.raw"),
        ("local", "tell"),
        ("class", "sysext"),
        ("verify", "signature"),
        ("force", "yes"),
        ("readOnly", "yes"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked.details, HashMap::from(expected));
}

/// As [`PULL`], of a file.
const PULL_FILE: &[&str] = &[
    "string:file:///srv/secret.raw",
    "string:tell",
    "string:sysext",
    "string:",
    "uint64:3",
];

#[tokio::test]
async fn reading_a_file_as_root_is_another_action_than_downloading() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    polkit.answer(&[(false, false)]);
    let said = as_nobody(&daemon, MANAGER, "Manager.PullRawEx", PULL_FILE).await;
    assert!(said.contains("a file of this machine"), "{said}");
    let asked = polkit.question().await;
    assert_eq!(asked.action, "io.importd.pull-local");
    assert_eq!(asked.details["remote"], "file:///srv/secret.raw");
}

#[tokio::test]
async fn polkit_is_told_of_an_oci_image_what_it_can_decide_by() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    let oci = &["string:server/a:1", "string:", "string:sysext", "uint64:1"];
    polkit.answer(&[(false, false)]);
    let said = as_nobody(&daemon, MANAGER, "Manager.PullOci", oci).await;
    assert!(said.contains("AccessDenied"), "{said}");
    let asked = polkit.question().await;
    assert_eq!(asked.action, "org.freedesktop.import1.pull");
    let expected = [
        ("verb", "pull-oci"),
        ("remote", "server/a:1"),
        ("local", ""),
        ("class", "sysext"),
        ("force", "yes"),
        ("readOnly", "no"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked.details, HashMap::from(expected));
}

#[tokio::test]
async fn sending_an_image_away_is_an_action_of_its_own() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    if !has("busctl") {
        return;
    }
    polkit.answer(&[(false, false)]);
    // dbus-send has no way to write options.
    let mut call = std::process::Command::new("setpriv");
    call.args(["--reuid=65534", "--regid=65534", "--clear-groups", "busctl"])
        .arg(format!("--address={}", daemon.bus.address))
        .args(["call", "org.freedesktop.import1", MANAGER])
        .args(["io.importd.Manager1", "PushOci", "sssa{sv}"])
        .args(["held", "server/a:1", "machine", "1", "format", "s", "zstd"]);
    let output = tokio::task::spawn_blocking(move || call.output().unwrap());
    let said = String::from_utf8(output.await.unwrap().stderr).unwrap();
    assert!(said.contains("Access denied"), "{said}");
    let asked = polkit.question().await;
    assert_eq!(asked.action, "io.importd.push");
    let expected = [
        ("verb", "push-oci"),
        ("local", "held"),
        ("remote", "server/a:1"),
        ("class", "machine"),
        ("format", "zstd"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked.details, HashMap::from(expected));
}

#[tokio::test]
async fn refusals_have_their_names() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    for (answer, error) in [
        (
            (false, false),
            "AccessDenied: Access denied: downloading an image needs an authorization that \
             polkit does not grant",
        ),
        (
            (false, true),
            "InteractiveAuthorizationRequired: Interactive authentication required.",
        ),
    ] {
        polkit.answer(&[answer]);
        let said = as_nobody(&daemon, MANAGER, "Manager.PullRawEx", PULL).await;
        assert_eq!(said, format!("Error org.freedesktop.DBus.Error.{error}\n"));
        polkit.question().await;
    }
}

#[tokio::test]
async fn cancelling_asks_for_its_own_action_and_names_the_transfer() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("hold").await;
    client.until_line("holding").await;
    polkit.answer(&[(true, false), (false, false)]);
    let path = transfer(id);
    let said = as_nobody(&daemon, MANAGER, "Manager.CancelTransfer", &["uint32:1"]).await;
    assert!(said.contains("cancelling a transfer needs"), "{said}");
    let said = as_nobody(&daemon, &path, "Transfer.Cancel", &[]).await;
    assert!(!said.contains("Error"), "{said}");
    for _ in 0..2 {
        let asked = polkit.question().await;
        assert_eq!(asked.action, "org.freedesktop.import1.cancel");
        let verb = asked.details["verb"].as_str();
        assert_eq!((asked.details["id"].as_str(), verb), ("1", "pull-raw"));
    }
    client.until_removed(id).await;
}

#[tokio::test]
async fn an_open_question_keeps_nobody_waiting_and_is_withdrawn_when_the_caller_leaves() {
    let Some((daemon, mut polkit)) = start().await else {
        return;
    };
    // The caller gives up, and leaves the bus.
    let call = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args([
            "dbus-send",
            "--print-reply",
            "--dest=org.freedesktop.import1",
        ])
        .arg(format!("--bus={}", daemon.bus.address))
        .args([MANAGER, "org.freedesktop.import1.Manager.PullRawEx"])
        .args(PULL)
        .spawn();
    let mut call = call.unwrap();
    polkit.question().await;
    let mut client = daemon.client().await;
    let id = client.pull("tell").await;
    assert_eq!(client.lines_and_result(id).await.1, "done");
    call.kill().unwrap();
    call.wait().unwrap();
    let cancelled = polkit.cancelled.recv().await.unwrap();
    assert!(cancelled.starts_with("importd-"), "{cancelled}");
}
