//! `io.systemd.Import`.

use crate::harness::{Daemon, Heard};
use crate::varlink::socket::{Socket, pull};
use serde_json::{Value, json};

const LIST: &str = "io.systemd.Import.ListTransfers";

fn changed(mut call: Value, name: &str, value: Value) -> Value {
    call["parameters"][name] = value;
    call
}

#[tokio::test]
async fn a_pull_is_followed_to_its_end_and_seen_on_the_bus() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let call = changed(pull("tell"), "readOnly", true.into());
    let call = changed(call, "imageRoot", "/run/machines".into());
    let replies = socket.all(call);
    let id = replies[0]["parameters"]["id"].as_u64().unwrap();
    assert_eq!(
        replies[0],
        json!({"parameters": {"id": id}, "continues": true})
    );
    let log = &replies[1]["parameters"]["log"];
    assert_eq!(log["priority"], 30);
    let expected = "systemd-pull raw --image-root=/run/machines --verify=no";
    let line = log["message"]
        .as_str()
        .unwrap()
        .replace("--image-root /", "--image-root=/");
    let line = line.replace("--verify no", "--verify=no");
    for word in expected.split(' ').chain(["--read-only"]) {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!(replies.last().unwrap(), &json!({}));
    // The same on the bus, in the same order.
    let number = u32::try_from(id).unwrap();
    assert_eq!(client.signal().await, Heard::New(number));
    let (lines, result) = client.lines_and_result(number).await;
    assert_eq!(result, "done");
    let said: Vec<_> = replies
        .iter()
        .filter_map(|reply| reply["parameters"]["log"]["message"].as_str())
        .collect();
    let heard: Vec<_> = lines.iter().map(|line| line.1.as_str()).collect();
    assert_eq!(said, heard);
}

#[tokio::test]
async fn progress_is_told_in_fractions() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let replies = Socket::open(&daemon).all(pull("report"));
    let fractions: Vec<_> = replies
        .iter()
        .filter_map(|reply| reply["parameters"]["progress"].as_f64())
        .collect();
    assert!(!fractions.is_empty(), "{replies:?}");
    assert!(fractions.iter().all(|it| (0.0..=1.0).contains(it)));
    for reply in &replies[..replies.len() - 1] {
        // One thing each.
        assert_eq!(reply["parameters"].as_object().unwrap().len(), 1, "{reply}");
    }
}

#[tokio::test]
async fn failures_and_cancels_are_errors_without_parameters() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let replies = socket.all(pull("fail"));
    let failed = json!({"error": "io.systemd.Import.TransferFailed"});
    assert_eq!(replies.last().unwrap(), &failed);
    let mut call = pull("polite");
    call["more"] = true.into();
    let id = socket.ask(call)["parameters"]["id"].as_u64().unwrap();
    client.until_line("holding").await;
    let id = u32::try_from(id).unwrap();
    client.call("CancelTransfer", &id).await.unwrap();
    let mut last = socket.message();
    while last["continues"] == true {
        last = socket.message();
    }
    assert_eq!(
        last,
        json!({"error": "io.systemd.Import.TransferCancelled"})
    );
}

#[tokio::test]
async fn without_more_and_oneway_it_runs_to_its_end_as_well() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let reply = socket.ask(pull("tell-one"));
    let id = reply["parameters"]["id"].as_u64().unwrap();
    assert_eq!(reply, json!({"parameters": {"id": id}}));
    let (_, result) = client.lines_and_result(u32::try_from(id).unwrap()).await;
    assert_eq!(result, "done");
    let mut oneway = pull("tell-two");
    oneway["oneway"] = true.into();
    socket.send(&[oneway]);
    let Heard::New(id) = client.signal().await else {
        panic!("no transfer");
    };
    assert_eq!(client.lines_and_result(id).await.1, "done");
    let pong = socket.ask(json!({"method": "io.systemd.service.Ping"}));
    assert_eq!(pong, json!({}));
}

#[tokio::test]
async fn a_client_that_leaves_takes_nothing_with_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let mut call = pull("hold");
    call["more"] = true.into();
    let id = socket.ask(call)["parameters"]["id"].as_u64().unwrap();
    client.until_line("holding").await;
    drop(socket);
    let pong = Socket::open(&daemon).ask(json!({"method": "io.systemd.service.Ping"}));
    assert_eq!(pong, json!({}));
    daemon.open_gate();
    let (_, result) = client.lines_and_result(u32::try_from(id).unwrap()).await;
    assert_eq!(result, "done");
}

#[tokio::test]
async fn a_client_that_only_sends_no_more_gets_its_replies() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let mut call = pull("hold");
    call["more"] = true.into();
    socket.send(&[call]);
    socket.stream.shutdown(std::net::Shutdown::Write).unwrap();
    client.until_line("holding").await;
    daemon.open_gate();
    let mut replies = Vec::new();
    while let Some(text) = socket.text() {
        replies.push(text);
    }
    assert_eq!(replies.last().unwrap(), "{}", "{replies:?}");
}

#[tokio::test]
async fn transfers_are_listed_one_a_reply() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let expected_more = json!({"error": "org.varlink.service.ExpectedMore"});
    assert_eq!(socket.ask(json!({"method": LIST})), expected_more);
    let none = json!({"error": "io.systemd.Import.NoTransfers"});
    assert_eq!(
        socket.all(json!({"method": LIST})),
        std::slice::from_ref(&none)
    );
    let first = client.pull("hold").await;
    let null = std::fs::File::open(daemon.folder.path().join("log")).unwrap();
    let second = client.import(&null, "hold-import").await;
    let replies = socket.all(json!({"method": LIST, "parameters": {"class": null}}));
    let expected = [
        json!({"parameters": {"id": first, "type": "pull_raw", "remote": "http://server/hold.raw",
            "local": "hold", "class": "machine", "percent": -f64::MAX}, "continues": true}),
        json!({"parameters": {"id": second, "type": "import_raw", "remote": "",
            "local": "hold-import", "class": "machine", "percent": -f64::MAX}}),
    ];
    assert_eq!(replies, expected);
    let of = |class: &str| json!({"method": LIST, "parameters": {"class": class}});
    assert_eq!(socket.all(of("machine")).len(), 2);
    assert_eq!(socket.all(of("sysext")), [none]);
    let name = "org.varlink.service.InvalidParameter";
    let invalid = json!({"error": name, "parameters": {"parameter": "class"}});
    assert_eq!(socket.all(of("nope")), [invalid]);
}

#[tokio::test]
async fn the_same_address_and_the_same_image_are_in_progress() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    client.pull("hold").await;
    let mut socket = Socket::open(&daemon);
    let name = "io.systemd.Import.AlreadyInProgress";
    let address = "http://server/hold.raw";
    let expected = json!({"error": name, "parameters": {"remote": address}});
    assert_eq!(
        socket.ask(changed(pull("hold"), "local", "x".into())),
        expected
    );
    let other = changed(pull("hold"), "remote", "http://server/other.raw".into());
    let expected = json!({"error": name, "parameters": {"remote": "hold"}});
    assert_eq!(socket.ask(other), expected);
}
