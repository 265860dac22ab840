//! Layouts and archives of ours, of skopeo, and of nobody in their right mind.

#![expect(clippy::disallowed_methods, reason = "fixtures")]

use super::*;
use crate::context::Context;
use crate::error::Result;
use crate::oci::source::Source;
use crate::owners::Owners;
use crate::report::{LogSettings, Report};
use crate::source::file::Input;
use crate::stage::chunks::Reader;
use aws_lc_rs::digest::{SHA256, digest};
use importd_api::failure::Kind;
use importd_formats::checksums::Digest;
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::layout::{Listing, MARKER};
use importd_formats::oci::{BlobDigest, Document, Manifest, MediaType, Platform, compose};
use importd_formats::tar;
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
        owners: Owners::All,
    }
}

const LIMIT: u64 = 1 << 20;

fn sha256(bytes: &[u8]) -> BlobDigest {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest::Sha256(sha256).into()
}

fn stored(media_type: &str, bytes: &[u8]) -> Stored {
    Stored {
        media_type: media_type.into(),
        digest: sha256(bytes),
        size: bytes.len() as u64,
        platform: None,
    }
}

/// An archive of files, links and folders: what begins with `->` is a link.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = tar::Writer::new(Vec::new());
    for (path, contents) in files {
        let mut entry = tar::Entry::new(path.as_bytes().to_vec(), tar::Kind::File);
        entry.mode = 0o644;
        match contents.strip_prefix(b"->") {
            Some(target) => {
                (entry.kind, entry.link) = (tar::Kind::Symlink, target.to_vec());
                writer.begin(&entry, None).unwrap();
            }
            None => {
                entry.size = contents.len() as u64;
                writer.begin(&entry, None).unwrap();
                writer.write_data(contents).unwrap();
            }
        }
        writer.end_entry().unwrap();
    }
    writer.finish().unwrap()
}

/// A layout as names and contents.
#[derive(Default)]
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn blob(&mut self, bytes: &[u8]) {
        let path = format!("blobs/sha256/{}", sha256(bytes).hex());
        self.0.push((path, bytes.to_vec()));
    }

    /// Adds an image of one layer, and what lists it.
    fn image(&mut self, layer: &[u8], architecture: &str) -> Stored {
        let config = format!("{{\"architecture\":\"{architecture}\",\"os\":\"linux\"}}");
        let layers = [stored(MediaType::LAYER, layer)];
        let described = stored(MediaType::CONFIG, config.as_bytes());
        let manifest = compose::manifest(&described, &layers).unwrap();
        self.blob(layer);
        self.blob(config.as_bytes());
        self.blob(&manifest);
        stored(MediaType::MANIFEST, &manifest)
    }

    fn listed(mut self, images: &[(Stored, Option<&str>)]) -> Self {
        let mut index = compose::index(&[]).unwrap();
        for (image, name) in images {
            index = Listing::parse(&index).unwrap().with(image, *name).unwrap();
        }
        self.0.push(("index.json".into(), index));
        self.0.push(("oci-layout".into(), MARKER.to_vec()));
        self
    }

    fn folder(&self) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (path, contents) in &self.0 {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        }
        place
    }

    fn archive(&self) -> Vec<u8> {
        let files: Vec<_> = self
            .0
            .iter()
            .map(|(path, contents)| (path.as_str(), contents.as_slice()))
            .collect();
        archive(&files)
    }
}

fn open_folder(path: &Path, asked: Option<&str>) -> Result<Box<dyn Source>> {
    let context = context();
    let folder = Dir::open(path).unwrap();
    let place = Place::Folder(folder, path.display().to_string());
    let spool_folder = Dir::open(path).unwrap();
    open(place, asked, &spool(&spool_folder), &context)
}

fn spool(folder: &Dir) -> Spool<'_> {
    Spool {
        folder,
        size_max: Some(LIMIT),
        ratio: 1000,
    }
}

fn open_archive(path: &Path, asked: Option<&str>) -> Result<Box<dyn Source>> {
    let folder = Dir::open(path.parent().unwrap()).unwrap();
    let place = Place::Archive(Input::open(path)?);
    open(place, asked, &spool(&folder), &context())
}

