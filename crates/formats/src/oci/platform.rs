//! Which image of an index is for this machine.

use super::Descriptor;
use serde::{Deserialize, Serialize};

/// Longest part of a platform that is repeated in messages, in characters.
const SHOWN_MAX: usize = 40;

/// The machine that an image is for.
///
/// # Source
/// OCI image specification, "Image Index", "platform".
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Platform {
    /// `linux`, or something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The architecture, by Go's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Which of the processors of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// The machine that an image is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    architecture: String,
    /// The level of the processor, if it is known: 3 of `v3`.
    level: Option<u32>,
}

/// A text that names no architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no architecture, such as amd64, arm64 or arm/v7")]
pub struct UnknownArchitecture(String);

impl Wanted {
    /// This machine.
    #[must_use]
    pub fn native() -> Self {
        let is_little = cfg!(target_endian = "little");
        let (architecture, level) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some(8)),
            "arm" => ("arm", Some(7)),
            "powerpc64" if is_little => ("ppc64le", None),
            "powerpc64" => ("ppc64", None),
            "mips" if is_little => ("mipsle", None),
            "mips64" if is_little => ("mips64le", None),
            "loongarch64" => ("loong64", None),
            // riscv64, s390x, mips, mips64 and those to come have one name.
            other => (other, None),
        };
        Self {
            architecture: architecture.to_owned(),
            level,
        }
    }

    /// Reads `ARCHITECTURE` or `ARCHITECTURE/VARIANT`, by Go's names or the kernel's.
    ///
    /// # Errors
    /// If it cannot be one.
    pub fn parse(text: &str) -> Result<Self, UnknownArchitecture> {
        let (name, variant) = match text.split_once('/') {
            Some((name, variant)) => (name, Some(variant)),
            None => (text, None),
        };
        let (name, own) = match name {
            "x86_64" | "x86-64" => ("amd64", None),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386", None),
            "aarch64" | "arm64" => ("arm64", Some(8)),
            "armhf" | "armv7l" => ("arm", Some(7)),
            "armel" => ("arm", Some(5)),
            "arm" => ("arm", Some(7)),
            "ppc64el" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        let unknown = || UnknownArchitecture(text.chars().take(80).collect());
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let level = match variant {
            Some(variant) => Some(level(variant).ok_or_else(unknown)?),
            None => own,
        };
        is_name
            .then(|| Self {
                architecture: name.to_owned(),
                level,
            })
            .ok_or_else(unknown)
    }

    /// Whether it is of this architecture, by Go's name.
    #[must_use]
    pub fn is_of(&self, architecture: &str) -> bool {
        self.architecture == architecture
    }

    /// The image that is best for this machine: of its architecture, and with the highest level
    /// that it has; the first of equals. One that says nothing of machines comes last.
    #[must_use]
    pub fn choose<'a>(&self, images: &'a [Descriptor]) -> Option<&'a Descriptor> {
        let mut best: Option<(u32, &Descriptor)> = None;
        for image in images {
            if let Some(fit) = self.fit(image.platform.as_ref())
                && best.is_none_or(|(other, _)| fit > other)
            {
                best = Some((fit, image));
            }
        }
        best.map(|(_, image)| image)
    }

    /// How well an image fits: the more the better; `None` if it does not.
    fn fit(&self, platform: Option<&Platform>) -> Option<u32> {
        let Some(platform) = platform else {
            return Some(0);
        };
        if platform.os.as_deref().is_some_and(|os| os != "linux") {
            return None;
        }
        match &platform.architecture {
            None => return Some(0),
            Some(architecture) if *architecture != self.architecture => return None,
            Some(_) => {}
        }
        match platform.variant.as_deref().filter(|text| !text.is_empty()) {
            None => Some(1),
            Some(variant) => {
                let level = level(variant)?;
                // Nothing above what every processor of the architecture has, unless it is known.
                let most = self.level.unwrap_or(1);
                (level <= most).then_some(level.saturating_add(1))
            }
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |text: &str| -> String { text.chars().take(SHOWN_MAX).collect() };
        let part = |part: &Option<String>| shown(part.as_deref().unwrap_or("any"));
        let (os, architecture) = (part(&self.os), part(&self.architecture));
        write!(f, "{}/{}", os.escape_debug(), architecture.escape_debug())?;
        match self.variant.as_deref().filter(|text| !text.is_empty()) {
            Some(variant) => write!(f, "/{}", shown(variant).escape_debug()),
            None => Ok(()),
        }
    }
}

