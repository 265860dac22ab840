//! `list-transfers`, `list-images`.

use super::Context;
use crate::args::Json;
use crate::client::{Client, TransferRow};
use crate::hints;
use crate::report::Failure;
use crate::scan::{self, Search};
use crate::table::{self, Column};
use crate::{system, units};
use importd_api::bus::SIZE_UNKNOWN;
use importd_api::class::Class;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// A running transfer; the keys of its JSON are the columns of the table.
#[derive(Debug, Serialize)]
struct TransferEntry {
    id: u32,
    progress: Option<u8>,
    r#type: String,
    class: String,
    local: String,
    remote: String,
}

/// An image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    /// Class.
    pub(crate) class: String,
    /// Name.
    pub(crate) name: String,
    /// `directory`, `subvolume`, `raw`, `block` or `mstack`.
    pub(crate) kind: String,
    /// Where it is.
    pub(crate) path: String,
    /// Whether it cannot be written to.
    pub(crate) read_only: bool,
    /// Microseconds since 1970, 0 if unknown.
    pub(crate) created: u64,
    /// Microseconds since 1970, 0 if unknown.
    pub(crate) modified: u64,
    /// Bytes on disk, or [`SIZE_UNKNOWN`].
    pub(crate) usage: u64,
    /// Most bytes it may have, or [`SIZE_UNKNOWN`].
    pub(crate) limit: u64,
}

#[derive(Debug, Serialize)]
struct ImageEntry<'a> {
    class: &'a str,
    name: &'a str,
    r#type: &'a str,
    path: &'a str,
    ro: bool,
    /// 0 if unknown, as the reference prints it.
    crtime: u64,
    mtime: u64,
    usage: Option<u64>,
    limit: Option<u64>,
}

const TRANSFER_COLUMNS: [Column; 6] = [
    Column::number("ID"),
    Column::number("PROGRESS"),
    Column::text("TYPE"),
    Column::text("CLASS"),
    Column::text("LOCAL"),
    Column::text("REMOTE"),
];

const IMAGE_COLUMNS: [Column; 9] = [
    Column::text("CLASS"),
    Column::text("NAME"),
    Column::text("TYPE"),
    Column::text("PATH"),
    Column::text("RO"),
    Column::text("CRTIME"),
    Column::text("MTIME"),
    Column::text("USAGE"),
    Column::text("LIMIT"),
];

/// Lists running transfers, by name of the image, then number.
///
/// # Errors
/// A failure if the service refuses.
pub(crate) async fn transfers(context: &Context) -> anyhow::Result<ExitCode> {
    if context.settings.standalone {
        return Err(Failure::usage(
            "list-transfers has no --standalone form: nothing runs in the background with it",
        ));
    }
    let mut client = context.connect(hints::STATUS).await?;
    let rows = transfer_rows(&mut client, context.settings.class).await?;
    let mut entries: Vec<TransferEntry> = rows
        .into_iter()
        .map(|row| TransferEntry {
            id: row.id,
            progress: units::percent(row.progress),
            r#type: row.kind,
            class: row.class,
            local: row.local,
            remote: row.remote,
        })
        .collect();
    entries.sort_by(|a, b| (&a.local, a.id).cmp(&(&b.local, b.id)));
    if let Some(form) = context.json() {
        return print_json(context, &entries, form);
    }
    let cells = entries.into_iter().map(|entry| {
        let percent = entry.progress.map(|percent| format!("{percent}%"));
        vec![
            entry.id.to_string(),
            percent.unwrap_or_else(|| "-".to_owned()),
            entry.r#type,
            entry.class,
            entry.local,
            entry.remote,
        ]
    });
    print_table(context, &TRANSFER_COLUMNS, cells.collect(), "transfers")
}

async fn transfer_rows(
    client: &mut Client,
    class: Option<Class>,
) -> anyhow::Result<Vec<TransferRow>> {
    const DOING: &str = "Could not get transfers";
    let filter = class.map_or("", Class::as_str);
    let listed = match client.transfers(filter).await {
        Err(error) if error.is_unknown_method() => client.transfers_old().await,
        listed => listed,
    };
    let mut rows = listed.map_err(|error| error.into_failure(DOING, hints::STATUS))?;
    // The old list knows no filter.
    rows.retain(|row| filter.is_empty() || row.class == filter);
    Ok(rows)
}

/// Lists images, by class, then name.
///
/// # Errors
/// A failure if the service refuses, or a folder cannot be read.
pub(crate) async fn images(context: &Context) -> anyhow::Result<ExitCode> {
    let mut images = match context.settings.standalone {
        true => {
            let search = Search {
                scope: context.settings.scope,
                class: context.settings.class,
                image_root: context.settings.image_root.as_deref(),
            };
            scan::images(&search, &context.environment)?
        }
        false => served_images(context).await?,
    };
    images.sort_by(|a, b| (&a.class, &a.name).cmp(&(&b.class, &b.name)));
    if let Some(form) = context.json() {
        let entries: Vec<ImageEntry<'_>> = images.iter().map(Image::entry).collect();
        return print_json(context, &entries, form);
    }
    let zone = units::Zone::local();
    let rows = images.into_iter().map(|image| image.into_cells(&zone));
    print_table(context, &IMAGE_COLUMNS, rows.collect(), "images")
}

