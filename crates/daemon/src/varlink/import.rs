//! `io.systemd.Import`.

use crate::authorize::Action;
use crate::manager::Manager;
use crate::request::{Options, Subject};
use crate::varlink::fault::{self, Fault};
use crate::varlink::method::Interface;
use crate::varlink::parameters::Parameters;
use crate::varlink::wish::{self, Deed, Dialect, Wish};
use importd_api::class::{Class, Scope};
use importd_api::flags::Flags;
use importd_api::job::Job;
use importd_api::name::Form;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The interface.
pub const INTERFACE: Interface = Interface {
    name: "io.systemd.Import",
    methods: &["ListTransfers", "Pull"],
    description: include_str!("idl/io.systemd.Import.varlink"),
};

/// Most bytes of the path of a folder (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// Reads a call of `Pull`.
///
/// # Errors
/// [`Fault`] that names the parameter.
pub fn pull(scope: Scope, dialect: Dialect, mut parameters: Parameters) -> Result<Wish, Fault> {
    let remote = parameters.text("remote")?;
    let local = parameters.text_optional("local")?;
    if local.as_deref() == Some("") {
        return Err(Fault::parameter("local"));
    }
    let form = form(&parameters.text("type")?)?;
    let class = parameters.text("class")?;
    let verify = parameters.text_optional("verify")?;
    if verify.as_deref() == Some("") {
        return Err(Fault::parameter("verify"));
    }
    let flags = Flags {
        force: parameters.flag("force")?,
        read_only: parameters.flag("readOnly")?,
        keep_download: parameters.flag("keepDownload")?,
    };
    let image_root = image_root(&mut parameters)?;
    let is_interactive = parameters.flag("allowInteractiveAuthentication")?;
    parameters.finish()?;
    let subject = Subject::Pull {
        form,
        url: &remote,
        name: local.as_deref().unwrap_or_default(),
        verify: verify.as_deref().unwrap_or_default(),
    };
    let options = Options::Extended {
        class: &class,
        flags: flags.word(Flags::PULL),
    };
    let job = subject.check(scope, options);
    let job = job.map_err(|refusal| dialect.refusal(refusal))?;
    let job = Job { image_root, ..job };
    let details = wish::details(&job);
    Ok(Wish {
        dialect,
        action: Action::Pull.of(&details),
        details,
        is_interactive,
        deed: Deed::Start(Box::new(job), None),
    })
}

/// Reads a form of images.
///
/// # Errors
/// [`Fault`] for `type`.
pub fn form(name: &str) -> Result<Form, Fault> {
    match name {
        "tar" => Ok(Form::Tar),
        "raw" => Ok(Form::Raw),
        _ => Err(Fault::parameter("type")),
    }
}

/// Reads the folder of images.
///
/// # Errors
/// [`Fault`] if it is not absolute, or has parts that mean another folder than they name.
pub fn image_root(parameters: &mut Parameters) -> Result<Option<PathBuf>, Fault> {
    let name = "imageRoot";
    let Some(text) = parameters.text_optional(name)? else {
        return Ok(None);
    };
    let is_plain = text.starts_with('/')
        && text.len() < PATH_MAX
        && !text.contains(char::is_control)
        && !text.contains("//")
        && !text.split('/').any(|part| part == "." || part == "..");
    if !is_plain {
        return Err(Fault::parameter(name));
    }
    // Without the slash that may stand at the end.
    Ok(Some(Path::new(&text).components().collect()))
}

/// Reads a class that may be missing.
///
/// # Errors
/// [`Fault`] for `class`.
pub fn class_optional(parameters: &mut Parameters) -> Result<Option<Class>, Fault> {
    let name = parameters.text_optional("class")?;
    let class = name.map(|name| Class::parse(&name)).transpose();
    class.map_err(|_unknown| Fault::parameter("class"))
}

/// The replies to `ListTransfers`.
///
/// # Errors
/// [`Fault`] for wrong parameters, and if there is none.
pub fn list_transfers(table: &Manager, mut parameters: Parameters) -> Result<Vec<Value>, Fault> {
    let class = class_optional(&mut parameters)?;
    parameters.finish()?;
    let of_class = table.transfers_of(class);
    let listed = of_class.map(|(id, transfer)| {
        let job = transfer.job();
        json!({
            "id": id,
            "type": kind(job),
            "remote": job.remote(),
            "local": job.local(),
            "class": job.class.as_str(),
            "percent": transfer.progress(),
        })
    });
    let listed: Vec<Value> = listed.collect();
    if listed.is_empty() {
        return Err(Fault::new(fault::NO_TRANSFERS));
    }
    Ok(listed)
}

/// The name of a job's kind: those of Varlink have no dashes.
#[must_use]
pub fn kind(job: &Job) -> String {
    job.kind().as_str().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varlink::parameters::parameters;

    fn pulled(given: Value) -> Result<Wish, Fault> {
        pull(Scope::System, Dialect::Original, parameters(given))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut parameters = json!({"remote": "http://h/x.tar", "type": "tar", "class": "sysext"});
        parameters[name] = value;
        parameters
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let wish = pulled(with("local", Value::Null)).unwrap();
        assert!(!wish.is_interactive);
        let Deed::Start(job, None) = wish.deed else {
            panic!("no transfer");
        };
        assert_eq!((job.local(), job.verify().as_str()), ("", "signature"));
        assert_eq!(
            (job.force, job.read_only, job.image_root),
            (false, false, None)
        );
    }

    #[test]
    fn each_parameter_is_checked_and_named() {
        for (name, value) in [
            ("remote", json!(1)),
            ("remote", json!("ftp://h/x")),
            ("remote", Value::Null),
            ("local", json!("")),
            ("local", json!("a/b")),
            ("local", json!("-x")),
            ("type", json!("oci")),
            ("class", json!("")),
            ("class", json!("image")),
            ("verify", json!("")),
            ("verify", json!("maybe")),
            ("force", json!("yes")),
            ("readOnly", json!(1)),
            ("keepDownload", json!([])),
            ("imageRoot", json!("images")),
            ("imageRoot", json!("/a/../b")),
            ("imageRoot", json!("/a/./b")),
            ("imageRoot", json!("/a//b")),
            ("imageRoot", json!("/a\nb")),
            ("allowInteractiveAuthentication", json!("no")),
            ("else", json!(1)),
        ] {
            let refused = pulled(with(name, value.clone())).unwrap_err();
            assert_eq!(refused, Fault::parameter(name), "{name}: {value}");
        }
    }

    #[test]
    fn polkit_hears_all_of_it_but_passwords() {
        let mut parameters = with("remote", json!("http://me:secret@h/x.tar"));
        parameters["imageRoot"] = json!("/run/machines/");
        parameters["readOnly"] = json!(true);
        parameters["allowInteractiveAuthentication"] = json!(true);
        let wish = pulled(parameters).unwrap();
        let mut details = wish.details;
        details.sort_unstable();
        let expected = [
            ("class", "sysext"),
            ("force", "no"),
            ("imageRoot", "/run/machines"),
            ("readOnly", "yes"),
            ("remote", "http://h/x.tar"),
            ("type", "tar"),
            ("verb", "pull-tar"),
            ("verify", "signature"),
        ];
        let expected: Vec<_> = expected
            .map(|(name, value)| (name, value.to_owned()))
            .into();
        assert_eq!(details, expected);
        assert!(wish.is_interactive);
    }
}
