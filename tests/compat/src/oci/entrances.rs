//! The ways in, beside the worker's command line: the bus, Varlink, importctl.

use super::image::{Image, describe, descriptions, manifest_path, reference};
use crate::bus::service::{Client, Heard, MANAGER, Service};
use crate::bus::varlink::Socket;
use crate::make::{file, has};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use zbus::Variant;

const DESCRIPTIONS: &str = "IMPORTD_OCI_REGISTRY_PATH";

/// A server with `some/img`, of two layers, and a service that knows it. Ours only: the original reads
/// descriptions of registries from folders of the system.
fn start(work: &Work) -> Option<(Server, Service)> {
    if !is_ours() {
        return None;
    }
    let server = Server::start();
    let lower = Tarball::new()
        .folder("usr/")
        .file("usr/one", b"1")
        .file("usr/gone", b"0");
    let upper = Tarball::new()
        .folder("usr/")
        .file("usr/two", b"2")
        .file("usr/.wh.gone", b"");
    let image = Image::new(&[lower.end(), upper.end()], &json!({"Cmd": ["/usr/two"]}));
    image.serve(&server, "some/img");
    let service = Service::start_in(work, (DESCRIPTIONS, &describe(work, &server)))?;
    Some((server, service))
}

/// Docker's own registry.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        self.0.kill().unwrap_or(());
        self.0.wait().map(drop).unwrap_or(());
    }
}

impl Registry {
    /// Starts one that is called `docker.test`; `None`, with the reason printed, where it is not
    /// installed.
    fn start(work: &Work) -> Option<Self> {
        let settings = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            work.path("registry").display()
        );
        let settings = file(&work.path("registry.yml"), settings);
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(settings).stderr(Stdio::piped());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: docker-registry cannot be run");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let registry = Self(child);
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split(['"', ',']).next().unwrap().to_owned())
        });
        // It must not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let text = json!({"defaultProtocol": "http", "overrideRegistry": address.unwrap()});
        let folder = descriptions(work);
        file(
            &folder.join("registry.docker.test.oci-registry"),
            text.to_string(),
        );
        Some(registry)
    }
}

/// What there is, without the layers.
fn images(work: &Work) -> Vec<String> {
    let mut names = work.images();
    names.retain(|name| !name.starts_with(".oci-sha256:"));
    names
}

fn is_done(heard: &[Heard]) -> bool {
    matches!(heard.last(), Some(Heard::Removed(_, result)) if result == "done")
}

