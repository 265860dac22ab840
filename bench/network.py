"""What is measured of pulls beside pairs: many at once, TLS beside curl, and a cut."""
import os, statistics, subprocess, time

from results import file_digest
from server import Server, make_certificate

EIGHT = 8
PULL = ["--keep-download=no", "--settings=no", "--roothash=no", "--verity=no"]
EIGHT_FACTOR = 1.2
"""Most that eight pulls may take, as a multiple of the work they are when it is spread over all cores."""
CUT_FACTOR = 1.1
"""Most bytes that may be served for one image after one cut, as a multiple of its size."""


def used():
    """Processor seconds of ourselves, which is those of the server."""
    return time.process_time()


def pull(place, url, name, *options):
    return ["raw", f"--image-root={place.inside}/out", *PULL, *options, url, name]


def eight_at_once(ours, theirs, place, fresh, pairs):
    """Eight pulls of a packed file as disk images: wall time beside the processor time of eight single ones over all cores."""
    server = Server(place.outside / "in")
    url, cores = server.url("tree.tar.gz"), os.cpu_count()
    fresh(place)
    before, start = used(), time.monotonic()
    one = ours.start("systemd-pull", pull(place, url, "one", "--verify=checksum"))
    work = ours.finish(one).seconds
    alone, work = time.monotonic() - start, work + used() - before
    walls = {}
    for subject in [ours, theirs]:
        times = []
        for _ in range(pairs):
            fresh(place)
            start = time.monotonic()
            # Eight addresses: two pulls of one wait for each other, or in the reference's case fail.
            running = [subject.start("systemd-pull", pull(place, f"{url}?{number}", f"image{number}", "--verify=checksum")) for number in range(EIGHT)]
            for process in running:
                subject.finish(process)
            times.append(time.monotonic() - start)
        walls[subject.name] = statistics.median(times)
        digests = {file_digest(place.outside / "out" / f"image{number}.raw") for number in range(EIGHT)}
        if digests != {file_digest(place.outside / "in/tree.tar")}:
            raise RuntimeError(f"{subject.name}: eight pulls at once: DIFFERS")
    server.shutdown()
    floor = work * EIGHT / cores
    met = "yes" if walls["ours"] <= EIGHT_FACTOR * floor else "NO"
    return (f"ours {walls['ours']:.2f} s, theirs {walls['theirs']:.2f} s; one alone {alone:.2f} s; work of eight over {cores} cores {floor:.2f} s, "
            f"ours / work {walls['ours'] / floor:.2f} (at most {EIGHT_FACTOR}: {met})")


def over_tls(ours, theirs, place, fresh, pairs):
    """One pull over TLS beside curl, which only writes the bytes."""
    certificate = place.outside / "in/certificate.pem"
    make_certificate(certificate)
    server = Server(place.outside / "in", certificate=certificate)
    url, size = server.url("tree.tar"), (place.outside / "in/tree.tar").stat().st_size
    inside = str(place.inside / "in/certificate.pem")
    times = {"ours": [], "curl": []}
    for turn in range(2 * pairs):
        fresh(place)
        start = time.monotonic()
        if turn % 2:
            subprocess.run(["curl", "-sSf", "--cacert", certificate, "-o", place.outside / "out/image.raw", url], check=True)
            os.sync()
            times["curl"].append(time.monotonic() - start)
        else:
            ours.finish(ours.start("systemd-pull", pull(place, url, "image", "--verify=checksum"), SSL_CERT_FILE=inside))
            times["ours"].append(time.monotonic() - start)
        if file_digest(place.outside / "out/image.raw") != file_digest(place.outside / "in/tree.tar"):
            raise RuntimeError("over TLS: DIFFERS")
    server.shutdown()
    ours_rate, curl_rate = (size / 1e6 / statistics.median(times[name]) for name in ["ours", "curl"])
    return f"ours {ours_rate:.0f} MB/s, curl {curl_rate:.0f} MB/s, ours / curl {ours_rate / curl_rate:.2f}"


def after_a_cut(ours, theirs, place, fresh, pairs):
    """One pull whose connection breaks in the middle: bytes served for each byte of the image."""
    source = place.outside / "in/tree.tar"
    size = source.stat().st_size
    fresh(place)
    server = Server(place.outside / "in", cut_at=size // 2)
    ours.finish(ours.start("systemd-pull", pull(place, server.url("tree.tar"), "image", f"--verify={file_digest(source)}")))
    server.shutdown()
    same = "same" if file_digest(place.outside / "out/image.raw") == file_digest(source) else "DIFFERS"
    met = "yes" if server.served <= CUT_FACTOR * size else "NO"
    return f"served / size {server.served / size:.3f} (at most {CUT_FACTOR}: {met}), {same}"


MEASURES = {
    "eight pulls at once": (eight_at_once, ["tree.tar.gz"]),
    "pull over TLS": (over_tls, ["tree.tar"]),
    "pull after a cut": (after_a_cut, ["tree.tar"]),
}
"""Name → how it is measured, and the inputs it reads."""
