//! Documents of OCI images. Never: a panic, a digest with two spellings, or a document that is read
//! as two kinds; a listing with one image more has that image and all it had, and a configuration that
//! was written again says the same.
#![no_main]

use importd_formats::checksums::Digest;
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::layout::{Listing, check_marker};
use importd_formats::oci::platform::Wanted;
use importd_formats::oci::{BlobDigest, Config, Document, MediaType, compose, docker};
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
        for digest in &config.diff_ids {
            assert_eq!(digest.to_string().parse::<BlobDigest>(), Ok(*digest));
        }
        let wishes = compose::Wishes::default();
        if let Ok(again) = compose::config(Some(bytes), &wishes, &config.diff_ids) {
            let again = Config::parse(&again).expect("what was written is read");
            assert_eq!(again.diff_ids, config.diff_ids);
            assert_eq!(
                again.start.unwrap_or_default(),
                config.start.unwrap_or_default()
            );
        }
    }
    let _ = check_marker(bytes);
    let _ = docker::parse(bytes);
    if let Ok(listing) = Listing::parse(bytes) {
        let added = Stored {
            media_type: MediaType::MANIFEST.into(),
            digest: Digest::Sha256([7; 32]).into(),
            size: 1,
            platform: None,
        };
        let before = listing.images.clone();
        if let Ok(longer) = listing.with(&added, Some("a name that nobody has")) {
            let longer = Listing::parse(&longer).expect("what was written is read");
            let (last, others) = longer.images.split_last().expect("there is one");
            assert_eq!(others, before);
            assert_eq!(last.descriptor.digest, added.digest);
        }
    }
});
