//! What registries, those who give out tokens, and files about both say. Never: a panic; a realm that
//! was not there; a token that cannot stand in a header; an error that repeats what it was given.
#![no_main]

use importd_formats::oci::challenge::Challenge;
use importd_formats::oci::description::Description;
use importd_formats::oci::login::{Login, Logins};
use importd_formats::oci::token::Token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for challenge in Challenge::parse_all(text.split('\n')) {
        if let Challenge::Bearer(bearer) = challenge {
            assert!(!bearer.realm.is_empty());
            let plain = text.replace('\\', "");
            assert!(plain.contains(&bearer.realm.replace('\\', "")));
        }
    }
    let bytes = text.as_bytes();
    if let Ok(token) = Token::parse(bytes) {
        assert!(token.text.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
    }
    match Logins::parse(bytes) {
        Ok(logins) => {
            if let Err(error) = logins.find("registry.example", "a/b") {
                assert!(error.to_string().len() < 200);
            }
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
    if let Err(error) = Login::parse_answer(bytes) {
        assert!(error.to_string().len() < 200);
    }
    drop(Description::parse(bytes));
});
