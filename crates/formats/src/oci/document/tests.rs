//! Documents of builders and registries, and of people who mean harm.

use super::*;
use crate::oci::BlobDigest;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(number: u8) -> BlobDigest {
    crate::checksums::Digest::Sha256([number; 32]).into()
}

fn descriptor(media_type: &str, number: u8, more: &str) -> String {
    let digest = digest(number);
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{number}{more}}}"#)
}

fn manifest(more: &str) -> String {
    let layer = descriptor(LAYER, 1, "");
    let config = descriptor("application/vnd.oci.image.config.v1+json", 2, "");
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]{more}}}"#)
}

fn index(images: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{images}]}}"#)
}

fn parse(text: &str, sent_as: Option<&str>) -> Result<Document, Error> {
    Document::parse(text.as_bytes(), sent_as)
}

#[test]
fn a_manifest_names_its_configuration_and_its_layers_in_order() {
    for sent_as in [
        None,
        Some(OCI_MANIFEST),
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        Some(DOCKER_MANIFEST),
        Some("application/json"),
        Some("text/plain; charset=utf-8"),
        Some(""),
    ] {
        let Ok(Document::Manifest(manifest)) = parse(&manifest(""), sent_as) else {
            panic!("{sent_as:?}");
        };
        assert_eq!(manifest.config.unwrap().digest, digest(2));
        let [layer] = manifest.layers.as_slice() else {
            panic!("one layer");
        };
        assert_eq!((layer.digest, layer.size), (digest(1), 1));
        assert_eq!(layer.media_type, MediaType::Layer);
    }
}

#[test]
fn an_index_names_its_images_and_nothing_else() {
    let platform =
        r#","platform":{"os":"linux","architecture":"arm64","variant":"v8","os.version":"x"}"#;
    let images = [
        descriptor(OCI_MANIFEST, 1, platform),
        descriptor("application/vnd.example.signature", 2, ""),
        descriptor(OCI_INDEX, 3, ""),
        descriptor(DOCKER_MANIFEST, 4, r#","urls":["http://elsewhere/"]"#),
    ];
    let Ok(Document::Index(index)) = parse(&index(&images.join(",")), Some(OCI_INDEX)) else {
        panic!("an index");
    };
    let digests: Vec<_> = index.images.iter().map(|image| image.digest).collect();
    assert_eq!(digests, [digest(1), digest(4)]);
    let first = index.images[0].platform.as_ref().unwrap();
    assert_eq!(first.architecture.as_deref(), Some("arm64"));
}

#[test]
fn a_blob_may_stand_in_its_descriptor() {
    let with = |data: &str| {
        let config = descriptor("x/y", 2, &format!(r#","data":"{data}""#));
        parse(
            &format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#),
            None,
        )
    };
    let Ok(Document::Manifest(manifest)) = with("e30=") else {
        panic!("a manifest");
    };
    assert_eq!(manifest.config.unwrap().data.as_deref(), Some(&b"{}"[..]));
    for bad in ["e30", "e3 0=", "e30=e30=", "", "e30xMg=="] {
        with(bad).unwrap_err();
    }
    assert!(matches!(
        with(&"A".repeat(100_000)),
        Err(Error::TooLarge(_))
    ));
}

#[test]
fn what_may_mean_two_things_is_refused() {
    let image = descriptor(OCI_MANIFEST, 1, "");
    let both = manifest(&format!(r#","manifests":[{image}]"#));
    let config = descriptor("x/y", 2, "");
    let half = format!(r#"{{"schemaVersion":2,"config":{config},"manifests":[{image}]}}"#);
    for (text, sent_as) in [
        (both.as_str(), None),
        (both.as_str(), Some(OCI_MANIFEST)),
        (half.as_str(), Some(OCI_INDEX)),
        (&manifest(""), Some(OCI_INDEX)),
        (&manifest(&format!(r#","mediaType":"{OCI_INDEX}""#)), None),
        (&index(&image), Some(OCI_MANIFEST)),
        (&index(&image), Some(DOCKER_MANIFEST)),
    ] {
        let error = parse(text, sent_as).unwrap_err();
        assert!(matches!(error, Error::Ambiguous(_)), "{text}: {error}");
    }
    let twice = manifest(r#","layers":[]"#);
    assert!(matches!(parse(&twice, None), Err(Error::Json(_))));
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let first = r#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#;
    for (text, sent_as) in [
        (first, None),
        (
            first,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ),
        (
            &manifest(""),
            Some("application/vnd.docker.distribution.manifest.v1+json"),
        ),
        (&manifest(""), Some("text/html")),
        (&manifest(r#","mediaType":"application/vnd.example""#), None),
    ] {
        let error = parse(text, sent_as).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{text}: {error}");
    }
}

#[test]
fn nonsense_is_refused() {
    let layer = descriptor(LAYER, 1, "");
    for text in [
        String::new(),
        "[]".into(),
        "[2,null,null,[],null,null]".into(),
        "{".into(),
        "{}".into(),
        r#"{"schemaVersion":2}"#.into(),
        format!(r#"{{"layers":[{layer}]}}"#),
        format!(r#"{{"schemaVersion":3,"layers":[{layer}]}}"#),
        format!(r#"{{"schemaVersion":2,"layers":{layer}}}"#),
        r#"{"schemaVersion":2,"layers":[{}]}"#.into(),
        r#"{"schemaVersion":2,"layers":[{"digest":"sha256:00","size":1}]}"#.into(),
        manifest("").replace(r#""size":1"#, r#""size":-1"#),
        manifest("").replace(r#""size":1"#, r#""size":1e30"#),
        format!("{} x", manifest("")),
    ] {
        let error = parse(&text, None).unwrap_err();
        assert!(
            matches!(error, Error::Json(_) | Error::Invalid(_)),
            "{text}: {error}"
        );
    }
}

#[test]
fn more_layers_than_there_may_be_are_refused() {
    let layer = descriptor(LAYER, 1, "");
    let many = |count| {
        let layers = vec![layer.as_str(); count].join(",");
        parse(
            &format!(r#"{{"schemaVersion":2,"layers":[{layers}]}}"#),
            None,
        )
    };
    many(LAYERS_MAX).unwrap();
    assert!(matches!(many(LAYERS_MAX + 1), Err(Error::TooLarge(_))));
}
