//! Which ids a namespace has.

use super::ranges::{self, Range};
use super::{Seed, user};
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Longest part of a program's complaint that is repeated, in characters.
const COMPLAINT_MAX: usize = 200;

/// The two kinds of ids, each with its file and its program.
const USERS: Kind = Kind {
    file: "/etc/subuid",
    program: "newuidmap",
};
const GROUPS: Kind = Kind {
    file: "/etc/subgid",
    program: "newgidmap",
};

#[derive(Clone, Copy, Debug)]
struct Kind {
    file: &'static str,
    program: &'static str,
}

/// The ids of a namespace.
#[derive(Debug)]
pub enum Ids {
    /// The caller as 0, and as many more: users and groups.
    Range {
        /// Highest user.
        users: u64,
        /// Highest group.
        groups: u64,
    },
    /// The caller as 0, and no other; why.
    Own(Lack),
}

/// What is missing for more ids than one's own.
#[derive(Debug)]
pub enum Lack {
    /// The process may not gain privileges by starting a program.
    NoNewPrivileges,
    /// The file gives the user no ids.
    NoRange {
        /// The file.
        file: &'static str,
        /// The user.
        user: String,
    },
    /// A program is not there.
    NoProgram(&'static str),
    /// A program could not be started, or failed.
    Refused {
        /// The program.
        program: &'static str,
        /// What it said.
        complaint: String,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::NoNewPrivileges => f.write_str(
                "newuidmap could not gain its privilege here, since NoNewPrivileges= or its like is set",
            ),
            Lack::NoRange { file, user } => write!(
                f,
                "{file} gives {user} no ids; as root: usermod --add-subuids 100000-165535 \
                 --add-subgids 100000-165535 {user}"
            ),
            Lack::NoProgram(program) => {
                write!(f, "the program {program} is missing (package uidmap or shadow-utils)")
            }
            Lack::Refused { program, complaint } => write!(f, "{program} failed: {complaint}"),
        }
    }
}

/// A namespace that is mapped as far as can be.
pub(super) fn mapped() -> io::Result<(Seed, Ids)> {
    let seed = Seed::new()?;
    match map_ranges(&seed) {
        Ok(ids) => Ok((seed, ids)),
        Err(lack) => {
            // Maps can be written once: half a one is of no use.
            drop(seed);
            let seed = Seed::new()?;
            map_own(&seed)?;
            Ok((seed, Ids::Own(lack)))
        }
    }
}

fn map_ranges(seed: &Seed) -> Result<Ids, Lack> {
    if rustix::thread::no_new_privs().unwrap_or(false) {
        return Err(Lack::NoNewPrivileges);
    }
    let (uid, gid) = own();
    let name = user::name(uid);
    let ranges = |kind: Kind| {
        let found = ranges::read(Path::new(kind.file), name.as_deref(), uid);
        match found {
            Ok(ranges) if !ranges.is_empty() => Ok(ranges),
            Ok(_) | Err(_) => Err(Lack::NoRange {
                file: kind.file,
                user: name.clone().unwrap_or_else(|| uid.to_string()),
            }),
        }
    };
    // Groups belong to the user too; see subgid(5).
    let (users, groups) = (ranges(USERS)?, ranges(GROUPS)?);
    run(USERS, seed, uid, &users)?;
    run(GROUPS, seed, gid, &groups)?;
    let highest = |ranges: &[Range]| ranges.iter().map(|range| u64::from(range.count)).sum();
    Ok(Ids::Range {
        users: highest(&users),
        groups: highest(&groups),
    })
}

fn own() -> (u32, u32) {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    (uid.as_raw(), gid.as_raw())
}

fn run(kind: Kind, seed: &Seed, own: u32, ranges: &[Range]) -> Result<(), Lack> {
    let mut command = Command::new(kind.program);
    command.arg(seed.pid().as_raw_nonzero().to_string());
    for line in lines(own, ranges) {
        command.args(line.map(|number| number.to_string()));
    }
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    let output = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Lack::NoProgram(kind.program));
        }
        Err(error) => {
            return Err(Lack::Refused {
                program: kind.program,
                complaint: error.to_string(),
            });
        }
        Ok(output) => output,
    };
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.trim().escape_debug();
    Err(Lack::Refused {
        program: kind.program,
        complaint: complaint.take(COMPLAINT_MAX).collect(),
    })
}

/// The lines of a map: inside, outside, how many. 0 is the caller; the ranges follow in their order.
fn lines(own: u32, ranges: &[Range]) -> Vec<[u64; 3]> {
    let mut lines = vec![[0, u64::from(own), 1]];
    let mut inside = 1;
    for range in ranges {
        // Beyond the last id there is nothing that could be named.
        let count = u64::from(range.count).min(u64::from(u32::MAX).saturating_sub(inside));
        if count > 0 {
            lines.push([inside, u64::from(range.first), count]);
        }
        inside += count;
    }
    lines
}

/// Maps the caller alone, which needs no privilege once groups can no longer be dropped.
fn map_own(seed: &Seed) -> io::Result<()> {
    let (uid, gid) = own();
    let write = |file: &str, text: String| {
        let path = format!("/proc/{}/{file}", seed.pid().as_raw_nonzero());
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        rustix::io::write(file, text.as_bytes()).map(|_| ())
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1"))?;
    Ok(write("gid_map", format!("0 {gid} 1"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_inside_and_end_with_the_last_id() {
        let range = |first, count| Range { first, count };
        let two = lines(1000, &[range(100_000, 65536), range(500_000, 10)]);
        assert_eq!(
            two,
            [[0, 1000, 1], [1, 100_000, 65536], [65537, 500_000, 10]]
        );
        let huge = lines(1, &[range(10, u32::MAX - 11), range(5, 100)]);
        let last = huge.last().unwrap();
        assert_eq!(last[0] + last[2], u64::from(u32::MAX));
        assert_eq!(lines(7, &[]), [[0, 7, 1]]);
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let lack = Lack::NoRange {
            file: "/etc/subuid",
            user: "alice".into(),
        };
        assert!(lack.to_string().ends_with(" alice"), "{lack}");
        let lack = Lack::NoProgram("newuidmap");
        assert!(lack.to_string().contains("uidmap"), "{lack}");
    }
}
