//! Several servers, and ways to them.

use super::server::{
    ETAG, Reply, Server, context, data, fetch_with, head, reply, rest, settings, whole,
};
use crate::source::remote::Fetcher;
use crate::source::settings::{CONNECT_TIMEOUT, Settings};
use crate::stage::chunks::Reader;
use importd_api::failure::Kind;
use importd_api::url::Url;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

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

/// Addresses of this machine by IPv6 at which nobody answers, not even with a refusal: the queue of
/// the listener is full.
struct Dead {
    _listener: rustix::fd::OwnedFd,
    _waiting: Vec<TcpStream>,
    port: u16,
}

impl Dead {
    fn start() -> rustix::io::Result<Self> {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
        let listener = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
        bind(&listener, &SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0))?;
        listen(&listener, 0)?;
        let address = SocketAddr::try_from(getsockname(&listener)?)?;
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
        let waiting = std::iter::repeat_with(connect).map_while(|result| result.ok());
        Ok(Self {
            _waiting: waiting.collect(),
            _listener: listener,
            port: address.port(),
        })
    }
}

#[test]
fn a_host_that_is_dead_by_one_protocol_is_reached_by_the_other() {
    use std::net::ToSocketAddrs;
    let names = ("localhost", 80).to_socket_addrs().unwrap();
    let is_dual = names.clone().any(|address| address.is_ipv6())
        && names.clone().any(|address| address.is_ipv4());
    let (true, Ok(dead)) = (is_dual, Dead::start()) else {
        return println!("skipped: localhost has not both kinds of addresses");
    };
    let listener = TcpListener::bind(("127.0.0.1", dead.port)).unwrap();
    let data = data();
    let answer = whole(ETAG, &data, data.len()).bytes;
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        head(&stream);
        stream.write_all(&answer).unwrap();
    });
    let url = Url::parse(&format!("http://localhost:{}/image", dead.port)).unwrap();
    let context = context();
    let fetcher = Fetcher::new(&url, "test", &settings(0), &context).unwrap();
    let started = std::time::Instant::now();
    let mut bytes = Vec::new();
    let remote = fetcher.get(&url).unwrap();
    Reader::new(remote.body).read_to_end(&mut bytes).unwrap();
    assert!(bytes == data);
    assert!(started.elapsed() < CONNECT_TIMEOUT / 3);
}
