use super::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn find(list: &str) -> Option<Digest> {
    List::parse(list.as_bytes()).unwrap().digest(b"x").unwrap()
}

#[test]
fn every_usual_line_is_understood() {
    let digest = Some(Digest::Sha256([0xaa; 32]));
    for line in [
        format!("{A}  x\n"),
        format!("{A} *x\n"),
        format!("{A} x"),
        format!("{A}   ./x\r\n"),
        format!("{A}\tx\r\n"),
        format!("  {}  x\n", A.to_uppercase()),
        format!("SHA256 (x) = {A}\n"),
        format!("SHA256 (./x) = {A}\r\n"),
        format!("SHA256(x)= {A}\n"),
        format!("SHA2-256(x)= {A}\n"),
        format!("\\{A}  x\n"),
        format!("\\SHA256 (x) = {A}\n"),
        format!("# comment\n-----BEGIN PGP SIGNED MESSAGE-----\n{B}  y\n{A}  x\n"),
        format!("junk {A}  x in mid line\n{A}  x\n{A} *x"),
    ] {
        assert_eq!(find(&line), digest, "{line}");
    }
}

#[test]
fn sha512_lines_are_understood_and_sha256_is_preferred() {
    let long = Some(Digest::Sha512([0xaa; 64]));
    for line in [
        format!("{A}{A}  x\n"),
        format!("{A}{A} *./x"),
        format!("SHA512 (x) = {A}{A}\r\n"),
        format!("SHA2-512(x)= {A}{A}"),
        format!("{B}  y\n{A}{A}  x\n"),
    ] {
        assert_eq!(find(&line), long, "{line}");
    }
    for both in [
        format!("{A}  x\n{B}{B}  x\n"),
        format!("{B}{B}  x\n{A}  x\n"),
    ] {
        assert_eq!(find(&both), Some(Digest::Sha256([0xaa; 32])));
    }
}

#[test]
fn names_with_odd_bytes_are_unescaped_only_where_the_line_says_so() {
    let list = format!("\\{A}  a\\nb\\\\c\\rd\n{B}  a\\nb\n\\{B}  bad\\x\n");
    let list = List::parse(list.as_bytes()).unwrap();
    let digest = |name: &[u8]| list.digest(name).unwrap();
    assert_eq!(digest(b"a\nb\\c\rd"), Some(Digest::Sha256([0xaa; 32])));
    assert_eq!(digest(b"a\\nb"), Some(Digest::Sha256([0xbb; 32])));
    assert_eq!((digest(b"bad\\x"), digest(b"badx")), (None, None));
    assert_eq!(list.entries(), 2);
}

#[test]
fn other_names_and_near_misses_are_not_listed() {
    for line in [
        format!("{A}  xx\n"),
        format!("{A}  d/x\n"),
        format!("{A}x\n{B} y"),
        format!("a{A}  x\n{B} y"),
        format!("MD5 (x) = {A}\n{B} y"),
        format!("SHA512 (x) = {A}\n{B} y"),
        format!("SHA256 (x) = {A}{A}\n{B} y"),
        format!("{A}{A}a  x\n{B} y"),
        format!("{A}  .//x\n{B} y"),
        format!("{A}  **x\n{B} y"),
    ] {
        assert_eq!(find(&line), None, "{line}");
    }
}

#[test]
fn contradictions_and_emptiness_are_errors() {
    for list in [
        format!("{A}  x\n{B}  x\n"),
        format!("{A}{A}  x\nSHA512 (x) = {B}{B}\n"),
        format!("{A}  x\n{B}{B}  x\nSHA256 (x) = {B}\n"),
    ] {
        let list = List::parse(list.as_bytes()).unwrap();
        assert_eq!(list.digest(b"x"), Err(Error::Ambiguous(b"x".to_vec())));
        assert_eq!(list.digest(b"y"), Ok(None));
    }
    assert_eq!(List::parse(b" \n"), Err(Error::Empty));
    assert_eq!(List::parse(b"<html>404</html>"), Err(Error::NoDigest));
}

#[test]
fn a_bare_digest_is_one_only_if_it_is_alone() {
    let bare = |text: String| List::parse(text.as_bytes()).unwrap().bare_digest();
    assert_eq!(bare(format!("{A}\n")), Some(Digest::Sha256([0xaa; 32])));
    assert_eq!(bare(format!("{A}{A}\n")), Some(Digest::Sha512([0xaa; 64])));
    assert_eq!(bare(format!("{A}\n{B}\n")), None);
    assert_eq!(bare(format!("{A}\n{B}  y\n")), None);
}

#[test]
fn the_earliest_best_before_entry_of_an_empty_file_counts() {
    let long = Digest::of_nothing(Algorithm::Sha512).unwrap();
    for (lines, expected) in [
        (format!("{EMPTY}  BEST-BEFORE-2024-12-31\n"), "2024-12-31"),
        (format!("{long} *BEST-BEFORE-2024-12-31\n"), "2024-12-31"),
        (
            format!("{EMPTY}  BEST-BEFORE-2030-01-01\n{EMPTY}  BEST-BEFORE-2029-01-01\n"),
            "2029-01-01",
        ),
        (format!("{A}  BEST-BEFORE-2024-12-31\n"), ""),
        (format!("{EMPTY}  BEST-BEFORE-2024-02-30\n"), ""),
        (format!("{EMPTY}  BEST-BEFORE-soon\n"), ""),
        (format!("{EMPTY}  d/BEST-BEFORE-2024-12-31\n"), ""),
    ] {
        let date = List::parse(lines.as_bytes()).unwrap().best_before();
        let date = date.map_or_else(String::new, |date| date.to_string());
        assert_eq!(date, expected, "{lines}");
    }
}