fn open_bytes(bytes: &[u8], asked: Option<&str>) -> Result<Box<dyn Source>> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("image.tar");
    std::fs::write(&path, bytes).unwrap();
    open_archive(&path, asked)
}

fn manifest(source: &dyn Source) -> Manifest {
    let top = source.top().unwrap();
    match Document::parse(&top.bytes, top.sent_as.as_deref()).unwrap() {
        Document::Manifest(manifest) => manifest,
        Document::Index(index) => {
            let bytes = source.document(&index.images[0], LIMIT).unwrap();
            match Document::parse(&bytes, None).unwrap() {
                Document::Manifest(manifest) => manifest,
                Document::Index(_) => panic!("an index in an index"),
            }
        }
    }
}

/// The layers, as they are stored.
fn layers(source: &dyn Source) -> Vec<Vec<u8>> {
    let read = |blob| {
        let mut bytes = Vec::new();
        let blob = source.blob(blob).unwrap();
        Reader::new(blob.body).read_to_end(&mut bytes).unwrap();
        bytes
    };
    let manifest = manifest(source);
    source
        .document(&manifest.config.clone().unwrap(), LIMIT)
        .unwrap();
    let layers: Vec<_> = manifest.layers.iter().map(read).collect();
    for (blob, bytes) in manifest.layers.iter().zip(&layers) {
        assert_eq!(blob.digest, sha256(bytes));
    }
    layers
}

#[track_caller]
fn refused(result: Result<Box<dyn Source>>, kind: Kind, text: &str) {
    let error = result.map(|source| source.label()).unwrap_err();
    let chain = crate::error::chain(&error);
    assert!(chain.contains(text), "{chain}");
    assert_eq!(error.kind, kind, "{chain}");
}

#[test]
fn a_folder_and_its_archives_are_the_same_image() {
    let mut files = Files::default();
    let image = files.image(b"a layer", "amd64");
    let files = files.listed(&[(image, Some("latest"))]);
    let folder = files.folder();
    assert_eq!(
        layers(&*open_folder(folder.path(), None).unwrap()),
        [b"a layer"]
    );
    let plain = files.archive();
    let place = tempfile::tempdir().unwrap();
    let packed = place.path().join("x.tar");
    for program in ["cat", "gzip", "zstd", "xz"] {
        let output = filtered(program, &plain);
        std::fs::write(&packed, output).unwrap();
        let source = open_archive(&packed, Some("latest")).unwrap();
        assert_eq!(layers(&*source), [b"a layer"], "{program}");
    }
}

fn filtered(program: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_pipe_is_read_too_and_no_more_of_it_than_may_be() {
    let mut files = Files::default();
    let image = files.image(b"a layer", "amd64");
    let bytes = files.listed(&[(image, None)]).archive();
    let place = tempfile::tempdir().unwrap();
    let fifo = place.path().join("fifo");
    for (length, fits) in [(0, true), (2 * LIMIT, false)] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let (path, mut data) = (fifo.clone(), bytes.clone());
        data.resize(data.len() + usize::try_from(length).unwrap(), 0);
        let writer = std::thread::spawn(move || std::fs::write(path, data));
        let result = open_archive(&fifo, None);
        match fits {
            true => assert_eq!(layers(&*result.unwrap()), [b"a layer"]),
            false => refused(result, Kind::SizeLimit, "size-max"),
        }
        writer.join().unwrap().unwrap_or(());
        std::fs::remove_file(&fifo).unwrap();
    }
}

