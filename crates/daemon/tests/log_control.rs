//! The log, changed while the daemon runs.

use crate::access::call_as_nobody;
use crate::harness::{Client, Daemon, has};
use zbus::OwnedVariant;

const PATH: &str = "/org/freedesktop/LogControl1";
const INTERFACE: &str = "org.freedesktop.LogControl1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

async fn get(client: &Client, name: &str) -> String {
    let reply = client
        .call_on(PATH, PROPERTIES, "Get", &(INTERFACE, name))
        .await
        .unwrap();
    let value: OwnedVariant = reply.body().deserialize().unwrap();
    String::try_from(value).unwrap()
}

async fn set(
    client: &Client,
    name: &str,
    value: zbus::Variant<'_>,
) -> Result<(), (String, String)> {
    let body = (INTERFACE, name, value);
    let reply = client.call_on(PATH, PROPERTIES, "Set", &body).await;
    reply.map(drop)
}

#[tokio::test]
async fn level_and_target_are_read_and_set() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    assert_eq!(get(&client, "LogLevel").await, "info");
    assert_eq!(get(&client, "LogTarget").await, "console-prefixed");
    assert_eq!(get(&client, "SyslogIdentifier").await, "systemd-importd");
    set(&client, "LogLevel", "debug".into()).await.unwrap();
    assert_eq!(get(&client, "LogLevel").await, "debug");
    // Workers that start now hear of it, and the daemon's own lines of that level appear.
    let id = client.pull("tell").await;
    let (lines, _) = client.lines_and_result(id).await;
    let told = lines.iter().any(|(_, text)| text.contains("level=debug"));
    assert!(told, "{lines:?}");
    assert!(daemon.log().contains("<7>Started pull-raw as transfer"));
    // By number; and what the new level excludes is not written.
    set(&client, "LogLevel", "3".into()).await.unwrap();
    assert_eq!(get(&client, "LogLevel").await, "err");
    let before = daemon.log().len();
    let id = client.pull("talk").await;
    client.until_removed(id).await;
    let log = daemon.log();
    let new = &log[before..];
    assert!(new.contains("<3>(transfer2) bad"), "{new}");
    assert!(!new.contains("a notice"), "{new}");
    // Nothing is written to nowhere.
    set(&client, "LogTarget", "null".into()).await.unwrap();
    let before = daemon.log().len();
    let id = client.pull("fail").await;
    client.until_removed(id).await;
    assert_eq!(daemon.log().len(), before);
    assert_eq!(get(&client, "LogTarget").await, "null");
}

#[tokio::test]
async fn what_cannot_be_set_is_refused() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let invalid = "org.freedesktop.DBus.Error.InvalidArgs";
    for (name, value, error, text) in [
        (
            "LogLevel",
            "loud".into(),
            invalid,
            "Invalid log level 'loud'",
        ),
        ("LogLevel", "8".into(), invalid, "Invalid log level '8'"),
        (
            "LogTarget",
            "moon".into(),
            invalid,
            "Invalid log target 'moon'",
        ),
        (
            "LogLevel",
            7u32.into(),
            invalid,
            "Incorrect parameters for property 'LogLevel', expected 's', got 'u'.",
        ),
        (
            "SyslogIdentifier",
            "x".into(),
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            "Property 'SyslogIdentifier' is not writable.",
        ),
        (
            "Other",
            "x".into(),
            "org.freedesktop.DBus.Error.UnknownProperty",
            "Unknown interface org.freedesktop.LogControl1 or property Other.",
        ),
    ] {
        let refusal = set(&client, name, value).await.unwrap_err();
        assert_eq!(refusal, (error.to_owned(), text.to_owned()), "{name}");
    }
    assert_eq!(get(&client, "LogLevel").await, "info");
}

#[tokio::test]
async fn everybody_may_read_and_only_root_set() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    if !has("setpriv") || !has("dbus-send") {
        return;
    }
    let interface = format!("string:{INTERFACE}");
    let read = [&interface, "string:LogLevel"];
    let got = call_as_nobody(&daemon, PATH, &format!("{PROPERTIES}.Get"), &read);
    assert!(got.contains("info"), "{got}");
    let write = [&interface, "string:LogLevel", "variant:string:debug"];
    let refused = call_as_nobody(&daemon, PATH, &format!("{PROPERTIES}.Set"), &write);
    let expected = "Error org.freedesktop.DBus.Error.AccessDenied: \
                    Access denied: changing what is logged needs root privileges\n";
    assert_eq!(refused, expected);
    assert_eq!(get(&daemon.client().await, "LogLevel").await, "info");
}
