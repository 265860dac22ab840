//! Which method is called, with what.

use crate::bus::Bus;
use crate::program::{importctl, run};
use crate::service::{Service, Step};
use std::fs::File;
use std::io::Write;
use std::process::Stdio;

fn done(_: &str) -> Vec<Step> {
    vec![Step::Started, Step::Removed(1, "done")]
}

#[test]
fn pulls_call_the_method_of_their_options() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let url = "http://h/a.tar.xz";
    for (line, method, arguments) in [
        (
            "-mN --verify=no pull-tar",
            "PullTar",
            ["a", "no", "false"].as_slice(),
        ),
        (
            "-mN --force pull-tar",
            "PullTar",
            &["a", "signature", "true"],
        ),
        (
            "-m pull-tar",
            "PullTarEx",
            &["a", "machine", "signature", "4"],
        ),
        (
            "-mN --read-only pull-tar",
            "PullTarEx",
            &["a", "machine", "signature", "2"],
        ),
        (
            "-S --verify=checksum --force pull-tar",
            "PullTarEx",
            &["a", "sysext", "checksum", "1"],
        ),
        (
            "--user -P --keep=y pull-raw",
            "PullRawEx",
            &["a.tar", "portable", "signature", "4"],
        ),
    ] {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.push(url);
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        let asked = service.asked();
        assert_eq!(asked.len(), 1, "{line}");
        assert_eq!(asked[0].method, method, "{line}");
        assert_eq!(asked[0].arguments[0], url);
        assert_eq!(asked[0].arguments[1..], *arguments, "{line}");
        assert!(asked[0].interactive);
    }
}

#[test]
fn names_of_pulls_reach_the_service_and_a_dash_means_the_pristine_copy_only() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    for (name, sent) in [("n.tar.gz", "n"), ("-", "-"), ("", "")] {
        let words = [
            "-mN",
            "--no-ask-password",
            "pull-tar",
            "http://h/a.tar",
            name,
        ];
        assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
        let asked = service.asked();
        assert_eq!(asked[0].arguments[1], sent);
        assert!(!asked[0].interactive);
    }
    let words = ["-m", "--force", "pull-oci", "localhost:5000/a/b:c"];
    assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
    let asked = service.asked();
    assert_eq!(asked[0].method, "PullOci");
    assert_eq!(
        asked[0].arguments,
        ["localhost:5000/a/b:c", "b", "machine", "1"]
    );
    let line = "-S --force --read-only --arch=arm/v7 --flat --reset pull-oci a/b";
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
    let asked = service.asked();
    assert_eq!(asked[0].method, "PullOci");
    let options = "architecture=\"arm/v7\" flat=true force=true readOnly=true reset=true";
    assert_eq!(asked[0].arguments, ["a/b", "b", "sysext", options]);
}

#[test]
fn imports_pass_a_descriptor_without_extra_flags() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let folder = bus.folder.path().to_str().unwrap().to_owned();
    let file = format!("{folder}/a.raw.gz");
    File::create(&file).unwrap();
    let read = format!("r:{file}");
    let tree = format!("d:{folder}");
    let last = folder.rsplit('/').next().unwrap().to_owned();
    for (line, source, method, arguments) in [
        (
            "-mN import-raw",
            &file,
            "ImportRaw",
            [&read, "a", "false", "false"],
        ),
        (
            "-mN --read-only import-raw",
            &file,
            "ImportRaw",
            [&read, "a", "false", "true"],
        ),
        (
            "-m import-tar",
            &file,
            "ImportTarEx",
            [&read, "a.raw.gz", "machine", "0"],
        ),
        (
            "-C --force --read import-raw",
            &file,
            "ImportRawEx",
            [&read, "a", "confext", "3"],
        ),
        (
            "-mN --force import-fs",
            &folder,
            "ImportFileSystem",
            [&tree, &last, "true", "false"],
        ),
        (
            "-S import-fs",
            &folder,
            "ImportFileSystemEx",
            [&tree, &last, "sysext", "0"],
        ),
    ] {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.push(source);
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        let asked = service.asked();
        assert_eq!(
            (asked[0].method.as_str(), asked.len()),
            (method, 1),
            "{line}"
        );
        assert_eq!(asked[0].arguments, arguments, "{line}");
    }
}

