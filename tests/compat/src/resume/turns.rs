//! Several downloads of one address at once: one after the other, and the next goes on.

use super::{Site, send};
use crate::subject::{Run, collect};
use rustix::process::Signal;
use std::process::Child;

impl Site {
    fn pull_as(&self, name: &str) -> Run {
        let options = ["--verify=no", "--keep-download=no", "raw"];
        let run = self.work.run("systemd-pull").args(options);
        run.arg(self.server.url("/d.raw")).arg(name)
    }

    /// Waits until somebody waits.
    fn wait_for_waiter(&self, child: &mut Child) {
        while !self.work.kept().iter().any(|name| name.ends_with(".wait")) {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            std::thread::yield_now();
        }
    }

    fn image_is_right(&self, name: &str) {
        assert!(std::fs::read(self.work.image(name)).unwrap() == *self.body);
    }
}

#[test]
fn two_downloads_at_once_share_one() {
    let Some(site) = Site::new(8) else { return };
    site.hold_first(5 << 20);
    let (mut first, first_socket) = site.pull_as("one").start();
    site.wait_for(4 << 20, &mut first);
    let (mut second, second_socket) = site.pull_as("two").start();
    site.wait_for_waiter(&mut second);
    site.server.release();
    let first = collect(first, &first_socket);
    assert_eq!(first.status, 0, "{}", first.stderr);
    let second = collect(second, &second_socket);
    assert_eq!(second.status, 0, "{}", second.stderr);
    let waits = format!(
        "Waiting for another download of {}.",
        site.server.url("/d.raw")
    );
    assert!(second.stderr.contains(&waits), "{}", second.stderr);
    assert!(!first.stderr.contains("Waiting"), "{}", first.stderr);
    site.image_is_right("one.raw");
    site.image_is_right("two.raw");
    // The last byte comes again: the server says by it that the version is the same.
    let served = site.server.seen().bytes_of("/d.raw");
    assert_eq!(served, (8 << 20) + 1);
    assert_eq!(site.work.kept(), [""; 0]);
}

#[test]
fn who_waits_takes_over_from_a_killed_one() {
    for signal in [Signal::KILL, Signal::TERM] {
        let Some(site) = Site::new(8) else { return };
        site.stall_first(5 << 20);
        let (mut first, first_socket) = site.pull_as("one").start();
        site.wait_for(4 << 20, &mut first);
        let (mut second, second_socket) = site.pull_as("two").start();
        site.wait_for_waiter(&mut second);
        send(&first, signal);
        collect(first, &first_socket);
        let second = collect(second, &second_socket);
        assert_eq!(second.status, 0, "{}", second.stderr);
        assert!(site.resumed_at().unwrap() >= 4 << 20);
        site.image_is_right("two.raw");
        assert_eq!(site.work.kept(), [""; 0]);
    }
}

#[test]
fn who_waits_can_be_cancelled() {
    let Some(site) = Site::new(8) else { return };
    site.stall_first(5 << 20);
    let (mut first, first_socket) = site.pull_as("one").start();
    site.wait_for(4 << 20, &mut first);
    let (mut second, second_socket) = site.pull_as("two").start();
    site.wait_for_waiter(&mut second);
    send(&second, Signal::TERM);
    let second = collect(second, &second_socket);
    assert_eq!(second.status, 1, "{}", second.stderr);
    let notes = &second.notes;
    assert!(notes.contains(&"ERRNO=4".into()), "{notes:?}");
    assert!(!site.work.kept().iter().any(|name| name.ends_with(".wait")));
    send(&first, Signal::TERM);
    collect(first, &first_socket);
    site.pull_as("two").succeed();
    site.image_is_right("two.raw");
}

#[test]
fn who_waits_proves_for_himself() {
    let Some(site) = Site::new(8) else { return };
    let sums = format!("{}  d.raw\n", "0".repeat(64));
    site.server
        .put("/SHA256SUMS", crate::server::Answer::ok(sums));
    site.hold_first(5 << 20);
    let (mut first, first_socket) = site.pull_as("one").start();
    site.wait_for(4 << 20, &mut first);
    let options = ["--verify=checksum", "--keep-download=no", "raw"];
    let strict = site.work.run("systemd-pull").args(options);
    let (mut second, second_socket) = strict.arg(site.server.url("/d.raw")).arg("two").start();
    site.wait_for_waiter(&mut second);
    site.server.release();
    assert_eq!(collect(first, &first_socket).status, 0);
    let second = collect(second, &second_socket);
    assert_eq!(second.status, 1, "{}", second.stderr);
    assert!(
        second.complaint().contains("SHA256SUMS"),
        "{}",
        second.stderr
    );
    assert_eq!(site.work.images(), ["one.raw"]);
    assert_eq!(site.work.kept(), [""; 0]);
}

#[test]
fn a_name_that_is_taken_meanwhile_is_noticed_at_once() {
    let Some(site) = Site::new(8) else { return };
    site.hold_first(5 << 20);
    let (mut first, first_socket) = site.pull_as("one").start();
    site.wait_for(4 << 20, &mut first);
    let (mut second, second_socket) = site.pull_as("one").start();
    site.wait_for_waiter(&mut second);
    site.server.release();
    assert_eq!(collect(first, &first_socket).status, 0);
    let second = collect(second, &second_socket);
    assert_eq!(second.status, 1, "{}", second.stderr);
    assert!(second.complaint().contains("exists"), "{}", second.stderr);
    assert_eq!(site.server.seen().asked("/d.raw"), 1);
}
