//! Where the reference gives up, or makes something else of an image.

use super::image::{
    Blob, CONFIG, INDEX, Image, MANIFEST, blob_path, manifest_path, pull, reference,
};
use super::merged::{layers, merged};
use crate::make::packed;
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use serde_json::{Value, json};

fn archive(name: &str) -> Vec<u8> {
    let folder = Tarball::new().folder("usr/");
    folder.file(format!("usr/{name}"), name.as_bytes()).end()
}

/// Whether ours are tested; these images are not for the others.
fn ours_only() -> Option<(Work, Server)> {
    if !is_ours() {
        println!("skipped: the reference fails here");
        return None;
    }
    Some((Work::new()?, Server::start()))
}

#[test]
fn dockers_documents_are_images_too() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    let docker = "application/vnd.docker";
    let layer = packed(&archive("a"), &["gzip", "-nc"]);
    let layer = Blob::new(layer, &format!("{docker}.image.rootfs.diff.tar.gzip"));
    let mut image = Image::of(vec![layer], &json!({"config": {"Cmd": ["/x"]}}));
    let kind = format!("{docker}.distribution.manifest.v2+json");
    image.config.media_type = format!("{docker}.container.image.v1+json");
    let config = image.config.descriptor();
    let image = image.with_manifest(|manifest| {
        manifest["mediaType"] = kind.clone().into();
        manifest["config"] = config;
    });
    image.serve(&server, "img");
    // What a server says of a document may have parameters.
    let typed = format!("{kind}; charset=utf-8");
    let answer = || Answer::ok(image.manifest.bytes.clone()).header("Content-Type", &typed);
    server.put(&manifest_path("img", &image.manifest.digest), answer());
    let list = format!("{docker}.distribution.manifest.list.v2+json");
    let mut named = image.manifest.descriptor();
    named["mediaType"] = kind.into();
    let index = json!({"schemaVersion": 2, "mediaType": list, "manifests": [named]});
    let index = Answer::ok(index.to_string()).header("Content-Type", &list);
    server.put(&manifest_path("img", "latest"), index);
    pull(&work, &server).arg(reference("img")).succeed();
    assert_eq!(layers(&work.image("img.mstack")).len(), 1);
    assert!(work.image("img.nspawn").exists());
}

#[test]
fn an_image_is_pulled_by_its_digest_and_nothing_else_passes_for_it() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    let image = Image::new(&[archive("a")], &json!({}));
    image.serve(&server, "img");
    let name = format!("{}@{}", reference("img"), image.manifest.digest);
    pull(&work, &server).args([&name, "one"]).succeed();
    let other = Image::new(&[archive("b")], &json!({}));
    let answer = Answer::ok(other.manifest.bytes.clone()).header("Content-Type", MANIFEST);
    server.put(&manifest_path("img", &image.manifest.digest), answer);
    let before = work.images();
    let outcome = pull(&work, &server)
        .args([&name, "two"])
        .fail(rustix::io::Errno::BADMSG);
    assert!(
        outcome.stderr.contains(&image.manifest.digest),
        "{}",
        outcome.stderr
    );
    assert_eq!(work.images(), before);
}

#[test]
fn settings_that_are_null_or_odd_do_not_cost_the_image() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    for (number, start) in [
        json!({"User": null, "Env": null, "Cmd": null, "Entrypoint": null, "WorkingDir": null}),
        json!({"User": "1000"}),
        json!({"User": "1000:1000"}),
        json!({"User": "some.body:group"}),
        json!({"User": ""}),
        json!({"WorkingDir": "relative"}),
        json!({"StopSignal": "SIGNOTHING"}),
        json!({"Env": ["no assignment", "=x", "A=with blank and \"quotes\" and %h", "B=two\nlines"]}),
        json!({"Labels": {"a": "b\n[Exec]\nBoot=yes"}}),
    ]
    .iter()
    .enumerate()
    {
        let image = Image::new(&[archive("a")], start);
        image.serve(&server, "img");
        let name = format!("odd{number}");
        let run = pull(&work, &server).arg(reference("img"));
        run.arg(&name).succeed();
        let settings = work.image(format!("{name}.nspawn"));
        let settings = std::fs::read_to_string(settings).unwrap();
        let sections = settings.lines().filter(|line| line.starts_with('['));
        assert_eq!(sections.count(), 1, "{start}: {settings}");
        let boots = settings.lines().filter(|line| line.starts_with("Boot="));
        assert_eq!(boots.collect::<Vec<_>>(), ["Boot=no"], "{start}");
    }
}

