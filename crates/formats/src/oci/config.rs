//! How a container of an image is started.

use super::object::Object;
use super::{BlobDigest, Error};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The configuration of an image; what stands for nothing, or is `null`, is empty.
///
/// # Source
/// OCI image specification, "Image Configuration".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The architecture, by Go's name.
    pub architecture: Option<String>,
    /// How the program is started; `None` if the document does not say.
    pub start: Option<Start>,
    /// Digests of the layers once they are unpacked, the lowest first.
    pub diff_ids: Vec<BlobDigest>,
    /// Whether the document says nothing at all.
    pub is_empty: bool,
}

/// How the program of a container is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// User and group, by name or number.
    pub user: String,
    /// Assignments.
    pub environment: Vec<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// What follows.
    pub command: Vec<String>,
    /// Where it is started.
    pub working_directory: String,
    /// What ends it.
    pub stop_signal: String,
    /// Settings that nothing here stands for, by name.
    pub ignored: Vec<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
struct Written {
    architecture: Option<String>,
    config: Option<Object<WrittenStart>>,
    rootfs: Option<Object<RootFs>>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_is_empty")]
    diff_ids: Vec<BlobDigest>,
}

/// Every member may be left out or `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WrittenStart {
    #[serde(deserialize_with = "null_is_empty")]
    user: String,
    #[serde(deserialize_with = "words")]
    env: Vec<String>,
    #[serde(deserialize_with = "words")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "words")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    working_dir: String,
    #[serde(deserialize_with = "null_is_empty")]
    stop_signal: String,
    exposed_ports: Option<IgnoredAny>,
    volumes: Option<IgnoredAny>,
    healthcheck: Option<IgnoredAny>,
    memory: Option<IgnoredAny>,
    memory_swap: Option<IgnoredAny>,
    cpu_shares: Option<IgnoredAny>,
}

impl Config {
    /// Reads a configuration, of at most [`super::CONFIG_MAX`] bytes.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::Invalid`] for a text with a zero byte, which no program can get.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let members: BTreeMap<String, IgnoredAny> = serde_json::from_slice(bytes)?;
        let written: Written = serde_json::from_slice(bytes)?;
        let start = written.config.map(|start| start.0.read()).transpose()?;
        Ok(Self {
            architecture: written.architecture,
            start,
            diff_ids: written
                .rootfs
                .map(|root| root.0.diff_ids)
                .unwrap_or_default(),
            is_empty: members.is_empty(),
        })
    }
}

impl WrittenStart {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let lists = [&self.env, &self.entrypoint, &self.cmd];
        let single = [&self.user, &self.working_dir, &self.stop_signal];
        lists.into_iter().flatten().chain(single)
    }

    fn read(self) -> Result<Start, Error> {
        let ignored = [
            ("ExposedPorts", self.exposed_ports.is_some()),
            ("Volumes", self.volumes.is_some()),
            ("Healthcheck", self.healthcheck.is_some()),
            ("Memory", self.memory.is_some()),
            ("MemorySwap", self.memory_swap.is_some()),
            ("CpuShares", self.cpu_shares.is_some()),
        ];
        if self.texts().any(|text| text.contains('\0')) {
            return Err(Error::Invalid("a setting has a zero byte in it".into()));
        }
        Ok(Start {
            user: self.user,
            environment: self.env,
            entrypoint: self.entrypoint,
            command: self.cmd,
            working_directory: self.working_dir,
            stop_signal: self.stop_signal,
            ignored: ignored
                .into_iter()
                .filter_map(|(name, is_set)| is_set.then_some(name))
                .collect(),
        })
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Words, or a single one: old builders wrote that.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Words::One(word)) => vec![word],
        Some(Words::Many(words)) => words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_settings_are_read() {
        let text = br#"{"architecture":"amd64","os":"linux","created":"x","config":{
            "User":"1000:100","Env":["PATH=/bin","A=b c"],"Entrypoint":["/init"],"Cmd":["-x",""],
            "WorkingDir":"/srv","StopSignal":"SIGQUIT","Labels":{"a":"b"},"Volumes":{"/v":{}},
            "ExposedPorts":null},"rootfs":{"type":"layers","diff_ids":
            ["sha256:0101010101010101010101010101010101010101010101010101010101010101"]},
            "history":[{"created":"x"}]}"#;
        let config = Config::parse(text).unwrap();
        let start = config.start.unwrap();
        assert_eq!(start.user, "1000:100");
        assert_eq!(start.environment, ["PATH=/bin", "A=b c"]);
        assert_eq!(start.entrypoint, ["/init"]);
        assert_eq!(start.command, ["-x", ""]);
        assert_eq!(start.working_directory, "/srv");
        assert_eq!(start.stop_signal, "SIGQUIT");
        assert_eq!(start.ignored, ["Volumes"]);
        assert_eq!(config.diff_ids.len(), 1);
        assert!(!config.is_empty);
    }

    #[test]
    fn null_is_as_if_it_were_not_there() {
        let text = br#"{"config":{"User":null,"Env":null,"Entrypoint":null,"Cmd":null,
            "WorkingDir":null,"StopSignal":null,"Labels":null},"rootfs":null}"#;
        let config = Config::parse(text).unwrap();
        assert_eq!(config.start, Some(Start::default()));
        assert_eq!(Config::parse(br#"{"config":null}"#).unwrap().start, None);
        let nothing = Config::parse(b"{}").unwrap();
        assert!(nothing.is_empty && nothing.start.is_none());
        let one = Config::parse(br#"{"config":{"Cmd":"ls -l"}}"#).unwrap();
        assert_eq!(one.start.unwrap().command, ["ls -l"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            &b""[..],
            b"[]",
            b"{\"config\":[]}",
            b"{\"rootfs\":[[]]}",
            b"{\"config\":{\"Env\":[1]}}",
            b"{\"config\":{\"User\":\"a\",\"User\":\"b\"}}",
            b"{\"rootfs\":{\"diff_ids\":[\"x\"]}}",
            b"{\"config\":{\"Cmd\":[\"a\\u0000b\"]}}",
            b"{} {}",
        ] {
            Config::parse(bad).unwrap_err();
        }
    }
}