impl Wanted {
    /// The platform that an image for this machine says it is for. A variant is said only of processors
    /// that always have one.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let has_variants = matches!(self.architecture.as_str(), "arm" | "arm64");
        let level = self.level.filter(|level| has_variants || *level > 1);
        Platform {
            os: Some("linux".into()),
            architecture: Some(self.architecture.clone()),
            variant: level.map(|level| format!("v{level}")),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.level {
            Some(level) => write!(f, "{}/v{level}", self.architecture),
            None => f.write_str(&self.architecture),
        }
    }
}

/// The number of `v7`; minor revisions such as `v8.2` are their major one.
fn level(variant: &str) -> Option<u32> {
    let number = variant.strip_prefix('v')?;
    let major = number.split('.').next().unwrap_or_default();
    major.parse().ok().filter(|level| *level < 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    fn image(platform: Option<[&str; 3]>, number: u8) -> Descriptor {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Descriptor {
            media_type: MediaType::Manifest,
            digest: crate::checksums::Digest::Sha256([number; 32]).into(),
            size: 1,
            data: None,
            platform: platform.map(|[os, architecture, variant]| Platform {
                os: text(os),
                architecture: text(architecture),
                variant: text(variant),
            }),
        }
    }

    fn chosen(wanted: &str, images: &[Option<[&str; 3]>]) -> Option<usize> {
        let images: Vec<_> = (0u8..)
            .zip(images)
            .map(|(number, platform)| image(*platform, number))
            .collect();
        let best = Wanted::parse(wanted).unwrap().choose(&images).cloned()?;
        images.iter().position(|image| *image == best)
    }

    #[test]
    fn the_image_of_the_machine_is_chosen() {
        let all = [
            Some(["windows", "amd64", ""]),
            Some(["linux", "amd64", ""]),
            Some(["linux", "amd64", "v3"]),
            Some(["linux", "arm", "v5"]),
            Some(["linux", "arm", "v6"]),
            Some(["linux", "arm", "v7"]),
            Some(["linux", "arm64", "v8"]),
            Some(["linux", "riscv64", ""]),
            Some(["unknown", "unknown", ""]),
        ];
        for (wanted, at) in [
            ("amd64", Some(1)),
            ("x86_64", Some(1)),
            ("amd64/v2", Some(1)),
            ("amd64/v4", Some(2)),
            ("arm", Some(5)),
            ("arm/v6", Some(4)),
            ("armel", Some(3)),
            ("arm64", Some(6)),
            ("aarch64", Some(6)),
            ("riscv64", Some(7)),
            ("s390x", None),
        ] {
            assert_eq!(chosen(wanted, &all), at, "{wanted}");
        }
    }

    #[test]
    fn an_image_that_says_nothing_of_machines_comes_last() {
        let both = [None, Some(["linux", "amd64", ""])];
        assert_eq!(chosen("amd64", &both), Some(1));
        assert_eq!(chosen("s390x", &both), Some(0));
        assert_eq!(chosen("s390x", &[Some(["", "", ""])]), Some(0));
        assert_eq!(chosen("s390x", &[]), None);
    }

    #[test]
    fn nonsense_is_no_architecture() {
        for bad in ["", "/v8", "arm/", "arm/7", "amd64/v1000", "a b", "../x"] {
            assert!(Wanted::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Wanted::parse("arm/v6").unwrap().to_string(), "arm/v6");
        assert!(Wanted::native().choose(&[image(None, 0)]).is_some());
    }
}
