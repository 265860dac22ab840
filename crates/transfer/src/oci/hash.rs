//! Digests of documents that are in memory.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use importd_formats::checksums::{Algorithm, Digest};
use importd_formats::oci::BlobDigest;

/// The digest of bytes, by one algorithm.
pub(crate) fn digest_of(bytes: &[u8], algorithm: Algorithm) -> BlobDigest {
    match algorithm {
        Algorithm::Sha256 => sha256(bytes),
        Algorithm::Sha512 => {
            let mut sha512 = [0; 64];
            sha512.copy_from_slice(digest(&SHA512, bytes).as_ref());
            Digest::Sha512(sha512).into()
        }
    }
}

/// The digest of bytes, as registries and layouts name what they hold.
pub(crate) fn sha256(bytes: &[u8]) -> BlobDigest {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest::Sha256(sha256).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        for (algorithm, start) in [
            (Algorithm::Sha256, "sha256:ba7816bf"),
            (Algorithm::Sha512, "sha512:ddaf35a1"),
        ] {
            let found = digest_of(b"abc", algorithm).to_string();
            assert!(found.starts_with(start), "{found}");
        }
    }
}
