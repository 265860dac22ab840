//! Trees go into Docker's own registry, and others get them from there.

use crate::place::{Place, described, is_root, put, refused, run, succeeded, tree, unpacked};
use std::io::{BufRead, BufReader};
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
        Command::new(env!("CARGO_BIN_EXE_systemd-pull"))
            .arg("push")
            .args(arguments)
            .arg(format!("--image-root={}", place.text("images")))
            .env("IMPORTD_OCI_REGISTRY_PATH", place.path("descriptions"))
            .env("SYSTEMD_LOG_LEVEL", "debug")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
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
