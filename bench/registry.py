"""An OCI image of ten layers in a registry on loopback: pulled by both subjects, and by skopeo with umoci, whose tree ours must equal."""
import contextlib, hashlib, json, os, pathlib, shutil, statistics, subprocess, time
from concurrent.futures import ThreadPoolExecutor

from place import sh
from results import file_digest, tree_digest
from server import Server

LAYERS = 10
SLOW_RATE = 3_000_000
"""What a registry that limits its connections gives each, in bytes a second."""
WANTED = 3


def split(tree):
    """The tree in ten lists of paths of about the same weight, each with the folders above what it has."""
    paths, weights = [], []
    for folder, names, files in os.walk(tree):
        for name in sorted(files + [name for name in names if os.path.islink(os.path.join(folder, name))]):
            path = os.path.join(folder, name)
            paths.append(os.path.relpath(path, tree))
            weights.append(os.lstat(path).st_size + 4096)
        if not names and not files:
            paths.append(os.path.relpath(folder, tree))
            weights.append(4096)
    lists, total, done = [set() for _ in range(LAYERS)], sum(weights), 0
    inodes = {}
    for path, weight in zip(paths, weights):
        stat = os.lstat(os.path.join(tree, path))
        # All names of an inode go into one layer.
        number = min(done * LAYERS // total, LAYERS - 1)
        if stat.st_nlink > 1 and not os.path.isdir(os.path.join(tree, path)):
            number = inodes.setdefault(stat.st_ino, number)
        lists[number].add(path)
        for parent in pathlib.PurePath(path).parents:
            lists[number].add(str(parent))
        done += weight
    return [sorted(one) for one in lists]


def make_image(place, folder):
    """Writes blobs by their digests, and the manifest as `latest`."""
    folder.mkdir()

    def blob(data):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        (folder / digest).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    # Through files: the peak of a child that is measured later begins with ours.
    def layer(numbered):
        number, paths = numbered
        path = folder / f"layer{number}"
        with open(path, "wb") as tar:
            subprocess.run(
                ["tar", "--create", "--xattrs", "--acls", "--format=posix", "--directory", place.outside / "tree", "--no-recursion", "--null", "--verbatim-files-from", "--files-from=-"],
                input=b"\0".join(os.fsencode(path) for path in paths), stdout=tar, check=True)
        plain = file_digest(path)
        sh("gzip", "-6n", path)
        packed = path.with_suffix(".gz")
        digest, size = f"sha256:{file_digest(packed)}", packed.stat().st_size
        packed.rename(folder / digest)
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size}, f"sha256:{plain}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(layer, enumerate(split(place.outside / "tree"))))
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]}, "rootfs": {"type": "layers", "diff_ids": [plain for _, plain in made]}}
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps(config).encode())},
        "layers": [one for one, _ in made],
    }
    data = json.dumps(manifest).encode()
    blob(data)
    (folder / "latest").write_bytes(data)


@contextlib.contextmanager
def described(root, port):
    """Both subjects are told that the registry speaks plain HTTP."""
    path = pathlib.Path(root) / "etc/systemd/oci-registry/registry.localhost.oci-registry"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"defaultProtocol": "http", "overrideRegistry": f"127.0.0.1:{port}"}))
    try:
        yield "localhost/bench"
    finally:
        path.unlink()


def merged_digest(stack, place):
    """What the layers of a stack make up."""
    layers = sorted((entry for entry in stack.iterdir() if entry.name.startswith("layer@")), key=lambda entry: -int(entry.name.split("@")[1]))
    point = place.memory / "merged"
    point.mkdir(exist_ok=True)
    sh("mount", "-t", "overlay", "overlay", "-o", "ro,userxattr,lowerdir=" + ":".join(str(entry.resolve()).replace(":", "\\:") for entry in layers), point)
    try:
        return tree_digest(point)
    finally:
        sh("umount", point)


def pulled(subject, place, reference):
    start = time.monotonic()
    used = subject.finish(subject.start("systemd-pull", ["oci", f"--image-root={place.inside}/out", reference, "image"]))
    return time.monotonic() - start, used.peak


def copied(place, port):
    """skopeo and umoci, which leave a tree."""
    out, reference = place.outside / "out", f"localhost:{port}/bench"
    start = time.monotonic()
    for command in [
        ["skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{out}/layout:latest"],
        ["umoci", "--log=error", "unpack", "--image", f"{out}/layout:latest", f"{out}/bundle"],
        ["sync", "-f", str(out)],
    ]:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start, 0


def ten_layers(rate):
    def measure(ours, theirs, place, fresh, pairs):
        folder = place.outside / "in/registry"
        if not folder.exists():
            make_image(place, folder)
        server = Server(folder, rate=rate)
        times, peaks, digests = {"ours": [], "theirs": [], "skopeo": []}, {}, {}
        subjects = {"ours": lambda name: pulled(ours, place, name), "theirs": lambda name: pulled(theirs, place, name)}
        if shutil.which("skopeo") and shutil.which("umoci"):
            subjects["skopeo"] = lambda _: copied(place, server.server_port)
        with described(ours.root, server.server_port) as reference:
            for _ in range(pairs):
                for name, run in subjects.items():
                    out = fresh(place)
                    seconds, peaks[name] = run(reference)
                    times[name].append(seconds)
                    digests[name] = tree_digest(out / "bundle/rootfs") if name == "skopeo" else merged_digest(out / "image.mstack", place)
        server.shutdown()
        median = {name: statistics.median(taken) for name, taken in times.items() if taken}
        ratio = median["theirs"] / median["ours"]
        met = "" if rate is None else f" (at least {WANTED}: {'yes' if ratio >= WANTED else 'NO'})"
        tools = f"; skopeo with umoci {median['skopeo']:.2f} s, ours / theirs {median['ours'] / median['skopeo']:.2f}" if "skopeo" in median else ""
        # The reference leaves some folders with the time of the pull.
        judge = digests.get("skopeo", digests["theirs"])
        same = "same" if digests["ours"] == judge else "DIFFERS"
        return (f"ours {median['ours']:.2f} s, the reference {median['theirs']:.2f} s, ratio {ratio:.2f}{met}, peak MiB {peaks['theirs'] // 1024} {peaks['ours'] // 1024}, {same}{tools}")
    return measure


MEASURES = {
    "pull oci": (ten_layers(None), []),
    "pull oci, each connection limited": (ten_layers(SLOW_RATE), []),
}
"""As those of network.py."""
