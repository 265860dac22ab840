use super::*;
use crate::lines::Line;
use crate::log::control::Control;
use importd_api::class::Class;
use importd_api::job::{ImportSource, Local};
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

    /// Adds a transfer whose worker is process 1000 plus its number.
    fn start(&mut self, job: Job) -> Result<u32, Refusal> {
        let id = self.manager.admit(&job)?;
        let (sender, stops) = mpsc::unbounded_channel();
        self.stops.push(stops);
        self.manager.insert(
            id,
            job,
            Worker::new(1000 + i32::try_from(id).unwrap(), sender),
        );
        Ok(id)
    }

    fn exit(&mut self, id: u32, code: i32) -> Option<Notice> {
        let exit = ExitOutcome::Exited(code);
        self.manager.apply(Event::Exited { id, exit })
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
fn the_sixty_fifth_transfer_is_refused() {
    let mut table = Table::new();
    for n in 0..TRANSFERS_MAX {
        table.start(import(&format!("i{n}"))).unwrap();
    }
    let refusal = table.start(import("one-more")).unwrap_err();
    assert_eq!(refusal.bus_error(), "System.Error.E2BIG");
    table.exit(7, 1);
    assert_eq!(table.start(import("one-more")).unwrap(), 65);
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_leaves_no_transfer() {
    let mut table = Table::new();
    let refusal = table.manager.start(import("a"), None).unwrap_err();
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
    let outcome = Outcome::Canceled;
    assert_eq!(table.exit(id, 1), Some(Notice::Removed { id, outcome }));
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
    let mut report = |pid, text| table.manager.report(pid, text);
    assert_eq!(report(1, "X_IMPORT_PROGRESS=5%"), None);
    let fraction = 0.05;
    let progress = Some(Notice::Progress { id, fraction });
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=5%"), progress);
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=5%\nSTATUS=x"), None);
    assert_eq!(report(1001, "EXIT_STATUS=0"), None);
    assert_eq!(report(1001, "X_IMPORT_PROGRESS=101%"), None);
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
    assert_eq!(table.manager.apply(event(id)), Some(notice));
    assert_eq!(table.manager.apply(event(99)), None);
}
