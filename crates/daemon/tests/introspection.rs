//! What the bus shows of itself.

use crate::harness::{Daemon, MANAGER, NAME, has, transfer};
use std::process::Command;

const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const TRANSFERS: &str = "/org/freedesktop/import1/transfer";

/// The members of one interface of an introspection document, one per line, as
/// `method NAME in:type name, … out:type name, …`.
fn members(xml: &str, interface: &str) -> Vec<String> {
    let attribute = |line: &str, name: &str| {
        let start = line.split_once(&format!("{name}=\""))?.1;
        Some(start.split_once('"')?.0.to_owned())
    };
    let lines = xml.lines().map(str::trim);
    let begin = format!("<interface name=\"{interface}\">");
    let inside = lines.skip_while(|line| **line != begin).skip(1);
    let mut members: Vec<String> = Vec::new();
    for line in inside.take_while(|line| *line != "</interface>") {
        let (kind, name) = (
            line.split([' ', '>']).next().unwrap(),
            attribute(line, "name"),
        );
        match (kind, name) {
            ("<arg", Some(name)) => {
                let direction = attribute(line, "direction").unwrap_or_else(|| "with".into());
                let argument = attribute(line, "type").unwrap();
                let member = members.last_mut().unwrap();
                member.push_str(&format!(" {direction}:{argument}:{name}"));
            }
            ("<annotation", Some(name)) => {
                let value = attribute(line, "value").unwrap();
                let short = name.rsplit('.').next().unwrap();
                members
                    .last_mut()
                    .unwrap()
                    .push_str(&format!(" {short}={value}"));
            }
            ("<property", Some(name)) => {
                let (signature, access) = (attribute(line, "type"), attribute(line, "access"));
                members.push(format!(
                    "property {name} {} {}",
                    signature.unwrap(),
                    access.unwrap()
                ));
            }
            (kind, Some(name)) => members.push(format!("{} {name}", kind.trim_start_matches('<'))),
            _ => {}
        }
    }
    members
}

fn golden(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn described(path: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_systemd-importd"))
        .arg(format!("--bus-introspect={path}"))
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

async fn introspected(daemon: &Daemon, path: &str) -> String {
    let client = daemon.client().await;
    let reply = client
        .call_on(path, INTROSPECTABLE, "Introspect", &())
        .await
        .unwrap();
    reply.body().deserialize().unwrap()
}

fn children(xml: &str) -> Vec<&str> {
    let names = xml
        .lines()
        .filter_map(|line| line.trim().strip_prefix("<node name=\""));
    names.map(|rest| rest.trim_end_matches("\"/>")).collect()
}

#[test]
fn the_described_interfaces_are_the_references() {
    let xml = described(MANAGER);
    let manager = include_str!("fixtures/manager.members");
    assert_eq!(
        members(&xml, "org.freedesktop.import1.Manager"),
        golden(manager)
    );
    assert_eq!(children(&xml), ["transfer"]);
    let xml = described(TRANSFERS);
    let transfer = include_str!("fixtures/transfer.members");
    assert_eq!(
        members(&xml, "org.freedesktop.import1.Transfer"),
        golden(transfer)
    );
    let xml = described("/org/freedesktop/LogControl1");
    let log = include_str!("fixtures/log_control.members");
    assert_eq!(members(&xml, "org.freedesktop.LogControl1"), golden(log));
    let own = include_str!("fixtures/own.members");
    let ours = members(&described(MANAGER), "io.importd.Manager1");
    let of_transfer = members(&described(TRANSFERS), "io.importd.Transfer1");
    assert_eq!([ours, of_transfer].concat(), golden(own));
    let list = "/org/freedesktop/import1\torg.freedesktop.import1.Manager\n\
                /org/freedesktop/import1\tio.importd.Manager1\n\
                /org/freedesktop/import1/transfer\torg.freedesktop.import1.Transfer\n\
                /org/freedesktop/import1/transfer\tio.importd.Transfer1\n\
                /org/freedesktop/LogControl1\torg.freedesktop.LogControl1\n";
    assert_eq!(described("list"), list);
}

#[tokio::test]
async fn the_running_service_shows_what_is_described() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    daemon.client().await.pull("hold").await;
    assert_eq!(introspected(&daemon, MANAGER).await, described(MANAGER));
    let live = introspected(&daemon, &transfer(1)).await;
    assert_eq!(live, described(TRANSFERS));
}

#[tokio::test]
async fn running_transfers_are_the_children_of_their_parent() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    assert_eq!(
        children(&introspected(&daemon, TRANSFERS).await),
        Vec::<&str>::new()
    );
    client.pull("hold").await;
    client.pull("hold2").await;
    let xml = introspected(&daemon, TRANSFERS).await;
    assert_eq!(children(&xml), ["_1", "_2"]);
    assert!(!xml.contains("org.freedesktop.import1"), "{xml}");
    assert!(!xml.contains("io.importd"), "{xml}");
    client.call("CancelTransfer", &1u32).await.unwrap();
    client.until_removed(1).await;
    assert_eq!(children(&introspected(&daemon, TRANSFERS).await), ["_2"]);
    let gone = client
        .call_on(&transfer(1), INTROSPECTABLE, "Introspect", &())
        .await;
    assert_eq!(
        gone.unwrap_err().0,
        "org.freedesktop.DBus.Error.UnknownObject"
    );
}

