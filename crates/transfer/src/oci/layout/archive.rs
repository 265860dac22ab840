//! Where the files of an archive are.
//!
//! The headers are read once; contents are read where they lie. A packed archive, or one that comes
//! through a pipe, is spooled into a file without a name first.

use super::files::{Part, is_plain};
use super::open::Spool;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::report::Report;
use crate::source::file::Input;
use crate::stage::chunks::{Copied, Reader as FlowReader};
use crate::stage::limit::Budget;
use crate::stage::meter::{Meter, Observer, percent};
use crate::stage::sniff;
use importd_api::failure::Kind;
use importd_formats::codec::Codec;
use importd_formats::tar::{self, Limits};
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Most members: an image has at most some thousand layers, with three files for each.
const MEMBERS_MAX: usize = 1 << 16;
/// Longest name of a member that can be a file of an image, in bytes: a digest in three folders.
const NAME_BYTES_MAX: usize = 512;
/// Most links that lead to one another.
const LINKS_MAX: usize = 8;
/// Bytes that are read at once where headers are looked for.
const HEADER_BYTES: usize = 4096;
/// Percent of an import that spooling is.
const SPOOL_SHARE: u64 = 30;
/// Size of the buffer for spooling, in bytes.
const SPOOL_BYTES: usize = 1 << 20;

/// An archive, and where its files are.
#[derive(Debug)]
pub(super) struct Archive {
    members: HashMap<String, Member>,
}

#[derive(Debug)]
enum Member {
    File(Part),
    /// A link to another member, by its name from the top; `None` if it leads elsewhere.
    Link(Option<String>),
    /// Anything else.
    Other,
}

impl Archive {
    /// Finds the files of an archive.
    ///
    /// # Errors
    /// [`Kind::Archive`] for what is none; [`Kind::Document`] for two files of one name;
    /// [`Kind::TooLarge`] for too many; [`Kind::SizeLimit`] for more than may be spooled.
    pub(super) fn open(input: Input, spool: &Spool<'_>, context: &Context) -> Result<Self> {
        let label = input.label.clone();
        let whole = match plain(&input)? {
            Some(part) => part,
            None => spooled(input, spool, context)?,
        };
        Self::index(&whole, &label, context)
    }

    fn index(whole: &Part, label: &str, context: &Context) -> Result<Self> {
        let source = whole.reader(Some(context.cancel.clone()));
        let source = BufReader::with_capacity(HEADER_BYTES, source);
        let mut reader = tar::Reader::new(source, Limits::default());
        let mut members = HashMap::new();
        let mut count = 0usize;
        while let Some(entry) = reader.next_entry()? {
            count += 1;
            if count > MEMBERS_MAX {
                let text = format!("'{label}' has more than {MEMBERS_MAX} members");
                return Err(Error::new(Kind::TooLarge, text));
            }
            let extent = reader.pass_contents()?;
            let end = extent.offset.checked_add(extent.length);
            if end.is_none_or(|end| end > whole.length) {
                return Err(Error::from(tar::Error::Truncated));
            }
            let Some(name) = name(&entry.path) else {
                continue;
            };
            let member = match entry.kind {
                tar::Kind::File if !entry.sparse => Member::File(Part {
                    file: Arc::clone(&whole.file),
                    offset: whole.offset.saturating_add(extent.offset),
                    length: extent.length,
                }),
                tar::Kind::Symlink => Member::Link(target(parent(&name), &entry.link)),
                tar::Kind::HardLink => Member::Link(target("", &entry.link)),
                tar::Kind::Directory => continue,
                _ => Member::Other,
            };
            if members.insert(name.clone(), member).is_some() {
                // Some readers take the first, others the last.
                let shown = name.escape_debug();
                let text = format!("'{label}' has two members of the name '{shown}'");
                return Err(Error::new(Kind::Document, text));
            }
        }
        Ok(Self { members })
    }

    /// The file of this name, links followed within the archive; `None` if there is nothing.
    pub(super) fn find(&self, path: &str) -> Result<Option<Part>> {
        let refused = |what: &str| {
            let text = format!("'{}' {what}", path.escape_debug());
            Err(Error::new(Kind::Document, text))
        };
        let path_of = |text: &str| name(text.as_bytes());
        let Some(mut name) = path_of(path) else {
            return refused("is no name of a file of the image");
        };
        for _ in 0..=LINKS_MAX {
            match self.members.get(&name) {
                None => return Ok(None),
                Some(Member::File(part)) => return Ok(Some(part.clone())),
                Some(Member::Other) => return refused("is no regular file"),
                Some(Member::Link(None)) => return refused("is a link out of the archive"),
                Some(Member::Link(Some(target))) => name.clone_from(target),
            }
        }
        refused("leads through too many links")
    }
}

