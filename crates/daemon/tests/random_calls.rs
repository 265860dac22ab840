//! Random calls with bodies of all shapes: each is answered, and afterwards nothing is left of them.

use crate::harness::{Client, Daemon, MANAGER, NAME, refusal, transfer};
use crate::process::{descriptors, resident_bytes, until};
use importd_daemon::bus::interface::Interface;
use importd_daemon::bus::{log_control, manager, own, standard};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use zbus::message::Flags;
use zbus::{Fd, Message, Structure, Variant};

/// The interfaces whose methods are called.
const INTERFACES: [&Interface; 8] = [
    &manager::INTERFACE,
    &importd_daemon::bus::transfer::INTERFACE,
    &own::MANAGER,
    &own::TRANSFER,
    &log_control::INTERFACE,
    &standard::PEER,
    &standard::INTROSPECTABLE,
    &standard::PROPERTIES,
];

/// Sequences of calls, and how many are in one at most.
const CASES: u32 = 48;
const CALLS_MAX: usize = 60;

/// Descriptors that stay open once the log has gone there: the journal's socket and the kernel's log.
const LOG_DESCRIPTORS: usize = 2;

/// More than the daemon may have in memory after all that: some times what it has at rest.
const RESIDENT_MAX: u64 = 128 << 20;

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Long(u64),
    Short(u32),
    Flag(bool),
    Real(f64),
    Descriptor(u8),
    Nested(Box<Value>),
    Texts(Vec<String>),
    Options(Vec<(String, Value)>),
}

#[derive(Clone, Debug)]
struct Call {
    path: String,
    interface: Option<String>,
    member: String,
    arguments: Vec<Value>,
    wants_reply: bool,
}

/// Texts that mean something to one method or another.
const TEXTS: &[&str] = &[
    "",
    "-",
    "-x",
    "machine",
    "sysext",
    "no",
    "checksum",
    "signature",
    "tell",
    "fail",
    "talk",
    "report",
    "hold",
    "http://server/tell.raw",
    "server:1/a/tell:1",
    "arm/v7",
    "zstd",
    "https://h/a.tar",
    "file:/etc/passwd",
    "xz",
    "a/b",
    "..",
    ".#x",
    "LogLevel",
    "LogTarget",
    "debug",
    "null",
    "Progress",
    "Bytes",
    "org.freedesktop.import1.Transfer",
    "io.importd.Transfer1",
    "org.freedesktop.LogControl1",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(TEXTS).prop_map(str::to_owned),
        1 => "[^\0]{0,40}",
        1 => (1usize..70_000).prop_map(|count| "x".repeat(count)),
    ]
}

fn value_of(signature: &str) -> BoxedStrategy<Value> {
    match signature {
        "s" => text().prop_map(Value::Text).boxed(),
        "t" => prop_oneof![0u64..9, any::<u64>()]
            .prop_map(Value::Long)
            .boxed(),
        "u" => prop_oneof![0u32..20, any::<u32>()]
            .prop_map(Value::Short)
            .boxed(),
        "b" => any::<bool>().prop_map(Value::Flag).boxed(),
        "h" => (0u8..6).prop_map(Value::Descriptor).boxed(),
        "a{sv}" => options().boxed(),
        _ => value()
            .prop_map(|inner| Value::Nested(Box::new(inner)))
            .boxed(),
    }
}

/// Options of our own methods, mostly those there are.
fn options() -> impl Strategy<Value = Value> {
    let flag = (
        select(&["force", "readOnly", "flat", "reset"][..]),
        value_of("b"),
    );
    let word = (
        select(&["architecture", "format", "tag"][..]),
        value_of("s"),
    );
    let known = prop_oneof![flag, word].prop_map(|(name, value)| (name.to_owned(), value));
    let other = (
        text(),
        prop_oneof![value_of("s"), value_of("b"), value_of("u")],
    );
    vec(prop_oneof![9 => known.boxed(), 1 => other.boxed()], 0..4).prop_map(Value::Options)
}

fn value() -> BoxedStrategy<Value> {
    prop_oneof![
        value_of("s"),
        value_of("t"),
        value_of("u"),
        value_of("b"),
        value_of("h"),
        any::<f64>().prop_map(Value::Real),
        vec(text(), 0..4).prop_map(Value::Texts),
    ]
    .boxed()
}

