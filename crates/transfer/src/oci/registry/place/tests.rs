use super::*;
use std::path::Path;

/// Description files by name.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(format!("{name}.oci-registry"));
        let mut file = std::fs::File::create(path).unwrap();
        std::io::copy(&mut text.as_bytes(), &mut file).unwrap();
    }
    folder
}

fn find(reference: &str, folder: &Path) -> Result<Place> {
    let reference = reference.parse().unwrap();
    Place::find(&reference, Purpose::Pull, &[folder.to_owned()])
}

/// The address of the document of a reference.
fn address(reference: &str, folder: &Path) -> String {
    let place = find(reference, folder).unwrap();
    let name = match place.wanted() {
        Wanted::Tag(tag) => tag.clone(),
        Wanted::Digest(digest) => digest.to_string(),
    };
    place.registry().manifest(&name).unwrap().to_string()
}

const HUB_FILE: &str =
    r#"{"shortImagePrefix":"library/","overrideRegistry":"registry-1.docker.io"}"#;

#[test]
fn names_of_docker_are_found_without_any_file() {
    let folder = folder(&[]);
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (reference, expected) in [
        (
            "debian",
            "registry-1.docker.io/v2/library/debian/manifests/latest",
        ),
        (
            "debian:13",
            "registry-1.docker.io/v2/library/debian/manifests/13",
        ),
        (
            "user/img",
            "registry-1.docker.io/v2/user/img/manifests/latest",
        ),
        ("a/b/c:t", "registry-1.docker.io/v2/a/b/c/manifests/t"),
        (
            "docker.io/debian",
            "registry-1.docker.io/v2/library/debian/manifests/latest",
        ),
        (
            "docker.io/user/img",
            "registry-1.docker.io/v2/user/img/manifests/latest",
        ),
        (
            "index.docker.io/x",
            "registry-1.docker.io/v2/library/x/manifests/latest",
        ),
        ("quay.example/x", "quay.example/v2/x/manifests/latest"),
        ("localhost/x", "localhost/v2/x/manifests/latest"),
        ("h:5000/a/b", "h:5000/v2/a/b/manifests/latest"),
    ] {
        assert_eq!(
            address(reference, folder.path()),
            format!("https://{expected}")
        );
    }
    let pinned = address(&format!("quay.example/x:t@{digest}"), folder.path());
    assert_eq!(
        pinned,
        format!("https://quay.example/v2/x/manifests/{digest}")
    );
}

#[test]
fn files_say_where_images_are() {
    let folder = folder(&[
        (
            "default",
            r#"{"defaultRegistry":"d.example","defaultTag":"stable"}"#,
        ),
        (
            "image.fedora",
            r#"{"overrideRegistry":"registry.fedoraproject.org"}"#,
        ),
        (
            "image.other",
            r#"{"overrideRegistry":"o.example","overrideImage":"deep/one"}"#,
        ),
        ("image.user%2fimg", r#"{"overrideRegistry":"u.example"}"#),
        (
            "registry.fedora",
            r#"{"overrideRegistry":"registry.fedoraproject.org"}"#,
        ),
        ("registry.docker.io", HUB_FILE),
        ("registry.local%3a5000", r#"{"defaultProtocol":"http"}"#),
        (
            "registry.deep",
            r#"{"overrideRegistry":"r.example:1/a/b","shortImagePrefix":"p/"}"#,
        ),
        (
            "registry.disk",
            r#"{"defaultProtocol":"file","overrideRegistry":"/srv/r"}"#,
        ),
    ]);
    for (reference, expected) in [
        ("x", "https://d.example/v2/x/manifests/stable"),
        ("u/x:t", "https://d.example/v2/u/x/manifests/t"),
        (
            "fedora",
            "https://registry.fedoraproject.org/v2/fedora/manifests/latest",
        ),
        (
            "fedora/x",
            "https://registry.fedoraproject.org/v2/x/manifests/latest",
        ),
        ("other", "https://o.example/v2/deep/one/manifests/latest"),
        ("user/img", "https://u.example/v2/user/img/manifests/latest"),
        (
            "docker.io/x",
            "https://registry-1.docker.io/v2/library/x/manifests/latest",
        ),
        (
            "index.docker.io/x",
            "https://registry-1.docker.io/v2/library/x/manifests/latest",
        ),
        ("local:5000/x", "http://local:5000/v2/x/manifests/latest"),
        ("deep/x", "https://r.example:1/a/b/v2/p/x/manifests/latest"),
        (
            "deep/y/x",
            "https://r.example:1/a/b/v2/y/x/manifests/latest",
        ),
        ("disk/x", "file:///srv/r/v2/x/manifests/latest"),
    ] {
        assert_eq!(address(reference, folder.path()), expected);
    }
}

#[test]
fn a_registry_in_the_file_system_has_a_folder_for_the_cage() {
    let text = r#"{"defaultProtocol":"file","overrideRegistry":"/srv/r"}"#;
    let folder = folder(&[("registry.disk", text)]);
    let disk = find("disk/x", folder.path()).unwrap();
    assert_eq!(disk.folder(), Some("/srv/r/v2/x".into()));
}

#[test]
fn the_file_about_everything_else_is_not_about_named_hosts() {
    let text = r#"{"defaultProtocol":"http","overrideRegistry":"d.example","defaultTag":"t",
        "shortImagePrefix":"p/"}"#;
    let folder = folder(&[("default", text)]);
    assert_eq!(
        address("quay.example/x", folder.path()),
        "https://quay.example/v2/x/manifests/latest"
    );
    assert_eq!(
        address("x", folder.path()),
        "http://d.example/v2/p/x/manifests/t"
    );
}

#[test]
fn mirrors_have_prefixes_and_schemes_of_their_own() {
    let text = r#"{"overrideRegistry":"r.example","mirrors":
        ["m.example","n.example:5000/hub/cache/","http://127.0.0.1:5000"]}"#;
    let folder = folder(&[("default", text)]);
    let place = find("a/b", folder.path()).unwrap();
    let bases: Vec<String> = place
        .mirrors()
        .iter()
        .map(|it| it.base().to_string())
        .collect();
    assert_eq!(
        bases,
        [
            "https://m.example/v2/a/b",
            "https://n.example:5000/v2/hub/cache/a/b",
            "http://127.0.0.1:5000/v2/a/b"
        ]
    );
    assert_eq!(place.mirrors()[1].registry(), "n.example:5000");
    assert_eq!(place.mirrors()[1].image(), "hub/cache/a/b");
}