#[test]
fn of_several_images_the_name_the_digest_or_the_machine_tells() {
    let mut files = Files::default();
    let [a, b] = [("one", "amd64"), ("two", "arm64")].map(|(layer, machine)| {
        let mut image = files.image(layer.as_bytes(), machine);
        image.platform = Some(Platform {
            os: Some("linux".into()),
            architecture: Some(machine.into()),
            variant: None,
        });
        image
    });
    let blobs = Files(files.0.clone());
    let named = files.listed(&[(a.clone(), Some("a")), (b.clone(), Some("b"))]);
    let bytes = named.archive();
    let text = "--tag= chooses one: it has 'a', 'b'";
    refused(open_bytes(&bytes, None), Kind::InvalidArgument, text);
    refused(open_bytes(&bytes, Some("c")), Kind::NotFound, "'a', 'b'");
    for asked in ["b".to_owned(), b.digest.to_string()] {
        assert_eq!(
            layers(&*open_bytes(&bytes, Some(&asked)).unwrap()),
            [b"two"]
        );
    }
    // Of one name and two machines: an index.
    let (mut index, mut both) = (compose::index(&[]).unwrap(), blobs);
    for image in [&a, &b] {
        index = Listing::parse(&index).unwrap().with(image, None).unwrap();
    }
    both.0.push(("index.json".into(), index));
    both.0.push(("oci-layout".into(), MARKER.to_vec()));
    let source = open_bytes(&both.archive(), None).unwrap();
    let top = source.top().unwrap();
    let Document::Index(index) = Document::parse(&top.bytes, top.sent_as.as_deref()).unwrap()
    else {
        panic!("it is an index");
    };
    assert_eq!(index.images.len(), 2);
    assert_eq!(layers(&*source), [b"one"]);
}

#[test]
fn what_is_damaged_or_leads_elsewhere_is_refused() {
    let place = tempfile::tempdir().unwrap();
    refused(
        open_folder(place.path(), None),
        Kind::Unsupported,
        "neither 'oci-layout' nor",
    );
    let mut files = Files::default();
    let image = files.image(b"a layer", "amd64");
    let manifest_path = format!("blobs/sha256/{}", image.digest.hex());
    let files = files.listed(&[(image.clone(), None)]);

    // A blob that is a link, a fifo, of another length, of other bytes, not there.
    let folder = files.folder();
    let path = folder.path().join(&manifest_path);
    let kept = folder.path().join("kept");
    std::fs::rename(&path, &kept).unwrap();
    let top = || {
        let source = open_folder(folder.path(), None).unwrap();
        source.top().map(drop).map_err(|error| error.kind)
    };
    assert_eq!(top(), Err(Kind::NotFound));
    std::os::unix::fs::symlink(&kept, &path).unwrap();
    assert_eq!(top(), Err(Kind::Document));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(top(), Err(Kind::Document));
    std::fs::remove_dir(&path).unwrap();
    let mut bytes = std::fs::read(&kept).unwrap();
    std::fs::write(&path, &bytes[1..]).unwrap();
    assert_eq!(top(), Err(Kind::Corrupt));
    bytes[5] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(top(), Err(Kind::Corrupt));
    bytes[5] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(top(), Ok(()));
    // A folder of blobs that is a link out of the layout.
    let outside = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    std::fs::rename(&blobs, outside.path().join("blobs")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("blobs"), &blobs).unwrap();
    assert!(top().is_err());

    std::fs::write(folder.path().join("index.json"), vec![b' '; 5 << 20]).unwrap();
    refused(open_folder(folder.path(), None), Kind::TooLarge, "5242880");
    std::fs::write(folder.path().join("oci-layout"), b"{}").unwrap();
    refused(
        open_folder(folder.path(), None),
        Kind::Document,
        "oci-layout",
    );
}

#[test]
fn hostile_archives_are_refused() {
    let twice = archive(&[("oci-layout", MARKER), ("./oci-layout", MARKER)]);
    refused(open_bytes(&twice, None), Kind::Document, "two members");
    let link = archive(&[("oci-layout", b"->/etc/hostname")]);
    refused(
        open_bytes(&link, None),
        Kind::Document,
        "out of the archive",
    );
    let circle = archive(&[("oci-layout", b"->b"), ("b", b"->oci-layout")]);
    refused(open_bytes(&circle, None), Kind::Document, "too many links");
    let mut cut = archive(&[("oci-layout", MARKER), ("x", &[1; 5000])]);
    cut.truncate(3000);
    refused(open_bytes(&cut, None), Kind::Archive, "cut off");
    refused(open_bytes(b"nonsense", None), Kind::Archive, "archive");
    let old = archive(&[("repositories", b"{}")]);
    refused(
        open_bytes(&old, None),
        Kind::Unsupported,
        "before 1.10: it has 'repositories'",
    );
    for (layer, text) in [
        ("../l.tar", "no name of a file"),
        ("/l.tar", "no name of a file"),
        ("out/l.tar", "link out of the archive"),
        ("missing.tar", "There is no 'missing.tar'"),
    ] {
        let listed = format!("[{{\"Config\":\"c.json\",\"Layers\":[\"{layer}\"]}}]");
        let bytes = archive(&[
            ("manifest.json", listed.as_bytes()),
            ("c.json", b"{}"),
            ("out/l.tar", b"->../../l.tar"),
        ]);
        let error = open_bytes(&bytes, None).map(|source| source.label());
        let error = error.unwrap_err();
        assert!(error.doing.contains(text), "{}", error.doing);
    }
}

