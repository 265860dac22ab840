//! What a pull would do, told.

use super::image::{Image, blob_path, pull, reference};
use crate::server::Server;
use crate::subject::{Outcome, Work, is_ours};
use crate::tarball::Tarball;
use serde_json::{Value, json};

fn image() -> Image {
    let archives = ["a", "b"].map(|name| {
        let folder = Tarball::new().folder("usr/");
        folder.file(format!("usr/{name}"), b"").end()
    });
    Image::new(&archives, &json!({"Cmd": ["/x"]}))
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

#[test]
fn a_plan_names_layers_and_fetches_none() {
    if !is_ours() {
        println!("skipped: the reference makes no plans");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    image.serve(&server, "img");
    let plan = || {
        let run = pull(&work, &server).arg("--dry-run");
        run.arg(reference("img"))
    };
    let said = text(&plan().succeed());
    for part in ["2 of 2 layers", "img.mstack", "It would go."] {
        assert!(said.contains(part), "{said}");
    }
    for blob in &image.layers {
        assert!(said.contains(&blob.digest), "{said}");
        assert_eq!(server.seen().asked(&blob_path("img", blob)), 0);
    }
    assert!(work.images().is_empty());
    pull(&work, &server).arg(reference("img")).succeed();
    let outcome = plan().arg("--json=short").fail(rustix::io::Errno::EXIST);
    let said: Value = serde_json::from_str(&text(&outcome)).unwrap();
    assert_eq!(said["size"], 0);
    assert_eq!(said["settings"], true);
    assert_eq!(said["problems"][0]["code"], "exists");
    let here = said["layers"].as_array().unwrap().iter();
    assert!(here.clone().count() == 2 && here.clone().all(|it| it["here"] == true));
    let flat = plan().args(["--flat", "--force"]).succeed();
    assert!(text(&flat).contains("2 of 2 layers"), "{}", text(&flat));
}