#[test]
fn imports_from_standard_input_pass_it_as_it_is() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let path = bus.folder.path().join("in");
    File::create(&path).unwrap().write_all(b"x").unwrap();
    let mut command = importctl(&bus.address, &["-mN", "import-tar", "-", "n"]);
    let ran = run(command.stdin(File::open(&path).unwrap()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        service.asked()[0].arguments[0],
        format!("r:{}", path.display())
    );
    let mut command = importctl(&bus.address, &["-mN", "import-tar", "-", "n"]);
    let ran = run(command.stdin(Stdio::piped()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(service.asked()[0].arguments[0].starts_with("r:pipe:"));
}

#[test]
fn exports_call_the_method_of_their_options() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let folder = bus.folder.path().to_str().unwrap().to_owned();
    for (line, file, method, arguments) in [
        (
            "-mN export-tar .host",
            "o.tar.zst",
            "ExportTar",
            [".host", "zstd"].as_slice(),
        ),
        (
            "-m export-tar a",
            "o.tar",
            "ExportTarEx",
            &["a", "machine", "", "0"],
        ),
        (
            "-mN --force export-raw a",
            "o.tgz",
            "ExportRawEx",
            &["a", "machine", "gzip", "0"],
        ),
        (
            "-S --format=xz export-raw a",
            "o",
            "ExportRawEx",
            &["a", "sysext", "xz", "0"],
        ),
    ] {
        let path = format!("{folder}/{file}");
        let mut words: Vec<&str> = line.split(' ').collect();
        words.push(&path);
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        let asked = service.asked();
        assert_eq!(asked[0].method, method, "{line}");
        let (files, texts): (Vec<&String>, Vec<&String>) = asked[0]
            .arguments
            .iter()
            .partition(|text| text.contains('/'));
        assert_eq!(texts, *arguments, "{line}");
        assert!(files[0].starts_with("w:"), "{line}: {files:?}");
    }
}

#[test]
fn mistakes_end_before_anything_is_called() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    for (words, message) in [
        (
            ["-m", "pull-tar", "xx"],
            "URL 'xx' is not valid: it must begin with http://, https:// or file:/.\n",
        ),
        (["-m", "pull-oci", "AA"], "Ref 'AA' is not valid.\n"),
        (
            ["--flat", "pull-tar", "http://h/a"],
            "--flat and --reset are for pull-oci and import-oci\n",
        ),
        (["--reset", "pull-oci", "a"], "--reset needs --force\n"),
        (
            ["--arch=../x", "pull-oci", "a"],
            "Failed to parse --arch= parameter '../x': It is no architecture, such as amd64, arm64 or \
             arm/v7\n",
        ),
        (
            ["--verify=signature", "pull-oci", "a"],
            "Signatures of OCI images cannot be verified; digests always are, leave out --verify=\n",
        ),
        (["-m", "export-tar", ".."], "Image name .. is not valid.\n"),
        (
            ["-m", "import-tar", "/nonexistent"],
            "Failed to open /nonexistent: No such file or directory\n",
        ),
        (
            ["-m", "import-fs", "/dev/null"],
            "Failed to open directory '/dev/null': Not a directory\n",
        ),
        (
            ["-m", "import-tar", "-"],
            "Need either path or local name.\n",
        ),
        (
            ["-q", "cancel-transfer", "x"],
            "Failed to parse transfer id: x\n",
        ),
        (["-q", "list-transfers", "x"], "Too many arguments.\n"),
        (
            ["-q", "-q", "pul-tar"],
            "Unknown command verb 'pul-tar', did you mean 'pull-tar'?\n",
        ),
    ] {
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words:?}");
        assert_eq!(ran.stderr, message, "{words:?}");
    }
    assert!(service.asked().is_empty());
}
