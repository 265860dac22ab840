use super::*;
use clap::CommandFactory;
use importd_api::class::{Class, Scope};
use importd_api::format::Format;
use importd_api::job::{Job, Local, Packing, Shape, Work};
use importd_api::name::{Form, ImageName};
use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_api::worker;

fn line(program: &str, text: &str) -> Vec<OsString> {
    std::iter::once(program)
        .chain(text.split_whitespace())
        .map(OsString::from)
        .collect()
}

fn parsed<W: Worker>(text: &str) -> W {
    match parse::<W>(line("program", text)) {
        Ok(Parsed::Run(worker)) => worker,
        Ok(Parsed::Print(text)) => panic!("printed {text}"),
        Err(error) => panic!("refused: {}", error.doing),
    }
}

fn refused<W: Worker>(text: &str) -> String {
    match parse::<W>(line("program", text)) {
        Err(error) => error.doing,
        Ok(_) => panic!("'{text}' was taken"),
    }
}

#[test]
fn definitions_hold_together() {
    pull::Arguments::command().debug_assert();
    import::Arguments::command().debug_assert();
    import_fs::Arguments::command().debug_assert();
    export::Arguments::command().debug_assert();
}

#[test]
fn options_stand_anywhere_abbreviated_repeated_and_end_at_the_double_dash() {
    let worker: import::Arguments = parsed("tar --forc a.tar --class sysext name --class=portable");
    assert_eq!(worker.words(), ["tar", "a.tar", "name"]);
    let worker: import::Arguments = parsed("raw -- --force");
    assert_eq!(worker.words(), ["raw", "--force"]);
    let worker: import::Arguments = parsed("tar - name");
    assert_eq!(worker.words(), ["tar", "-", "name"]);
    parsed::<export::Arguments>("tar --user x --system --user");
}

/// The original's long options, beside those of every worker.
const ORIGINAL: [(&str, &[&str]); 4] = [
    (
        "systemd-import",
        &[
            "force",
            "image-root",
            "read-only",
            "direct",
            "btrfs-subvol",
            "btrfs-quota",
            "sync",
            "convert-qcow2",
            "zero-fill",
            "offset",
            "size-max",
        ],
    ),
    (
        "systemd-import-fs",
        &[
            "force",
            "image-root",
            "read-only",
            "direct",
            "btrfs-subvol",
            "btrfs-quota",
            "sync",
        ],
    ),
    // `image-root` is ours, but nothing of the original begins so.
    ("systemd-export", &["format", "image-root"]),
    (
        "systemd-pull",
        &[
            "force",
            "image-root",
            "read-only",
            "direct",
            "btrfs-subvol",
            "btrfs-quota",
            "sync",
            "convert-qcow2",
            "zero-fill",
            "offset",
            "size-max",
            "verify",
            "settings",
            "roothash",
            "roothash-signature",
            "verity",
            "keep-download",
        ],
    ),
];

