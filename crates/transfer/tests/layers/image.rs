//! Images made for one test: archives in a layout folder, and what becomes of them.

use importd_formats::tar::{Entry, Kind, Timestamp, Writer};
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::Shape;
use importd_transfer::context::Context;
use importd_transfer::install::{Manner, Root};
use importd_transfer::oci::flat::Flat;
use importd_transfer::oci::layer;
use importd_transfer::owners::Owners;
use importd_transfer::report::{LogSettings, Report};
use importd_transfer::sink::tree::Limits;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An entry with its contents.
pub(crate) type Made = (Entry, Vec<u8>);

/// `PATH`, `PATH/` for a folder, `PATH -> TARGET`, `PATH => TARGET` for a hard link.
pub(crate) fn entry(text: &str) -> Made {
    let with_link = |path: &str, target: &str, kind| {
        let mut entry = Entry::new(path.into(), kind);
        entry.link = target.into();
        entry
    };
    let mut entry = if let Some((path, target)) = text.split_once(" -> ") {
        with_link(path, target, Kind::Symlink)
    } else if let Some((path, target)) = text.split_once(" => ") {
        with_link(path, target, Kind::HardLink)
    } else if text.ends_with('/') {
        Entry::new(text.into(), Kind::Directory)
    } else {
        Entry::new(text.into(), Kind::File)
    };
    // Each looks different, so that nobody can be taken for another.
    let sum = text
        .bytes()
        .fold(7u32, |sum, byte| sum * 31 % 65_521 + u32::from(byte));
    entry.mode = [0o755, 0o750, 0o711, 0o700][usize::try_from(sum % 4).unwrap()];
    (entry.uid, entry.gid) = (sum % 5, sum % 7);
    entry.mtime = Timestamp {
        seconds: 1_000_000_000 + i64::from(sum),
        nanoseconds: 0,
    };
    if entry.kind == Kind::Directory && sum % 3 == 0 {
        entry.xattrs = vec![(b"user.test".to_vec(), text.as_bytes().to_vec())];
    }
    let content = match entry.kind {
        Kind::File => text.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    entry.size = content.len() as u64;
    (entry, content)
}

pub(crate) fn archive(entries: &[Made]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.begin(entry, None).unwrap();
        writer.write_data(content).unwrap();
        writer.end_entry().unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn context() -> Context {
    Context {
        report: Report::new(None, &LogSettings::default()),
        cancel: Cancel::new().unwrap(),
        umask: 0o022,
        owners: Owners::All,
    }
}

/// Unpacks archives into layer folders below `root`; their names, the lowest first, or why one is refused.
pub(crate) fn layers(root: &Path, archives: &[Vec<u8>]) -> Result<Vec<String>, String> {
    layers_of(root, archives, &context())
}

/// The same as whoever the context says.
pub(crate) fn layers_of(
    root: &Path,
    archives: &[Vec<u8>],
    context: &Context,
) -> Result<Vec<String>, String> {
    let place = Root {
        folder: Dir::create_all(root, 0o700).unwrap(),
        path: root.to_owned(),
    };
    let manner = Manner {
        replace: Replace::Refuse,
        read_only: true,
        sync: false,
        quota: false,
    };
    let mut names = Vec::new();
    let mut below = Vec::new();
    for (number, archive) in archives.iter().enumerate() {
        let name = format!(".oci-{number}");
        let target = (&place.folder, name.as_ref());
        let source = std::io::Cursor::new(archive.clone());
        let unpacked = layer::unpack(target, source, Limits::default(), None, context).unwrap();
        let (staged, _) = unpacked.settle(&below).map_err(|error| error.to_string())?;
        let proven = staged.accept_local();
        let installed = proven.install(&place, name.as_ref(), manner, context);
        drop(installed.unwrap());
        below.push(Dir::open(&root.join(&name)).unwrap());
        names.push(name);
    }
    Ok(names)
}

/// Makes one tree of archives.
pub(crate) fn flat(root: &Path, name: &str, archives: &[Vec<u8>]) -> PathBuf {
    let context = context();
    let place = Root {
        folder: Dir::create_all(root, 0o700).unwrap(),
        path: root.to_owned(),
    };
    let flat = Flat::create(&place.folder, name.as_ref(), Shape::Subvolume, &context).unwrap();
    std::thread::scope(|scope| {
        for (number, archive) in archives.iter().enumerate() {
            let source = std::io::Cursor::new(archive.clone());
            let flat = &flat;
            scope.spawn(move || {
                flat.unpack(number, source, Limits::default(), None)
                    .unwrap();
            });
        }
    });
    let manner = Manner {
        replace: Replace::Refuse,
        read_only: false,
        sync: false,
        quota: false,
    };
    let proven = flat.finish().unwrap().accept_local();
    drop(
        proven
            .install(&place, name.as_ref(), manner, &context)
            .unwrap(),
    );
    assert_eq!(
        place.folder.entries().unwrap(),
        [name],
        "nothing else is left"
    );
    root.join(name)
}

/// Unpacks archives with umoci; what it says if it refuses.
pub(crate) fn umoci(place: &Path, archives: &[Vec<u8>]) -> Result<PathBuf, String> {
    let layout = place.join("layout");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        write(&blobs.join(&hex), bytes);
        hex
    };
    let digests: Vec<String> = archives.iter().map(|bytes| blob(bytes)).collect();
    let list =
        |item: &dyn Fn(usize) -> String| (0..digests.len()).map(item).collect::<Vec<_>>().join(",");
    let diff_ids = list(&|i| format!("\"sha256:{}\"", digests[i]));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}},"config":{{}}}}"#
    );
    let described = |kind: &str, hex: &str, size: usize| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{hex}","size":{size}}}"#
        )
    };
    let layers = list(&|i| described("layer.v1.tar", &digests[i], archives[i].len()));
    let config = described("config.v1+json", &blob(config.as_bytes()), config.len());
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#);
    let hex = blob(manifest.as_bytes());
    let entry = described("manifest.v1+json", &hex, manifest.len());
    let entry = entry.replacen(
        '{',
        r#"{"annotations":{"org.opencontainers.image.ref.name":"t"},"#,
        1,
    );
    write(
        &layout.join("index.json"),
        format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#).as_bytes(),
    );
    write(
        &layout.join("oci-layout"),
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    let bundle = place.join("bundle");
    let result = Command::new("umoci")
        .args(["unpack", "--image"])
        .arg(format!("{}:t", layout.display()))
        .arg(&bundle)
        .output()
        .unwrap();
    match result.status.success() {
        true => Ok(bundle.join("rootfs")),
        false => Err(String::from_utf8_lossy(&result.stderr).into_owned()),
    }
}

