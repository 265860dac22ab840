//! Access lists as text and as the kernel's bytes. Never: a panic; what one side writes the other
//! reads to the same.
#![no_main]

use importd_formats::tar::acl::{text_to_xattr, xattr_to_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = text_to_xattr(bytes)
        && !list.bytes.is_empty()
    {
        let text = xattr_to_text(&list.bytes).expect("what is written can be read");
        let again = text_to_xattr(&text).expect("what is written can be read");
        assert_eq!(again.bytes, list.bytes);
    }
    // Bytes that no kernel gives, such as a list without an owner, make a text that is refused.
    if let Ok(text) = xattr_to_text(bytes) {
        drop(text_to_xattr(&text));
    }
});
