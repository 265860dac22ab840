//! Many clients at once that mean no good, and one that does.

use crate::harness::{Daemon, PATIENCE};
use crate::varlink::socket::{Socket, path, pull};
use importd_varlink::socket::send;
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 200;

/// How long an honest client may wait.
const ANSWER: Duration = Duration::from_millis(100);

/// Most memory that hostile clients may make the daemon take, in KiB: what all may hold, and as much
/// again for the allocator.
const GROWTH_MAX: u64 = 2 * 128 * 1024;

/// What one does until it is stopped: each connects anew when the daemon has closed the connection.
fn attack(number: usize, path: &PathBuf, is_over: &AtomicBool) {
    // It is the daemon that has to be fair, not the scheduler.
    rustix::process::nice(19).unwrap();
    let mut kept = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(10));
        let Ok(stream) = UnixStream::connect(path) else {
            continue;
        };
        stream
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let stays = misbehave(number, &stream);
        let mut rest = [0; 4096];
        drop((&stream).read(&mut rest));
        if stays {
            kept.push(stream);
            // Half of them do nothing more but stay.
            while !is_over.load(Ordering::Relaxed) && kept.len() >= 4 {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
    }
}

/// One connection's worth; says whether it is kept open.
fn misbehave(number: usize, mut stream: &UnixStream) -> bool {
    match number % 8 {
        // Says nothing; says half of something.
        0 => true,
        1 => stream.write_all(b"{\"method\":\"io.systemd.serv").is_ok(),
        // Asks for a lot and reads none of it.
        2 => {
            let describe = json!({"method": "org.varlink.service.GetInterfaceDescription",
                "parameters": {"interface": "io.importd.Import"}});
            let calls = format!("{describe}\0").repeat(2000);
            stream.write_all(calls.as_bytes()).unwrap_or(());
            true
        }
        // Nested deeply, a hundred thousand values.
        3 => {
            let text = ["{\"method\":".to_owned(), "[".repeat(100_000)].concat();
            stream.write_all(text.as_bytes()).unwrap_or(());
            stream.write_all(b"\0").unwrap_or(());
            false
        }
        4 => {
            let list = [
                "{\"method\":[1".to_owned(),
                ",1".repeat(1 << 20),
                "]}\0".into(),
            ]
            .concat();
            stream.write_all(list.as_bytes()).unwrap_or(());
            false
        }
        // A line of a hundred megabytes.
        5 => {
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..100 {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
            false
        }
        // Descriptors that nobody asked for.
        6 => {
            let devices: Vec<_> = (0..30).map(|_| File::open("/dev/null").unwrap()).collect();
            let devices: Vec<_> = devices.iter().map(|file| file.as_fd()).collect();
            drop(send(
                stream,
                b"{\"method\":\"io.importd.Import.Import\"}\0",
                &devices[..1],
            ));
            drop(send(
                stream,
                b"{\"method\":\"io.importd.Import.Import\"}\0",
                &devices,
            ));
            false
        }
        _ => {
            let mut garbage = [0; 4096];
            File::open("/dev/urandom")
                .unwrap()
                .read_exact(&mut garbage)
                .unwrap();
            stream.write_all(&garbage).unwrap_or(());
            false
        }
    }
}

fn status(daemon: &Daemon, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

fn descriptors(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.process.id()))
        .unwrap()
        .count()
}

/// Whether more runs on the machine than it has processors for.
fn is_busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let processors = std::thread::available_parallelism().unwrap().get();
    load > 2.0 * f64::from(u32::try_from(processors).unwrap())
}

fn ping(socket: &mut Socket) -> Duration {
    let start = Instant::now();
    assert_eq!(
        socket.ask(json!({"method": "io.systemd.service.Ping"})),
        json!({})
    );
    start.elapsed()
}

#[tokio::test]
async fn an_honest_client_is_served_among_hostile_ones() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    ping(&mut socket);
    let (before, memory) = (descriptors(&daemon), status(&daemon, "VmRSS"));
    let is_busy = is_busy();
    let is_over = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (path, is_over) = (path(&daemon), Arc::clone(&is_over));
            std::thread::spawn(move || attack(number, &path, &is_over))
        })
        .collect();
    let mut waits = Vec::new();
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        // One that is there already, and one that comes anew.
        waits.push(ping(&mut socket));
        let start = Instant::now();
        let mut fresh = Socket::open(&daemon);
        ping(&mut fresh);
        waits.push(start.elapsed());
    }
    let replies = socket.all(pull("tell"));
    assert_eq!(replies.last().unwrap(), &json!({}));
    is_over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.join().unwrap();
    }
    waits.sort_unstable();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    let late = waits.iter().filter(|wait| **wait > ANSWER).count();
    let growth = status(&daemon, "VmHWM").saturating_sub(memory);
    println!(
        "{} answers, median {median:?}, longest {longest:?}, {late} late; {growth} KiB more",
        waits.len()
    );
    if is_busy {
        println!("the machine is busy with something else: times are not judged");
    } else {
        assert!(median < ANSWER, "{median:?}");
        // It may be busy for a moment.
        assert!(late * 20 <= waits.len(), "{late} of {}", waits.len());
    }
    assert!(growth < GROWTH_MAX, "{growth} KiB");
    // Nothing is left of them, no process either.
    let tasks = format!("/proc/{0}/task/{0}/children", daemon.process.id());
    assert_eq!(std::fs::read_to_string(tasks).unwrap(), "");
    let patience = Instant::now() + PATIENCE;
    while descriptors(&daemon) > before {
        assert!(
            Instant::now() < patience,
            "{} descriptors",
            descriptors(&daemon)
        );
        ping(&mut socket);
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_and_its_transfer_goes_on() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut deaf = Socket::open(&daemon);
    let mut call = pull("flood");
    call["more"] = true.into();
    let id = deaf.ask(call)["parameters"]["id"].as_u64().unwrap();
    let (lines, result) = client.lines_and_result(u32::try_from(id).unwrap()).await;
    assert_eq!((lines.len(), result.as_str()), (40_000, "done"));
    let mut replies = 0;
    let mut last = String::new();
    while let Some(text) = deaf.text() {
        (replies, last) = (replies + 1, text);
    }
    assert!(replies < 40_000, "{replies}");
    assert_ne!(last, "{}");
}