/// The name of a member as documents write it; `None` for what no document can mean.
fn name(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok()?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = text.trim_end_matches('/');
    (text.len() <= NAME_BYTES_MAX && is_plain(text)).then(|| text.to_owned())
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folders, _)| folders)
}

/// Where a link leads, from the top; `None` if that is not in the archive.
fn target(folder: &str, link: &[u8]) -> Option<String> {
    let link = std::str::from_utf8(link).ok()?;
    if link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    name(parts.join("/").as_bytes())
}

/// The file itself, if it can be read out of order and is not packed.
fn plain(input: &Input) -> Result<Option<Part>> {
    let Some(length) = input.length.filter(|_| input.is_file() && input.is_whole()) else {
        return Ok(None);
    };
    let whole = Part {
        file: Arc::new(input.try_clone_fd()?),
        offset: 0,
        length,
    };
    let mut start = [0; Codec::MAGIC_LEN];
    let mut filled = 0;
    let mut reader = whole.reader(None);
    while filled < start.len() {
        match reader.read(&mut start[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) => {
                let text = format!("Failed to read '{}'", input.label);
                return Err(Error::io(text, error));
            }
        }
    }
    Ok((Codec::sniff(&start[..filled]) == Codec::None).then_some(whole))
}

/// Unpacks an archive into a file without a name.
fn spooled(input: Input, spool: &Spool<'_>, context: &Context) -> Result<Part> {
    let failed = || "Failed to keep the archive for reading".to_owned();
    let file = spool.folder.make_unnamed().doing(failed)?;
    let observer = observer(&context.report, input.length);
    let reader = input.into_reader(context.cancel.clone());
    let meter = Meter::new(reader, context.cancel.clone(), observer);
    let packed = meter.count();
    let (codec, flow) = sniff::unpacked(Box::new(Copied::new(meter)))?;
    let codec = codec.name();
    let text = format!("The archive is {codec}; it is put into a hidden file first.");
    context.report.debug(text);
    let budget = Budget::new(spool.size_max, spool.ratio, Some(packed));
    let mut source = FlowReader::new(flow);
    let mut buffer = vec![0; SPOOL_BYTES];
    let mut length = 0;
    loop {
        let got = source
            .read(&mut buffer)
            .doing(|| "Failed to decode and write".into())?;
        if got == 0 {
            break;
        }
        budget.take(got as u64)?;
        write_at(&file, &buffer[..got], length).doing(failed)?;
        length += got as u64;
    }
    Ok(Part {
        file: Arc::new(file),
        offset: 0,
        length,
    })
}

/// Reports how much of the archive was read: the smaller part of the work, the layers are the larger.
fn observer(report: &Report, length: Option<u64>) -> Observer {
    let report = report.clone();
    Box::new(move |bytes| {
        let Some(length) = length else {
            return report.moved_of_unknown(bytes);
        };
        report.moved(bytes, Some(length));
        let share = u64::from(percent(bytes, length)) * SPOOL_SHARE / 100;
        report.progress(u8::try_from(share).unwrap_or(0));
    })
}

fn write_at(file: &OwnedFd, mut data: &[u8], mut offset: u64) -> rustix::io::Result<()> {
    while !data.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::pwrite(file, data, offset))?;
        if written == 0 {
            return Err(rustix::io::Errno::NOSPC);
        }
        data = &data[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_archive_or_lead_nowhere() {
        for (folder, link, leads) in [
            ("a", &b"../b/layer.tar"[..], Some("b/layer.tar")),
            ("", b"b.tar", Some("b.tar")),
            ("a/b", b"./c", Some("a/b/c")),
            ("a", b"../../etc/passwd", None),
            ("a", b"/etc/passwd", None),
            ("a", b"..", None),
            ("a", b"\xff", None),
        ] {
            assert_eq!(target(folder, link).as_deref(), leads, "{folder} {link:?}");
        }
    }

    #[test]
    fn names_are_those_that_documents_write() {
        for (path, plain) in [
            (&b"./a/b"[..], Some("a/b")),
            (b"a/b/", Some("a/b")),
            (b"a//b", None),
            (b"../a", None),
            (b"/a", None),
            (b"", None),
            (b"a/./b", None),
            (b"\xff", None),
        ] {
            assert_eq!(name(path).as_deref(), plain, "{path:?}");
        }
        assert_eq!(name(&[b'n'; NAME_BYTES_MAX + 1]), None);
    }
}
