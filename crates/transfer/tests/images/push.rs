//! Trees go into Docker's own registry, and others get them from there.

use crate::place::{Place, described, is_root, put, refused, run, succeeded, tree, unpacked};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

/// A registry that runs.
struct Registry {
    child: Child,
    address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Registry {
    /// `None`, with a line, where it is not installed.
    fn start(place: &Place) -> Option<Self> {
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            place.text("data")
        );
        put(&place.path("registry.yml"), text.as_bytes());
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(place.path("registry.yml"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
            println!("skipped: docker-registry cannot be run");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split(['"', ',']).next().unwrap().to_owned())
        });
        // It must not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap();
        let description =
            format!("{{\"defaultProtocol\":\"http\",\"overrideRegistry\":\"{address}\"}}");
        std::fs::create_dir_all(place.path("descriptions")).unwrap();
        put(
            &place.path("descriptions/registry.test.oci-registry"),
            description.as_bytes(),
        );
        Some(Self { child, address })
    }

    fn push(place: &Place, arguments: &[&str]) -> Output {
        Self::command(place, "push", arguments).output().unwrap()
    }

    /// A call of the program that knows the registry.
    fn command(place: &Place, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systemd-pull"));
        command
            .arg(verb)
            .args(arguments)
            .arg(format!("--image-root={}", place.text("images")))
            .env("IMPORTD_OCI_REGISTRY_PATH", place.path("descriptions"))
            .env("IMPORTD_CACHE_DIRECTORY", place.path("cache"))
            .env("SYSTEMD_LOG_LEVEL", "debug")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null());
        command
    }
}

/// Whether the registry has the image; what it gives must be the whole tree then.
#[track_caller]
fn is_there(place: &Place, reference: &str) -> bool {
    let arguments = ["--flat", "--force", reference, "back"];
    let output = Registry::command(place, "oci", &arguments)
        .output()
        .unwrap();
    if !output.status.success() {
        refused(&output, "There is no such image as");
        return false;
    }
    let base = described(&place.path("images/base"));
    assert_eq!(described(&place.path("images/back")), base);
    true
}

/// Pushes, and kills the program once it has said so many lines; `false` if it ended before.
fn is_killed_after(place: &Place, reference: &str, lines: usize) -> bool {
    let mut child = Registry::command(place, "push", &["base", reference])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_running = said.by_ref().take(lines).count() == lines;
    if is_running {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(is_running || status.success(), "{status}");
    is_running
}

#[test]
fn what_is_pushed_is_what_others_pull() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    tree(&place.path("images/base"));
    let Some(registry) = Registry::start(&place) else {
        return;
    };
    let reference = "test/some/image:1";
    let options = ["--cmd=/bin/x", "--arch=arm64"];
    let output = Registry::push(&place, &[&["base", reference], &options[..]].concat());
    succeeded(&output);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("'test/some/image:1' is sha256:"), "{said}");
    assert_eq!(said.matches("Uploading sha256:").count(), 2, "{said}");
    // Nothing is sent twice.
    let output = Registry::push(&place, &[&["base", reference], &options[..]].concat());
    succeeded(&output);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said.matches("The registry has sha256:").count(),
        2,
        "{said}"
    );
    assert!(!said.contains("Uploading"), "{said}");

    let from = format!("docker://{}/some/image:1", registry.address);
    let to = format!("oci:{}:1", place.text("layout"));
    let copy = [
        "copy",
        "--quiet",
        "--insecure-policy",
        "--src-tls-verify=false",
        "--override-arch=arm64",
        &from,
        &to,
    ];
    if run("skopeo", &copy).is_none() {
        return;
    }
    let layout = place.path("layout");
    let Some(root) = unpacked(&layout, "1", &place.path("bundle")) else {
        return;
    };
    assert_eq!(described(&root), described(&place.path("images/base")));
}

#[test]
fn a_push_that_is_killed_leaves_nothing_or_all_and_the_next_one_works() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    tree(&place.path("images/base"));
    // What cannot be packed takes its time on the way.
    let mut noise = vec![0; 2 << 20];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut noise))
        .unwrap();
    put(&place.path("images/base/noise"), &noise);
    let Some(_registry) = Registry::start(&place) else {
        return;
    };
    for lines in 1.. {
        // Each in a repository of its own, so that each has everything to send.
        let reference = format!("test/image{lines}:1");
        let before = place.names();
        if !is_killed_after(&place, &reference, lines) {
            assert!(lines > 5, "{lines}");
            assert!(is_there(&place, &reference));
            return;
        }
        assert_eq!(place.names(), before, "{lines} lines");
        let _none_or_all = is_there(&place, &reference);
        succeeded(&Registry::push(&place, &["base", &reference]));
        assert!(is_there(&place, &reference), "{lines} lines");
    }
}

#[test]
fn what_cannot_be_pushed_is_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("images/base")).unwrap();
    let digest = format!("test/a@sha256:{}", "0a".repeat(32));
    for (arguments, text) in [
        (&["base", digest.as_str()][..], "pushed under a tag"),
        (&["base", "A"], "OCI ref 'A' is invalid"),
        (&["none", "test/a"], "not found"),
        (&["base"], "Too few arguments"),
        (&["base", "test/a", "--format=xz"], "Layers are packed with"),
        (&["base", "test/a", "--flat"], "--flat and --reset are"),
    ] {
        refused(&Registry::push(&place, arguments), text);
    }
}
