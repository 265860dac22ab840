"""What came out, as digests that can be compared."""
import hashlib, os, shutil, subprocess

from place import sh


def tree_digest(path):
    """One digest over everything a tree is: names, types, modes, owners, times, contents."""
    lines = []
    for folder, names, files in os.walk(path):
        for name in sorted(names + files):
            full = os.path.join(folder, name)
            stat = os.lstat(full)
            kind = stat.st_mode >> 12
            what = ""
            if kind == 0o12:
                what = os.readlink(full)
            elif kind == 0o10:
                with open(full, "rb") as f:
                    what = hashlib.file_digest(f, "sha1").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha1(f.read()).hexdigest()
            size = 0 if kind == 0o4 else stat.st_size
            lines.append(f"{os.path.relpath(full, path)}|{stat.st_mode:o}|{stat.st_uid}:{stat.st_gid}|{size}|{stat.st_mtime_ns}|{what}")
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def unpacked_digest(path, scratch):
    """What an exported file holds, packed or not."""
    name = path.name
    tools = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2"}
    tool = tools.get(path.suffix)
    if ".tar" in name:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        sh("tar", "--extract", "--file", path, "--directory", scratch, "--xattrs", "--acls")
        digest = tree_digest(scratch)
        shutil.rmtree(scratch)
        return digest
    if not tool:
        return file_digest(path)
    process = subprocess.Popen([tool, "-dc", path], stdout=subprocess.PIPE)
    digest = hashlib.sha256()
    while chunk := process.stdout.read(1 << 22):
        digest.update(chunk)
    if process.wait() != 0:
        raise RuntimeError(f"{tool} does not take {path}")
    return digest.hexdigest()


def is_sound(path):
    """Whether the packer's own test takes the file."""
    tool = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2", ".lz4": "lz4"}.get(path.suffix)
    return not tool or subprocess.run([tool, "-t", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
