//! Texts of callers: names, addresses, modes, progress, figures. Never: a panic; what is accepted keeps the
//! promises of its type.
#![no_main]

use importd_api::figures::{Figures, REASON_BYTES_MAX, Reason};
use importd_api::name::{Form, ImageName};
use importd_api::progress;
use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_formats::oci::marker::Marker;
use importd_formats::tar::path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(components) = path::components(bytes, 127) {
        for component in components {
            assert!(!component.is_empty() && component != b"." && component != b"..");
            assert!(!component.contains(&b'/') && !component.contains(&0));
            // What a marker hides is a name like others.
            if let Ok(Some(Marker::Hides(name))) = Marker::parse(&component) {
                assert_eq!(path::components(name, 1), Ok(vec![name.to_vec()]));
            }
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(name) = ImageName::parse(text) {
        assert!(!name.as_str().contains('/') && !name.as_str().starts_with('-'));
        assert!(!name.as_str().starts_with(".#") && name.as_str().len() <= 255);
    }
    for form in [Form::Tar, Form::Raw] {
        assert!(text.starts_with(form.strip_suffixes(text)));
        if let Ok(url) = Url::parse(text) {
            drop(url.image_name(form));
        }
    }
    if let Ok(url) = Url::parse(text) {
        let shown = url.to_string();
        assert_eq!(Url::parse(&shown).map(|url| url.to_string()), Ok(shown));
        drop(url.sibling("SHA256SUMS"));
    }
    if let Ok(mode) = Verify::parse(text) {
        assert_eq!(Verify::parse(&mode.to_string()), Ok(mode));
    }
    if let Some(Ok(percent)) = progress::from_datagram(text) {
        assert!(percent <= 100);
    }
    if let Some(figures) = Figures::from_datagram(text) {
        let told = figures.to_datagram(Some(7));
        assert_eq!(Figures::from_datagram(&told), Some(figures));
    }
    if let Some(reason) = Reason::from_datagram(text) {
        assert!(reason.text.len() <= REASON_BYTES_MAX && !reason.text.contains(char::is_control));
        let told = reason.to_datagram();
        assert_eq!(Reason::from_datagram(&told), Some(reason));
    }
});