#[test]
fn what_docker_saves_is_read_by_its_names() {
    let layer = archive(&[("a", b"1")]);
    let packed = filtered("gzip", &layer);
    let config = format!(
        "{{\"rootfs\":{{\"diff_ids\":[\"{0}\",\"{0}\",\"{0}\"]}}}}",
        sha256(&layer)
    );
    let name = format!("{}.json", sha256(config.as_bytes()).hex());
    let listed = format!(
        "[{{\"Config\":\"{name}\",\"RepoTags\":[\"a:1\",\"b:2\"],\"Layers\":\
         [\"x/layer.tar\",\"y/layer.tar\",\"z.tar.gz\"]}},{{\"Config\":\"other\",\"RepoTags\":[\"c:3\"]}}]"
    );
    let files = [
        ("x/layer.tar", layer.as_slice()),
        ("y/layer.tar", b"->../x/layer.tar"),
        ("z.tar.gz", &packed),
        (&name, config.as_bytes()),
        ("manifest.json", listed.as_bytes()),
    ];
    let bytes = archive(&files);
    refused(open_bytes(&bytes, None), Kind::InvalidArgument, "'c:3'");
    let source = open_bytes(&bytes, Some("b:2")).unwrap();
    assert_eq!(
        layers(&*source),
        [layer.clone(), layer.clone(), packed.clone()]
    );
    // A configuration that is not what its name says.
    let mut other = files;
    other[3].1 = b"{}";
    let bytes = archive(&other);
    refused(open_bytes(&bytes, Some("a:1")), Kind::Corrupt, "said to be");
}

fn skopeo(from: &str, to: &str) -> bool {
    let arguments = ["copy", "--quiet", "--insecure-policy", from, to];
    match Command::new("skopeo").args(arguments).status() {
        Ok(status) => {
            assert!(status.success(), "{from} {to}");
            true
        }
        Err(error) => {
            println!("Skipped: skopeo cannot be run: {error}");
            false
        }
    }
}

#[test]
fn what_skopeo_writes_is_read() {
    let layer = archive(&[("etc/", b""), ("etc/x", b"1")]);
    let mut files = Files::default();
    let config = format!(
        "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{}\"]}}}}",
        sha256(&layer)
    );
    let described = stored(MediaType::CONFIG, config.as_bytes());
    let listed = compose::manifest(&described, &[stored(MediaType::LAYER, &layer)]).unwrap();
    for blob in [&layer, config.as_bytes(), &listed] {
        files.blob(blob);
    }
    let files = files.listed(&[(stored(MediaType::MANIFEST, &listed), Some("latest"))]);
    let folder = files.folder();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let from = format!("oci:{}:latest", folder.path().display());
    let to = |kind: &str, name: &str| format!("{kind}:{}", path(name).display());
    if !skopeo(&from, &to("oci", "layout")) {
        return;
    }
    assert!(skopeo(
        &from,
        &(to("oci-archive", "oci.tar") + ":other/name:1")
    ));
    assert!(skopeo(
        &from,
        &(to("docker-archive", "docker.tar") + ":debian:13")
    ));
    // Skopeo packs what it writes into a layout.
    for source in [
        open_folder(&path("layout"), None),
        open_archive(&path("oci.tar"), Some("name:1")),
    ] {
        let stored = layers(&*source.unwrap());
        assert_eq!(filtered_back(&stored[0]), layer);
    }
    assert!(skopeo(&from, &to("dir", "copy")));
    refused(
        open_folder(&path("copy"), None),
        Kind::Unsupported,
        "only skopeo understands",
    );
    let saved = open_archive(&path("docker.tar"), Some("debian:13")).unwrap();
    assert_eq!(layers(&*saved), [layer]);
}

fn filtered_back(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}
