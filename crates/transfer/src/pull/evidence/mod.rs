//! What says what a download must be: checksum lists, their signatures, and the keys that may sign.
//!
//! It is fetched and judged before the body, which is not worth its bytes if it cannot be proven.
//! [`claims::Claims`] is what comes out of it: an expectation for every file, and a
//! [`verdict::Verdict`] that explains itself.
//!
//! | file | decides |
//! |---|---|
//! | `claims` | what a file must turn out to be |
//! | `lists` | where lists are looked for, and which one counts |
//! | `signatures` | where signatures are looked for, and what they are worth |
//! | `object` | files that are proven by a signature of their own |
//! | `keys` | who may sign |
//! | `verdict` | what people and programs are told of it |

pub mod claims;
pub mod keys;
mod lists;
mod object;
mod signatures;
pub mod verdict;
