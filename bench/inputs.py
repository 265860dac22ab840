"""What the rows read: one tree in several packings, one disk image in several formats."""
import subprocess

from place import sh
from results import file_digest


def make_inputs(place, source_tree, is_needed):
    """The inputs: a Debian tree in several packings, and an ext4 image of it; packings only where needed."""
    data = place.outside / "in"
    data.mkdir()
    tar = data / "tree.tar"
    sh("tar", "--create", "--xattrs", "--acls", "--format=posix", "--one-file-system", "--exclude=./var/tmp/*", "--exclude=./var/log/journal", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", "--file", tar, "--directory", source_tree, ".")
    packings = {"tar.gz": ["gzip", "-6"], "tar.zst": ["zstd", "-q", "-3"], "tar.xz": ["xz", "-T2", "-1"], "tar.bz2": ["bzip2", "-1"]}
    for suffix, command in packings.items():
        if is_needed(f"tree.{suffix}"):
            with open(data / f"tree.{suffix}", "wb") as f:
                subprocess.run([*command, "-c", tar], check=True, stdout=f)
    tree = place.outside / "tree"
    tree.mkdir()
    sh("tar", "--extract", "--xattrs", "--acls", "--file", tar, "--directory", tree)
    raw = data / "disk.raw"
    with open(raw, "wb") as f:
        f.truncate(4 << 30)
    sh("mkfs.ext4", "-q", "-d", tree, raw)
    sh("fallocate", "--dig-holes", raw)
    for suffix, command in {"raw.gz": ["gzip", "-6"], "raw.zst": ["zstd", "-q", "-3"], "raw.xz": ["xz", "-T2", "-1"]}.items():
        if is_needed(f"disk.{suffix}"):
            with open(data / f"disk.{suffix}", "wb") as f:
                subprocess.run([*command, "-c", raw], check=True, stdout=f)
    for suffix, options in {"qcow2": [], "zlib.qcow2": ["-c"], "zstd.qcow2": ["-c", "-o", "compression_type=zstd"]}.items():
        if is_needed(f"disk.{suffix}"):
            sh("qemu-img", "convert", "-O", "qcow2", *options, raw, data / f"disk.{suffix}")
    with open(data / "SHA256SUMS", "w") as f:
        for path in sorted(data.iterdir()):
            if path.name != "SHA256SUMS":
                f.write(f"{file_digest(path)}  {path.name}\n")
    return data
