//! Who we are at registries: looked up before the cage is closed, since programs may be asked.
//!
//! | file | whose |
//! |---|---|
//! | `$CREDENTIALS_DIRECTORY/oci.auth` | the service's: the administrator gave it to the unit |
//! | `$REGISTRY_AUTH_FILE` | whoever set it; no other file of a person is looked at then |
//! | `$XDG_RUNTIME_DIR/containers/auth.json`, or that of `/run/containers/UID` | a person's |
//! | `$XDG_CONFIG_HOME/containers/auth.json`, `~/.config/containers/auth.json` | a person's |
//! | `$DOCKER_CONFIG/config.json`, `~/.docker/config.json` | a person's |
//!
//! The first file with something for the image wins. Files of a person are those of whoever runs the
//! program: the system's service has no home, and uses nobody's.
//!
//! # Source
//! containers-auth.json(5), systemd.exec(5) on credentials; Docker's `config.json`.

use super::description::bounded;
use super::helper;
use super::place::{Endpoint, Place};
use super::surroundings::Surroundings;
use crate::context::Context;
use crate::error::{Doing, Error, Result, chain};
use importd_api::failure::Kind;
use importd_formats::oci::login::{Found, LOGINS_MAX, Login, Logins};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The service's file in the folder of credentials.
const SERVICE_FILE: &str = "oci.auth";

/// A login, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) login: Login,
    /// For people: a file, or a program.
    pub(super) origin: String,
}

/// The logins for an image at its registry and its mirrors.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Vec<(Endpoint, Credential)>);

/// One of the files.
struct Source {
    path: PathBuf,
    /// It has to be there, and to make sense.
    is_demanded: bool,
    /// Who may read it is somebody else's matter.
    is_of_service: bool,
}

impl Credentials {
    /// Looks for logins in the usual places.
    ///
    /// # Errors
    /// For the file of `REGISTRY_AUTH_FILE` and of the service: [`Kind::NotFound`],
    /// [`Kind::InvalidArgument`], what open(2) says; the cancel. What is wrong with other files is
    /// warned of.
    pub fn look_up(place: &Place, surroundings: &Surroundings, context: &Context) -> Result<Self> {
        let mut found = Vec::new();
        let sources = sources(surroundings);
        for endpoint in std::iter::once(place.registry()).chain(place.mirrors()) {
            if place.folder().is_some() {
                continue;
            }
            for source in &sources {
                if let Some(credential) = source.find(endpoint, surroundings, context)? {
                    let (registry, origin) = (endpoint.registry(), &credential.origin);
                    let text = format!("Using the credentials for {registry} from {origin}.");
                    context.report.debug(text);
                    found.push((endpoint.clone(), credential));
                    break;
                }
            }
        }
        Ok(Self(found))
    }

    pub(super) fn of(&self, endpoint: &Endpoint) -> Option<Credential> {
        let mut found = self.0.iter().filter(|(other, _)| other == endpoint);
        found.next().map(|(_, credential)| credential.clone())
    }
}

fn sources(surroundings: &Surroundings) -> Vec<Source> {
    let of_person = |path: PathBuf| Source {
        path,
        is_demanded: false,
        is_of_service: false,
    };
    let mut sources = Vec::new();
    if let Some(folder) = &surroundings.credentials_directory {
        sources.push(Source {
            is_of_service: true,
            ..of_person(folder.join(SERVICE_FILE))
        });
    }
    if let Some(path) = &surroundings.auth_file {
        sources.push(Source {
            is_demanded: true,
            ..of_person(path.clone())
        });
        return sources;
    }
    if surroundings.home.is_none() && surroundings.runtime.is_none() {
        return sources;
    }
    let home = |path: &str| surroundings.home.as_ref().map(|home| home.join(path));
    let runtime = surroundings.runtime.clone().unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        format!("/run/containers/{user}").into()
    });
    let runtime = match &surroundings.runtime {
        Some(_) => runtime.join("containers/auth.json"),
        None => runtime.join("auth.json"),
    };
    let config = surroundings.config_home.clone().or_else(|| home(".config"));
    let config = config.map(|folder| folder.join("containers/auth.json"));
    let docker = surroundings.docker_config.clone();
    let docker = docker.or_else(|| home(".docker"));
    let docker = docker.map(|folder| folder.join("config.json"));
    let paths = std::iter::once(runtime).chain(config).chain(docker);
    sources.extend(paths.map(of_person));
    sources
}

impl Source {
    fn find(
        &self,
        endpoint: &Endpoint,
        surroundings: &Surroundings,
        context: &Context,
    ) -> Result<Option<Credential>> {
        match self.find_in_file(endpoint, surroundings, context) {
            Err(error) if error.kind == Kind::Cancelled => Err(error),
            Err(error) if self.is_demanded || self.is_of_service => Err(error),
            Err(error) => {
                let text = format!("{}; going on without it.", chain(&error));
                context.report.warning(text);
                Ok(None)
            }
            found => found,
        }
    }

    fn find_in_file(
        &self,
        endpoint: &Endpoint,
        surroundings: &Surroundings,
        context: &Context,
    ) -> Result<Option<Credential>> {
        let Some((bytes, is_open)) = self.read()? else {
            return Ok(None);
        };
        let shown = self.path.display();
        let invalid = |error| {
            let text = format!("The file of credentials '{shown}' is invalid");
            Error::caused(Kind::InvalidArgument, text, error)
        };
        let logins = Logins::parse(&bytes).map_err(invalid)?;
        let found = logins.find(endpoint.registry(), endpoint.image());
        let (login, origin) = match found.map_err(invalid)? {
            None => return Ok(None),
            Some(Found::Here(login)) => {
                if is_open {
                    let text = format!("The file of credentials '{shown}' can be read by others.");
                    context.report.warning(text);
                }
                (Some(login), format!("'{shown}'"))
            }
            Some(Found::Helper { name, server }) => {
                let login = helper::ask(&name, &server, surroundings, context)?;
                (login, format!("'{}{name}', by '{shown}'", helper::PREFIX))
            }
        };
        Ok(login.map(|login| Credential { login, origin }))
    }

    /// What is in the file, and whether others may read it; `None` if it is not there.
    fn read(&self) -> Result<Option<(Vec<u8>, bool)>> {
        let failed = || {
            let shown = self.path.display();
            format!("Failed to read the file of credentials '{shown}'")
        };
        let file = match open(&self.path) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if !self.is_demanded => {
                return Ok(None);
            }
            Err(errno) => return Err(errno).doing(failed),
        };
        let stat = rustix::fs::fstat(&file).doing(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let text = format!("{}: it is no regular file", failed());
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let is_open = !self.is_of_service && stat.st_mode & 0o077 != 0;
        Ok(Some((bounded(file, &self.path, LOGINS_MAX)?, is_open)))
    }
}

fn open(path: &Path) -> rustix::io::Result<std::fs::File> {
    // A fifo must not make us wait.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).map(std::fs::File::from)
}

#[cfg(test)]
mod tests;
