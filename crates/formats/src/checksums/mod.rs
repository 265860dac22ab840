//! Checksum files: `SHA256SUMS` and `SHA512SUMS` of a folder, `NAME.sha256` and `NAME.sha512` of one
//! file.
//!
//! | line | written by |
//! |---|---|
//! | `DIGEST  NAME`, `DIGEST *NAME` | sha256sum(1), sha512sum(1) |
//! | `\DIGEST  NAME` with `\\`, `\n`, `\r` in the name | the same, for odd names |
//! | `SHA256 (NAME) = DIGEST`, `SHA512 (NAME) = DIGEST` | the same with `--tag`, BSD tools |
//! | `SHA2-256(NAME)= DIGEST` | openssl(1) |
//! | `DIGEST` | files of one digest |
//!
//! Tolerant of what real lists have: CRLF, upper-case digits, several blanks, `./`, a missing last
//! newline; comments and other lines are ignored. Which algorithm is meant is told by the number of
//! digits.

mod date;
mod digest;
mod line;
mod list;

pub use date::Date;
pub use digest::{Algorithm, Digest};
pub use list::{CHECKSUMS_MAX, Error, List};
