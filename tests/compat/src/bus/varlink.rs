//! The service's Varlink socket, passed to it as the service manager does.

use super::service::Service;
use crate::make::{disk, file};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long anything may take. Only failures wait so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(crate) struct Socket {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Socket {
    pub(crate) fn open(work: &Work) -> Self {
        let stream = UnixStream::connect(work.path("varlink")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The next message; `None` if the connection has ended.
    fn message(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.read.drain(..=end).collect();
                let text = String::from_utf8(message[..end].to_vec()).unwrap();
                return Some(read(&text));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn ask(&mut self, call: &Value) -> Value {
        self.write(&format!("{call}\0"));
        self.message().expect("the connection has ended")
    }

    /// All replies to a call that wants more.
    pub(crate) fn all(&mut self, call: &Value) -> Vec<Value> {
        let mut replies = vec![self.ask(&more(call))];
        while replies.last().unwrap()["continues"] == true {
            replies.push(self.message().expect("the connection has ended"));
        }
        replies
    }
}

/// The original rounds the double that stands for "unknown" to one that there is not.
fn read(text: &str) -> Value {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&text.replace("e+308", "e+307")))
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn more(call: &Value) -> Value {
    let mut call = call.clone();
    call["more"] = true.into();
    call
}

fn pull(remote: &str, local: &str) -> Value {
    json!({"method": "io.systemd.Import.Pull", "parameters": {"remote": remote, "local": local,
        "type": "raw", "class": "machine", "verify": "no"}})
}

fn error(name: &str, parameters: &Value) -> Value {
    json!({"error": format!("org.varlink.service.{name}"), "parameters": parameters})
}

/// An error without what it says: nothing, or an empty object.
fn is_error(reply: &Value, name: &str) -> bool {
    let parameters = reply.get("parameters").and_then(Value::as_object);
    reply["error"] == name && parameters.is_none_or(serde_json::Map::is_empty)
}

#[tokio::test]
async fn varlink_says_what_it_has_and_what_it_has_not() {
    let Some(work) = Work::new() else { return };
    let Some(_service) = Service::start(&work) else {
        return;
    };
    let mut socket = Socket::open(&work);
    let info = socket.ask(&json!({"method": "org.varlink.service.GetInfo"}));
    let interfaces = info["parameters"]["interfaces"].as_array().unwrap();
    for interface in [
        "io.systemd",
        "io.systemd.Import",
        "io.systemd.service",
        "org.varlink.service",
    ] {
        assert!(interfaces.contains(&interface.into()), "{info}");
        let describe = json!({"method": "org.varlink.service.GetInterfaceDescription",
            "parameters": {"interface": interface}});
        let reply = socket.ask(&describe);
        let text = reply["parameters"]["description"].as_str().unwrap();
        assert!(text.contains(&format!("interface {interface}")), "{text}");
    }
    for method in ["a.b.C", "io.systemd.Import.Nope"] {
        let expected = error("MethodNotFound", &json!({"method": method}));
        assert_eq!(socket.ask(&json!({"method": method})), expected);
    }
    let describe = json!({"method": "org.varlink.service.GetInterfaceDescription",
        "parameters": {"interface": "a.b"}});
    let expected = error("InterfaceNotFound", &json!({"interface": "a.b"}));
    assert_eq!(socket.ask(&describe), expected);
    socket.ask(&json!({"method": "io.systemd.service.Ping"}));
    let level = socket.ask(&json!({"method": "io.systemd.service.GetLogLevel"}));
    assert_eq!(level["parameters"]["level"], 6);
    let variables = socket.ask(&json!({"method": "io.systemd.service.GetEnvironment"}));
    assert!(variables["parameters"]["environment"].is_array());
}

#[tokio::test]
async fn varlink_closes_on_what_is_no_call() {
    let Some(work) = Work::new() else { return };
    let Some(_service) = Service::start(&work) else {
        return;
    };
    let ping = "\"method\":\"io.systemd.service.Ping\"";
    for message in [
        "x".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "{\"method\":1}".to_owned(),
        format!("{{{ping},\"parameters\":[]}}"),
        format!("{{{ping},\"more\":true,\"oneway\":true}}"),
        format!("{{{ping},\"more\":null}}"),
        format!("{{{ping},\"x\":1}}"),
        format!("{{{ping},{ping}}}"),
    ] {
        let mut socket = Socket::open(&work);
        socket.write(&format!("{message}\0"));
        assert_eq!(socket.message(), None, "{message}");
    }
    let mut socket = Socket::open(&work);
    // Several at once, in order; null is no parameters, and oneway wants no answer.
    socket.write(&format!(
        "{{{ping},\"parameters\":null}}\0{{{ping},\"oneway\":true}}\0{{\"method\":\"a.b.C\"}}\0"
    ));
    assert!(socket.message().unwrap().get("error").is_none());
    let last = socket.message().unwrap();
    assert_eq!(last["error"], "org.varlink.service.MethodNotFound");
}

#[tokio::test]
async fn varlink_pulls_and_tells_how_it_goes() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let image = disk(&work, "disk.raw");
    let remote = format!("file://{}", image.display());
    let mut socket = Socket::open(&work);
    let replies = socket.all(&pull(&remote, "d"));
    let id = replies[0]["parameters"]["id"].as_u64().expect("a number");
    let lines: Vec<_> = replies
        .iter()
        .filter_map(|reply| reply["parameters"]["log"]["message"].as_str())
        .collect();
    assert!(
        lines.contains(&"Operation completed successfully."),
        "{lines:?}"
    );
    for reply in &replies[1..replies.len() - 1] {
        let parameters = reply["parameters"].as_object().unwrap();
        let name = parameters.keys().next().unwrap();
        assert!(parameters.len() == 1 && ["log", "progress"].contains(&name.as_str()));
    }
    let last = replies.last().unwrap();
    assert!(last.get("error").is_none() && last.get("continues").is_none());
    assert!(std::fs::read(&image).unwrap() == std::fs::read(work.image("d.raw")).unwrap());
    // The same is seen on the bus.
    let heard = client.until_removed(u32::try_from(id).unwrap()).await;
    assert_eq!(heard[0], super::service::Heard::New(1));
    // What fails says so, and no more.
    let missing = socket.all(&pull("file:///nonexistent/x.raw", "x")).pop();
    assert!(is_error(
        &missing.unwrap(),
        "io.systemd.Import.TransferFailed"
    ));
    // An image root of its own, made read-only.
    let root = work.path("elsewhere");
    std::fs::create_dir_all(&root).unwrap();
    let mut call = pull(&remote, "e");
    call["parameters"]["imageRoot"] = root.to_str().unwrap().into();
    call["parameters"]["readOnly"] = true.into();
    let last = socket.all(&call).pop().unwrap();
    assert!(last.get("error").is_none(), "{last}");
    assert!(root.join("e.raw").exists());
    // By its mode, or by the immutable mark.
    let mode = root.join("e.raw").metadata().unwrap().permissions().mode();
    let is_read_only = mode & 0o222 == 0
        || File::options()
            .append(true)
            .open(root.join("e.raw"))
            .is_err();
    assert!(is_read_only, "{mode:o}");
    crate::make::run("chattr", &["-f", "-i", "e.raw"], &root);
}

#[tokio::test]
async fn varlink_names_the_parameter_that_is_wrong() {
    let Some(work) = Work::new() else { return };
    let Some(_service) = Service::start(&work) else {
        return;
    };
    let mut socket = Socket::open(&work);
    for (name, value) in [
        ("remote", json!("ftp://h/x.raw")),
        ("remote", json!(1)),
        ("local", json!("a/b")),
        ("local", json!("")),
        ("type", json!("oci")),
        ("class", json!("nope")),
        ("verify", json!("maybe")),
        ("force", json!("yes")),
        ("imageRoot", json!("relative")),
        ("imageRoot", json!("/a/../b")),
        ("nope", json!(1)),
    ] {
        let mut call = pull("http://127.0.0.1:1/x.raw", "x");
        call["parameters"][name] = value.clone();
        let expected = error("InvalidParameter", &json!({"parameter": name}));
        assert_eq!(socket.ask(&call), expected, "{name}: {value}");
    }
    for missing in ["remote", "type", "class"] {
        let mut call = pull("http://127.0.0.1:1/x.raw", "x");
        call["parameters"].as_object_mut().unwrap().remove(missing);
        let expected = error("InvalidParameter", &json!({"parameter": missing}));
        assert_eq!(socket.ask(&call), expected);
    }
    let mut call = json!({"method": "io.systemd.service.SetLogLevel", "parameters": {"level": 8}});
    assert_eq!(socket.ask(&call)["parameters"]["parameter"], "level");
    call["parameters"]["level"] = "7".into();
    assert!(socket.ask(&call).get("error").is_none());
}

#[tokio::test]
async fn varlink_lists_what_runs_and_tells_of_its_cancel() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let client = service.client().await;
    let mut socket = Socket::open(&work);
    let list = json!({"method": "io.systemd.Import.ListTransfers"});
    let expected = "org.varlink.service.ExpectedMore";
    assert!(is_error(&socket.ask(&list), expected));
    let none = socket.all(&list).pop().unwrap();
    assert!(is_error(&none, "io.systemd.Import.NoTransfers"));
    let server = Server::start();
    server.put(
        "/slow.raw",
        Answer::ok(vec![7; 1 << 20]).fault(Fault::StallAfter(100)),
    );
    let remote = server.url("/slow.raw");
    let id = socket.ask(&more(&pull(&remote, "slow")))["parameters"]["id"].clone();
    let mut other = Socket::open(&work);
    let listed = other.all(&list);
    let transfer = &listed[0]["parameters"];
    for (name, value) in [
        ("id", id.clone()),
        ("type", "pull_raw".into()),
        ("remote", remote.as_str().into()),
        ("local", "slow".into()),
        ("class", "machine".into()),
    ] {
        assert_eq!(transfer[name], value, "{transfer}");
    }
    assert!(transfer["percent"].is_f64());
    let again = other.ask(&pull(&remote, "other"));
    assert_eq!(again["error"], "io.systemd.Import.AlreadyInProgress");
    assert_eq!(again["parameters"]["remote"], remote);
    let number = u32::try_from(id.as_u64().unwrap()).unwrap();
    client.call("CancelTransfer", &number).await.unwrap();
    let mut last = socket.message().unwrap();
    while last["continues"] == true {
        last = socket.message().unwrap();
    }
    assert!(is_error(&last, "io.systemd.Import.TransferCancelled"));
}

#[tokio::test]
async fn varlink_runs_to_the_end_without_more_and_takes_null() {
    if !is_ours() {
        return;
    }
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let image = file(&work.path("x.raw"), vec![7; 10_000]);
    let mut call = pull(&format!("file://{}", image.display()), "x");
    for name in ["force", "readOnly", "keepDownload", "imageRoot"] {
        call["parameters"][name] = Value::Null;
    }
    let reply = Socket::open(&work).ask(&call);
    let id = u32::try_from(reply["parameters"]["id"].as_u64().unwrap()).unwrap();
    client.until_removed(id).await;
    assert!(work.image("x.raw").exists());
}