/// Starts a transfer by a method of our own; all that is heard of it.
async fn run_own(
    client: &mut Client,
    body: (&str, &str, &str, HashMap<&str, Variant<'_>>),
) -> Vec<Heard> {
    let own = "io.importd.Manager1";
    let reply = client
        .call_on(MANAGER, own, "PullOci", &body)
        .await
        .unwrap();
    let (id, _): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
    client.until_removed(id).await
}

#[tokio::test]
async fn the_bus_makes_stacks_and_trees() {
    let Some(work) = Work::new() else { return };
    let Some((_server, service)) = start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let name = reference("some/img");
    let body = (name.as_str(), "", "machine", 0u64);
    let heard = client.run("PullOci", &body).await;
    assert!(is_done(&heard), "{heard:?}");
    let whole = heard
        .iter()
        .any(|it| matches!(it, Heard::Progress(_, share) if *share >= 1.0));
    assert!(whole, "{heard:?}");
    assert_eq!(
        images(&work),
        ["img.mstack", "img.nspawn", "img.oci-config"]
    );
    // The name is taken now; the service cannot know, the worker says so.
    let (result, why) = client.end("PullOci", &body).await;
    assert_eq!(result, "failed");
    assert!(why.contains("already exists"), "{why}");
    file(&work.image("img.mstack/rw/kept"), "");
    let again = (name.as_str(), "img", "machine", 1u64);
    assert!(is_done(&client.run("PullOci", &again).await));
    assert!(work.image("img.mstack/rw/kept").exists());
    let options = HashMap::from([("force", true.into()), ("reset", true.into())]);
    let heard = run_own(&mut client, (&name, "img", "machine", options)).await;
    assert!(is_done(&heard), "{heard:?}");
    assert!(!work.image("img.mstack/rw/kept").exists());
    let options = HashMap::from([("flat", true.into())]);
    let heard = run_own(&mut client, (&name, "tree", "machine", options)).await;
    assert!(is_done(&heard), "{heard:?}");
    let there = |file: &str| work.image("tree/usr").join(file).exists();
    assert!(there("one") && there("two") && !there("gone"));
}

#[tokio::test]
async fn varlink_follows_one_to_its_end_and_says_why_it_fails() {
    let Some(work) = Work::new() else { return };
    let Some((server, _service)) = start(&work) else {
        return;
    };
    let call = |name: &str, local: &str| {
        json!({"method": "io.importd.Import.PullOci", "more": true, "parameters": {
            "reference": reference(name), "local": local, "class": "machine"}})
    };
    let mut socket = Socket::open(&work);
    let replies = socket.all(&call("some/img", "by"));
    assert!(replies[0]["parameters"]["id"].is_u64(), "{replies:?}");
    let bytes = |reply: &Value| reply["parameters"]["figures"]["bytes"].as_u64();
    assert!(
        replies.iter().any(|reply| bytes(reply) > Some(0)),
        "{replies:?}"
    );
    assert_eq!(images(&work), ["by.mstack", "by.nspawn", "by.oci-config"]);
    server.put(
        &manifest_path("some/gone", "latest"),
        Answer::status(404, "no"),
    );
    let replies = socket.all(&call("some/gone", "gone"));
    let last = replies.last().unwrap();
    assert_eq!(last["error"], "io.importd.Import.TransferFailed");
    assert_eq!(last["parameters"]["kind"], "http-not-found", "{last}");
}

#[tokio::test]
async fn importctl_pulls_with_the_service_and_without() {
    let Some(work) = Work::new() else { return };
    let Some((_server, service)) = start(&work) else {
        return;
    };
    let name = reference("some/img");
    let client = || {
        work.importctl(&service.address)
            .arg("--no-ask-password")
            .arg("-m")
    };
    client().args(["pull-oci", &name]).succeed();
    client()
        .args(["--flat", "pull-oci", &name, "tree"])
        .succeed();
    let alone = || {
        let root = format!("--image-root={}", work.path("images").display());
        let run = work
            .importctl("unix:path=/nonexistent/bus")
            .arg("--standalone");
        run.arg(root).env(DESCRIPTIONS, work.path("oci-registry"))
    };
    alone()
        .args(["-m", "--read-only", "pull-oci", &name, "alone"])
        .succeed();
    alone()
        .args(["-S", "pull-oci", &name, "extension"])
        .succeed();
    let there = images(&work);
    let expected = "alone.mstack alone.nspawn alone.oci-config extension img.mstack img.nspawn \
                    img.oci-config tree tree.nspawn tree.oci-config";
    assert_eq!(there.join(" "), expected);
    assert!(work.image("extension/usr/two").exists());
    assert!(!work.image("alone.mstack/rw").exists());
    let listed = alone().args(["-m", "-j", "list-images"]).succeed();
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let row = |name: &str| {
        let rows = rows.as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&row("alone")["type"], &row("alone")["ro"]),
        (&"mstack".into(), &true.into())
    );
    assert_eq!(row("img")["ro"], false);
    let refused = client()
        .args(["--json=short", "pull-oci", &name])
        .fail_somehow();
    assert!(
        refused.stderr.contains("already exists"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn images_go_out_through_the_service_and_come_back() {
    let Some(work) = Work::new() else { return };
    let Some((_server, service)) = start(&work) else {
        return;
    };
    let client = || {
        work.importctl(&service.address)
            .arg("--no-ask-password")
            .arg("-m")
    };
    let name = reference("some/img");
    client().args(["pull-oci", &name]).succeed();
    let archive = work.path("out.tar");
    let out = archive.to_str().unwrap();
    client()
        .args(["--tag=a:1", "--format=zstd", "export-oci", "img", out])
        .succeed();
    let listed = Command::new("tar")
        .arg("-tf")
        .arg(&archive)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for member in ["oci-layout", "index.json", "blobs/sha256/"] {
        assert!(listed.contains(member), "{member}: {listed}");
    }
    if has("skopeo") {
        let inspected = Command::new("skopeo")
            .args(["inspect", "--config", &format!("oci-archive:{out}:a:1")])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&inspected.stderr);
        assert!(inspected.status.success(), "{errors}");
    }
    let Some(_registry) = Registry::start(&work) else {
        return;
    };
    client()
        .args(["push-oci", "img", "docker.test/mine/img:2"])
        .succeed();
    client()
        .args(["--flat", "pull-oci", "docker.test/mine/img:2", "back"])
        .succeed();
    let there = |file: &str| work.image("back/usr").join(file).exists();
    assert!(there("one") && there("two") && !there("gone"));
}
