"""Where the programs run: a file system in memory, inside the reference's root."""
import os, pathlib, subprocess, tempfile, time

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
