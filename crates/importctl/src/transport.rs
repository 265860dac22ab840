//! Where the service is: here, in a container, or on another host.

use importd_api::class::Scope;
use std::ffi::OsString;
use std::fmt;

/// The program on the other side that hands messages on to the bus there, systemd-stdio-bridge(1).
pub(crate) const BRIDGE: &str = "systemd-stdio-bridge";
/// What stands for this machine itself where a container is named.
const HERE: &str = ".host";

/// How the service is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By a socket of this machine.
    #[default]
    Local,
    /// By ssh.
    Remote(Host),
    /// In a container of this machine.
    Machine(Machine),
}

/// Another host, `[USER@]HOST[:PORT][/CONTAINER]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// `[USER@]HOST`, as ssh takes it.
    login: String,
    port: Option<u16>,
    container: Option<Machine>,
}

/// A container of this machine or of a host: `NAME`, or `USER@NAME` for a user's bus in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine(String);

/// Why a text names no host or no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceError {
    /// There is no name.
    Empty,
    /// It would be read as an option.
    Option,
    /// It has characters that no name has.
    Characters,
    /// The port is none.
    Port,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlaceError::Empty => "The name is empty",
            PlaceError::Option => "A name must not begin with '-'",
            PlaceError::Characters => "The name has characters that no name has",
            PlaceError::Port => "What follows the ':' is no port (1 to 65535)",
        })
    }
}

impl Host {
    /// Reads `[USER@]HOST[:PORT][/CONTAINER]`. An IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// [`PlaceError`]: what ssh would take for an option is refused above all.
    pub(crate) fn parse(text: &str) -> Result<Self, PlaceError> {
        let (place, container) = match text.split_once('/') {
            Some((place, container)) => (place, Some(Machine::parse(container)?)),
            None => (text, None),
        };
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (name, port) = split_port(place)?;
        for part in user.into_iter().chain([name]) {
            check_part(part)?;
        }
        let login = match user {
            Some(user) => format!("{user}@{name}"),
            None => name.to_owned(),
        };
        Ok(Self {
            login,
            port,
            container,
        })
    }
}

fn check_part(part: &str) -> Result<(), PlaceError> {
    if part.is_empty() {
        Err(PlaceError::Empty)
    } else if part.starts_with('-') {
        Err(PlaceError::Option)
    } else if part.contains(|c: char| c.is_control() || c.is_whitespace()) {
        Err(PlaceError::Characters)
    } else {
        Ok(())
    }
}

/// The name and the port of `HOST[:PORT]`, `[ADDRESS][:PORT]` or an address with several colons.
fn split_port(place: &str) -> Result<(&str, Option<u16>), PlaceError> {
    let (name, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or(PlaceError::Characters)?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return Err(PlaceError::Port),
            }
        }
        None => match place.split_once(':') {
            Some((name, port)) if !port.contains(':') => (name, Some(port)),
            Some(_) | None => (place, None),
        },
    };
    let number = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        port.ok_or(PlaceError::Port)
    };
    Ok((name, port.map(number).transpose()?))
}

impl Machine {
    /// Reads `[USER@]NAME`. Only what names of machines and users consist of is taken: over ssh a
    /// shell reads it.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub(crate) fn parse(text: &str) -> Result<Self, PlaceError> {
        let name = text.rsplit_once('@').map_or(text, |(_, name)| name);
        if name.is_empty() {
            return Err(PlaceError::Empty);
        }
        if text.starts_with('-') || name.starts_with('-') {
            return Err(PlaceError::Option);
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PlaceError::Characters)
        }
    }
}

impl Transport {
    /// The transport that `--host=` or `--machine=` names; `.host` is this machine.
    pub(crate) fn of(host: Option<Host>, machine: Option<Machine>) -> Self {
        match (host, machine) {
            (Some(host), _) => Transport::Remote(host),
            (None, Some(machine)) if machine.0 != HERE => Transport::Machine(machine),
            (None, _) => Transport::Local,
        }
    }

