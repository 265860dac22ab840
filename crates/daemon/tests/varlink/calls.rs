//! What is answered, and how: interfaces, errors, order.

use crate::harness::Daemon;
use crate::varlink::socket::{Socket, pull};
use serde_json::{Value, json};
use std::io::Write;

fn call(method: &str, parameters: &Value) -> Value {
    json!({"method": method, "parameters": parameters})
}

fn error(name: &str, parameters: &Value) -> Value {
    json!({"error": name, "parameters": parameters})
}

#[tokio::test]
async fn the_service_says_what_it_is() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let info = socket.ask(json!({"method": "org.varlink.service.GetInfo"}));
    let interfaces = [
        "io.importd.Import",
        "io.systemd",
        "io.systemd.Import",
        "io.systemd.service",
        "org.varlink.service",
    ];
    assert_eq!(info["parameters"]["interfaces"], json!(interfaces));
    for field in ["vendor", "product", "version", "url"] {
        assert!(info["parameters"][field].is_string(), "{info}");
    }
    let describe = "org.varlink.service.GetInterfaceDescription";
    for interface in interfaces {
        let reply = socket.ask(call(describe, &json!({"interface": interface})));
        let text = reply["parameters"]["description"].as_str().unwrap();
        assert!(
            text.contains(&format!("\ninterface {interface}\n")),
            "{text}"
        );
    }
    let reply = socket.ask(call(describe, &json!({"interface": "a.b"})));
    let name = "org.varlink.service.InterfaceNotFound";
    assert_eq!(reply, error(name, &json!({"interface": "a.b"})));
}

#[tokio::test]
async fn what_is_not_there_is_said_by_name() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    for method in [
        "a.b.C",
        "io.systemd.Import.Nope",
        "io.systemd.Nope",
        "Pull",
        "",
    ] {
        let name = "org.varlink.service.MethodNotFound";
        let expected = error(name, &json!({"method": method}));
        assert_eq!(socket.ask(json!({"method": method})), expected);
    }
    let invalid = "org.varlink.service.InvalidParameter";
    let reply = socket.ask(call("io.systemd.service.Ping", &json!({"x": 1})));
    assert_eq!(reply, error(invalid, &json!({"parameter": "x"})));
    let reply = socket.ask(call("io.systemd.Import.Pull", &json!({})));
    assert_eq!(reply, error(invalid, &json!({"parameter": "remote"})));
}

#[tokio::test]
async fn the_log_level_is_told_and_changed() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let level = || json!({"method": "io.systemd.service.GetLogLevel"});
    let set = |value: Value| call("io.systemd.service.SetLogLevel", &value);
    assert_eq!(socket.ask(level()), json!({"parameters": {"level": 6}}));
    assert_eq!(socket.ask(set(json!({"level": "7"}))), json!({}));
    assert_eq!(socket.ask(level()), json!({"parameters": {"level": 7}}));
    assert_eq!(socket.ask(set(json!({"level": null}))), json!({}));
    assert_eq!(socket.ask(level()), json!({"parameters": {"level": 6}}));
    let invalid = "org.varlink.service.InvalidParameter";
    for parameters in [json!({}), json!({"level": 8}), json!({"level": "debug"})] {
        let expected = error(invalid, &json!({"parameter": "level"}));
        assert_eq!(socket.ask(set(parameters)), expected);
    }
}

#[tokio::test]
async fn the_environment_is_told_and_the_configuration_read_again() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let reply = socket.ask(json!({"method": "io.systemd.service.GetEnvironment"}));
    let variables = reply["parameters"]["environment"].as_array().unwrap();
    let expected = format!("DBUS_SYSTEM_BUS_ADDRESS={}", daemon.bus.address);
    assert!(variables.contains(&json!(expected)), "{reply}");
    let reload = json!({"method": "io.systemd.service.Reload"});
    assert_eq!(socket.ask(reload), json!({}));
    assert!(daemon.notification().starts_with("RELOADING=1\n"));
    assert!(daemon.notification().starts_with("READY=1\n"));
}

#[tokio::test]
async fn calls_that_come_at_once_are_answered_in_order() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let ping =
        |more: bool| json!({"method": "io.systemd.service.Ping", "parameters": null, "more": more});
    let oneway = json!({"method": "io.systemd.service.GetLogLevel", "oneway": true});
    let calls = [
        ping(false),
        oneway,
        json!({"method": "a.b.C"}),
        ping(true),
        json!({"method": "io.systemd.service.GetLogLevel", "upgrade": true}),
    ];
    socket.send(&calls);
    assert_eq!(socket.text().unwrap(), "{}");
    assert_eq!(socket.message()["parameters"]["method"], "a.b.C");
    assert_eq!(socket.text().unwrap(), "{}");
    assert_eq!(socket.message()["parameters"]["level"], 6);
}

#[tokio::test]
async fn a_call_that_comes_byte_by_byte_is_a_call() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    for byte in b"{\"method\":\"io.systemd.service.Ping\"}\0" {
        socket.stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(socket.text().unwrap(), "{}");
}

#[tokio::test]
async fn what_is_no_call_ends_the_connection_without_a_word() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    for message in [
        "",
        "x",
        "[]",
        "{}",
        "{\"method\":1}",
        "{\"method\":\"io.systemd.service.Ping\",\"parameters\":[]}",
        "{\"method\":\"io.systemd.service.Ping\",\"more\":true,\"oneway\":true}",
        "{\"method\":\"io.systemd.service.Ping\"} {}",
        "{\"method\":\"io.systemd.service.Ping\",\"x\":1}",
        "{\"method\":\"io.systemd.service.Ping\",\"more\":null}",
        "{\"method\":\"io.systemd.service.Ping\",\"method\":\"io.systemd.service.Ping\"}",
    ] {
        let mut socket = Socket::open(&daemon);
        let bytes = format!("{message}\0");
        socket.stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(socket.text(), None, "{message}");
    }
}

#[tokio::test]
async fn a_call_waits_for_the_one_before_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let mut first = pull("hold");
    first["more"] = true.into();
    socket.send(&[first, json!({"method": "io.systemd.service.Ping"})]);
    client.until_line("holding").await;
    daemon.open_gate();
    let id = socket.message()["parameters"]["id"].clone();
    assert!(id.is_u64());
    assert_eq!(socket.message()["parameters"]["log"]["message"], "holding");
    // The end of the transfer, and then the answer to the second call.
    while socket.text().unwrap() != "{}" {}
    assert_eq!(socket.text().unwrap(), "{}");
}
