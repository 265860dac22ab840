//! `io.systemd.service`: log level, environment, configuration.

use crate::log::control::{Control, Level};
use crate::varlink::fault::Fault;
use crate::varlink::method::Interface;
use crate::varlink::parameters::Parameters;
use serde_json::{Value, json};
use std::ffi::OsString;

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: "io.systemd.service",
    methods: &[
        "Ping",
        "SetLogLevel",
        "GetLogLevel",
        "GetEnvironment",
        "Reload",
    ],
    description: include_str!("idl/io.systemd.service.varlink"),
};

/// The level that a call of `SetLogLevel` asks for; null means the usual one.
///
/// # Errors
/// [`Fault`] for `level`.
pub fn level(mut parameters: Parameters) -> Result<Level, Fault> {
    let level = parameters.number_or_null("level")?;
    parameters.finish()?;
    match level {
        None => Ok(Level::default()),
        Some(number) => Level::parse(&number.to_string()).ok_or_else(|| Fault::parameter("level")),
    }
}

/// The answer to `GetLogLevel`.
///
/// # Errors
/// [`Fault`] for parameters, of which it has none.
pub fn log_level(control: &Control, parameters: Parameters) -> Result<Value, Fault> {
    parameters.finish()?;
    Ok(json!({"level": control.level().number()}))
}

/// The answer to `GetEnvironment`: these variables, as `NAME=VALUE`.
///
/// # Errors
/// [`Fault`] for parameters, of which it has none; and if a variable is no text, which the answer
/// cannot hold.
pub fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
    parameters: Parameters,
) -> Result<Value, Fault> {
    parameters.finish()?;
    let inconsistent = || Fault::new("io.systemd.service.InconsistentEnvironment");
    let mut environment = Vec::new();
    for (name, value) in variables {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            return Err(inconsistent());
        };
        environment.push(format!("{name}={value}"));
    }
    Ok(json!({"environment": environment}))
}

/// Checks a call of `Reload`.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub fn reload(mut parameters: Parameters) -> Result<(), Fault> {
    parameters.flag("allowInteractiveAuthentication")?;
    parameters.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varlink::parameters::parameters;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn levels_are_numbers_or_null() {
        for (value, expected) in [
            (json!({"level": 7}), Ok("debug")),
            (json!({"level": "3"}), Ok("err")),
            (json!({"level": null}), Ok("info")),
            (json!({"level": 8}), Err("level")),
            (json!({"level": -1}), Err("level")),
            (json!({"level": "debug"}), Err("level")),
            (json!({}), Err("level")),
            (json!({"level": 1, "x": 1}), Err("x")),
        ] {
            let level = level(parameters(value.clone())).map(Level::as_str);
            assert_eq!(level, expected.map_err(Fault::parameter), "{value}");
        }
    }

    #[test]
    fn an_environment_that_is_no_text_is_told_as_such() {
        let variable = |name: &str, value: &[u8]| (name.into(), OsString::from_vec(value.into()));
        let answer = environment([variable("A", b"b=c")].into_iter(), parameters(json!({})));
        assert_eq!(answer.unwrap(), json!({"environment": ["A=b=c"]}));
        let refused = environment([variable("A", b"\xff")].into_iter(), parameters(json!({})));
        let name = "io.systemd.service.InconsistentEnvironment";
        assert_eq!(refused, Err(Fault::new(name)));
    }
}
