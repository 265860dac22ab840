//! Bodies over servers that fail in the middle: what is asked for, and what comes out.

use super::ask::{Answer, Ask, Resume, Validator};
use super::remote::Fetcher;
use super::settings::Settings;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::{LogSettings, Report};
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_host::cancel::Cancel;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What a server does with one request: bytes to send, and whether to fall silent then instead of
/// closing the connection.
struct Reply {
    bytes: Vec<u8>,
    stalls: bool,
}

/// A server that answers each request on a connection of its own, in order, with what it is told.
struct Server {
    url: Url,
    heads: Receiver<String>,
}

impl Server {
    fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/image", listener.local_addr().unwrap());
        let (told, heads) = channel();
        std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                told.send(head(&stream)).unwrap();
                stream.write_all(&reply.bytes).unwrap();
                if reply.stalls {
                    // Until the client goes away.
                    drop(stream.read_exact(&mut [0]));
                }
            }
        });
        Self {
            url: Url::parse(&url).unwrap(),
            heads,
        }
    }

    /// The value of a header of each request so far.
    fn asked(&self, name: &str) -> Vec<Option<String>> {
        let value = |head: String| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(found, value)| (found == name).then(|| value.to_owned()))
        };
        self.heads.try_iter().map(value).collect()
    }
}

fn head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    head
}

fn reply(head: &str, body: &[u8]) -> Reply {
    let head = head.replace('\n', "\r\n");
    Reply {
        bytes: [head.as_bytes(), b"\r\n\r\n", body].concat(),
        stalls: false,
    }
}

/// All bytes of `data`, of which only `sent` come.
fn whole(headers: &str, data: &[u8], sent: usize) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\nContent-Length: {}{headers}\nConnection: close",
        data.len()
    );
    reply(&head, &data[..sent])
}

/// The bytes of `data` from `first` on, of which only those before `end` come.
fn rest(headers: &str, data: &[u8], first: usize, end: usize) -> Reply {
    let head = format!(
        "HTTP/1.1 206 Partial Content\nContent-Length: {}\nContent-Range: bytes {first}-{}/{}\
         {headers}\nConnection: close",
        data.len() - first,
        data.len() - 1,
        data.len()
    );
    reply(&head, &data[first..end])
}

fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
    }
}

fn settings(retries: u32) -> Settings {
    Settings {
        retries,
        stall_timeout: Duration::from_millis(200),
        ..Settings::default()
    }
}

fn fetcher(server: &Server, settings: &Settings, context: &Context) -> Fetcher {
    Fetcher::new(&server.url, "test", settings, context).unwrap()
}

fn fetch(server: &Server, retries: u32) -> Result<Vec<u8>> {
    fetch_with(server, &settings(retries)).map(|(bytes, _)| bytes)
}

/// The bytes, and where they came from.
fn fetch_with(server: &Server, settings: &Settings) -> Result<(Vec<u8>, String)> {
    let context = context();
    let mut remote = fetcher(server, settings, &context).get(&server.url)?;
    let mut bytes = Vec::new();
    let read = remote.body.read_to_end(&mut bytes);
    read.map_err(|error| Error::io("Failed to read", error))?;
    Ok((bytes, remote.origins.to_string()))
}

fn data() -> Vec<u8> {
    (0..300_000u32).map(|i| (i * 7 % 251) as u8).collect()
}

const ETAG: &str = "\nETag: \"one\"";
const DATES: &str = "\nLast-Modified: Sat, 03 Feb 2001 04:05:06 GMT\
                     \nDate: Sat, 03 Feb 2001 05:05:06 GMT";

#[test]
fn a_body_goes_on_where_it_broke() {
    let data = data();
    for (headers, condition) in [(ETAG, "\"one\""), (DATES, "Sat, 03 Feb 2001 04:05:06 GMT")] {
        let stalled = Reply {
            stalls: true,
            ..rest(headers, &data, 100_000, 200_000)
        };
        let server = Server::start(vec![
            whole(headers, &data, 100_000),
            stalled,
            rest(headers, &data, 200_000, data.len()),
        ]);
        assert!(fetch(&server, 2).unwrap() == data);
        let heads: Vec<String> = server.heads.try_iter().collect();
        assert!(!heads[0].contains("range"), "{}", heads[0]);
        for (head, first) in heads[1..].iter().zip([100_000, 200_000]) {
            assert!(head.contains(&format!("range: bytes={first}-\r")), "{head}");
            assert!(head.contains(&format!("if-range: {condition}\r")), "{head}");
        }
    }
}

