//! What the folder of a layer is called.

use crate::oci::hash;
use importd_formats::oci::BlobDigest;
use std::ffi::OsString;

/// How the names of all layer folders begin, as in the reference.
pub(crate) const PREFIX: &str = ".oci-";

/// The digest of a layer, and that of the chain down to the lowest layer of its image.
///
/// A folder that depends on its archive alone is called by the digest of that, as in the reference, and
/// is shared by all images that have it. One that took something from the layers below is called by the
/// chain, and is shared by images that have the same layers below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    digest: String,
    /// As a digest is written; `None` for the lowest layer, of which it is the digest.
    chain: Option<String>,
}

impl Chain {
    /// The lowest layer.
    #[must_use]
    pub fn lowest(digest: &BlobDigest) -> Self {
        Self {
            digest: digest.to_string(),
            chain: None,
        }
    }

    /// The next layer above this one.
    #[must_use]
    pub fn above(&self, digest: &BlobDigest) -> Self {
        let below = self.chain.as_ref().unwrap_or(&self.digest);
        Self {
            chain: Some(sha256(&format!("{below} {digest}"))),
            digest: digest.to_string(),
        }
    }

    /// The name of the folder of a layer that depends on nothing but its archive.
    #[must_use]
    pub fn own_name(&self) -> OsString {
        OsString::from(format!("{PREFIX}{}", self.digest))
    }

    /// The name of the folder of a layer that depends on those below. For the lowest, which depends on
    /// there being none, it is not that of its archive either.
    #[must_use]
    pub fn name(&self) -> OsString {
        let chain = self.chain.clone();
        let chain = chain.unwrap_or_else(|| sha256(&format!(" {}", self.digest)));
        OsString::from(format!("{PREFIX}{chain}"))
    }
}

fn sha256(text: &str) -> String {
    hash::sha256(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_orders_apart_and_a_digest_is_its_own_name() {
        let digest = |byte: &str| -> BlobDigest {
            let text = format!("sha256:{}", byte.repeat(32));
            text.parse().unwrap()
        };
        let (a, b) = (digest("0a"), digest("0b"));
        let above = Chain::lowest(&a).above(&b);
        assert_eq!(above.own_name(), *format!(".oci-{b}"));
        // printf 'sha256:0a… sha256:0b…' | sha256sum
        let text = format!("{a} {b}");
        assert_eq!(above.name(), *format!(".oci-{}", sha256(&text)));
        assert_ne!(above.name(), Chain::lowest(&b).above(&a).name());
        assert_ne!(Chain::lowest(&a).name(), Chain::lowest(&a).own_name());
        assert_eq!(
            sha256("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
