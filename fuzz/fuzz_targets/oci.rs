//! Documents of OCI images. Never: a panic, a digest with two spellings, or a document that is read
//! as two kinds.
#![no_main]

use importd_formats::oci::platform::Wanted;
use importd_formats::oci::{BlobDigest, Config, Document};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let kinds = [
        None,
        Some("application/vnd.oci.image.index.v1+json"),
        Some("application/vnd.oci.image.manifest.v1+json"),
    ];
    let read: Vec<Document> = kinds
        .iter()
        .filter_map(|kind| Document::parse(bytes, *kind).ok())
        .collect();
    assert!(read.windows(2).all(|pair| pair[0] == pair[1]));
    // As an index or as a manifest, never as both.
    assert!(read.len() < 3);
    if let Some(Document::Index(index)) = read.first() {
        let best = Wanted::native().choose(&index.images);
        assert!(best.is_none_or(|best| index.images.contains(best)));
    }
    if let Ok(config) = Config::parse(bytes) {
        for digest in config.diff_ids {
            assert_eq!(digest.to_string().parse::<BlobDigest>(), Ok(digest));
        }
    }
});
