# SPDX-License-Identifier: Apache-2.0
"""File handles, as an NFS server keeps them: of_path(), then opened() later."""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
MAX = 128


def _check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def of_path(path):
    """Return the handle of ${path} (not of what a link points to)."""
    room = ctypes.create_string_buffer(struct.pack("Ii", MAX, 0), 8 + MAX)
    mount_id = ctypes.c_int()
    _check(LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), room,
                                  ctypes.byref(mount_id), 0))
    size, = struct.unpack_from("I", room)
    return room.raw[:8 + size]


def opened(mount, handle, flags=os.O_RDONLY):
    """Open ${handle} on the file system at ${mount}; return a descriptor."""
    top = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _check(LIBC.open_by_handle_at(
            top, ctypes.create_string_buffer(handle, len(handle)), flags))
    finally:
        os.close(top)