#[test]
fn a_server_without_ranges_is_read_again_and_compared() {
    let data = data();
    let mut other = data.clone();
    other[50_000] ^= 1;
    for (headers, second, expected) in [
        // The same by its ETag: no need to look.
        (ETAG, whole(ETAG, &data, data.len()), Ok(())),
        ("", whole("", &data, data.len()), Ok(())),
        ("", whole("", &other, data.len()), Err(Kind::Changed)),
        ("", whole("", &data[..99_999], 99_999), Err(Kind::Changed)),
        (
            ETAG,
            whole("\nETag: \"two\"", &data, data.len()),
            Err(Kind::Changed),
        ),
        (ETAG, whole("", &data, data.len()), Err(Kind::Changed)),
        (DATES, whole("", &data, data.len()), Err(Kind::Changed)),
    ] {
        let server = Server::start(vec![whole(headers, &data, 100_000), second]);
        let result = fetch(&server, 2);
        match expected {
            Ok(()) => assert!(result.unwrap() == data),
            Err(kind) => assert_eq!(result.unwrap_err().kind, kind, "{headers}"),
        }
    }
}

#[test]
fn what_is_no_rest_is_not_taken_for_one() {
    let data = data();
    let partial = "HTTP/1.1 206 Partial Content\nConnection: close\nContent-Length: ";
    let elsewhere = format!("{partial}9\nContent-Range: bytes 5-13/300000");
    let short = format!("{partial}9\nContent-Range: bytes 100000-100008/300000");
    let lying = format!("{partial}9\nContent-Range: bytes 100000-299999/300000");
    let several = format!("{partial}9\nContent-Type: multipart/byteranges; boundary=x");
    let beyond = "HTTP/1.1 416 Range Not Satisfiable\nConnection: close\nContent-Length: 9";
    for head in [&elsewhere, &short, &lying, &several, beyond] {
        let server = Server::start(vec![
            whole(ETAG, &data, 100_000),
            reply(head, b"something"),
            whole(ETAG, &data, data.len()),
        ]);
        assert!(fetch(&server, 2).unwrap() == data, "{head}");
        let asked = server.asked("range");
        let rest = Some("bytes=100000-".to_owned());
        assert_eq!(asked, [None, rest, None], "{head}");
    }
}

#[test]
fn a_rest_of_another_version_is_refused() {
    let data = data();
    let mut longer = data.clone();
    longer.push(0);
    for second in [
        rest("\nETag: \"two\"", &data, 100_000, data.len()),
        rest(ETAG, &longer, 100_000, longer.len()),
    ] {
        let server = Server::start(vec![whole(ETAG, &data, 100_000), second]);
        assert_eq!(fetch(&server, 2).unwrap_err().kind, Kind::Changed);
    }
}

#[test]
fn busy_servers_are_asked_again_and_others_are_not() {
    let data = data();
    let failing = |code: &str| {
        let head = format!("HTTP/1.1 {code}\nContent-Length: 0\nConnection: close");
        reply(&head, b"")
    };
    let patient = "HTTP/1.1 503 Busy\nRetry-After: 0\nContent-Length: 0\nConnection: close";
    let server = Server::start(vec![
        failing("429 Slow"),
        reply(patient, b""),
        Reply {
            bytes: Vec::new(),
            stalls: false,
        },
        whole(ETAG, &data, 9),
        failing("500 Oops"),
        rest(ETAG, &data, 9, data.len()),
    ]);
    assert!(fetch(&server, 3).unwrap() == data);
    let server = Server::start(vec![failing("500 Oops"), failing("502 Oops")]);
    let error = fetch(&server, 1).unwrap_err();
    assert!(error.doing.contains("502"), "{}", error.doing);
    assert!(
        error.doing.contains("(tried again once)"),
        "{}",
        error.doing
    );
    for code in ["404 No", "403 No", "401 No", "501 No"] {
        let server = Server::start(vec![failing(code), whole(ETAG, &data, data.len())]);
        let error = fetch(&server, 5).unwrap_err();
        assert!(error.doing.contains(&code[..3]), "{}", error.doing);
    }
    let long = "HTTP/1.1 503 Busy\nRetry-After: 3600\nContent-Length: 0\nConnection: close";
    let server = Server::start(vec![reply(long, b"")]);
    let error = fetch(&server, 5).unwrap_err();
    assert!(error.doing.contains("3600 s"), "{}", error.doing);
}

