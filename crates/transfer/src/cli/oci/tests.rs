use super::*;
use clap::Parser;
use importd_api::class::Scope;
use importd_api::job::{Job, Shape, Work};
use importd_api::worker;
use std::path::Path;

fn arguments(line: &str) -> Arguments {
    let words = line.split_whitespace();
    Arguments::try_parse_from(std::iter::once("x").chain(words)).unwrap()
}

fn request(line: &str) -> Result<Request> {
    arguments(line).oci_request(&Environment::default())
}

fn refusal(line: &str) -> (Kind, String) {
    let error = request(line).unwrap_err();
    (error.kind, error.doing)
}

#[test]
fn names_come_from_the_reference_or_the_command_line() {
    let name = |line: &str| request(line).unwrap().name.to_string();
    assert_eq!(name("oci h:1/a/foo.tar.gz:1"), "foo.tar.gz");
    assert_eq!(name("oci h/a other"), "other");
    for line in ["oci a -", "oci a a/b", "oci a .#x", "oci h/-a"] {
        assert_eq!(refusal(line).0, Kind::InvalidArgument, "{line}");
    }
    let (kind, text) = refusal("oci A");
    assert_eq!(
        (kind, text.as_str()),
        (Kind::InvalidArgument, "OCI ref 'A' is invalid")
    );
}

#[test]
fn options_of_other_images_have_to_be_right_and_say_nothing() {
    let line = "oci a --settings=no --roothash=no --verity=no --keep-download=yes --verify=checksum \
                --convert-qcow2=no";
    assert!(request(line).is_ok());
    for (line, text) in [
        ("oci a --keep-download=x", "keep-download"),
        ("oci a --verify=x", "x"),
        ("oci a --settings=x", "settings"),
        ("oci a --offset=3", "--direct mode"),
        ("oci a --direct", "--direct"),
        ("oci a --direct /tmp/x", "--direct"),
        ("oci a --mirror=http://m/", "--mirror="),
        ("oci a --arch=..", "--arch="),
        ("oci a --reset", "--force"),
    ] {
        let (kind, told) = refusal(line);
        assert_eq!(kind, Kind::InvalidArgument, "{line}");
        assert!(told.contains(text), "{line}: {told}");
    }
}

#[test]
fn a_proof_that_cannot_be_had_is_not_left_out() {
    assert_eq!(refusal("oci a --verify=signature").0, Kind::Unsupported);
    let digest = format!("oci a --verify={}", "0a".repeat(32));
    assert!(refusal(&digest).1.contains("@sha256:"), "{digest}");
    assert!(request("oci a --verify=signature --verify=no").is_ok());
}

#[test]
fn an_image_becomes_a_stack_or_a_tree_for_one_machine() {
    let plain = request("oci a").unwrap();
    assert!(!plain.flat && !plain.reset && plain.network.is_proven);
    assert_eq!(plain.platform, Wanted::native());
    assert_eq!(plain.limits.bytes, Some(64 << 30));
    let line =
        "oci a --flat --force --reset --arch=arm/v7 --size-max=1K --entries-max=5 --retries=2";
    let all = request(line).unwrap();
    assert!(all.flat && all.reset && all.target.force);
    assert_eq!(all.platform, Wanted::parse("arm/v7").unwrap());
    assert_eq!((all.limits.bytes, all.limits.entries), (Some(1024), 5));
    assert_eq!(all.network.retries, 2);
    for (class, flat) in [
        ("machine", false),
        ("portable", false),
        ("sysext", true),
        ("confext", true),
    ] {
        let line = format!("oci a --class={class}");
        assert_eq!(request(&line).unwrap().flat, flat, "{class}");
    }
}

#[test]
fn what_the_daemon_writes_is_what_is_read() {
    let work = Work::PullOci {
        reference: "h:1/a/b:t".parse().unwrap(),
        local: Some(ImageName::parse("n").unwrap()),
        shape: Shape {
            architecture: Some("arm64".parse().unwrap()),
            flat: true,
            reset: true,
        },
    };
    let job = Job {
        scope: Scope::System,
        class: Class::Portable,
        force: true,
        read_only: true,
        image_root: Some("/i".into()),
        work,
    };
    let line = worker::arguments(&job);
    let program = std::iter::once(OsString::from(worker::program(&job).file_name()));
    let read = Arguments::try_parse_from(program.chain(line)).unwrap();
    let request = read.oci_request(&Environment::default()).unwrap();
    assert_eq!(request.reference.to_string(), "h:1/a/b:t");
    assert_eq!(request.name.as_str(), "n");
    assert!(request.flat && request.reset && request.target.force && request.target.read_only);
    assert_eq!(request.target.places.root, Path::new("/i"));
    assert_eq!(request.target.places.class, Class::Portable);
    assert_eq!(request.platform, Wanted::parse("arm64").unwrap());
}