async fn served_images(context: &Context) -> anyhow::Result<Vec<Image>> {
    let mut client = context.connect(hints::STANDALONE).await?;
    let filter = context.settings.class.map_or("", Class::as_str);
    let rows = client.images(filter).await;
    let rows = rows.map_err(|e| e.into_failure("Could not list images", hints::STANDALONE))?;
    let image =
        |(class, name, kind, path, read_only, created, modified, usage, _, limit, _)| Image {
            class,
            name,
            kind,
            path,
            read_only,
            created,
            modified,
            usage,
            limit,
        };
    Ok(rows.into_iter().map(image).collect())
}

fn known_size(size: u64) -> Option<u64> {
    (size != SIZE_UNKNOWN).then_some(size)
}

impl Image {
    fn entry(&self) -> ImageEntry<'_> {
        ImageEntry {
            class: &self.class,
            name: &self.name,
            r#type: &self.kind,
            path: &self.path,
            ro: self.read_only,
            crtime: self.created,
            mtime: self.modified,
            usage: known_size(self.usage),
            limit: known_size(self.limit),
        }
    }

    fn into_cells(self, zone: &units::Zone) -> Vec<String> {
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let size = |bytes| dash(known_size(bytes).map(units::size));
        let (usage, limit) = (size(self.usage), size(self.limit));
        vec![
            self.class,
            self.name,
            self.kind,
            self.path,
            if self.read_only { "ro" } else { "rw" }.to_owned(),
            dash(units::time(self.created, zone)),
            dash(units::time(self.modified, zone)),
            usage,
            limit,
        ]
    }
}

fn print_json<T: Serialize>(
    context: &Context,
    entries: &[T],
    form: Json,
) -> anyhow::Result<ExitCode> {
    let text = match form {
        Json::Pretty => serde_json::to_string_pretty(entries)?,
        Json::Short | Json::Auto | Json::Off => serde_json::to_string(entries)?,
    };
    // One line is for programs.
    context.show(&(text + "\n"), form == Json::Pretty)
}

fn print_table(
    context: &Context,
    columns: &[Column],
    rows: Vec<Vec<String>>,
    what: &str,
) -> anyhow::Result<ExitCode> {
    let legend = context.settings.legend;
    let count = rows.len();
    if count == 0 {
        let text = if legend {
            format!("No {what}.\n")
        } else {
            String::new()
        };
        return context.show(&text, true);
    }
    let terminal = io::stdout().is_terminal();
    let width = if terminal {
        system::terminal_columns()
    } else {
        None
    };
    let colors = terminal && context.environment.colors;
    let mut text = String::new();
    for (index, line) in table::lay_out(columns, rows, legend, width)
        .iter()
        .enumerate()
    {
        match (colors, legend && index == 0) {
            (true, true) => text += &format!("\x1b[4m{line}\x1b[0m\n"),
            (true, false) => text += &(paint(line) + "\n"),
            (false, _) => text += &format!("{line}\n"),
        }
    }
    if legend {
        text += &format!("\n{count} {what} listed.\n");
    }
    context.show(&text, true)
}

/// Colours the RO column: nothing to its right can be `ro` or `rw`.
fn paint(line: &str) -> String {
    let find = |word: &str| line.rfind(word).map(|at| (at, word.len()));
    let (found, color) = match (find(" ro "), find(" rw ")) {
        (Some(ro), rw) if rw.is_none_or(|rw| rw.0 < ro.0) => (ro, "\x1b[31m"),
        (_, Some(rw)) => (rw, "\x1b[32m"),
        _ => return line.to_owned(),
    };
    let (start, rest) = line.split_at(found.0);
    let (word, end) = rest.split_at(found.1);
    format!("{start}{color}{word}\x1b[0m{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            class: "sysext".into(),
            name: "v9".into(),
            kind: "raw".into(),
            path: "/var/lib/extensions/v9.raw".into(),
            read_only: false,
            created: 1_795_394_813_131_520,
            modified: 0,
            usage: 4096,
            limit: SIZE_UNKNOWN,
        }
    }

    #[test]
    fn images_are_shown_as_the_reference_shows_them() {
        let cells = image().into_cells(&units::Zone::UTC);
        assert_eq!(
            cells,
            [
                "sysext",
                "v9",
                "raw",
                "/var/lib/extensions/v9.raw",
                "rw",
                "Mon 2026-11-23 00:46:53 UTC",
                "-",
                "4K",
                "-"
            ]
        );
        assert_eq!(
            serde_json::to_string(&image().entry()).unwrap(),
            "{\"class\":\"sysext\",\"name\":\"v9\",\"type\":\"raw\",\
             \"path\":\"/var/lib/extensions/v9.raw\",\"ro\":false,\
             \"crtime\":1795394813131520,\"mtime\":0,\"usage\":4096,\"limit\":null}"
        );
    }

    #[test]
    fn only_the_read_only_column_is_coloured() {
        assert_eq!(paint("a ro x rw - - 1K"), "a ro x\x1b[32m rw \x1b[0m- - 1K");
        assert_eq!(paint("a rw x ro - -"), "a rw x\x1b[31m ro \x1b[0m- -");
        assert_eq!(paint("nothing"), "nothing");
    }
}
