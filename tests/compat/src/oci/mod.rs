//! systemd-pull oci: images of registries, good and bad ones.
//!
//! | module | holds |
//! |---|---|
//! | `image` | images, made blob by blob, and where a server has them |
//! | `merged` | what the layers of a stack make up |
//! | the others | the tests |

mod access;
mod entrances;
mod failures;
mod hostile;
pub(crate) mod image;
mod killed;
mod merged;
mod plan;
mod replaced;
mod results;
mod trees;