#[test]
fn a_layer_that_comes_twice_is_fetched_once() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    let archives = [archive("a"), archive("b"), archive("a")];
    let image = Image::new(&archives, &json!({}));
    image.serve(&server, "img");
    pull(&work, &server).arg(reference("img")).succeed();
    let path = blob_path("img", &image.layers[0]);
    assert_eq!(server.seen().asked(&path), 1);
    let tree = merged(&work, "img");
    assert!(tree.keys().any(|path| path.contains("usr/a")));
    assert!(tree.keys().any(|path| path.contains("usr/b")));
}

#[test]
fn another_platform_is_pulled_if_it_is_asked_for() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    let image = Image::new(&[archive("a")], &json!({}));
    let of = |architecture: &str, variant: Option<&str>, image: &Image| {
        let mut named = image.manifest.descriptor();
        named["platform"] =
            json!({"os": "linux", "architecture": architecture, "variant": variant});
        named
    };
    let others = ["b", "c"].map(|name| Image::new(&[archive(name)], &json!({})));
    for image in others.iter().chain([&image]) {
        image.serve(&server, "img");
    }
    let index = json!({"schemaVersion": 2, "manifests": [
        of("riscv64", None, &image), of("arm", Some("v6"), &others[0]), of("arm", Some("v7"), &others[1]),
    ]});
    let answer = Answer::ok(index.to_string()).header("Content-Type", INDEX);
    server.put(&manifest_path("img", "latest"), answer);
    for (architecture, file) in [("riscv64", "a"), ("arm/v6", "b"), ("armhf", "c")] {
        let run = pull(&work, &server).arg(format!("--arch={architecture}"));
        let run = run.arg("--force").arg(reference("img"));
        run.succeed();
        let found = layers(&work.image("img.mstack"));
        assert!(found[0].join("usr").join(file).exists(), "{architecture}");
    }
    let run = pull(&work, &server).args(["--arch=s390x", "--force"]);
    let outcome = run.arg(reference("img")).fail(rustix::io::Errno::NOENT);
    for part in ["s390x", "linux/arm/v6", "--arch="] {
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
}

#[test]
fn small_documents_in_their_descriptors_are_proven() {
    let Some((work, server)) = ours_only() else {
        return;
    };
    let image = Image::new(&[archive("a")], &json!({"Cmd": ["/x"]}));
    let data = |bytes: &[u8]| -> Value {
        let text = String::from_utf8(packed(bytes, &["base64", "-w0"])).unwrap();
        text.into()
    };
    let good = image
        .clone()
        .with_manifest(|it| it["config"]["data"] = data(&image.config.bytes));
    good.serve(&server, "img");
    server.put(
        &blob_path("img", &image.config),
        Answer::status(404, "none"),
    );
    pull(&work, &server).arg(reference("img")).succeed();
    assert!(work.image("img.nspawn").exists());
    let mut other = image.config.bytes.clone();
    other[5] ^= 1;
    let bad = image.with_manifest(|it| it["config"]["data"] = data(&other));
    bad.serve(&server, "bad");
    let run = pull(&work, &server).arg(reference("bad"));
    run.fail(rustix::io::Errno::BADMSG);
    assert!(!work.images().iter().any(|name| name.starts_with("bad")));
    assert_eq!(CONFIG, "application/vnd.oci.image.config.v1+json");
}
