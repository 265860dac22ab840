"""Where the programs run: a file system in memory, inside the reference's root."""
import dataclasses, os, pathlib, subprocess, tempfile, time

from memory import Filler

WORKERS = "usr/lib/systemd"


def sh(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)


class Place:
    """An ext4 file system in memory, seen by both subjects under the same folder of the reference's root."""

    def __init__(self, root, gigabytes):
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="importd-bench-"))
        sh("mount", "-t", "tmpfs", "-o", f"size={gigabytes + 1}g", "tmpfs", self.memory)
        image = self.memory / "disk"
        # All of it is written before anything is measured: memory that a run is the first to touch costs it
        # up to twice its time on a virtual machine, whatever the run does.
        with open(image, "wb") as f:
            for _ in range(gigabytes << 4):
                f.write(bytes(1 << 26))
        sh("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", image)
        self.inside = pathlib.Path("/var/tmp/importd-bench")
        self.outside = pathlib.Path(root) / "var/tmp/importd-bench"
        self.outside.mkdir(parents=True, exist_ok=True)
        sh("mount", "-o", "loop", image, self.outside)
        self.filler = Filler(self.outside)
        # The reference sets metadata by way of /proc/self/fd.
        self.mounts = []
        for folder in ["proc", "dev"]:
            sh("mount", "--bind", f"/{folder}", pathlib.Path(root) / folder)
            self.mounts.append(pathlib.Path(root) / folder)

    def close(self):
        self.filler.close()
        for mount in [*self.mounts, self.outside]:
            subprocess.run(["umount", mount])
        # Its loop device lets go a moment later.
        subprocess.run(["umount", "--lazy", self.memory])
        self.memory.rmdir()


@dataclasses.dataclass
class Used:
    """What a run took: processor seconds, and KiB at the peak."""
    seconds: float
    peak: int


class Subject:
    def __init__(self, name, root, programs, cache):
        self.name, self.root, self.programs, self.cache = name, root, programs, cache

    def start(self, program, arguments, **environment):
        """Starts a worker. Both subjects run inside the same root."""
        path = f"/{self.programs}/{program}"
        return subprocess.Popen(
            ["chroot", self.root, path, *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            # Unfinished downloads belong on the file system of the results, as on a real machine.
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "IMPORTD_CACHE_DIRECTORY": str(self.cache), **environment},
        )

    def finish(self, process):
        """Waits for the end of a worker, which must be a good one."""
        errors = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{self.name}: {process.args[2:]} failed:\n{errors}")
        return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)

    def run(self, program, arguments):
        """Runs a worker; wall seconds, peak KiB."""
        start = time.monotonic()
        used = self.finish(self.start(program, arguments))
        return time.monotonic() - start, used.peak