fn longs<W: Worker>() -> Vec<String> {
    let command = W::command();
    let originals = long_options(&command);
    let originals = originals.iter().filter(|option| option.is_original);
    let mut names: Vec<String> = originals.map(|option| option.name.to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_is_not_listed_as_ours_is_the_originals() {
    let ours = [
        longs::<import::Arguments>(),
        longs::<import_fs::Arguments>(),
        longs::<export::Arguments>(),
        longs::<pull::Arguments>(),
    ];
    for ((program, known), ours) in ORIGINAL.into_iter().zip(ours) {
        let mut known: Vec<&str> = [known, &["system", "user", "class"]].concat();
        known.sort_unstable();
        assert_eq!(ours, known, "{program}");
    }
}

#[test]
fn additions_take_no_abbreviation_away() {
    let worker: pull::Arguments = parsed("raw --d --re --o 5 --keep no --size-m 1 http://h/x y");
    assert_eq!(worker.words(), ["raw", "http://h/x", "y"]);
    parsed::<pull::Arguments>("tar --co no --ret 3 --mir http://m/x http://h/x");
    parsed::<pull::Arguments>("raw --fo http://h/x");
    parsed::<export::Arguments>("tar --fo gzip x");
    let worker: import::Arguments = parsed("raw --d --r --im / --o=7 file");
    assert_eq!(worker.words(), ["raw", "file"]);
    let refusal = refused::<pull::Arguments>("tar --s http://h/x");
    assert!(refusal.contains("'--s'"), "{refusal}");
}

#[test]
fn usage_errors_are_one_line_in_the_words_of_getopt() {
    assert_eq!(
        refused::<import::Arguments>("tar --foo x"),
        "systemd-import: unrecognized option '--foo'"
    );
    assert_eq!(
        refused::<pull::Arguments>("tar --verify"),
        "systemd-pull: option '--verify' requires an argument"
    );
    assert!(!refused::<export::Arguments>("tar x --forma").contains('\n'));
}

#[test]
fn verbs_are_suggested_when_near() {
    assert!(is_near("tar", "tra") || is_near("tar", "ta"));
    assert!(!is_near("tar", "xyz"));
}

/// The daemon's side of the command line is in `importd_api::worker`, the worker's is here.
#[test]
fn a_job_of_the_daemon_arrives_at_the_worker_unchanged() {
    let named = Local::Named(ImageName::parse("ir").unwrap());
    for (local, expected) in [
        (named.clone(), named),
        (Local::Pristine, Local::Pristine),
        (Local::Derived, Local::Named(ImageName::parse("n").unwrap())),
    ] {
        for (form, keep_download) in [(Form::Tar, false), (Form::Raw, true)] {
            let url = Url::parse(&format!("http://server/n.{}", form.as_str())).unwrap();
            let job = Job {
                scope: Scope::System,
                class: Class::Portable,
                force: true,
                read_only: true,
                image_root: Some("/tmp/ir".into()),
                work: Work::Pull {
                    form,
                    url: url.clone(),
                    local: local.clone(),
                    verify: Verify::Checksum,
                    keep_download,
                },
            };
            let mut words = vec![OsString::from("systemd-pull")];
            words.extend(worker::arguments(&job));
            let Ok(Parsed::Run(worker)) = parse::<pull::Arguments>(words) else {
                panic!("the worker refused a line of the daemon");
            };
            assert_eq!(worker.words()[0], form.as_str());
            let request = worker.request(form, &Environment::default()).unwrap();
            assert_eq!(request.local, expected.clone());
            assert_eq!(request.verify, Verify::Checksum);
            assert_eq!(request.keep_download, keep_download);
            assert!(request.target.force && request.target.read_only);
            assert_eq!(request.target.places.class, Class::Portable);
            assert_eq!(request.target.places.root, std::path::Path::new("/tmp/ir"));
        }
    }
}

#[test]
fn an_export_of_the_daemon_becomes_an_image_of_oci() {
    let packing = Packing {
        format: Some(Format::Zstd),
        architecture: Some("arm64".parse().unwrap()),
        tag: Some("a:1".parse().unwrap()),
    };
    let job = Job {
        scope: Scope::System,
        class: Class::Portable,
        force: false,
        read_only: false,
        image_root: Some("/ir".into()),
        work: Work::ExportOci {
            name: ImageName::parse("n").unwrap(),
            packing,
        },
    };
    assert_eq!(worker::program(&job).file_name(), "systemd-export");
    let mut words = vec![OsString::from("systemd-export")];
    words.extend(worker::arguments(&job));
    let Ok(Parsed::Run(worker)) = parse::<export::Arguments>(words) else {
        panic!("the worker refused a line of the daemon");
    };
    assert_eq!(worker.words(), ["oci", "n"]);
}

#[test]
fn names_that_look_like_options_are_refused_and_not_obeyed() {
    let worker: pull::Arguments = parsed("tar --verify=checksum -- http://h/x.tar --verify=no");
    let error = worker
        .request(Form::Tar, &Environment::default())
        .unwrap_err();
    assert_eq!(error.kind, Kind::InvalidArgument);
    assert!(error.doing.contains("--verify=no"), "{}", error.doing);
}

#[test]
fn jobs_about_images_of_oci_arrive_at_their_workers() {
    let name = || ImageName::parse("n").unwrap();
    let packing = || Packing {
        format: Some(Format::Zstd),
        architecture: Some("arm64".parse().unwrap()),
        tag: None,
    };
    let words = |work| {
        let job = Job {
            scope: Scope::System,
            class: Class::Machine,
            force: false,
            read_only: false,
            image_root: None,
            work,
        };
        let mut words = vec![OsString::from(worker::program(&job).file_name())];
        words.extend(worker::arguments(&job));
        words
    };
    let import = words(Work::ImportOci {
        name: name(),
        tag: Some("a:1".parse().unwrap()),
        shape: Shape {
            flat: true,
            ..Shape::default()
        },
    });
    let Ok(Parsed::Run(worker)) = parse::<import::Arguments>(import) else {
        panic!("the worker refused a line of the daemon");
    };
    assert_eq!(worker.words(), ["oci", "-", "n"]);
    let export = words(Work::ExportOci {
        name: name(),
        packing: packing(),
    });
    let Ok(Parsed::Run(worker)) = parse::<export::Arguments>(export) else {
        panic!("the worker refused a line of the daemon");
    };
    assert_eq!(worker.words(), ["oci", "n"]);
    let push = words(Work::PushOci {
        name: name(),
        reference: "h:1/a:2".parse().unwrap(),
        packing: packing(),
    });
    let Ok(Parsed::Run(worker)) = parse::<pull::Arguments>(push) else {
        panic!("the worker refused a line of the daemon");
    };
    assert_eq!(worker.words(), ["push", "n", "h:1/a:2"]);
}
