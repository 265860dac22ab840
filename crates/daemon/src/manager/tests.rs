use super::*;
use crate::lines::Line;
use crate::log::control::Control;
use importd_api::bus::TRANSFERS_MAX;
use importd_api::class::Class;
use importd_api::job::{ImportSource, Local, Work};
use importd_api::name::{Form, ImageName};
use importd_api::url::Url;
use importd_api::verify::Verify;
use std::time::Duration;
use tokio::sync::mpsc;

/// A table, and what its workers are told.
struct Table {
    manager: Manager,
    stops: Vec<mpsc::UnboundedReceiver<Stop>>,
}

impl Table {
    fn new() -> Self {
        let (events, _) = mpsc::channel(1);
        let launcher = Launcher {
            directory: "/nonexistent".into(),
            log: Control::default(),
            notify_socket: "@x".into(),
            grace: Duration::from_secs(1),
            open_files_max: None,
            events,
        };
        Self {
            manager: Manager::new(Scope::System, Ids::default(), launcher),
            stops: Vec::new(),
        }
    }

    /// Adds a transfer of root.
    fn start(&mut self, job: Job) -> Result<u32, Refusal> {
        self.start_of(0, job)
    }

    /// Adds a transfer of a user; if there is a place, its worker is process 1000 plus its number.
    fn start_of(&mut self, owner: u32, job: Job) -> Result<u32, Refusal> {
        let id = self.manager.admit(&job, owner)?;
        let life = if self.manager.has_place(owner) {
            let (sender, stops) = mpsc::unbounded_channel();
            self.stops.push(stops);
            Life::Running(Worker::new(1000 + i32::try_from(id).unwrap(), sender))
        } else {
            Life::Waiting(None)
        };
        let transfer = self.manager.transfer(job, owner);
        self.manager.insert(id, transfer, life);
        Ok(id)
    }

    /// Ends a worker; returns what is heard of that.
    fn exit(&mut self, id: u32, code: i32) -> Vec<Notice> {
        self.heard();
        let exit = ExitOutcome::Exited(code);
        self.manager.apply(Event::Exited { id, exit });
        self.heard()
    }

    fn heard(&mut self) -> Vec<Notice> {
        self.manager.take_notices()
    }

    fn limit(&mut self, running: usize, waiting: usize, waiting_of_user: usize) {
        self.manager.set_limits(Limits {
            running,
            running_of_user: running,
            waiting,
            waiting_of_user,
        });
    }
}

fn removed(id: u32, outcome: Outcome, reason: Option<Reason>) -> Notice {
    Notice::Removed {
        id,
        outcome,
        reason,
    }
}

fn job(class: Class, work: Work) -> Job {
    Job {
        scope: Scope::System,
        class,
        force: false,
        read_only: false,
        image_root: None,
        work,
    }
}

fn pull(form: Form, url: &str, name: &str) -> Job {
    let work = Work::Pull {
        form,
        url: Url::parse(url).unwrap(),
        local: match name {
            "" => Local::Derived,
            "-" => Local::Pristine,
            name => Local::Named(ImageName::parse(name).unwrap()),
        },
        verify: Verify::No,
        keep_download: false,
    };
    job(Class::Machine, work)
}

fn import(name: &str) -> Job {
    let work = Work::Import {
        source: ImportSource::Stream(Form::Tar),
        name: ImageName::parse(name).unwrap(),
    };
    job(Class::Machine, work)
}

fn order(name: &str) -> Order {
    Order {
        job: import(name),
        stream: None,
        owner: 0,
    }
}

#[test]
fn one_address_is_pulled_once_per_method() {
    let mut table = Table::new();
    assert_eq!(
        table.start(pull(Form::Tar, "http://u:p@h/x", "a")).unwrap(),
        1
    );
    let refusal = table
        .start(pull(Form::Tar, "http://u:p@h/x", "b"))
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "Transfer for http://h/x already in progress."
    );
    assert_eq!(
        refusal.bus_error(),
        "org.freedesktop.import1.TransferInProgress"
    );
    assert_eq!(
        table.start(pull(Form::Raw, "http://u:p@h/x", "b")).unwrap(),
        2
    );
    table.exit(1, 0);
    assert_eq!(
        table.start(pull(Form::Tar, "http://u:p@h/x", "c")).unwrap(),
        3
    );
}

#[test]
fn one_image_is_made_once_at_a_time() {
    let mut table = Table::new();
    table.start(import("a")).unwrap();
    let refusal = table
        .start(pull(Form::Tar, "http://h/a.tar", ""))
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "Transfer for image 'a' of class 'machine' already in progress."
    );
    assert_eq!(
        refusal.bus_error(),
        "org.freedesktop.import1.TransferInProgress"
    );
    table.start(pull(Form::Tar, "http://h/a.tar", "-")).unwrap();
    table.start(import("b")).unwrap();
}