#[tokio::test]
async fn the_way_to_the_manager_is_shown_from_the_root() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    for (path, children_there) in [
        ("/", "org"),
        ("/org", "freedesktop"),
        ("/org/freedesktop", "LogControl1 import1"),
    ] {
        assert_eq!(
            children(&introspected(&daemon, path).await).join(" "),
            children_there
        );
    }
}

#[tokio::test]
async fn peers_answer_on_every_path() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    for path in ["/", MANAGER, "/nothing/here"] {
        client
            .call_on(path, "org.freedesktop.DBus.Peer", "Ping", &())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn calls_without_an_interface_are_answered() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let none = None::<&str>;
    let reply = client
        .connection
        .call_method(Some(NAME), MANAGER, none, "ListTransfers", &());
    assert_eq!(reply.await.unwrap().body().signature(), "a(usssdo)");
}

#[tokio::test]
async fn busctl_understands_the_manager() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    if !has("busctl") {
        return;
    }
    let output = Command::new("busctl")
        .arg(format!("--address={}", daemon.bus.address))
        .args([
            "introspect",
            NAME,
            MANAGER,
            "org.freedesktop.import1.Manager",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().take(4).collect())
        .collect();
    for row in [
        [".ExportTarEx", "method", "sshst", "uo"],
        [".ImportTarEx", "method", "hsst", "uo"],
        [".ListImages", "method", "st", "a(ssssbtttttt)"],
        [".ListTransfersEx", "method", "st", "a(ussssdo)"],
        [".PullOci", "method", "ssst", "uo"],
        [".TransferRemoved", "signal", "uos", "-"],
    ] {
        assert!(
            rows.iter().any(|have| *have == row),
            "{row:?} is not in {text}"
        );
    }
}

#[test]
fn the_bus_policy_names_every_method_of_the_manager_and_of_transfers() {
    let policy =
        include_str!("../../../dist/usr/share/dbus-1/system.d/org.freedesktop.import1.conf");
    let words = policy.split_whitespace().collect::<Vec<_>>().join(" ");
    for (path, interface) in [
        (MANAGER, "org.freedesktop.import1.Manager"),
        (TRANSFERS, "org.freedesktop.import1.Transfer"),
        (MANAGER, "io.importd.Manager1"),
    ] {
        let members = members(&described(path), interface);
        for method in members
            .iter()
            .filter_map(|member| member.strip_prefix("method "))
        {
            let name = method.split(' ').next().unwrap();
            let rule = format!("send_interface=\"{interface}\" send_member=\"{name}\"/>");
            assert!(words.contains(&rule), "{name}");
        }
    }
}