/// The arguments of a method, or others.
fn arguments(inputs: Vec<&'static str>) -> BoxedStrategy<Vec<Value>> {
    let fitting: Vec<_> = inputs.into_iter().map(value_of).collect();
    prop_oneof![5 => fitting, 1 => vec(value(), 0..6)].boxed()
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(MANAGER.to_owned()),
        4 => (0u32..20).prop_map(transfer),
        2 => Just("/org/freedesktop/LogControl1".to_owned()),
        1 => select(&["/", "/org", "/org/freedesktop/import1/transfer", "/a/b"][..])
            .prop_map(str::to_owned),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let methods: Vec<(&'static str, &'static str, Vec<&'static str>)> = INTERFACES
        .iter()
        .flat_map(|interface| {
            interface
                .methods
                .iter()
                .map(|method| (interface.name, method))
        })
        .map(|(interface, method)| {
            let inputs = method.inputs.iter().map(|input| input.signature);
            (interface, method.name, inputs.collect())
        })
        .collect();
    let known = any::<Index>().prop_flat_map(move |index| {
        let (interface, member, inputs) = index.get(&methods).clone();
        (
            Just(interface.to_owned()),
            Just(member.to_owned()),
            arguments(inputs),
        )
    });
    let unknown = (
        "[a-z]{1,9}\\.[A-Za-z]{1,9}",
        "[A-Z][A-Za-z0-9_]{0,20}",
        vec(value(), 0..4),
    );
    let what = prop_oneof![12 => known.boxed(), 1 => unknown.boxed()];
    (path(), what, any::<bool>(), 0u8..8).prop_map(|(path, what, names_it, reply)| Call {
        path,
        interface: Some(what.0).filter(|_| names_it),
        member: what.1,
        arguments: what.2,
        wants_reply: reply > 0,
    })
}

/// Descriptors of all kinds, to be sent along.
struct Descriptors(Vec<OwnedFd>);

impl Descriptors {
    fn new() -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        Self(vec![
            reader.into(),
            writer.into(),
            tempfile::tempfile().unwrap().into(),
            File::open("/dev/null").unwrap().into(),
            File::open("/").unwrap().into(),
            socket.into(),
        ])
    }

    fn variant(&self, value: &Value) -> Variant<'_> {
        match value {
            Value::Text(text) => text.clone().into(),
            Value::Long(number) => (*number).into(),
            Value::Short(number) => (*number).into(),
            Value::Flag(set) => (*set).into(),
            Value::Real(number) => (*number).into(),
            Value::Descriptor(index) => Variant::Fd(Fd::from(self.0[usize::from(*index)].as_fd())),
            Value::Nested(inner) => Variant::Variant(Box::new(self.variant(inner))),
            Value::Texts(texts) => texts.clone().into(),
            Value::Options(options) => {
                let options = options.iter();
                let options: BTreeMap<String, Variant<'_>> = options
                    .map(|(name, value)| (name.clone(), self.variant(value)))
                    .collect();
                Variant::Dict(options.into())
            }
        }
    }
}

async fn make(client: &Client, call: &Call) {
    let descriptors = Descriptors::new();
    let mut body = Structure::builder();
    for argument in &call.arguments {
        body = body.append_field(descriptors.variant(argument));
    }
    let interface = call.interface.as_deref();
    let (path, member) = (call.path.as_str(), call.member.as_str());
    if call.arguments.is_empty() {
        let answer = client
            .connection
            .call_method(Some(NAME), path, interface, member, &());
        answer.await.map_err(refusal).map(drop).unwrap_or(());
        return;
    }
    let body = body.build().unwrap();
    if call.wants_reply {
        let answer = client
            .connection
            .call_method(Some(NAME), path, interface, member, &body);
        // Only an error of the service is an answer; anything else panics there.
        answer.await.map_err(refusal).map(drop).unwrap_or(());
    } else {
        let mut message = Message::method_call(path, member)
            .destination(NAME)
            .with_flags(Flags::NO_REPLY_EXPECTED);
        if let Some(interface) = interface {
            message = message.interface(interface);
        }
        let message = message.build(&body).unwrap();
        client.connection.send(&message).await.unwrap();
    }
}

/// The numbers of all transfers.
async fn transfers(client: &Client) -> Vec<u32> {
    let listed = client.call("ListTransfers", &()).await.unwrap();
    type Row = (u32, String, String, String, f64, zbus::OwnedObjectPath);
    let rows: Vec<Row> = listed.body().deserialize().unwrap();
    rows.into_iter().map(|row| row.0).collect()
}

#[test]
fn every_call_is_answered_and_nothing_is_left_of_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = runtime.block_on(daemon.client());
    runtime.block_on(transfers(&client));
    let before = descriptors(&daemon);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&vec(call(), 1..CALLS_MAX), |calls| {
        runtime.block_on(async {
            for call in &calls {
                make(&client, call).await;
            }
            until("all transfers have ended", async || {
                for id in transfers(&client).await {
                    // It may have ended by itself.
                    client
                        .call("CancelTransfer", &id)
                        .await
                        .map(drop)
                        .unwrap_or(());
                }
                transfers(&client).await.is_empty()
            })
            .await;
        });
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(until("descriptors are closed", async || {
        transfers(&client).await;
        descriptors(&daemon) <= before + LOG_DESCRIPTORS
    }));
    assert!(resident_bytes(&daemon) < RESIDENT_MAX);
}
