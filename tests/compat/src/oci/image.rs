//! Images, made blob by blob, and where a server has them.

use crate::make::{checksum_line, file, packed};
use crate::server::{Answer, Server};
use crate::subject::{Run, Work, is_ours};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Media types, the reference's own.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The digest of bytes, as documents write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", &checksum_line(bytes, "x")[..64])
}

/// A blob, and what documents call it.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
    pub(crate) media_type: String,
}

impl Blob {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, media_type: &str) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest(&bytes),
            bytes,
            media_type: media_type.into(),
        }
    }

    /// As documents name it.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image of one platform.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Blob>,
    pub(crate) config: Blob,
    pub(crate) manifest: Blob,
}

impl Image {
    /// Of archives, the lowest first, packed with gzip; `start` is how it is started.
    pub(crate) fn new(archives: &[Vec<u8>], start: &Value) -> Self {
        let plain: Vec<_> = archives.iter().map(|archive| digest(archive)).collect();
        let layers = archives.iter().map(|archive| {
            let bytes = packed(archive, &["gzip", "-nc"]);
            Blob::new(bytes, LAYER)
        });
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": start,
            "rootfs": {"type": "layers", "diff_ids": plain},
        });
        Self::of(layers.collect(), &config)
    }

    /// Of these layers, with this configuration.
    pub(crate) fn of(layers: Vec<Blob>, config: &Value) -> Self {
        let config = Blob::new(config.to_string(), CONFIG);
        let named: Vec<_> = layers.iter().map(Blob::descriptor).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": config.descriptor(), "layers": named,
        });
        Self {
            layers,
            config,
            manifest: Blob::new(manifest.to_string(), MANIFEST),
        }
    }

    /// The same with another manifest.
    pub(crate) fn with_manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.manifest.bytes).unwrap();
        change(&mut manifest);
        self.manifest = Blob::new(manifest.to_string(), MANIFEST);
        self
    }

    /// Puts it on a server, by its tag and its digests.
    pub(crate) fn serve(&self, server: &Server, name: &str) {
        let answer = || Answer::ok(self.manifest.bytes.clone()).header("Content-Type", MANIFEST);
        server.put(&manifest_path(name, "latest"), answer());
        server.put(&manifest_path(name, &self.manifest.digest), answer());
        for blob in self.layers.iter().chain([&self.config]) {
            server.put(&blob_path(name, blob), Answer::ok(blob.bytes.clone()));
        }
    }
}

pub(crate) fn manifest_path(name: &str, tag: &str) -> String {
    format!("/v2/{name}/manifests/{tag}")
}

pub(crate) fn blob_path(name: &str, blob: &Blob) -> String {
    format!("/v2/{name}/blobs/{}", blob.digest)
}

/// The reference of an image on a server. The reference takes no port in it.
pub(crate) fn reference(name: &str) -> String {
    format!("localhost/{name}")
}

/// Describes a server as one that speaks plain HTTP; the folder of descriptions.
pub(crate) fn describe(work: &Work, server: &Server) -> PathBuf {
    let url = server.url("");
    let host = url.split("//").nth(1).unwrap().trim_end_matches('/');
    let folder = descriptions(work);
    let text = json!({"defaultProtocol": "http", "overrideRegistry": host});
    file(
        &folder.join("registry.localhost.oci-registry"),
        text.to_string(),
    );
    folder
}

/// A pull of an image, from a server that speaks plain HTTP.
pub(crate) fn pull(work: &Work, server: &Server) -> Run {
    let folder = describe(work, server);
    let run = work
        .run("systemd-pull")
        .env("IMPORTD_OCI_REGISTRY_PATH", &folder);
    match is_ours() {
        true => run.arg("--retries=0"),
        false => run,
    }
    .arg("oci")
}

/// The folder of the descriptions of registries.
pub(crate) fn descriptions(work: &Work) -> PathBuf {
    let folder = work.path("oci-registry");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
