"""The rows of the table, and the standard tools that do the same work and nothing else."""
import dataclasses, shutil


@dataclasses.dataclass
class Row:
    name: str
    program: str
    arguments: list
    result: str
    """What to compare, in the folder of results."""
    wanted: float
    """Least ratio; 0 if the reference refuses the input and it is enough that we do not."""
    tool: list = dataclasses.field(default_factory=list)
    """A shell line for tools, as parts: texts, and tuples of commands of which the first installed one is taken.
    IN, TREE and OUT are folders as seen from outside."""
    ours: list = dataclasses.field(default_factory=list)
    """Options that only our program is given."""

    def arguments_of(self, subject):
        return [self.arguments[0], *(self.ours if subject.name == "ours" else []), *self.arguments[1:]]


# Best first. The second is what everybody has.
UNPACK = {"gz": ("pigz -dc", "gzip -dc"), "zst": ("zstd -qdc",), "xz": ("xz -dcT0",), "bz2": ("lbzip2 -dc", "bzip2 -dc")}
PACK = {"gz": ("pigz -6c", "gzip -6c"), "zst": ("zstd -qcT0",), "xz": ("xz -6cT0",), "bz2": ("lbzip2 -9c", "bzip2 -9c")}
UNTAR = "tar --extract --xattrs --acls --directory OUT --file"
TAR = "tar --create --xattrs --acls --sparse --directory TREE --file"
SPARSE = "dd conv=sparse bs=1M iflag=fullblock status=none of=OUT/image.raw"


def packing(suffix):
    """tar.gz → gz, tar → None"""
    return suffix.split(".")[-1] if suffix.split(".")[-1] in UNPACK else None


def import_tool(kind, suffix, source):
    """A source is a shell line that prints the file, or a file by name."""
    sink = f"{UNTAR} -" if kind == "tar" else SPARSE
    if packing(suffix):
        return [(f"{source} | " if " " in source else ""), UNPACK[packing(suffix)], (" | " if " " in source else f" {source} | "), sink]
    if " " in source:
        return [f"{source} | {sink}"]
    return [f"{UNTAR} {source}" if kind == "tar" else f"cp --sparse=always --reflink=auto {source} OUT/image.raw"]


def imports(source, target):
    for kind, suffix, wanted in [
        ("tar", "tar", 1.2), ("tar", "tar.gz", 1.3), ("tar", "tar.zst", 1.2), ("tar", "tar.xz", 1.8), ("tar", "tar.bz2", 1.9),
        ("raw", "raw", 5), ("raw", "raw.gz", 2), ("raw", "raw.zst", 2), ("raw", "raw.xz", 1.8),
    ]:
        name, result = (f"tree.{suffix}", "image") if kind == "tar" else (f"disk.{suffix}", "image.raw")
        options = ["--btrfs-quota=no"] if kind == "tar" else []
        yield Row(f"import {suffix}", "systemd-import", [kind, f"--image-root={target}", *options, f"{source}/{name}", "image"],
                  result, wanted, import_tool(kind, suffix, f"IN/{name}"))
    for suffix, wanted in [("qcow2", 3), ("zlib.qcow2", 2.5), ("zstd.qcow2", 0)]:
        yield Row(f"import {suffix}", "systemd-import", ["raw", f"--image-root={target}", f"{source}/disk.{suffix}", "image"],
                  "image.raw", wanted, [f"qemu-img convert -O raw IN/disk.{suffix} OUT/image.raw"])


def pulls(target, fast, limited):
    for kind, suffix, wanted in [("raw", "raw", 3), ("raw", "raw.gz", 2), ("raw", "raw.xz", 1.8), ("tar", "tar.xz", 1.8)]:
        name, result = (f"tree.{suffix}", "image") if kind == "tar" else (f"disk.{suffix}", "image.raw")
        options = ["--verify=checksum", "--keep-download=no", "--settings=no"]
        options += ["--roothash=no", "--verity=no"] if kind == "raw" else []
        url = f"{fast}/{name}"
        yield Row(f"pull {suffix}", "systemd-pull", [kind, f"--image-root={target}", *options, url, "image"], result, wanted,
                  import_tool(kind, suffix, f"curl -sS {url} | tee >(sha256sum >OUT/sum)"))


    # Any bytes are a disk image.
    options = ["--verify=checksum", "--keep-download=no", "--settings=no", "--roothash=no", "--verity=no"]
    yield Row("pull raw 40MB/s x4", "systemd-pull", ["raw", f"--image-root={target}", *options, f"{limited}/tree.tar", "image"], "image.raw", 3.5,
              [f"curl -sS {limited}/tree.tar > OUT/image.raw"], ["--connections=4"])


def exports(place, source, target):
    for suffix, wanted in [("tar", 1.2), ("tar.gz", 2.5), ("tar.zst", 1.8), ("tar.xz", 1.8), ("tar.bz2", 1.9)]:
        tool = [f"{TAR} - . | ", PACK[packing(suffix)], f" > OUT/out.{suffix}"] if packing(suffix) else [f"{TAR} OUT/out.tar ."]
        yield Row(f"export {suffix}", "systemd-export", ["tar", f"{place.inside}/tree", f"{target}/out.{suffix}"], f"out.{suffix}", wanted, tool)
    for suffix, wanted in [("raw", 3), ("raw.gz", 4), ("raw.zst", 2)]:
        tool = [PACK[packing(suffix)], f" IN/disk.raw > OUT/out.{suffix}"] if packing(suffix) else ["cp --sparse=always --reflink=auto IN/disk.raw OUT/out.raw"]
        yield Row(f"export {suffix}", "systemd-export", ["raw", f"{source}/./disk.raw", f"{target}/out.{suffix}"], f"out.{suffix}", wanted, tool)


def rows(place, fast="", limited=""):
    """All rows; `fast` and `limited` are the addresses of the servers."""
    source, target = place.inside / "in", place.inside / "out"
    yield from imports(source, target)
    yield from pulls(target, fast, limited)
    yield from exports(place, source, target)
    yield Row("import-fs", "systemd-import-fs", ["run", f"--image-root={target}", "--btrfs-quota=no", f"{place.inside}/tree", "image"],
              "image", 1.4, ["cp -a TREE OUT/image"])


def tool_line(row, place):
    """The shell line of a row's tools, with the flush that we do too; the tools that would be better and are missing."""
    line, missing = "", []
    for part in row.tool:
        if isinstance(part, tuple):
            names = [command.split()[0] for command in part]
            found = next((i for i, name in enumerate(names) if shutil.which(name)), len(names) - 1)
            missing += names[:found]
            part = part[found]
        line += part
    for name, path in {"IN": "in", "TREE": "tree", "OUT": "out"}.items():
        for end in "/ ":
            line = line.replace(f" {name}{end}", f" {place.outside / path}{end}")
    for before in ">=":
        line = line.replace(f"{before}OUT/", f"{before}{place.outside}/out/")
    return f"set -o pipefail; {line} && sync -f {place.outside}/out", missing
