//! Images with bytes changed, and what readers say of them.

use crate::disk_image::read;
use importd_formats::disk::{Format, Kind, Limits};

/// Bytes written over an image.
pub(crate) type Patch<'a> = (usize, &'a [u8]);

/// The image with the patches.
pub(crate) fn patched(image: &[u8], patches: &[Patch<'_>]) -> Vec<u8> {
    let mut image = image.to_vec();
    for (at, bytes) in patches {
        image[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    image
}

/// What a reader says of an image.
pub(crate) fn refusal(format: Format, image: &[u8]) -> (Kind, String) {
    match read(format, image, Limits::default()) {
        Ok(_) => panic!("{format:?} is read"),
        Err(error) => (error.kind(), error.to_string()),
    }
}

/// Each row of patches leads to a refusal of a kind, with a text in it.
pub(crate) fn assert_refused(format: Format, image: &[u8], cases: &[(&[Patch<'_>], Kind, &str)]) {
    for (patches, kind, text) in cases {
        let (found, message) = refusal(format, &patched(image, patches));
        assert!(
            found == *kind && message.contains(text),
            "{patches:x?}: {found:?}, {message}, and not {kind:?}, {text}"
        );
    }
}
