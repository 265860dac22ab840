#!/usr/bin/env python3
"""Compares our workers with the reference's, pair by pair.

Each row of the table is one command, run by the reference and by us one right after the other,
several times, on a loop-mounted ext4 file system in memory, with the input cached and the flush
included. Printed are the median wall times' ratio (reference / ours), the smallest and largest
ratio of a pair, and the peak memory of both. Results are compared: a fast wrong answer is no row.

  REFERENCE_ROOT=/path/of/a/root/with/systemd/262 bench/run.py --ours target/release [--rows GLOB] [--pairs N]

Root is needed (loop mounts, chroot). Absolute times mean nothing here.
"""
import argparse, fnmatch, hashlib, os, pathlib, shutil, statistics, subprocess, sys, tempfile, threading, time
import functools, http.server

WORKERS = "usr/lib/systemd"


def sh(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)


class Place:
    """An ext4 file system in memory, seen by both subjects under the same folder of the reference's root."""

    def __init__(self, root, gigabytes):
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="importd-bench-"))
        sh("mount", "-t", "tmpfs", "-o", f"size={gigabytes + 1}g", "tmpfs", self.memory)
        image = self.memory / "disk"
        with open(image, "wb") as f:
            f.truncate(gigabytes << 30)
        sh("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        self.inside = pathlib.Path("/var/tmp/importd-bench")
        self.outside = pathlib.Path(root) / "var/tmp/importd-bench"
        self.outside.mkdir(parents=True, exist_ok=True)
        sh("mount", "-o", "loop", image, self.outside)
        # The reference sets metadata by way of /proc/self/fd.
        self.mounts = []
        for folder in ["proc", "dev"]:
            sh("mount", "--bind", f"/{folder}", pathlib.Path(root) / folder)
            self.mounts.append(pathlib.Path(root) / folder)

    def close(self):
        for mount in [*self.mounts, self.outside]:
            subprocess.run(["umount", mount])
        subprocess.run(["umount", self.memory])
        self.memory.rmdir()


class Subject:
    def __init__(self, name, root, programs):
        self.name, self.root, self.programs = name, root, programs

    def run(self, program, arguments, stdout=None):
        """Runs a worker; wall seconds, peak KiB. Both subjects run inside the same root."""
        path = f"/{self.programs}/{program}"
        start = time.monotonic()
        process = subprocess.Popen(
            ["chroot", self.root, path, *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )
        errors = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        if process.returncode != 0:
            raise RuntimeError(f"{self.name}: {program} {arguments} failed:\n{errors}")
        return seconds, usage.ru_maxrss


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
    with open(data / "SHA256SUMS", "w") as f:
        for path in sorted(data.iterdir()):
            if path.name != "SHA256SUMS":
                f.write(f"{file_digest(path)}  {path.name}\n")
    return data


def serve(folder):
    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def log_message(self, *arguments):
            pass
        def copyfile(self, source, output):
            # The server must not be the bottleneck.
            offset, size = 0, os.fstat(source.fileno()).st_size
            output.flush()
            while offset < size:
                offset += os.sendfile(self.connection.fileno(), source.fileno(), offset, min(size - offset, 1 << 24))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def rows(place, port):
    """name, program, arguments (IN, OUT are folders as seen inside), result to compare, least ratio wanted"""
    source, target = place.inside / "in", place.inside / "out"
    table = []
    for suffix, wanted in [("tar", 1.2), ("tar.gz", 1.3), ("tar.zst", 1.2), ("tar.xz", 1.8), ("tar.bz2", 1.9)]:
        table.append((f"import {suffix}", "systemd-import", ["tar", f"--image-root={target}", "--btrfs-quota=no", f"{source}/tree.{suffix}", "image"], "image", wanted))
    for suffix, wanted in [("raw", 5), ("raw.gz", 2), ("raw.zst", 2), ("raw.xz", 1.8)]:
        table.append((f"import {suffix}", "systemd-import", ["raw", f"--image-root={target}", f"{source}/disk.{suffix}", "image"], "image.raw", wanted))
    for kind, suffix, wanted in [("raw", "raw", 3), ("raw", "raw.gz", 2), ("raw", "raw.xz", 1.8), ("tar", "tar.xz", 1.8)]:
        name = f"disk.{suffix}" if kind == "raw" else f"tree.{suffix}"
        result = "image.raw" if kind == "raw" else "image"
        table.append((f"pull {suffix}", "systemd-pull", [kind, f"--image-root={target}", "--verify=checksum", "--keep-download=no", "--settings=no", "--roothash=no", "--verity=no", f"http://127.0.0.1:{port}/{name}", "image"] if kind == "raw" else [kind, f"--image-root={target}", "--verify=checksum", "--keep-download=no", "--settings=no", f"http://127.0.0.1:{port}/{name}", "image"], result, wanted))
    for suffix, wanted in [("tar", 1.2), ("tar.gz", 2.5), ("tar.zst", 1.8), ("tar.xz", 1.8), ("tar.bz2", 1.9)]:
        table.append((f"export {suffix}", "systemd-export", ["tar", f"{place.inside}/tree", f"{target}/out.{suffix}"], f"out.{suffix}", wanted))
    for suffix, wanted in [("raw", 3), ("raw.gz", 4), ("raw.zst", 2)]:
        table.append((f"export {suffix}", "systemd-export", ["raw", f"{source}/disk.raw".replace("disk.raw", "./disk.raw"), f"{target}/out.{suffix}"], f"out.{suffix}", wanted))
    table.append(("import-fs", "systemd-import-fs", ["run", f"--image-root={target}", "--btrfs-quota=no", f"{place.inside}/tree", "image"], "image", 1.4))
    return table


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


def measure(row, subjects, place, pairs):
    name, program, arguments, result, wanted = row
    out = place.outside / "out"
    times, peaks, digests = {s.name: [] for s in subjects}, {s.name: 0 for s in subjects}, {}
    for turn in range(pairs):
        for subject in subjects if turn % 2 == 0 else reversed(subjects):
            subprocess.run(["chattr", "-R", "-i", out], stderr=subprocess.DEVNULL)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            os.sync()
            seconds, peak = subject.run(program, arguments)
            times[subject.name].append(seconds)
            peaks[subject.name] = max(peaks[subject.name], peak)
            if subject.name not in digests:
                path = out / result
                if program == "systemd-export":
                    digests[subject.name] = unpacked_digest(path, place.outside / "scratch")
                else:
                    digests[subject.name] = tree_digest(path) if path.is_dir() else file_digest(path)
    ratios = [theirs / ours for theirs, ours in zip(times["theirs"], times["ours"])]
    median = statistics.median(times["theirs"]) / statistics.median(times["ours"])
    same = "same" if digests["ours"] == digests["theirs"] else "DIFFERS"
    print(f"{name:16} {median:6.2f}  {min(ratios):5.2f}–{max(ratios):5.2f}  {wanted:5.1f}  {'yes' if median >= wanted else 'NO':>3}"
          f"  {statistics.median(times['theirs']):6.2f} {statistics.median(times['ours']):6.2f}"
          f"  {peaks['theirs'] // 1024:5} {peaks['ours'] // 1024:5}  {same}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="target/release", help="folder of our programs")
    parser.add_argument("--rows", default="*", help="glob over row names")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tree", help="folder to make the inputs of (default: the reference's root)")
    parser.add_argument("--size", type=int, default=14, help="size of the file system, GiB")
    options = parser.parse_args()
    root = os.environ.get("REFERENCE_ROOT")
    if not root or os.geteuid() != 0:
        sys.exit("needs root, and REFERENCE_ROOT naming a root folder with systemd 262 in it")
    programs = pathlib.Path(root) / "var/tmp/importd-bench-programs"
    programs.mkdir(parents=True, exist_ok=True)
    for program in ["systemd-import", "systemd-import-fs", "systemd-export", "systemd-pull"]:
        shutil.copy2(pathlib.Path(options.ours) / program, programs / program)
    place = Place(root, options.size)
    try:
        print("preparing inputs …", flush=True)
        tree = options.tree or root
        wanted = [row for row in rows(place, 0) if fnmatch.fnmatch(row[0], options.rows)]
        named = {str(argument).rsplit("/", 1)[-1] for row in wanted for argument in row[2]}
        data = make_inputs(place, tree, lambda name: name in named)
        port = serve(data)
        subjects = [Subject("theirs", root, WORKERS), Subject("ours", root, "var/tmp/importd-bench-programs")]
        print(f"{'row':16} {'ratio':>6}  {'min–max':>11}  {'least':>5}  {'met':>3}  {'theirs':>6} {'ours':>6}  {'MiB':>5} {'ours':>5}  result")
        for row in rows(place, port):
            if fnmatch.fnmatch(row[0], options.rows):
                try:
                    measure(row, subjects, place, options.pairs)
                except RuntimeError as error:
                    print(f"{row[0]:16} {error}", flush=True)
    finally:
        place.close()
        shutil.rmtree(programs, ignore_errors=True)


main()
