//! What a caller wants, in words that rules of polkit can look at.
//!
//! Taken from the call before anything of it is checked, so that a caller who may not learns nothing.

use crate::bus::interface::Method;
use crate::bus::object::Object;
use crate::echo::echo;
use crate::manager::Manager;
use crate::polkit::Details;
use crate::transfer::Transfer;
use importd_api::bus;
use importd_api::class::Class;
use importd_api::flags::Flags;
use importd_api::job::Kind;
use importd_api::url::without_credentials;
use zbus::{Dict, Message, Structure, Variant};

/// The details of a call of a method that needs an authorization: `verb`, and as far as the call has
/// them `remote`, `local`, `class`, `verify`, `format`, `force`, `readOnly`, `architecture`, `flat`, `reset`, `tag`;
/// for what cancels, `id` and those of the transfer.
#[must_use]
pub fn of(call: &Message, object: Option<Object>, method: &Method, table: &Manager) -> Details {
    let body = call.body();
    let arguments = body.deserialize::<Structure<'_>>();
    let fields = arguments.as_ref().map_or(&[][..], |it| it.fields());
    let named = method.inputs.iter().map(|input| input.name).zip(fields);
    if let Some(Object::Transfer(id)) = object {
        return of_transfer(id, table.get(id));
    }
    let mut details = Details::new();
    if let Some(kind) = kind(method.name) {
        details.push(("verb", kind.as_str().to_owned()));
        if !method.inputs.iter().any(|input| input.name == "class") {
            details.push(("class", Class::Machine.as_str().to_owned()));
        }
    }
    for (name, value) in named {
        match (name, value) {
            ("transfer_id", Variant::U32(id)) => return of_transfer(*id, table.get(*id)),
            ("flags", Variant::U64(word)) => {
                // Others are refused later.
                let flags = Flags::parse(*word, Flags::PULL).unwrap_or_default();
                push_flag(&mut details, "force", flags.force);
                push_flag(&mut details, "readOnly", flags.read_only);
            }
            ("force", Variant::Bool(set)) => push_flag(&mut details, "force", *set),
            ("read_only", Variant::Bool(set)) => push_flag(&mut details, "readOnly", *set),
            ("options", Variant::Dict(options)) => push_options(&mut details, options),
            (name, Variant::Str(text)) => push_text(&mut details, name, text.as_str()),
            _ => {}
        }
    }
    details
}

/// The options of our own methods; others are refused later.
fn push_options(details: &mut Details, options: &Dict<'_, '_>) {
    const NAMES: [&str; 7] = [
        "force",
        "readOnly",
        "architecture",
        "flat",
        "reset",
        "format",
        "tag",
    ];
    for (name, value) in options.iter() {
        let Variant::Str(name) = name else { continue };
        let known = NAMES.into_iter().find(|known| *known == name.as_str());
        let value = match value {
            Variant::Variant(inner) => inner,
            other => other,
        };
        match (known, value) {
            (Some(name), Variant::Bool(set)) => push_flag(details, name, *set),
            (Some(name), Variant::Str(text)) => {
                details.push((name, echo(text.as_str()).to_owned()));
            }
            _ => {}
        }
    }
}

fn push_flag(details: &mut Details, name: &'static str, is_set: bool) {
    let value = if is_set { "yes" } else { "no" };
    details.push((name, value.to_owned()));
}

fn push_text(details: &mut Details, name: &str, text: &str) {
    let text = echo(text);
    let (name, value) = match name {
        "url" => {
            // Passwords are none of the rules' business, nor of whoever reads their log.
            ("remote", without_credentials(text))
        }
        "ref" | "reference" => ("remote", text.to_owned()),
        "local_name" => ("local", text.to_owned()),
        "class" => ("class", text.to_owned()),
        "format" => ("format", text.to_owned()),
        "verify_mode" if text.is_empty() => ("verify", "signature".to_owned()),
        "verify_mode" => ("verify", text.to_owned()),
        _ => return,
    };
    details.push((name, value));
}

fn of_transfer(id: u32, transfer: Option<&Transfer>) -> Details {
    let mut details = vec![("id", id.to_string())];
    if let Some(transfer) = transfer {
        let job = transfer.job();
        details.extend([
            ("verb", job.kind().as_str().to_owned()),
            ("remote", job.remote()),
            ("local", job.local().to_owned()),
            ("class", job.class.as_str().to_owned()),
        ]);
    }
    details
}

/// What the method starts.
fn kind(method: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| {
        let (plain, extended) = bus::methods(*kind);
        extended == method || plain == Some(method)
    })
}
