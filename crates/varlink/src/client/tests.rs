use super::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::thread;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// A service that reads one call, sends that, and returns the call and the rest of the stream.
fn serve(answer: &'static [u8]) -> (Client, thread::JoinHandle<(Vec<u8>, UnixStream)>) {
    let (here, there) = UnixStream::pair().unwrap();
    let service = thread::spawn(move || {
        let mut reader = BufReader::new(there.try_clone().unwrap());
        let mut call = Vec::new();
        reader.read_until(0, &mut call).unwrap();
        (&there).write_all(answer).unwrap();
        (call, there)
    });
    (Client::from_stream(here, PATIENCE), service)
}

#[test]
fn a_call_has_its_answer() {
    let (mut client, service) = serve(b"{\"parameters\":{\"a\":1}}\0");
    let answer = client.call(&Call::new("a.B").with("c", true), &[]).unwrap();
    assert_eq!(Value::from(answer.parameters), json!({"a": 1}));
    let (call, _) = service.join().unwrap();
    let expected = b"{\"method\":\"a.B\",\"parameters\":{\"c\":true}}\0";
    assert_eq!(call, expected);
}

#[test]
fn several_replies_come_one_by_one_until_the_last() {
    let answers =
        b"{\"parameters\":{\"n\":1},\"continues\":true}\0{\"parameters\":{\"n\":2}}\0{}\0";
    let (mut client, service) = serve(answers);
    let replies = client.call_more(&Call::new("a.B"), &[]).unwrap();
    let numbers: Vec<_> = replies
        .map(|reply| reply.unwrap().parameters["n"].clone())
        .collect();
    assert_eq!(numbers, [1, 2]);
    let (call, _) = service.join().unwrap();
    assert_eq!(call, b"{\"method\":\"a.B\",\"more\":true}\0");
}

#[test]
fn an_error_ends_the_replies_and_says_what_it_is() {
    let answers = b"{\"continues\":true}\0{\"error\":\"a.E\",\"parameters\":{\"why\":\"x\"}}\0";
    let (mut client, _service) = serve(answers);
    let mut replies = client.call_more(&Call::new("a.B"), &[]).unwrap();
    assert!(replies.next().unwrap().is_ok());
    let Err(Error::Service { name, parameters }) = replies.next().unwrap() else {
        panic!("no error");
    };
    assert_eq!((name.as_str(), &parameters["why"]), ("a.E", &json!("x")));
    assert!(replies.next().is_none());
}

#[test]
fn services_that_do_not_answer_rightly_are_told_apart() {
    let answers: [(&[u8], &str); 3] = [
        (b"{\"continues\":true}\0", "several replies"),
        (b"[]\0", "A message is no object"),
        (b"{\0", "A message cannot be read"),
    ];
    for (answer, expected) in answers {
        let (mut client, _service) = serve(answer);
        let error = client.call(&Call::new("a.B"), &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let (here, there) = UnixStream::pair().unwrap();
    (&there).write_all(b"{").unwrap();
    there.shutdown(std::net::Shutdown::Write).unwrap();
    let mut client = Client::from_stream(here, PATIENCE);
    let error = client.call(&Call::new("a.B"), &[]).unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
}

#[test]
fn a_service_that_says_nothing_is_not_waited_for() {
    let (here, _there) = UnixStream::pair().unwrap();
    let mut client = Client::from_stream(here, Some(Duration::from_millis(10)));
    let error = client.call(&Call::new("a.B"), &[]).unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    // More than the socket takes.
    let call = Call::new("a.B").with("x", "x".repeat(8 << 20));
    let error = client.call(&call, &[]).unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
}

#[test]
fn large_calls_and_replies_go_through() {
    let (here, there) = UnixStream::pair().unwrap();
    let service = thread::spawn(move || {
        let mut call = Vec::new();
        let mut reader = BufReader::new(there.try_clone().unwrap());
        reader.read_until(0, &mut call).unwrap();
        let (_end, call) = call.split_last().unwrap();
        let call = Call::parse(call).unwrap();
        let answer = crate::message::Answer {
            error: None,
            parameters: Some(call.parameters),
            continues: false,
        };
        (&there).write_all(&answer.encode().unwrap()).unwrap();
    });
    let mut client = Client::from_stream(here, PATIENCE);
    let text = "x".repeat(3 << 20);
    let call = Call::new("a.B").with("x", text.clone());
    let answer = client.call(&call, &[]).unwrap();
    assert_eq!(answer.parameters["x"], json!(text));
    service.join().unwrap();
}

#[test]
fn descriptors_go_both_ways() {
    let (here, there) = UnixStream::pair().unwrap();
    let service = thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut ready = [PollFd::new(&there, PollFlags::IN)];
        rustix::event::poll(&mut ready, None).unwrap();
        let received = socket::receive(&there, &mut buffer).unwrap();
        let fds: Vec<_> = received.descriptors.iter().map(|fd| fd.as_fd()).collect();
        socket::send(&there, b"{}\0", &fds).unwrap();
    });
    let (mut read, write) = io::pipe().unwrap();
    let mut client = Client::from_stream(here, PATIENCE);
    let mut answer = client.call(&Call::new("a.B"), &[write.as_fd()]).unwrap();
    drop(write);
    service.join().unwrap();
    let mut back = std::fs::File::from(answer.descriptors.pop().unwrap());
    back.write_all(b"x").unwrap();
    drop(back);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
}

#[test]
fn oneway_calls_wait_for_nothing() {
    let (here, there) = UnixStream::pair().unwrap();
    let mut client = Client::from_stream(here, Some(Duration::ZERO));
    let call = Call::new("a.B").wanting(Wanted::Nothing);
    client.call(&call, &[]).unwrap();
    let mut buffer = [0; 64];
    let received = socket::receive(&there, &mut buffer).unwrap();
    let expected = b"{\"method\":\"a.B\",\"oneway\":true}\0";
    assert_eq!(&buffer[..received.count], expected);
}

#[test]
fn connecting_finds_the_service_or_says_where_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let error = Client::connect(&path, PATIENCE).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    let listener = UnixListener::bind(&path).unwrap();
    let service = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{}\0").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let mut client = Client::connect(&path, PATIENCE).unwrap();
    client.call(&Call::new("a.B"), &[]).unwrap();
    drop(client);
    service.join().unwrap();
}
