//! Black-box tests of the programs, from outside: command lines, bytes, exit states, files.
//!
//! The same tests run on ours (`SUBJECT=ours`, the default: the programs beside this test binary)
//! and on the original (`SUBJECT=theirs` with `REFERENCE_ROOT`, a root file system that has
//! systemd 262 in it). Where both must differ, a test says so by `subject::is_ours`, and
//! `docs/differences.md` says why.
//!
//! | module | holds |
//! |---|---|
//! | `subject` | runs a program, collects what it says |
//! | `server` | an HTTP server that misbehaves on request |
//! | `make` | archives, disk images, signatures, by the tools people make them with |
//! | `tarball` | archives byte by byte |
//! | `arena` | an archive unpacked by ours, GNU tar and bsdtar |
//! | `mount` | file systems of all kinds, mounted for one test |
//! | `tree` | a folder as a comparable table |
//! | `everything` | a tree with all that an image can hold |
//! | `faults` | pulls from servers that misbehave in every way |
//! | `oci` | images of OCI out of registries |
//! | `bus` | the service on a private bus, with its real workers |
//! | `user` | the user scope, as somebody without privileges |
//! | the others | the tests, one file a subject of the manual |

#![forbid(unsafe_code)]

#[cfg(test)]
mod everything;
#[cfg(test)]
mod make;
#[cfg(test)]
mod mount;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod server;
#[cfg(test)]
mod subject;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod user;
#[cfg(test)]
mod verbs;

#[cfg(test)]
mod arena;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bombs;
#[cfg(test)]
mod btrfs;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod companions;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod direct_pull;
#[cfg(test)]
mod disagreement;
#[cfg(test)]
mod disk_images;
#[cfg(test)]
mod distribution;
#[cfg(test)]
mod escapes;
#[cfg(test)]
mod export;
#[cfg(test)]
mod export_raw;
#[cfg(test)]
mod faithful;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod full;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod import_cpio;
#[cfg(test)]
mod import_fs;
#[cfg(test)]
mod import_raw;
#[cfg(test)]
mod import_tar;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod names;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod oci_arguments;
#[cfg(test)]
mod pull;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod sysupdate;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tarball;
#[cfg(test)]
mod together;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod verify;
