//! Signals of the service, as what they mean for one transfer.

use super::{BUS, Transfer};
use crate::standing::News;
use crate::units;
use importd_api::bus::{self, Outcome};
use std::collections::HashMap;
use zbus::message::{Header, Type};
use zbus::{Message, ObjectPath, Variant};

/// The interface that tells changes of properties, D-Bus specification.
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What becomes of a transfer.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// A line of its log.
    Log {
        /// Priority, with the facility in its upper bits.
        priority: u32,
        /// The line.
        line: String,
    },
    /// How it stands.
    News(Vec<News>),
    /// Why it ends as it does, told just before the end by services that know.
    Reason {
        /// The stable word for the kind of failure, empty if there is none.
        kind: String,
        /// The reason for people, empty if there is none.
        reason: String,
    },
    /// It is over; `None` for an outcome we do not know.
    Removed(Option<Outcome>),
    /// The service is gone.
    Gone,
}

/// What a message means for a transfer; `None` if nothing.
pub(super) fn read(message: &Message, transfer: &Transfer) -> Option<Event> {
    if message.message_type() != Type::Signal {
        return None;
    }
    let header = message.header();
    let sender = header.sender()?.as_str();
    let interface = header.interface()?.as_str();
    let member = header.member()?.as_str();
    let body = message.body();
    if sender == BUS.name && member == "NameOwnerChanged" {
        let (name, old, _new): (&str, &str, &str) = body.deserialize().ok()?;
        return (name == bus::NAME && old == transfer.owner).then_some(Event::Gone);
    }
    if sender != transfer.owner {
        return None;
    }
    if (interface, member) == (bus::MANAGER_INTERFACE, "TransferRemoved") {
        let (_id, path, outcome): (u32, ObjectPath<'_>, &str) = body.deserialize().ok()?;
        let ours = path.as_str() == transfer.path;
        return ours.then(|| Event::Removed(Outcome::parse(outcome)));
    }
    if !is_from(&header, transfer) {
        return None;
    }
    match (interface, member) {
        (bus::TRANSFER_INTERFACE, "LogMessage") => {
            let (priority, line): (u32, String) = body.deserialize().ok()?;
            Some(Event::Log { priority, line })
        }
        (bus::TRANSFER_INTERFACE, "ProgressUpdate") => {
            let percent = units::percent(body.deserialize().ok()?)?;
            Some(Event::News(vec![News::Percent(percent)]))
        }
        (bus::OWN_TRANSFER_INTERFACE, "Finished") => {
            let (_outcome, kind, reason): (&str, &str, &str) = body.deserialize().ok()?;
            Some(Event::Reason {
                kind: kind.to_owned(),
                reason: reason.to_owned(),
            })
        }
        (PROPERTIES, "PropertiesChanged") => {
            let (interface, changed, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) =
                body.deserialize().ok()?;
            let news = changed.iter().filter_map(|(name, value)| news(name, value));
            (interface == bus::OWN_TRANSFER_INTERFACE)
                .then(|| Event::News(in_order(news.collect())))
        }
        _ => None,
    }
}

/// What a reply with all properties of our own interface says.
pub(super) fn all_news(reply: &Message) -> Vec<News> {
    let body = reply.body();
    let all: HashMap<&str, Variant<'_>> = body.deserialize().unwrap_or_default();
    in_order(
        all.iter()
            .filter_map(|(name, value)| news(name, value))
            .collect(),
    )
}

fn news(name: &str, value: &Variant<'_>) -> Option<News> {
    let known = |number: u64| (number != bus::FIGURE_UNKNOWN).then_some(number);
    match (name, value) {
        ("State", Variant::Str(word)) => Some(News::State(word.to_string())),
        ("Phase", Variant::Str(word)) => Some(News::Phase(word.to_string())),
        ("Bytes", Variant::U64(bytes)) => Some(News::Bytes(*bytes)),
        ("Total", Variant::U64(total)) => Some(News::Total(known(*total))),
        ("Rate", Variant::U64(rate)) => Some(News::Rate(*rate)),
        ("TimeLeft", Variant::U64(time)) => Some(News::TimeLeft(known(*time))),
        ("Retries", Variant::U32(retries)) => Some(News::Retries(*retries)),
        _ => None,
    }
}

/// What the service has measured comes first, so that nothing is measured again here.
fn in_order(mut news: Vec<News>) -> Vec<News> {
    news.sort_by_key(|news| !matches!(news, News::Rate(_) | News::TimeLeft(_)));
    news
}

fn is_from(header: &Header<'_>, transfer: &Transfer) -> bool {
    header
        .path()
        .is_some_and(|path| path.as_str() == transfer.path)
}