/// A line of a listing as of something that was made just now.
pub(crate) fn with_time_now(line: &str) -> String {
    let is_time = |field: &&str| field.ends_with(".0000000000");
    match line.split(' ').find(is_time) {
        Some(time) => line.replace(time, "now"),
        None => line.to_owned(),
    }
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// What there is in a tree, a line for each entry but the top. The time of a folder that nobody lists is
/// that at which it was made.
pub(crate) fn listing(tree: &Path, with_links: bool) -> Vec<String> {
    let links = if with_links { "%n" } else { "" };
    let script = r#"cd "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %U:%G %T@\n' -o -printf '%P %y %m %U:%G %T@ %s %l LINKS\n' \) &&
        find . -type f -exec sha256sum {} + && find . -mindepth 1 -exec getfattr -h -d -m '^user\.test' {} +"#
        .replace("LINKS", links);
    let output = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(tree)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    // getfattr prints blocks in the order of find: one line each.
    let text = text.replace("\nuser.", " user.");
    let since = |field: &&str| {
        let seconds = field
            .split_once('.')
            .and_then(|(seconds, _)| seconds.parse::<u64>().ok());
        seconds.is_some_and(|seconds| seconds > 1_500_000_000)
    };
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match line.split(' ').find(since) {
            Some(time) => line.replace(time, "now"),
            None => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}