#[test]
fn a_server_that_never_gets_anywhere_is_given_up() {
    let data = data();
    let mut replies = vec![whole(ETAG, &data, 100_000)];
    replies.extend((0..3).map(|_| rest(ETAG, &data, 100_000, 100_000)));
    let server = Server::start(replies);
    let error = fetch(&server, 2).unwrap_err();
    assert_eq!(error.kind, Kind::Io);
    assert!(error.doing.contains("97.6K of 292.9K"), "{}", error.doing);
    assert_eq!(server.heads.try_iter().count(), 3);
}

#[test]
fn a_part_that_nobody_asked_for_is_refused_unless_it_is_all() {
    let data = data();
    let server = Server::start(vec![rest(ETAG, &data, 0, data.len())]);
    assert!(fetch(&server, 0).unwrap() == data);
    let server = Server::start(vec![rest(ETAG, &data, 9, data.len())]);
    assert_eq!(fetch(&server, 0).unwrap_err().kind, Kind::Io);
}

#[test]
fn a_rest_can_be_asked_for_from_the_start_and_breaks_no_less_well() {
    let data = data();
    let resume = Resume {
        offset: 50_000,
        validator: Validator::Etag("\"one\"".into()),
    };
    let beyond = "HTTP/1.1 416 Range Not Satisfiable\nConnection: close\nContent-Length: 0";
    for (replies, offset) in [
        (
            vec![
                rest("", &data, 50_000, 100_000),
                rest("", &data, 100_000, data.len()),
            ],
            50_000,
        ),
        (vec![whole(ETAG, &data, data.len())], 0),
        (vec![reply(beyond, b""), whole(ETAG, &data, data.len())], 0),
    ] {
        let server = Server::start(replies);
        let context = context();
        let fetcher = fetcher(&server, &settings(1), &context);
        let answer = fetcher.ask(Ask {
            resume: Some(&resume),
            ..Ask::whole(&server.url)
        });
        let Answer::Body(mut remote) = answer.unwrap() else {
            panic!("no body");
        };
        assert_eq!((remote.offset, remote.length), (offset, Some(300_000)));
        let mut bytes = Vec::new();
        remote.body.read_to_end(&mut bytes).unwrap();
        assert!(bytes == data[usize::try_from(offset).unwrap()..]);
    }
}

#[test]
fn a_cancel_ends_the_wait_for_a_server_at_once() {
    let server = Server::start(vec![Reply {
        stalls: true,
        ..whole(ETAG, &data(), 100_000)
    }]);
    let context = context();
    let fetcher = fetcher(&server, &Settings::default(), &context);
    let mut remote = fetcher.get(&server.url).unwrap();
    remote.body.read_exact(&mut vec![0; 100_000]).unwrap();
    context.cancel.cancel();
    let error = Error::io("Read", remote.body.read(&mut [0]).unwrap_err());
    assert_eq!(error.kind, Kind::Cancelled);
}

fn missing() -> Reply {
    reply("HTTP/1.1 404 No\nContent-Length: 0\nConnection: close", b"")
}

