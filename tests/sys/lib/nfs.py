# SPDX-License-Identifier: Apache-2.0
"""An NFS server of userspace (nfs-ganesha) and a client (libnfs).

    server = nfs.Server(folder, m.path); server.start()
    client = nfs.Client(server.port)
    client.write("/d/f", b"..."); client.read("/d/f")

The server knows files by the handles that the mount gives, as the kernel's
does; neither needs rpcbind, a module of the kernel, or a mount.
"""

import ctypes
import os

from . import env, process

START_S = 60
CHUNK = 1024               # what libnfs has room for in a request
CONFIG = """
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {port}; Bind_addr = 127.0.0.1;
    Enable_NLM = false; Enable_RQUOTA = false; }}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {home};
    Delegations = false; Only_Numeric_Owners = true; }}
EXPORT {{ Export_Id = 1; Path = {path}; Pseudo = /x; Access_Type = RW;
    Squash = None; SecType = sys; Filesystem_id = 7.7;
    FSAL {{ Name = VFS; }} }}
"""


class Server:
    """Exports a folder on loopback."""

    def __init__(self, home, path):
        home.mkdir()
        self.port = process.free_port()
        self.log = home / "log"
        self.config = home / "config"
        self.config.write_text(CONFIG.format(
            port=self.port, home=home, path=path))
        self.words = ["ganesha.nfsd", "-F", "-f", str(self.config), "-L",
                      str(self.log), "-p", str(home / "pid")]
        self.child = None

    def start(self):
        self.child = process.Child(self.words, self.log, dict(os.environ))
        process.wait_until(self._ready, START_S * env.slow(), "nfs-ganesha")

    def _ready(self):
        assert self.child.running(), self.log.read_text()[-3000:]
        return process.answers(self.port)

    def stop(self):
        if self.child:
            self.child.stop(START_S)
            self.child = None


class Client:
    """Calls of NFSv4, each of which raises OSError."""

    def __init__(self, port):
        self.lib = ctypes.CDLL("libnfs.so.13")
        self.lib.nfs_init_context.restype = ctypes.c_void_p
        self.lib.nfs_parse_url_dir.restype = ctypes.c_void_p
        self.lib.nfs_get_error.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p(self.lib.nfs_init_context())
        assert self.lib.nfs_parse_url_dir(
            self.context, f"nfs://127.0.0.1/x?version=4&nfsport={port}"
            .encode())
        self.call("mount", b"127.0.0.1", b"/x")

    def close(self):
        self.lib.nfs_destroy_context(self.context)

    def call(self, name, *args):
        """Call nfs_NAME(); return what it does, if that is no error."""
        r = getattr(self.lib, "nfs_" + name)(self.context, *args)
        if r < 0:
            said = self.lib.nfs_get_error(self.context) or b""
            raise OSError(-r, f"nfs_{name}: {said.decode(errors='replace')}")
        return r

    def path(self, name, path, *args):
        return self.call(name, path.encode(), *args)

    def open(self, path, flags, mode=0o644):
        handle = ctypes.c_void_p()
        if flags & os.O_CREAT:
            self.path("create", path, flags, mode, ctypes.byref(handle))
        else:
            self.path("open", path, flags, ctypes.byref(handle))
        return handle

    def shut(self, handle):
        self.call("close", handle)

    def pwrite(self, handle, data, off=0):
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            done = self.call("pwrite", handle, ctypes.c_uint64(off + at),
                             ctypes.c_uint64(len(part)), part)
            assert done == len(part)

    def pread(self, handle, size, off=0):
        found = b""
        while len(found) < size:
            want = min(CHUNK, size - len(found))
            buf = ctypes.create_string_buffer(want)
            done = self.call("pread", handle,
                             ctypes.c_uint64(off + len(found)),
                             ctypes.c_uint64(want), buf)
            if not done:
                break
            found += buf.raw[:done]
        return found

    def write(self, path, data):
        """Make a file; its close has told the server to keep it."""
        handle = self.open(path, os.O_RDWR | os.O_CREAT)
        try:
            self.pwrite(handle, data)
            self.call("fsync", handle)
        finally:
            self.shut(handle)

    def read(self, path):
        handle = self.open(path, os.O_RDONLY)
        try:
            return self.pread(handle, 1 << 30)
        finally:
            self.shut(handle)
