"""Fills free memory before each run, as on a machine that has been up for a while."""
import os, pathlib

STEP = 1 << 20
"""How much is read at once."""


def meminfo(name):
    """A value of proc_meminfo(5), in bytes."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


class Filler:
    """An empty file on a disk file system, read into the page cache piece by piece.

    A virtual machine gives free memory back to its host, and a page that came back costs whoever touches it
    next several times what the writing of it does: a run's time then says how long the machine was idle
    before. A run that finds memory full of cache, as it is everywhere after some hours, gets pages by
    dropping some, which costs the same each time.
    """

    def __init__(self, folder):
        self.size = meminfo("MemTotal") // STEP * STEP
        self.position = 0
        path = folder / "filler"
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        os.truncate(self.file, self.size)
        self.buffer = bytearray(STEP)

    def fill(self):
        """Reads as much as is free now, from where the last call ended."""
        for _ in range(meminfo("MemFree") // STEP):
            os.preadv(self.file, [self.buffer], self.position)
            self.position = (self.position + STEP) % self.size

    def close(self):
        os.close(self.file)
