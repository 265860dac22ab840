//! Who we are at registries, and over how many connections they are asked. Ours only: the reference has
//! no credentials and trusts no authorities but the system's.

use super::image::{Image, blob_path, descriptions, manifest_path, pull, reference};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Started, Work, is_ours};
use crate::tarball::Tarball;
use rustix::process::Signal;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

fn image(layers: u8) -> Image {
    let layer = |number: u8| {
        let contents = vec![number; 4000];
        Tarball::new()
            .file(format!("file{number}"), &contents)
            .end()
    };
    let archives: Vec<_> = (0..layers).map(layer).collect();
    Image::new(&archives, &json!({"Cmd": ["/x"]}))
}

/// A file that others may not read, perhaps a program.
fn put(path: &Path, mode: u32, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A server that wants user and password for the manifest first.
fn guarded(image: &Image) -> Server {
    let server = Server::start();
    image.serve(&server, "img");
    let kind = &image.manifest.media_type;
    let good = Answer::ok(image.manifest.bytes.clone()).header("Content-Type", kind);
    let refused = Answer::status(401, "").header("WWW-Authenticate", "Basic realm=\"x\"");
    server.put_sequence(&manifest_path("img", "latest"), vec![refused, good]);
    server
}

/// What was sent as `Authorization`, request by request.
fn sent(server: &Server) -> Vec<Option<String>> {
    let requests = server.requests();
    let header = requests.iter().map(|one| one.header("authorization"));
    header.map(|value| value.map(str::to_owned)).collect()
}

#[test]
fn logins_of_the_unit_and_of_people_are_used_and_told_to_nobody() {
    if !is_ours() {
        return println!("skipped: it has no credentials");
    }
    let image = image(1);
    for case in ["unit", "file", "program"] {
        let Some(work) = Work::new() else { return };
        let server = guarded(&image);
        let host = server.url("");
        let host = host.split("//").nth(1).unwrap().trim_end_matches('/');
        // u:hidden
        let file = json!({"auths": {host: {"auth": "dTpoaWRkZW4="}}}).to_string();
        let run = pull(&work, &server).env("HOME", work.path("home"));
        let run = match case {
            "unit" => {
                put(&work.path("credentials/oci.auth"), 0o400, &file);
                run.env("CREDENTIALS_DIRECTORY", work.path("credentials"))
            }
            "file" => {
                put(&work.path("auth.json"), 0o600, &file);
                run.env("REGISTRY_AUTH_FILE", work.path("auth.json"))
            }
            _ => {
                // In the cage it could not be started.
                let script = "#!/bin/sh\nread -r server\n\
                              echo '{\"Username\": \"u\", \"Secret\": \"hidden\"}'\n";
                put(&work.path("bin/docker-credential-x"), 0o755, script);
                let file = json!({"credHelpers": {host: "x"}}).to_string();
                put(&work.path("home/.docker/config.json"), 0o644, &file);
                let path = format!("{}:/usr/bin:/bin", work.path("bin").display());
                run.env("PATH", path)
            }
        };
        let run = run.env("SYSTEMD_LOG_LEVEL", "debug");
        let outcome = run.arg(reference("img")).succeed();
        let basic = Some("Basic dTpoaWRkZW4=".to_owned());
        let sent = sent(&server);
        assert_eq!(sent[..2], [None, basic.clone()], "{case}");
        assert!(
            sent[2..].iter().all(|one| *one == basic),
            "{case}: {sent:?}"
        );
        let told = outcome.stderr + &outcome.notes.join("\n");
        assert!(
            !told.contains("hidden") && !told.contains("dTpoaWRkZW4"),
            "{told}"
        );
        assert!(!told.contains("can be read by others"), "{told}");
    }
}

#[test]
fn without_a_login_the_line_says_what_to_do() {
    if !is_ours() {
        return println!("skipped: it has no credentials");
    }
    let Some(work) = Work::new() else { return };
    let image = image(1);
    let server = guarded(&image);
    let run = pull(&work, &server).arg(reference("img"));
    let outcome = run.fail(rustix::io::Errno::NOKEY);
    assert!(
        outcome.stderr.contains("REGISTRY_AUTH_FILE"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.requests().len(), 1);
    assert!(work.images().is_empty());
}

#[test]
fn over_http2_each_layer_has_a_connection_of_its_own() {
    if !is_ours() {
        return println!("skipped: it knows no other authorities");
    }
    let Some(work) = Work::new() else { return };
    let authority = work.path("authority.pem");
    let server = Server::start_http2(&authority);
    let image = image(4);
    image.serve(&server, "img");
    for blob in &image.layers {
        let answer = Answer::ok(blob.bytes.clone()).fault(Fault::StallAfter(10));
        server.put(&blob_path("img", blob), answer);
    }
    let url = server.url("");
    let host = url.split("//").nth(1).unwrap().trim_end_matches('/');
    let folder = descriptions(&work);
    let text = json!({"overrideRegistry": host}).to_string();
    put(
        &folder.join("registry.localhost.oci-registry"),
        0o644,
        &text,
    );
    let run = work.run("systemd-pull").arg("oci");
    let run = run.env("IMPORTD_OCI_REGISTRY_PATH", &folder);
    let run = run.env("SSL_CERT_FILE", &authority);
    let started = Started::new(run.arg(reference("img")));
    let asked = |path: &str| server.seen().asked(path) > 0;
    started.wait(|| {
        let mut blobs = image.layers.iter();
        blobs.all(|blob| asked(&blob_path("img", blob)))
    });
    assert_eq!(server.seen().connections, 4);
    started.end(Signal::TERM);
}