#[test]
fn the_sixty_fifth_transfer_waits_and_a_full_queue_refuses() {
    let mut table = Table::new();
    for n in 0..TRANSFERS_MAX {
        table.start(import(&format!("i{n}"))).unwrap();
    }
    let counts = |running, queued| Counts { running, queued };
    assert_eq!(table.manager.counts(), counts(64, 0));
    table.heard();
    assert_eq!(table.start(import("one-more")).unwrap(), 65);
    assert_eq!(table.manager.counts(), counts(64, 1));
    let text = "Waiting for another transfer to end.".to_owned();
    let line = Notice::Line {
        id: 65,
        priority: 30,
        text,
    };
    assert_eq!(table.heard(), [Notice::Added { id: 65 }, line]);
    let waiting = table.manager.get(65).unwrap();
    assert_eq!(waiting.state().as_str(), "queued");
    for n in 0..511 {
        table.start(import(&format!("q{n}"))).unwrap();
    }
    let refusal = table.start(import("mine")).unwrap_err();
    assert_eq!(refusal.bus_error(), "System.Error.E2BIG");
    let text = "Too many transfers: 512 of yours are waiting; try again later";
    assert_eq!(refusal.to_string(), text);
    table.start_of(1000, import("others")).unwrap();
    table.limit(64, 513, 512);
    let refusal = table.start_of(1000, import("mine")).unwrap_err();
    let text = "Too many transfers: 64 are running and 513 waiting; try again later";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn what_waits_is_known_and_can_be_cancelled() {
    let mut table = Table::new();
    table.limit(1, 10, 10);
    table.start(import("a")).unwrap();
    table.start(pull(Form::Tar, "http://h/b", "b")).unwrap();
    for (job, what) in [
        (import("b"), "image 'b' of class 'machine'"),
        (pull(Form::Tar, "http://h/b", "c"), "http://h/b"),
    ] {
        let refusal = table.start(job).unwrap_err().to_string();
        assert_eq!(refusal, format!("Transfer for {what} already in progress."));
    }
    assert_eq!(table.manager.transfers().count(), 2);
    table.heard();
    table.manager.cancel(2).unwrap();
    let canceled = removed(2, Outcome::Canceled, Some(cancelled()));
    assert_eq!(table.heard(), [canceled]);
    table.start(import("b")).unwrap();
    table.heard();
    table.manager.stop_all();
    let last = removed(3, Outcome::Canceled, Some(cancelled()));
    assert_eq!(table.heard(), [Notice::Changed { id: 1 }, last]);
    assert!(!table.manager.is_empty());
    assert_eq!(
        table.exit(1, 1),
        [removed(1, Outcome::Canceled, Some(cancelled()))]
    );
    assert!(table.manager.is_empty());
}

#[tokio::test]
async fn what_cannot_be_started_when_its_turn_comes_fails_with_the_reason() {
    let mut table = Table::new();
    table.limit(1, 10, 10);
    table.start(import("a")).unwrap();
    table.start(import("b")).unwrap();
    let heard = table.exit(1, 0);
    let [
        _,
        Notice::Removed { id: 1, .. },
        Notice::Line { id: 2, text, .. },
        end,
    ] = &heard[..]
    else {
        panic!("{heard:?}");
    };
    assert!(text.contains("/nonexistent/systemd-import"), "{text}");
    let kind = Some(importd_api::failure::Kind::NotFound);
    let reason = Some(Reason::new(text, kind));
    assert_eq!(*end, removed(2, Outcome::Failed, reason));
    assert!(table.manager.is_empty());
}

#[test]
fn a_user_who_has_all_that_he_may_leaves_the_rest_to_others() {
    let mut table = Table::new();
    table.manager.set_limits(Limits {
        running: 3,
        running_of_user: 2,
        waiting: 10,
        waiting_of_user: 10,
    });
    for name in ["a", "b", "c"] {
        table.start_of(1000, import(name)).unwrap();
    }
    let counts = |running, queued| Counts { running, queued };
    assert_eq!(table.manager.counts(), counts(2, 1));
    table.start_of(1001, import("d")).unwrap();
    assert_eq!(table.manager.counts(), counts(3, 1));
    table.exit(4, 0);
    assert_eq!(table.manager.counts(), counts(2, 1));
}

#[test]
fn lower_limits_end_nothing() {
    let mut table = Table::new();
    table.limit(2, 10, 10);
    for name in ["a", "b", "c"] {
        table.start(import(name)).unwrap();
    }
    table.limit(1, 0, 0);
    let counts = |running, queued| Counts { running, queued };
    assert_eq!(table.manager.counts(), counts(2, 1));
    table.exit(1, 0);
    assert_eq!(table.manager.counts(), counts(1, 1));
    assert!(table.start(import("d")).is_err());
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_leaves_no_transfer() {
    let mut table = Table::new();
    let refusal = table.manager.start(order("a")).unwrap_err();
    assert_eq!(
        refusal.bus_error(),
        "org.freedesktop.DBus.Error.FileNotFound"
    );
    assert!(refusal.to_string().contains("/nonexistent/systemd-import"));
    assert!(table.manager.is_empty());
}

#[test]
fn cancels_reach_the_worker_and_decide_the_result() {
    let mut table = Table::new();
    let id = table.start(import("a")).unwrap();
    for (id, text) in [(0, "Invalid transfer id"), (9, "No transfer by id 9")] {
        assert_eq!(table.manager.cancel(id).unwrap_err().to_string(), text);
    }
    table.manager.cancel(id).unwrap();
    assert_eq!(table.stops[0].try_recv().unwrap(), Stop::Politely);
    let end = removed(id, Outcome::Canceled, Some(cancelled()));
    assert_eq!(table.exit(id, 1), [end]);
    assert!(matches!(
        table.manager.cancel(id),
        Err(Refusal::NoSuchTransfer(1))
    ));
}

#[test]
fn stopping_tells_all_workers_and_refuses_new_transfers() {
    let mut table = Table::new();
    table.start(import("a")).unwrap();
    table.start(import("b")).unwrap();
    table.manager.stop_all();
    table.manager.kill_all();
    for stops in &mut table.stops {
        assert_eq!(stops.try_recv().unwrap(), Stop::Politely);
        assert_eq!(stops.try_recv().unwrap(), Stop::AtOnce);
    }
    let refusal = table.start(import("c")).unwrap_err();
    assert_eq!(refusal.bus_error(), "System.Error.ESHUTDOWN");
}

#[test]
fn reports_count_only_from_workers_and_only_when_they_change_something() {
    let mut table = Table::new();
    let id = table.start(import("a")).unwrap();
    table.heard();
    let mut report = |pid, text| {
        table.manager.report(pid, text);
        table.manager.take_notices()
    };
    assert_eq!(report(1, "X_IMPORT_PROGRESS=5%"), []);
    let fraction = 0.05;
    let (progress, changed) = (Notice::Progress { id, fraction }, Notice::Changed { id });
    let both = [progress, changed.clone()];
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=5%"), both);
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=5%\nSTATUS=x"), []);
    assert_eq!(report(1001, "EXIT_STATUS=0"), []);
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=101%"), []);
    let figures = "X_IMPORTD_BYTES=7\nX_IMPORTD_PHASE=reading";
    assert_eq!(report(1001, figures), [changed]);
    assert_eq!(report(1001, figures), []);
    assert_eq!(report(1, "X_IMPORTD_BYTES=8"), []);
    assert_eq!(table.manager.get(id).unwrap().figures().bytes, 7);
    let now = table.manager.get(id).unwrap().progress();
    assert_eq!(now.to_bits(), fraction.to_bits());
}

#[test]
fn lines_keep_their_priority_and_need_a_transfer() {
    let mut table = Table::new();
    let id = table.start(import("a")).unwrap();
    let line = Line {
        priority: 30,
        text: "x".into(),
    };
    let event = |id| Event::Line {
        id,
        line: line.clone(),
    };
    let notice = Notice::Line {
        id,
        priority: 30,
        text: "x".into(),
    };
    table.heard();
    table.manager.apply(event(id));
    table.manager.apply(event(99));
    assert_eq!(table.heard(), [notice]);
}

#[test]
fn failures_have_the_reason_that_the_worker_gives() {
    let mut table = Table::new();
    let mut end = |datagram: &str, lines: &[(u32, &str)], code| {
        let id = table.start(import("a")).unwrap();
        for (priority, text) in lines {
            let (priority, text) = (*priority, (*text).to_owned());
            let line = Line { priority, text };
            table.manager.apply(Event::Line { id, line });
        }
        let pid = 1000 + i32::try_from(id).unwrap();
        table.manager.report(pid, datagram);
        match table.exit(id, code).pop() {
            Some(Notice::Removed { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    let told = "X_IMPORTD_REASON=It broke\nX_IMPORTD_KIND=corrupt";
    let kind = Some(importd_api::failure::Kind::Corrupt);
    let lines = [(27, "It broke."), (27, "And again."), (30, "Exiting.")];
    assert_eq!(end(told, &lines, 1), Some(Reason::new("It broke", kind)));
    let only_lines = Reason::new("And again.", None);
    assert_eq!(end("ERRNO=5", &lines, 1), Some(only_lines));
    let nothing = Reason::new("The worker ended with exit status 3", None);
    assert_eq!(end("", &[], 3), Some(nothing));
    assert_eq!(end("", &lines, 0), None);
}

#[test]
fn done_is_all_of_it() {
    let mut table = Table::new();
    let (whole, done) = (1.0, Outcome::Done);
    let progress = |id, fraction| Notice::Progress { id, fraction };
    let id = table.start(import("a")).unwrap();
    assert_eq!(
        table.exit(id, 0),
        [progress(id, whole), removed(id, done, None)]
    );
    let id = table.start(import("a")).unwrap();
    table.manager.report(1002, "X_IMPORT_PROGRESS=100%");
    assert_eq!(table.exit(id, 0), [removed(id, done, None)]);
}