#[test]
fn a_mirror_takes_over_where_the_server_broke_if_the_end_is_proven() {
    let data = data();
    let other = "\nETag: \"other\"";
    for (second, ranges) in [
        (rest(other, &data, 100_000, data.len()), 1),
        (whole(other, &data, data.len()), 1),
    ] {
        let mirror = Server::start(vec![second]);
        let server = Server::start(vec![whole(ETAG, &data, 100_000), missing()]);
        let settings = Settings {
            mirrors: vec![mirror.url.clone()],
            is_proven: true,
            ..settings(1)
        };
        let (bytes, origins) = fetch_with(&server, &settings).unwrap();
        assert!(bytes == data);
        assert_eq!(origins, format!("{} and {}", server.url, mirror.url));
        let heads: Vec<String> = mirror.heads.try_iter().collect();
        assert_eq!(heads.len(), ranges);
        assert!(heads[0].contains("range: bytes=100000-\r"), "{}", heads[0]);
        assert!(!heads[0].contains("if-range"), "{}", heads[0]);
    }
}

#[test]
fn a_mirror_that_breaks_is_gone_on_with_under_its_own_condition() {
    let data = data();
    let other = "\nETag: \"other\"";
    let mirror = Server::start(vec![
        rest(other, &data, 100_000, 200_000),
        rest(other, &data, 200_000, data.len()),
    ]);
    let server = Server::start(vec![whole(ETAG, &data, 100_000), missing()]);
    let settings = Settings {
        mirrors: vec![mirror.url.clone()],
        is_proven: true,
        ..settings(1)
    };
    assert!(fetch_with(&server, &settings).unwrap().0 == data);
    assert_eq!(mirror.asked("if-range"), [None, Some("\"other\"".into())]);
}

#[test]
fn a_mirror_is_used_from_the_start_where_nothing_is_proven_and_then_only() {
    let data = data();
    let mirror = Server::start(vec![whole(ETAG, &data, data.len())]);
    let server = Server::start(vec![missing()]);
    let with = |mirror: &Server, is_proven| Settings {
        mirrors: vec![mirror.url.clone()],
        is_proven,
        ..settings(0)
    };
    let (bytes, origins) = fetch_with(&server, &with(&mirror, false)).unwrap();
    assert!(bytes == data);
    assert_eq!(origins, mirror.url.to_string());

    let mirror = Server::start(vec![whole(ETAG, &data, data.len())]);
    let server = Server::start(vec![whole(ETAG, &data, 100_000), missing()]);
    let settings = Settings {
        retries: 1,
        ..with(&mirror, false)
    };
    let error = fetch_with(&server, &settings).unwrap_err();
    assert_eq!(error.kind, Kind::HttpNotFound);
    assert_eq!(mirror.heads.try_iter().count(), 0);
}

#[test]
fn a_mirror_of_another_length_does_not_go_on() {
    let data = data();
    let mut longer = data.clone();
    longer.push(0);
    let mirror = Server::start(vec![rest(ETAG, &longer, 100_000, longer.len())]);
    let server = Server::start(vec![whole(ETAG, &data, 100_000), missing()]);
    let settings = Settings {
        mirrors: vec![mirror.url.clone()],
        is_proven: true,
        ..settings(1)
    };
    let error = fetch_with(&server, &settings).unwrap_err();
    assert_eq!(error.kind, Kind::HttpNotFound);
}

#[test]
fn a_rate_is_held() {
    let data = data();
    let server = Server::start(vec![whole(ETAG, &data, data.len())]);
    let settings = Settings {
        rate: std::num::NonZeroU64::new(600_000),
        ..settings(0)
    };
    let started = std::time::Instant::now();
    assert!(fetch_with(&server, &settings).unwrap().0 == data);
    assert!(started.elapsed() >= Duration::from_millis(450));
}

#[test]
fn a_server_that_speaks_no_tls_or_garbage_is_told_apart_from_a_busy_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/image", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 What\r\n\r\n").unwrap();
        // Until the client goes away.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let url = Url::parse(&url).unwrap();
    let context = context();
    let fetcher = Fetcher::new(&url, "test", &settings(5), &context).unwrap();
    let error = fetcher.get(&url).unwrap_err();
    let text = crate::error::chain(&error);
    assert!(text.contains("does not speak TLS"), "{text}");
}