    /// Its name in messages, the reference's.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Transport::Local => "local",
            Transport::Remote(_) => "remote",
            Transport::Machine(_) => "machine",
        }
    }

    /// What a person would run to do something there, and what stands before the verb; `None` for
    /// this machine.
    pub(crate) fn there(&self) -> Option<String> {
        match self {
            Transport::Local => None,
            Transport::Machine(machine) => Some(format!("importctl inside {}", machine.0)),
            Transport::Remote(host) => {
                let port = host.port.map(|port| format!("-p {port} "));
                let machine = host
                    .container
                    .as_ref()
                    .map(|name| format!(" -M {}", name.0));
                Some(format!(
                    "ssh {}{} importctl{}",
                    port.unwrap_or_default(),
                    host.login,
                    machine.unwrap_or_default()
                ))
            }
        }
    }

    /// Whether open files can be passed to the service: not by ssh.
    pub(crate) const fn passes_files(&self) -> bool {
        !matches!(self, Transport::Remote(_))
    }

    /// The command line of the bridge to a bus of that scope, `ssh` being the program for other
    /// hosts; `None` for this machine.
    pub(crate) fn command(&self, scope: Scope, ssh: &OsString) -> Option<Vec<OsString>> {
        let user = (scope == Scope::User).then_some("--user");
        let machine = |machine: &Machine| format!("--machine={}", machine.0);
        match self {
            Transport::Local => None,
            Transport::Machine(name) => {
                let mut line: Vec<OsString> = vec![BRIDGE.into()];
                line.extend(user.map(OsString::from));
                line.push(machine(name).into());
                Some(line)
            }
            Transport::Remote(host) => {
                let mut line: Vec<OsString> = vec![ssh.clone(), "-xT".into()];
                if let Some(port) = host.port {
                    line.extend(["-p".into(), port.to_string().into()]);
                }
                line.extend(["--".into(), host.login.clone().into(), BRIDGE.into()]);
                line.extend(user.map(OsString::from));
                line.extend(host.container.as_ref().map(|name| machine(name).into()));
                Some(line)
            }
        }
    }

    /// Who is at the other end, for messages.
    pub(crate) fn peer(&self) -> &str {
        match self {
            Transport::Local => "this machine",
            Transport::Remote(host) => &host.login,
            Transport::Machine(machine) => &machine.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<Transport, PlaceError> {
        Ok(Transport::of(Some(Host::parse(text)?), None))
    }

    fn machine(text: &str) -> Result<Transport, PlaceError> {
        Ok(Transport::of(None, Some(Machine::parse(text)?)))
    }

    fn line(transport: &Transport, scope: Scope) -> String {
        let line = transport.command(scope, &"ssh".into()).unwrap();
        let words: Vec<&str> = line.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn hosts_become_the_command_line_of_the_reference() {
        for (text, expected) in [
            ("h", "ssh -xT -- h systemd-stdio-bridge"),
            ("u@h:22", "ssh -xT -p 22 -- u@h systemd-stdio-bridge"),
            ("h/c", "ssh -xT -- h systemd-stdio-bridge --machine=c"),
            (
                "u@h:2222/c-1",
                "ssh -xT -p 2222 -- u@h systemd-stdio-bridge --machine=c-1",
            ),
            ("u@[::1]:22", "ssh -xT -p 22 -- u@::1 systemd-stdio-bridge"),
            ("[fe80::1%e]", "ssh -xT -- fe80::1%e systemd-stdio-bridge"),
            ("fe80::1", "ssh -xT -- fe80::1 systemd-stdio-bridge"),
            ("a@b@h", "ssh -xT -- a@b@h systemd-stdio-bridge"),
        ] {
            let transport = host(text).unwrap();
            assert_eq!(line(&transport, Scope::System), expected, "{text}");
        }
        let user = line(&host("h").unwrap(), Scope::User);
        assert_eq!(user, "ssh -xT -- h systemd-stdio-bridge --user");
    }

    #[test]
    fn what_would_be_an_option_or_shell_code_is_no_host() {
        for (text, error) in [
            ("", PlaceError::Empty),
            ("u@", PlaceError::Empty),
            ("@h", PlaceError::Empty),
            ("/c", PlaceError::Empty),
            ("h/", PlaceError::Empty),
            ("-oProxyCommand=x", PlaceError::Option),
            ("u@-h", PlaceError::Option),
            ("[-h]", PlaceError::Option),
            ("h/-c", PlaceError::Option),
            ("h/$(x)", PlaceError::Characters),
            ("h/a b", PlaceError::Characters),
            ("a b", PlaceError::Characters),
            ("h\nx", PlaceError::Characters),
            ("[::1", PlaceError::Characters),
            ("h:0", PlaceError::Port),
            ("h:65536", PlaceError::Port),
            ("h:+1", PlaceError::Port),
            ("h:", PlaceError::Port),
            ("[::1]22", PlaceError::Port),
        ] {
            assert_eq!(host(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn people_are_told_what_to_run_there() {
        let there = |text| host(text).unwrap().there().unwrap();
        assert_eq!(there("u@h:22/c"), "ssh -p 22 u@h importctl -M c");
        assert_eq!(there("h"), "ssh h importctl");
        assert_eq!(machine("c").unwrap().there().unwrap(), "importctl inside c");
        assert!(!host("h").unwrap().passes_files() && machine("c").unwrap().passes_files());
    }

    #[test]
    fn containers_are_reached_by_a_bridge_and_the_host_itself_directly() {
        assert_eq!(machine(".host"), Ok(Transport::Local));
        let container = machine("box").unwrap();
        assert_eq!(
            line(&container, Scope::System),
            "systemd-stdio-bridge --machine=box"
        );
        let user = machine("joe@.host").unwrap();
        assert_eq!(
            line(&user, Scope::User),
            "systemd-stdio-bridge --user --machine=joe@.host"
        );
        for (text, error) in [
            ("", PlaceError::Empty),
            ("u@", PlaceError::Empty),
            ("-x", PlaceError::Option),
            ("u@-x", PlaceError::Option),
            ("a;b", PlaceError::Characters),
            ("a/b", PlaceError::Characters),
        ] {
            assert_eq!(machine(text), Err(error), "{text:?}");
        }
    }
}
