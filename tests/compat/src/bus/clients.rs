//! The service through its clients: stock machinectl and busctl of this machine, and importctl.

use super::service::Service;
use crate::make::{archive, checksum_line, disk, has, packed, plain_tree};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Run, Work, is_ours};
use crate::tree::assert_same;
use std::io::{BufRead, BufReader};
use std::process::Command;

/// Runs a client to success; what it printed.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors
}

#[test]
fn stock_machinectl_drives_it() {
    let Some(work) = Work::new() else { return };
    if !has("machinectl") {
        return;
    }
    let Some(service) = Service::start(&work) else {
        return;
    };
    // Debian 12's speaks to the service itself; newer ones hand over to importctl.
    let machinectl = |arguments: &[&str]| {
        let mut command = service.tool("machinectl");
        succeed(command.arg("--no-ask-password").args(arguments))
    };
    let server = Server::start();
    let tree = plain_tree(&work);
    let tar = packed(&archive(&tree), &["zstd", "-qc"]);
    server.put("/SHA256SUMS", Answer::ok(checksum_line(&tar, "t.tar.zst")));
    server.put("/t.tar.zst", Answer::ok(tar));
    machinectl(&[
        "--verify=checksum",
        "pull-tar",
        &server.url("/t.tar.zst"),
        "t",
    ]);
    assert_same(&tree, &work.image("t"));
    let image = disk(&work, "disk.img");
    machinectl(&["import-raw", image.to_str().unwrap(), "d"]);
    assert!(std::fs::read(work.image("d.raw")).unwrap() == std::fs::read(&image).unwrap());
    machinectl(&["--verify=no", "pull-raw", &server.url("/SHA256SUMS"), "p"]);
    machinectl(&["import-fs", tree.to_str().unwrap(), "f"]);
    // The original gives copied folders the time of the copy.
    if is_ours() {
        assert_same(&tree, &work.image("f"));
    }
    let out = work.path("out.raw");
    machinectl(&["export-raw", "d", out.to_str().unwrap()]);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&image).unwrap());
    let out = work.path("out.tar.gz");
    machinectl(&["export-tar", "t", out.to_str().unwrap()]);
    machinectl(&["import-tar", out.to_str().unwrap(), "i"]);
    assert_same(&tree, &work.image("i"));
    let again = work.run("systemd-import").arg("tar").arg(&out).arg("again");
    again.succeed();
    assert_same(&tree, &work.image("again"));
    let error = service
        .tool("machinectl")
        .args(["--verify=no", "pull-tar", &server.url("/missing.tar"), "m"])
        .output()
        .unwrap();
    assert!(!error.status.success());
    let text = String::from_utf8_lossy(&error.stderr);
    assert!(text.contains("404"), "{text}");
    assert!(machinectl(&["list-transfers"]).contains("No transfers"));
}

#[test]
fn stock_machinectl_cancels_what_it_started() {
    let Some(work) = Work::new() else { return };
    if !has("machinectl") {
        return;
    }
    let Some(service) = Service::start(&work) else {
        return;
    };
    let machinectl = || {
        let mut command = service.tool("machinectl");
        command.arg("--no-ask-password");
        command
    };
    let (input, output) = std::io::pipe().unwrap();
    let mut import = machinectl()
        .args(["import-tar", "-", "slow"])
        .stdin(input)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(import.stderr.take().unwrap()).lines();
    let enqueued = said
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.starts_with("Enqueued transfer job "))
        .unwrap();
    let id = enqueued.split(['.', ' ']).nth(3).unwrap();
    succeed(machinectl().args(["cancel-transfer", id]));
    said.for_each(drop);
    assert!(!import.wait().unwrap().success());
    drop(output);
    assert!(!work.images().contains(&"slow".to_owned()));
    let gone = machinectl().args(["cancel-transfer", id]).output().unwrap();
    let error = String::from_utf8_lossy(&gone.stderr);
    assert!(
        !gone.status.success() && error.contains("No transfer by id"),
        "{error}"
    );
}

/// The objects that importctl writes with `--progress=json` for a download of an address.
fn objects(run: Run, url: &str) -> (i32, Vec<serde_json::Value>) {
    let words = ["-mN", "--verify=no", "--progress=json", "pull-raw", url];
    let outcome = run.arg("--no-ask-password").args(words).outcome();
    let lines = outcome.stderr.lines();
    let objects = lines.map(|line| serde_json::from_str(line).unwrap());
    (outcome.status, objects.collect())
}

