//! Documents that we write: manifests, indexes, configurations.
//!
//! Members stand in one order, without blanks: the same image gives the same bytes. What an earlier
//! configuration says, and what nothing here stands for, stays.
//!
//! # Source
//! OCI image specification, "Image Manifest", "Image Index", "Image Configuration".

use super::descriptor::Stored;
use super::{BlobDigest, Error, MediaType, Platform};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What the history of a layer of ours says of how it was made.
const CREATED_BY: &str = "importd export-oci";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: &'a Stored,
    layers: &'a [Stored],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Stored],
}

/// Writes a manifest.
///
/// # Errors
/// [`Error::Json`], which does not happen.
pub fn manifest(config: &Stored, layers: &[Stored]) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MediaType::MANIFEST,
        config,
        layers,
    })?)
}

/// Writes an index.
///
/// # Errors
/// [`Error::Json`], which does not happen.
pub fn index(manifests: &[Stored]) -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: MediaType::INDEX,
        manifests,
    })?)
}

/// What is said of an image; what is `None` stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// For which machine it is.
    pub platform: Option<Platform>,
    /// When it was made, as RFC 3339 writes it.
    pub created: Option<String>,
    /// User and group.
    pub user: Option<String>,
    /// Assignments; each replaces the one of its variable.
    pub environment: Vec<String>,
    /// The program and its first arguments. With another one, the old command goes.
    pub entrypoint: Option<Vec<String>>,
    /// What follows.
    pub command: Option<Vec<String>>,
    /// Where it is started.
    pub working_directory: Option<String>,
}

/// Writes a configuration of layers of these digests, the lowest first, each that of the unpacked
/// archive. `before` is the configuration that the image had, if it had one: what it says of the
/// lowest layers' history stays, if it can be about them.
///
/// # Errors
/// [`Error::Json`], [`Error::Invalid`] for a configuration that is none.
pub fn config(
    before: Option<&[u8]>,
    wishes: &Wishes,
    diff_ids: &[BlobDigest],
) -> Result<Vec<u8>, Error> {
    let mut members: Map<String, Value> = match before {
        Some(bytes) => {
            // What is read twice in two ways is refused there.
            super::Config::parse(bytes)?;
            serde_json::from_slice(bytes)?
        }
        None => Map::new(),
    };
    if let Some(platform) = &wishes.platform {
        members.remove("variant");
        put(&mut members, "architecture", platform.architecture.as_ref());
        put(&mut members, "os", platform.os.as_ref());
        put(&mut members, "variant", platform.variant.as_ref());
    }
    put(&mut members, "created", wishes.created.as_ref());
    let history = history(&members, wishes, diff_ids.len());
    members.insert("history".into(), history.into());
    members.insert(
        "rootfs".into(),
        json!({"type": "layers", "diff_ids": diff_ids}),
    );
    let mut start = match members.remove("config") {
        Some(Value::Object(start)) => start,
        _ => Map::new(),
    };
    wishes.apply(&mut start);
    if !start.is_empty() {
        members.insert("config".into(), start.into());
    }
    Ok(serde_json::to_vec(&members)?)
}

fn put(members: &mut Map<String, Value>, key: &str, value: Option<&String>) {
    if let Some(value) = value {
        members.insert(key.into(), value.as_str().into());
    }
}

impl Wishes {
    fn apply(&self, start: &mut Map<String, Value>) {
        put(start, "User", self.user.as_ref());
        put(start, "WorkingDir", self.working_directory.as_ref());
        if let Some(entrypoint) = &self.entrypoint {
            start.insert("Entrypoint".into(), entrypoint.clone().into());
            start.remove("Cmd");
        }
        if let Some(command) = &self.command {
            start.insert("Cmd".into(), command.clone().into());
        }
        if self.environment.is_empty() {
            return;
        }
        let mut all: Vec<Value> = match start.remove("Env") {
            Some(Value::Array(old)) => old,
            _ => Vec::new(),
        };
        for assignment in &self.environment {
            let variable = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
            let name = variable(assignment);
            all.retain(|old| old.as_str().is_none_or(|old| variable(old) != name));
            all.push(assignment.as_str().into());
        }
        start.insert("Env".into(), all.into());
    }
}

/// One entry for each layer, and those without a layer that were there.
fn history(members: &Map<String, Value>, wishes: &Wishes, layers: usize) -> Vec<Value> {
    let empty = Vec::new();
    let old = members.get("history").and_then(Value::as_array);
    let old = old.unwrap_or(&empty);
    let has_layer = |entry: &&Value| entry.get("empty_layer") != Some(&Value::Bool(true));
    let described = old.iter().filter(has_layer).count();
    let diff_ids = members.get("rootfs").and_then(|root| root.get("diff_ids"));
    let before = diff_ids.and_then(Value::as_array).map_or(0, Vec::len);
    let is_about_them = described == before && before <= layers;
    let mut all = match is_about_them {
        true => old.clone(),
        false => Vec::new(),
    };
    let known = if is_about_them { described } else { 0 };
    let mut entry = Map::new();
    put(&mut entry, "created", wishes.created.as_ref());
    entry.insert("created_by".into(), CREATED_BY.into());
    let new = layers.saturating_sub(known);
    all.extend(std::iter::repeat_n(Value::Object(entry), new));
    all
}

