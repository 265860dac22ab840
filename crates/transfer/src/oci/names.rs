//! What the folders of layers are called.

use super::image::Layer;
use aws_lc_rs::digest::{SHA256, digest};
use importd_formats::checksums::Digest;
use importd_formats::oci::BlobDigest;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the name of a layer's folder begins with; the digest follows.
pub const PREFIX: &str = ".oci-";

/// The two names that the folder of a layer can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of a tree that is made of the blob alone: its digest. It is the reference's name.
    pub blob: OsString,
    /// Of a tree that has something from the layers below: a digest of them all.
    pub chain: OsString,
}

impl Names {
    /// The names of the layers of an image, the lowest first.
    #[must_use]
    pub fn of(layers: &[Layer]) -> Vec<Self> {
        let mut chain: Option<BlobDigest> = None;
        let mut names = Vec::with_capacity(layers.len());
        for layer in layers {
            let blob = layer.blob.digest;
            let next = chain.map_or(blob, |below| linked(&below, &blob));
            chain = Some(next);
            names.push(Self {
                blob: name(&blob),
                chain: name(&next),
            });
        }
        names
    }
}

/// Whether a folder of an image root holds a layer, by its name.
#[must_use]
pub fn is_layer(name: &OsStr) -> bool {
    let digest = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    digest
        .and_then(|digest| std::str::from_utf8(digest).ok())
        .is_some_and(|digest| digest.parse::<BlobDigest>().is_ok())
}

fn name(digest: &BlobDigest) -> OsString {
    format!("{PREFIX}{digest}").into()
}

fn linked(below: &BlobDigest, blob: &BlobDigest) -> BlobDigest {
    let mut sha256 = [0; 32];
    let found = digest(&SHA256, format!("{below} {blob}").as_bytes());
    sha256.copy_from_slice(found.as_ref());
    Digest::Sha256(sha256).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_formats::oci::{Descriptor, MediaType};

    fn layer(number: u8) -> Layer {
        Layer {
            blob: Descriptor {
                media_type: MediaType::Layer,
                digest: Digest::Sha256([number; 32]).into(),
                size: 1,
                data: None,
                platform: None,
            },
            plain: None,
        }
    }

    #[test]
    fn the_chain_of_the_lowest_layer_is_the_blob_and_others_depend_on_all_below() {
        let two = Names::of(&[layer(1), layer(2)]);
        assert_eq!(two[0].blob, two[0].chain);
        assert_eq!(
            two[0].blob,
            OsString::from(format!(".oci-sha256:{}", "01".repeat(32)))
        );
        assert_ne!(two[1].blob, two[1].chain);
        let other = Names::of(&[layer(3), layer(2)]);
        assert_eq!(other[1].blob, two[1].blob);
        assert_ne!(other[1].chain, two[1].chain);
        assert!(
            two.iter()
                .all(|it| is_layer(&it.blob) && is_layer(&it.chain))
        );
        for bad in [
            ".oci-",
            ".oci-sha256:00",
            "oci-x",
            ".oci-md5:00",
            "x.mstack",
        ] {
            assert!(!is_layer(bad.as_ref()), "{bad}");
        }
    }
}
