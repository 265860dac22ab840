//! Headers of servers. Never: a panic; a range of bytes that is accepted is one, and says the same
//! when it is written again.
#![no_main]

use importd_transfer::source::content_range::ContentRange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(range) = ContentRange::parse(text) else {
        return;
    };
    assert!(range.first <= range.last && range.last < range.total.unwrap_or(u64::MAX));
    assert_eq!(range.length(), range.last - range.first + 1);
    let is_end = range.total.is_none_or(|total| total == range.last + 1);
    assert_eq!(range.is_rest_from(range.first), is_end);
    assert!(!range.is_rest_from(range.first ^ 1));
    let total = range.total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    let again = format!("bytes {}-{}/{total}", range.first, range.last);
    assert_eq!(ContentRange::parse(&again), Some(range));
});
