#!/usr/bin/env python3
"""Compares our workers with the reference's, pair by pair.

Each row of the table is one command, run by the reference and by us one right after the other,
once to warm up and then several times, on a loop-mounted ext4 file system in memory, with the input cached and the flush
included. Printed are the median wall times' ratio (reference / ours), the smallest and largest
ratio of a pair, and the peak memory of both. Results are compared: a fast wrong answer is no row.

  REFERENCE_ROOT=/path/of/a/root/with/systemd/262 bench/run.py --ours target/release [--rows GLOB] [--pairs N] [--tools]

Exports are also tested by the packer's own tool, and must be the same bytes each time. With --tools each
row also runs the best standard tool that does the same work and nothing else (no checks, no atomicity),
and prints ours / tool: below 1 we are faster. Last come measures of pulls that are no pairs (network.py).

Root is needed (loop mounts, chroot). Absolute times mean nothing here.
"""
import argparse, fnmatch, os, pathlib, shutil, statistics, subprocess, sys, time

import network
import registry
from inputs import make_inputs
from place import WORKERS, Place, Subject
from results import file_digest, is_sound, tree_digest, unpacked_digest
from rows import rows, tool_line
from server import Server

LIMITED_RATE = 40_000_000
"""What the server of the limited rows gives each connection, in bytes a second."""


def fresh(place):
    """An empty folder for results, and memory in the same state before each run."""
    out = place.outside / "out"
    subprocess.run(["chattr", "-R", "-i", out], stderr=subprocess.DEVNULL)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    os.sync()
    place.filler.fill()
    return out


class Measured:
    """The runs of one subject on one row."""

    def __init__(self):
        self.times, self.peak, self.digest, self.packed, self.is_sound = [], 0, None, set(), True

    def take(self, row, subject, place, counts=True):
        out = fresh(place)
        seconds, peak = subject.run(row.program, row.arguments_of(subject))
        if counts:
            self.times.append(seconds)
            self.peak = max(self.peak, peak)
        path = out / row.result
        if row.program == "systemd-export":
            self.packed.add(file_digest(path))
            self.is_sound = self.is_sound and is_sound(path)
        if self.digest is None:
            if row.program == "systemd-export":
                self.digest = unpacked_digest(path, place.outside / "scratch")
            else:
                self.digest = tree_digest(path) if path.is_dir() else file_digest(path)

    def median(self):
        return statistics.median(self.times) if self.times else float("nan")


def verdict(row, ours, theirs, place):
    """In a word what is to be said about the results."""
    if not ours.is_sound:
        return "UNSOUND"
    if len(ours.packed) > 1:
        return "NOT REPRODUCIBLE"
    if row.wanted:
        return "same" if ours.digest == theirs.digest else "DIFFERS"
    return "same" if ours.digest == file_digest(place.outside / "in/disk.raw") else "DIFFERS"


def tool_seconds(row, place, pairs):
    """The median time of the row's standard tools, and what to say about them."""
    line, missing = tool_line(row, place)
    times = []
    for _ in range(pairs):
        fresh(place)
        start = time.monotonic()
        done = subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            return float("nan"), done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["failed"]
        times.append(time.monotonic() - start)
    return statistics.median(times), [f"no {name}" for name in missing]


def measure(row, subjects, place, options):
    measured = {subject.name: Measured() for subject in subjects}
    # What the reference refuses only we run.
    subjects = [subject for subject in subjects if row.wanted or subject.name == "ours"]
    for subject in subjects:
        measured[subject.name].take(row, subject, place, counts=False)
    for turn in range(options.pairs):
        for subject in subjects if turn % 2 == 0 else reversed(subjects):
            measured[subject.name].take(row, subject, place)
    ours, theirs = measured["ours"], measured["theirs"]
    if options.runs:
        for name, runs in measured.items():
            print(f"{row.name:17} {name:6}  {' '.join(f'{seconds:.2f}' for seconds in runs.times)}", flush=True)
    ratios = [b / a for a, b in zip(ours.times, theirs.times)] or [float("nan")]
    median = theirs.median() / ours.median()
    met = "yes" if not row.wanted or median >= row.wanted else "NO"
    line = (f"{row.name:17} {median:6.2f}  {min(ratios):5.2f}–{max(ratios):5.2f}  {row.wanted:5.1f}  {met:>3}"
            f"  {theirs.median():6.2f} {ours.median():6.2f}  {theirs.peak // 1024:5} {ours.peak // 1024:5}  {verdict(row, ours, theirs, place)}")
    if options.tools:
        seconds, notes = tool_seconds(row, place, options.pairs)
        line += f"  {seconds:6.2f} {ours.median() / seconds:6.2f}  {', '.join(notes)}"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="target/release", help="folder of our programs")
    parser.add_argument("--rows", default="*", help="glob over row names")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tools", action="store_true", help="run the best standard tools too")
    parser.add_argument("--runs", action="store_true", help="print the time of each run too")
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
        wanted = [row for row in rows(place) if fnmatch.fnmatch(row.name, options.rows)]
        measures = {name: it for name, it in {**network.MEASURES, **registry.MEASURES}.items() if fnmatch.fnmatch(name, options.rows)}
        named = {str(argument).rsplit("/", 1)[-1] for row in wanted for argument in row.arguments}
        named |= {name for _, names in measures.values() for name in names}
        data = make_inputs(place, tree, lambda name: name in named)
        fast, limited = Server(data), Server(data, rate=LIMITED_RATE)
        cache = place.inside / "cache"
        theirs, ours = Subject("theirs", root, WORKERS, cache), Subject("ours", root, "var/tmp/importd-bench-programs", cache)
        print(f"{'row':17} {'ratio':>6}  {'min–max':>11}  {'least':>5}  {'met':>3}  {'theirs':>6} {'ours':>6}  {'MiB':>5} {'ours':>5}  result" + ("  tool  ours/tool" if options.tools else ""))
        for row in rows(place, fast.url("").rstrip("/"), limited.url("").rstrip("/")):
            if fnmatch.fnmatch(row.name, options.rows):
                try:
                    measure(row, [theirs, ours], place, options)
                except RuntimeError as error:
                    print(f"{row.name:17} {error}", flush=True)
        for name, (take, _) in measures.items():
            try:
                print(f"{name:17} {take(ours, theirs, place, fresh, options.pairs)}", flush=True)
            except RuntimeError as error:
                print(f"{name:17} {error}", flush=True)
    finally:
        place.close()
        shutil.rmtree(programs, ignore_errors=True)


main()
