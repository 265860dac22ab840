//! What systemd-nspawn makes of the settings: every value arrives byte for byte.

use importd_formats::oci::Config;
use importd_transfer::oci::settings;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Starts a container of the folder `$2` with the programs of the system in `$1`. Nothing of the
/// mounts is left.
const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
root="$2/system"; mkdir -p "$root"
mount --rbind "$1" "$root"
mount -t tmpfs tmpfs "$root/tmp"; mkdir "$root/tmp/place"; mount --bind "$2/place" "$root/tmp/place"
mount -t tmpfs tmpfs "$root/run"; mkdir -p "$root/run/systemd"
mount --rbind /dev "$root/dev"; mount -t proc proc "$root/proc"; mount --rbind /sys "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
exec chroot "$root" env SYSTEMD_NSPAWN_LOCK=0 systemd-nspawn -q --register=no --keep-unit --pipe \
    --settings=trusted --bind-ro=/usr -D /tmp/place/image </dev/null
"#;

/// What the program in the container prints: where it is, who it is, and zero-terminated what it got.
const PRINT: &str = r#"pwd; id -u; printf '%s\0' "$@"; printf 'then\0'; env -0"#;

#[test]
fn values_arrive_byte_for_byte() {
    let Some(reference) = std::env::var_os("REFERENCE_ROOT") else {
        println!("skipped: REFERENCE_ROOT names no system with systemd-nspawn");
        return;
    };
    assert!(
        rustix::process::geteuid().is_root(),
        "REFERENCE_ROOT needs root"
    );
    let words = [
        "a b",
        "c\"d'e",
        "back\\slash\\",
        "",
        "%h %%",
        "tab\there",
        "ü\u{1}\u{b}",
        "#;",
        "--x=$HOME",
    ];
    let variables = [
        "A=1 2",
        "Q='\"",
        "B=\\n\\",
        "E=",
        "P=%i%%",
        "C=\u{1b}[0m",
        "U=ü",
        "PATH=/usr/bin:/bin",
    ];
    let directory = "/w/%h \"x\\";
    let json = serde_json::json!({"config": {
        "User": "nobody", "WorkingDir": directory, "Env": variables,
        "Entrypoint": ["bash", "-c", PRINT, "x"], "Cmd": words,
    }});
    let config = Config::parse(json.to_string().as_bytes()).unwrap();
    let settings = settings::nspawn(&config).unwrap();
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);

    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    make_image(place.path(), directory, &settings.text);
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(reference)
        .arg(place.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", settings.text);
    assert!(!errors.contains("ignoring"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let environment = check_start(&text, directory, &words);
    for variable in variables {
        assert!(
            environment.split('\0').any(|it| it == variable),
            "{variable:?}: {environment:?}"
        );
    }
}

fn write(path: &Path, text: &str) {
    std::fs::File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// An empty image whose programs are mounted, with its settings beside it.
fn make_image(place: &Path, directory: &str, settings: &str) {
    let image = place.join("place/image");
    for folder in [
        "usr", "etc", "proc", "sys", "dev", "run", "tmp", "var", "root",
    ] {
        std::fs::create_dir_all(image.join(folder)).unwrap();
    }
    std::fs::create_dir_all(image.join(&directory[1..])).unwrap();
    for name in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), image.join(name)).unwrap();
    }
    write(
        &image.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    );
    write(&image.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n");
    write(&image.join("etc/os-release"), "ID=test\n");
    write(&place.join("place/image.nspawn"), settings);
}

/// Checks what the container told of its start; the rest is its environment.
fn check_start<'a>(text: &'a str, directory: &str, words: &[&str]) -> &'a str {
    let (folder, rest) = text.split_once('\n').unwrap();
    let (user, rest) = rest.split_once('\n').unwrap();
    assert_eq!((folder, user), (directory, "65534"));
    let (found, environment) = rest.split_once("then\0").unwrap();
    let found: Vec<&str> = found.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(found, words);
    environment
}
