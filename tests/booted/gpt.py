"""A disk with a GUID partition table: `gpt.py make FILE COUNT` gives it COUNT empty partitions of 4 MiB,
`gpt.py show DEVICE` prints label, first byte and size of each, one a line. (UEFI 2.10, chapter 5.)"""
import struct, sys, uuid, zlib

BLOCK, ENTRIES, ENTRY_BYTES, PARTITION_BLOCKS = 512, 128, 128, 8192
GENERIC = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def header(here, there, first, last, disk, table_at, table):
    def pack(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, here, there, first, last,
                           disk, table_at, ENTRIES, ENTRY_BYTES, zlib.crc32(table))
    return pack(zlib.crc32(pack(0))).ljust(BLOCK, b"\0")


def make(path, count):
    table_blocks = ENTRIES * ENTRY_BYTES // BLOCK
    blocks = 2048 + count * PARTITION_BLOCKS + 2048
    table = b""
    for number in range(count):
        start = 2048 + number * PARTITION_BLOCKS
        table += struct.pack("<16s16sQQQ72s", GENERIC.bytes_le, uuid.uuid4().bytes_le, start,
                             start + PARTITION_BLOCKS - 1, 0, "_empty".encode("utf-16-le"))
    table = table.ljust(ENTRIES * ENTRY_BYTES, b"\0")
    disk, first, last = uuid.uuid4().bytes_le, 2 + table_blocks, blocks - 2 - table_blocks
    protective = struct.pack("<446xB3xB3xII48xH", 0, 0xEE, 1, blocks - 1, 0xAA55)
    with open(path, "wb") as file:
        file.truncate(blocks * BLOCK)
        file.write(protective + header(1, blocks - 1, first, last, disk, 2, table) + table)
        file.seek((blocks - 1 - table_blocks) * BLOCK)
        file.write(table + header(blocks - 1, 1, first, last, disk, blocks - 1 - table_blocks, table))


def show(path):
    with open(path, "rb") as file:
        file.seek(2 * BLOCK)
        for _ in range(ENTRIES):
            kind, _, start, end, _, label = struct.unpack("<16s16sQQQ72s", file.read(ENTRY_BYTES))
            if any(kind):
                label = label.decode("utf-16-le").rstrip("\0")
                print(label, start * BLOCK, (end - start + 1) * BLOCK)


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    show(sys.argv[2])
