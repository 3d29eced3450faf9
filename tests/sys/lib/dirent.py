# SPDX-License-Identifier: Apache-2.0
"""opendir(3) and its kin, which Python hides: positions in a directory."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)


class Dirent(ctypes.Structure):
    """struct dirent of 64-bit glibc."""
    _fields_ = [("d_ino", ctypes.c_uint64), ("d_off", ctypes.c_int64),
                ("d_reclen", ctypes.c_ushort), ("d_type", ctypes.c_ubyte),
                ("d_name", ctypes.c_char * 256)]


LIBC.opendir.restype = ctypes.c_void_p
LIBC.opendir.argtypes = [ctypes.c_char_p]
LIBC.readdir.restype = ctypes.POINTER(Dirent)
LIBC.readdir.argtypes = [ctypes.c_void_p]
LIBC.telldir.restype = ctypes.c_long
LIBC.telldir.argtypes = [ctypes.c_void_p]
LIBC.seekdir.restype = None
LIBC.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
LIBC.rewinddir.restype = None
LIBC.rewinddir.argtypes = [ctypes.c_void_p]
LIBC.closedir.argtypes = [ctypes.c_void_p]


class Dir:
    """An open directory stream."""

    def __init__(self, path):
        self.stream = LIBC.opendir(os.fsencode(path))
        if not self.stream:
            raise OSError(ctypes.get_errno(), "opendir", str(path))

    def read(self):
        """Return the next name, None at the end."""
        ctypes.set_errno(0)
        entry = LIBC.readdir(self.stream)
        if entry:
            return os.fsdecode(entry.contents.d_name)
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), "readdir")
        return None

    def rest(self):
        """Return the names from here to the end, . and .. left out."""
        names = []
        while (name := self.read()) is not None:
            if name not in (".", ".."):
                names.append(name)
        return names

    def tell(self):
        return LIBC.telldir(self.stream)

    def seek(self, position):
        LIBC.seekdir(self.stream, position)

    def rewind(self):
        LIBC.rewinddir(self.stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        LIBC.closedir(self.stream)
