//! Bodies that break: what is asked for then, and what comes out.

use super::server::{
    DATES, ETAG, Reply, Server, context, data, fetch, fetcher, reply, rest, settings, whole,
};
use crate::error::Error;
use crate::source::ask::{Answer, Ask, Resume, Validator};
use crate::source::settings::Settings;
use crate::stage::chunks::Reader;
use importd_api::failure::Kind;
use std::io::Read;

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
        validator: Some(Validator::Etag("\"one\"".into())),
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
        let Answer::Body(remote) = answer.unwrap() else {
            panic!("no body");
        };
        assert_eq!((remote.offset, remote.length), (offset, Some(300_000)));
        let mut bytes = Vec::new();
        Reader::new(remote.body).read_to_end(&mut bytes).unwrap();
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
    let remote = fetcher.get(&server.url).unwrap();
    let mut body = Reader::new(remote.body);
    body.read_exact(&mut vec![0; 100_000]).unwrap();
    context.cancel.cancel();
    let error = Error::io("Read", body.read(&mut [0]).unwrap_err());
    assert_eq!(error.kind, Kind::Cancelled);
}
