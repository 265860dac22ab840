#!/usr/bin/env python3
"""Stands in for systemd-nsresourced and systemd-mountfsd, for one user: answers the calls that a tree of foreign
ids takes, and does with the kernel what the services do.

    services.py FOLDER    sockets are made in FOLDER; a line is printed when they are there, and one for each call
"""
import array
import ctypes
import json
import os
import socket
import struct
import sys
import threading

FOREIGN, TRANSIENT, COUNT = 0x7FFE0000, 0x70000000, 65536
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
OPEN_TREE, MOUNT_SETATTR = 428, 442
AT_EMPTY_PATH, OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, MOUNT_ATTR_IDMAP = 0x1000, 1, os.O_CLOEXEC, 0x100000
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def in_namespace(enter):
    """A child in a user namespace, and what ends it."""
    ready, tell = os.pipe()
    hold, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        enter()
        os.write(tell, b"x")
        os.read(hold, 1)
        os._exit(0)
    os.close(tell)
    os.close(hold)
    os.read(ready, 1)
    os.close(ready)
    return pid, end


def mapped(pid, line):
    for kind in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{kind}", "w") as file:
            file.write(line)


def allocate(parameters, fds, _peer):
    assert parameters["size"] == COUNT and parameters["mangleName"] is True and len(parameters["name"]) <= 16
    namespace = fds[parameters["userNamespaceFileDescriptor"]]
    pid, end = in_namespace(lambda: checked(libc.setns(namespace, CLONE_NEWUSER)))
    mapped(pid, f"0 {TRANSIENT} {COUNT}")
    os.close(end)
    os.waitpid(pid, 0)
    return {"name": parameters["name"]}, []


def make(parameters, fds, _peer):
    parent, name = fds[parameters["parentFileDescriptor"]], parameters["name"]
    os.mkdir(name, parameters.get("mode", 0o700), dir_fd=parent)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    os.fchmod(folder, parameters.get("mode", 0o700) & 0o775)
    os.fchown(folder, FOREIGN, FOREIGN)
    return {"directoryFileDescriptor": 0}, [folder]


def cloned(folder, peer):
    """A copy of the mount of a folder. The tests' user has mounts of their own, which only those there may copy."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            checked(libc.setns(os.open(f"/proc/{peer}/ns/mnt", os.O_RDONLY), CLONE_NEWNS))
            flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH
            tree = checked(libc.syscall(OPEN_TREE, folder, b"", flags))
            socket.send_fds(theirs, [b"x"], [tree])
        finally:
            os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    return socket.recv_fds(ours, 1, 1)[1][0]


def mount(parameters, fds, peer):
    assert parameters["mode"] == "foreign" and parameters["readOnly"] is False
    folder = fds[parameters["directoryFileDescriptor"]]
    assert parameters["userNamespaceFileDescriptor"] < len(fds)
    assert os.fstat(folder).st_uid - FOREIGN in range(COUNT), "not a folder of foreign ids"
    pid, end = in_namespace(lambda: checked(libc.unshare(CLONE_NEWUSER)))
    mapped(pid, f"{FOREIGN} {TRANSIENT} {COUNT}")
    mapping = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    tree = cloned(folder, peer)
    attributes = struct.pack("QQQQ", MOUNT_ATTR_IDMAP, 0, 0, mapping)
    checked(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes)))
    os.close(mapping)
    os.close(end)
    os.waitpid(pid, 0)
    return {"mountFileDescriptor": 0}, [tree]


METHODS = {
    "io.systemd.NamespaceResource.AllocateUserRange": allocate,
    "io.systemd.MountFileSystem.MakeDirectory": make,
    "io.systemd.MountFileSystem.MountDirectory": mount,
}


def answer(call, fds, peer):
    method, parameters = call["method"], call.get("parameters", {})
    print(method, flush=True)
    if method not in METHODS:
        return {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": method}}, []
    if not parameters:
        return {"error": "org.varlink.service.InvalidParameter", "parameters": {"parameter": "name"}}, []
    try:
        said, sent = METHODS[method](parameters, fds, peer)
        return {"parameters": said}, sent
    except OSError as error:
        return {"error": "io.systemd.System", "parameters": {"origin": "linux", "errno": error.errno}}, []


def serve(connection):
    peer = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    pending, fds = b"", []
    while True:
        data, came, _, _ = socket.recv_fds(connection, 65536, 16)
        if not data:
            return
        pending, fds = pending + data, fds + came
        while b"\0" in pending:
            message, pending = pending.split(b"\0", 1)
            said, sent = answer(json.loads(message), fds, peer)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", sent))] if sent else []
            connection.sendmsg([json.dumps(said).encode() + b"\0"], rights)
            for fd in fds + sent:
                os.close(fd)
            fds = []


def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen()

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    return threading.Thread(target=accept)


threads = [listen(os.path.join(sys.argv[1], f"io.systemd.{name}")) for name in ("NamespaceResource", "MountFileSystem")]
for thread in threads:
    thread.start()
print("ready", flush=True)