/// A time, in seconds since 1970, as RFC 3339 writes it; `None` beyond the year 9999.
#[must_use]
pub fn timestamp(seconds: u64) -> Option<String> {
    const DAY: u64 = 86_400;
    let (days, second) = (seconds.checked_div(DAY)?, seconds.checked_rem(DAY)?);
    let (year, month, day) = date(days)?;
    let (hour, minute) = (second.checked_div(3600)?, second.checked_div(60)?);
    let (minute, second) = (minute.checked_rem(60)?, second.checked_rem(60)?);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

/// The day of the Gregorian calendar that is so many days after the first of 1970.
fn date(mut days: u64) -> Option<(u64, u64, u64)> {
    const LAST_YEAR: u64 = 9999;
    const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for year in 1970..=LAST_YEAR {
        let divides = |by: u64| year.checked_rem(by) == Some(0);
        let is_leap = divides(4) && (!divides(100) || divides(400));
        let length = if is_leap { 366 } else { 365 };
        let Some(rest) = days.checked_sub(length) else {
            for (month, length) in (1u64..).zip(MONTHS) {
                let length = length.checked_add(u64::from(is_leap && month == 2))?;
                match days.checked_sub(length) {
                    Some(rest) => days = rest,
                    None => return Some((year, month, days.checked_add(1)?)),
                }
            }
            return None;
        };
        days = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksums::Digest;
    use crate::oci::{Config, Document};

    fn digest(number: u8) -> BlobDigest {
        Digest::Sha256([number; 32]).into()
    }

    fn stored(media_type: &str, number: u8) -> Stored {
        Stored {
            media_type: media_type.into(),
            digest: digest(number),
            size: 3,
            platform: None,
        }
    }

    #[test]
    fn documents_are_read_as_they_were_meant() {
        let layers = [
            stored(MediaType::LAYER_GZIP, 1),
            stored(MediaType::LAYER_ZSTD, 2),
        ];
        let bytes = manifest(&stored(MediaType::CONFIG, 3), &layers).unwrap();
        let Document::Manifest(read) = Document::parse(&bytes, Some(MediaType::MANIFEST)).unwrap()
        else {
            unreachable!("it is a manifest");
        };
        assert_eq!(read.config.unwrap().digest, digest(3));
        let digests: Vec<_> = read.layers.iter().map(|layer| layer.digest).collect();
        assert_eq!(digests, [digest(1), digest(2)]);
        assert!(
            read.layers
                .iter()
                .all(|l| l.media_type == MediaType::Layer && l.size == 3)
        );

        let mut image = stored(MediaType::MANIFEST, 4);
        image.platform = Some(Platform {
            os: Some("linux".into()),
            architecture: Some("arm".into()),
            variant: Some("v6".into()),
        });
        let bytes = index(std::slice::from_ref(&image)).unwrap();
        let Document::Index(read) = Document::parse(&bytes, Some(MediaType::INDEX)).unwrap() else {
            unreachable!("it is an index");
        };
        assert_eq!(read.images[0].platform, image.platform);
    }

    #[test]
    fn a_configuration_keeps_what_it_is_not_told() {
        let before = br#"{"architecture":"arm64","os":"linux","variant":"v8","odd":{"z":1,"a":[]},
            "config":{"Env":["A=1","B=2"],"Cmd":["x"],"Labels":{"l":"m"}},
            "history":[{"created_by":"one"},{"created_by":"e","empty_layer":true}],
            "rootfs":{"type":"layers","diff_ids":
            ["sha256:0101010101010101010101010101010101010101010101010101010101010101"]}}"#;
        let wishes = Wishes {
            environment: vec!["A=3".into(), "C=4".into()],
            entrypoint: Some(vec!["/init".into()]),
            working_directory: Some("/srv".into()),
            created: timestamp(0),
            ..Wishes::default()
        };
        let bytes = config(Some(before), &wishes, &[digest(1), digest(2)]).unwrap();
        let read = Config::parse(&bytes).unwrap();
        assert_eq!(read.diff_ids, [digest(1), digest(2)]);
        let start = read.start.unwrap();
        assert_eq!(start.environment, ["B=2", "A=3", "C=4"]);
        assert_eq!(start.entrypoint, ["/init"]);
        assert!(start.command.is_empty());
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["odd"], json!({"z": 1, "a": []}));
        assert_eq!(value["variant"], "v8");
        assert_eq!(value["config"]["Labels"], json!({"l": "m"}));
        let history = value["history"].as_array().unwrap();
        assert_eq!(history.len(), 3);
        assert_eq!(history[0]["created_by"], "one");
        assert_eq!(history[2]["created"], "1970-01-01T00:00:00Z");
        // Fewer layers than the history knows: it is about others.
        let fewer = config(Some(before), &Wishes::default(), &[]).unwrap();
        let fewer: Value = serde_json::from_slice(&fewer).unwrap();
        assert_eq!(fewer["history"], json!([]));
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        let wishes = Wishes {
            platform: Some(
                crate::oci::platform::Wanted::parse("amd64")
                    .unwrap()
                    .platform(),
            ),
            command: Some(vec!["/bin/sh".into()]),
            ..Wishes::default()
        };
        let bytes = config(None, &wishes, &[digest(0)]).unwrap();
        let zeros = "00".repeat(32);
        let expected = format!(
            "{{\"architecture\":\"amd64\",\"config\":{{\"Cmd\":[\"/bin/sh\"]}},\"history\":\
             [{{\"created_by\":\"importd export-oci\"}}],\"os\":\"linux\",\"rootfs\":\
             {{\"diff_ids\":[\"sha256:{zeros}\"],\"type\":\"layers\"}}}}"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        config(Some(b"[]"), &wishes, &[]).unwrap_err();
    }

    #[test]
    fn times_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(seconds).as_deref(), Some(text), "{seconds}");
        }
        assert_eq!(timestamp(253_402_300_800), None);
        assert_eq!(timestamp(u64::MAX), None);
    }
}
