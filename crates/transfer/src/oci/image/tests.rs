use super::*;
use crate::oci::source::{Blob, Top};
use crate::owners::Owners;
use crate::report::{LogSettings, Report};
use importd_formats::oci::BlobDigest;
use importd_host::cancel::Cancel;
use std::collections::HashMap;

/// Documents by their digests, one of them on top.
#[derive(Default)]
struct Documents {
    top: Vec<u8>,
    sent_as: Option<String>,
    others: HashMap<String, Vec<u8>>,
}

impl Source for Documents {
    fn label(&self) -> String {
        "some/image".into()
    }

    fn top(&self) -> Result<Top> {
        Ok(Top {
            bytes: self.top.clone(),
            sent_as: self.sent_as.clone(),
        })
    }

    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        assert!(descriptor.size <= limit);
        let found = self.others.get(&descriptor.digest.to_string());
        found
            .cloned()
            .ok_or_else(|| Error::new(Kind::HttpNotFound, "no such document"))
    }

    fn blob(&self, _: &Descriptor) -> Result<Blob<'_>> {
        Err(Error::new(Kind::Io, "layers are not read for that"))
    }
}

fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
        owners: Owners::All,
    }
}

fn digest(number: u8) -> String {
    format!("sha256:{}", format!("{number:02x}").repeat(32))
}

fn layer(number: u8, kind: &str) -> String {
    let digest = digest(number);
    format!(r#"{{"mediaType":"application/vnd.{kind}","digest":"{digest}","size":{number}}}"#)
}

const TAR: &str = "oci.image.layer.v1.tar+gzip";

fn manifest(layers: &[String], config: bool) -> String {
    let config = match config {
        true => format!(
            r#""config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"#,
            digest(99)
        ),
        false => String::new(),
    };
    let layers = layers.join(",");
    format!(r#"{{"schemaVersion":2,{config}"layers":[{layers}]}}"#)
}

fn read(documents: &Documents, wanted: &str) -> Result<Image> {
    Image::read(documents, &Wanted::parse(wanted).unwrap(), &context())
}

fn image(layers: &[String], config: &str) -> Result<Image> {
    let documents = Documents {
        top: manifest(layers, true).into(),
        others: HashMap::from([(digest(99), config.into())]),
        ..Documents::default()
    };
    read(&documents, "amd64")
}

#[test]
fn the_image_of_an_index_is_read() {
    let of = |architecture: &str, number: u8| {
        format!(
            r#"{{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"{}","size":1,
            "platform":{{"os":"linux","architecture":"{architecture}"}}}}"#,
            digest(number)
        )
    };
    let (one, two) = (of("amd64", 50), of("riscv64", 51));
    let documents = Documents {
        top: format!(r#"{{"schemaVersion":2,"manifests":[{one},{two}]}}"#).into(),
        sent_as: Some("application/vnd.oci.image.index.v1+json; charset=utf-8".into()),
        others: HashMap::from([
            (digest(50), manifest(&[layer(1, TAR)], false).into()),
            (digest(51), manifest(&[layer(2, TAR)], false).into()),
        ]),
    };
    let found = read(&documents, "riscv64").unwrap();
    assert_eq!(found.layers[0].blob.digest.to_string(), digest(2));
    assert_eq!(
        (found.config, found.config_bytes),
        (Config::default(), None)
    );
    let error = read(&documents, "s390x").unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    for part in ["linux/amd64", "linux/riscv64", "--arch=", "s390x"] {
        assert!(error.doing.contains(part), "{}", error.doing);
    }
}

#[test]
fn layers_know_what_they_unpack_to() {
    let config = format!(
        r#"{{"rootfs":{{"type":"layers","diff_ids":["{}","{}"]}}}}"#,
        digest(11),
        digest(12)
    );
    let found = image(&[layer(1, TAR), layer(2, TAR)], &config).unwrap();
    let plain: Vec<BlobDigest> = found.layers.iter().filter_map(|it| it.plain).collect();
    assert_eq!(plain.len(), 2);
    assert_eq!(plain[1].to_string(), digest(12));
    let error = image(&[layer(1, TAR)], &config).unwrap_err();
    assert_eq!(error.kind, Kind::Document);
    // Old builders do not say.
    let found = image(&[layer(1, TAR)], "{}").unwrap();
    assert_eq!(found.layers[0].plain, None);
}

#[test]
fn of_equal_layers_the_topmost_counts() {
    let layers = [1, 2, 1, 3, 2].map(|number| layer(number, TAR));
    let found = image(&layers, "{}").unwrap();
    let sizes: Vec<u64> = found.layers.iter().map(|it| it.blob.size).collect();
    assert_eq!(sizes, [1, 3, 2]);
    let config = format!(
        r#"{{"rootfs":{{"diff_ids":["{}","{}"]}}}}"#,
        digest(11),
        digest(12)
    );
    let error = image(&[layer(1, TAR), layer(1, TAR)], &config).unwrap_err();
    assert_eq!(error.kind, Kind::Document, "one blob unpacks to one thing");
    let other = layer(1, TAR).replace("\"size\":1", "\"size\":7");
    let error = image(&[layer(1, TAR), other], "{}").unwrap_err();
    assert_eq!(error.kind, Kind::Document, "one blob has one size");
}

#[test]
fn what_is_no_file_system_is_refused_by_name() {
    for (kind, says) in [
        ("docker.image.rootfs.foreign.diff.tar.gzip", "somebody else"),
        ("cncf.helm.chart.content.v1.tar+gzip", "helm"),
    ] {
        let error = image(&[layer(1, TAR), layer(2, kind)], "{}").unwrap_err();
        assert_eq!(error.kind, Kind::Unsupported);
        assert!(error.doing.contains(says), "{}", error.doing);
    }
    let error = image(&[], "{}").unwrap_err();
    assert_eq!(error.kind, Kind::Document);
}

#[test]
fn a_configuration_that_is_none_is_refused_and_one_of_another_kind_left_out() {
    let error = image(&[layer(1, TAR)], "[]").unwrap_err();
    assert_eq!(error.kind, Kind::Document);
    let other = manifest(&[layer(1, TAR)], true).replace("image.config.v1", "empty.v1");
    let documents = Documents {
        top: other.into(),
        ..Documents::default()
    };
    assert_eq!(read(&documents, "amd64").unwrap().config_bytes, None);
}

#[test]
fn a_document_that_is_none_is_refused_by_its_image() {
    for (top, sent_as, kind) in [
        ("{", None, Kind::Document),
        (r#"{"schemaVersion":1}"#, None, Kind::Unsupported),
        (
            r#"{"schemaVersion":2,"layers":[]}"#,
            Some("application/vnd.oci.image.index.v1+json"),
            Kind::Document,
        ),
    ] {
        let documents = Documents {
            top: top.into(),
            sent_as: sent_as.map(str::to_owned),
            ..Documents::default()
        };
        let error = read(&documents, "amd64").unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.doing.contains("some/image"), "{}", error.doing);
    }
}