#[test]
fn a_file_that_makes_no_sense_is_named() {
    for (text, kind) in [
        (r#"{"overrideRegistry":"u:p@h"}"#, Kind::InvalidArgument),
        (r#"{"overrideRegistry":"h/../x"}"#, Kind::InvalidArgument),
        (r#"{"overrideRegistry":""}"#, Kind::InvalidArgument),
        (r#"{"overrideRegistry":"h?x"}"#, Kind::InvalidArgument),
        (
            r#"{"defaultProtocol":"ftp","defaultRegistry":"h"}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultProtocol":"file","defaultRegistry":"h"}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","overrideImage":"../x"}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","shortImagePrefix":"A/"}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","defaultTag":"a/b"}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","mirrors":["ftp://m"]}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","mirrors":["m/../x"]}"#,
            Kind::InvalidArgument,
        ),
        (
            r#"{"defaultRegistry":"h","mirrors":["u:p@m"]}"#,
            Kind::InvalidArgument,
        ),
        (r"[]", Kind::InvalidArgument),
        (r"{}", Kind::NotFound),
    ] {
        let folder = folder(&[("default", text)]);
        let error = find("x", folder.path()).unwrap_err();
        assert_eq!(error.kind, kind, "{text}");
        assert!(error.doing.contains("default.oci-registry"), "{error}");
    }
}

#[test]
fn the_files_that_are_shipped_lead_where_they_should() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/usr/lib/systemd/oci-registry");
    for (reference, expected) in [
        (
            "alpine",
            "registry-1.docker.io/v2/library/alpine/manifests/latest",
        ),
        (
            "archlinux",
            "registry-1.docker.io/v2/library/archlinux/manifests/latest",
        ),
        (
            "debian:13",
            "registry-1.docker.io/v2/library/debian/manifests/13",
        ),
        (
            "ubuntu",
            "registry-1.docker.io/v2/library/ubuntu/manifests/latest",
        ),
        (
            "other",
            "registry-1.docker.io/v2/library/other/manifests/latest",
        ),
        (
            "user/img",
            "registry-1.docker.io/v2/user/img/manifests/latest",
        ),
        (
            "docker.io/x",
            "registry-1.docker.io/v2/library/x/manifests/latest",
        ),
        (
            "fedora",
            "registry.fedoraproject.org/v2/fedora/manifests/latest",
        ),
        (
            "fedora-minimal",
            "registry.fedoraproject.org/v2/fedora-minimal/manifests/latest",
        ),
        (
            "fedora/x",
            "registry.fedoraproject.org/v2/x/manifests/latest",
        ),
        ("quay.example/a/b", "quay.example/v2/a/b/manifests/latest"),
    ] {
        assert_eq!(address(reference, &folder), format!("https://{expected}"));
    }
    let files = std::fs::read_dir(&folder).unwrap();
    assert_eq!(files.count(), 9);
}