#[test]
fn importctl_tells_programs_how_a_download_goes() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let server = Server::start();
    let length = 3 << 20;
    let body = vec![7; length];
    // Slow enough to be told of on the way.
    server.put("/d.raw", Answer::ok(body).fault(Fault::Rate(3 << 20)));
    for is_alone in [false, true] {
        let mut run = work.importctl(&service.address);
        if is_alone {
            let root = work.path("alone");
            run = run.arg("--standalone").arg("--image-root").arg(root);
        }
        let (status, lines) = objects(run, &server.url("/d.raw"));
        assert_eq!(status, 0, "{lines:?}");
        let of = |kind: &'static str| lines.iter().filter(move |line| line["type"] == kind);
        let has = |is: &dyn Fn(&serde_json::Value) -> bool| of("progress").any(is);
        assert!(of("log").count() > 0, "{lines:?}");
        assert!(has(&|line| line["total"] == length), "{lines:?}");
        assert!(has(&|line| line["bytes"].as_u64() > Some(0)), "{lines:?}");
        assert!(has(&|line| line["phase"] == "downloading"), "{lines:?}");
        let last = lines.last().unwrap();
        let id = (!is_alone).then_some(1);
        let end = serde_json::json!({
            "type": "result", "id": id, "result": "done", "kind": null, "reason": null
        });
        assert_eq!(last, &end);
    }
    let run = work.importctl(&service.address);
    let (status, lines) = objects(run, &server.url("/missing.raw"));
    let last = lines.last().unwrap();
    let expected = (&"failed".into(), &"http-not-found".into());
    assert_eq!(
        (status, &last["result"], &last["kind"]),
        (1, expected.0, expected.1)
    );
    assert!(last["reason"].as_str().unwrap().contains("404"), "{last}");
}

#[test]
fn busctl_sees_what_the_manual_says() {
    let Some(work) = Work::new() else { return };
    if !has("busctl") {
        return;
    }
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut command = service.tool("busctl");
    let path = "/org/freedesktop/import1";
    let name = "org.freedesktop.import1";
    let text = succeed(command.args(["introspect", name, path, "org.freedesktop.import1.Manager"]));
    let members: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            words.join(" ")
        })
        .collect();
    let expected = [
        ".CancelTransfer method u -",
        ".ExportRaw method shs uo",
        ".ExportRawEx method sshst uo",
        ".ExportTar method shs uo",
        ".ExportTarEx method sshst uo",
        ".ImportFileSystem method hsbb uo",
        ".ImportFileSystemEx method hsst uo",
        ".ImportRaw method hsbb uo",
        ".ImportRawEx method hsst uo",
        ".ImportTar method hsbb uo",
        ".ImportTarEx method hsst uo",
        ".ListImages method st a(ssssbtttttt)",
        ".ListTransfers method - a(usssdo)",
        ".ListTransfersEx method st a(ussssdo)",
        ".PullOci method ssst uo",
        ".PullRaw method sssb uo",
        ".PullRawEx method sssst uo",
        ".PullTar method sssb uo",
        ".PullTarEx method sssst uo",
        ".TransferNew signal uo -",
        ".TransferRemoved signal uos -",
    ];
    assert_eq!(members, expected);
}

#[test]
fn importctl_pulls_lists_and_exports() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let importctl = || -> Run { work.importctl(&service.address).arg("--no-ask-password") };
    let server = Server::start();
    let tree = plain_tree(&work);
    server.put(
        "/t.tar.gz",
        Answer::ok(packed(&archive(&tree), &["gzip", "-c"])),
    );
    let url = server.url("/t.tar.gz");
    let outcome = importctl()
        .args(["-m", "-N", "--verify=no", "pull-tar", &url])
        .succeed();
    let first = "Enqueued transfer job 1. Press C-c to continue download in background.";
    assert_eq!(outcome.stderr.lines().next(), Some(first));
    assert_same(&tree, &work.image("t"));
    let outcome = importctl().args(["-m", "-j", "list-images"]).succeed();
    let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let images: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = images
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, [".host", "t"]);
    let outcome = importctl().arg("list-transfers").succeed();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "No transfers.\n");
    let out = work.path("out.tar.zst");
    importctl()
        .args(["-m", "-q", "export-tar", "t"])
        .arg(&out)
        .succeed();
    work.run("systemd-import")
        .arg("tar")
        .arg(&out)
        .arg("again")
        .succeed();
    assert_same(&tree, &work.image("again"));
    let missing = server.url("/missing.tar");
    let outcome = importctl()
        .args(["-m", "--verify=no", "pull-tar", &missing])
        .outcome();
    assert_eq!(outcome.status, 1);
    assert!(outcome.stderr.contains("404"), "{}", outcome.stderr);
    let outcome = importctl().args(["pull-tar", &url]).outcome();
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stderr.contains("No image class specified"),
        "{}",
        outcome.stderr
    );
    assert!(!is_ours() || !work.images().contains(&"missing".to_owned()));
}
