# SPDX-License-Identifier: Apache-2.0
"""A stand-in for pailfs and pailctl that mounts an empty directory.

It lets test_harness.py prove what the mount fixture notices: crashes, bad
ends, reports, refusals.  It speaks just enough of the FUSE protocol (7.31) to
be stat'ed.  Root only: it calls mount(2) itself.

    fakepail.py BUCKET MNT -o OPTIONS       mount, go to the background
    fakepail.py status --json MNT
    fakepail.py umount MNT

A file MNT.deaf makes it swallow requests.  Options it heeds: refuse=TEXT (say
it, exit 1), report (write a sanitizer report), end=N (exit status after the
unmount), stay (do not end).
"""

import ctypes
import json
import os
import re
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
INIT, GETATTR, FORGET, BATCH_FORGET = 26, 3, 2, 42
ENOSYS = 38


def state_file(mnt):
    return os.path.realpath(mnt) + ".fakepail"


def parse(text):
    out = {}
    for word in re.split(r"(?<!\\),", text):
        name, _, value = word.partition("=")
        out[name] = value.replace("\\,", ",").replace("\\\\", "\\")
    return out


def check(result, what):
    if result:
        code = ctypes.get_errno()
        sys.exit(f"{what}: {os.strerror(code)}")


def mount(mnt):
    fd = os.open("/dev/fuse", os.O_RDWR)
    data = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    check(LIBC.mount(b"pailfs", mnt.encode(), b"fuse.pailfs", 0, data),
          "mount")
    return fd


def reply(fd, unique, body=b"", error=0):
    os.write(fd, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


def serve(fd, mnt):
    """Answer the kernel until the unmount."""
    attr = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0,
                       0, 4096, 0)
    while True:
        try:
            message = os.read(fd, 1 << 20)
        except OSError:
            return
        _, opcode, unique = struct.unpack_from("<IIQ", message)
        if os.path.exists(mnt + ".deaf"):
            continue
        if opcode == INIT:
            reply(fd, unique, struct.pack("<4I2H2I", 7, 31, 4096, 0, 8, 6,
                                          4096, 1) + bytes(36))
        elif opcode == GETATTR:
            reply(fd, unique, struct.pack("<QII", 1, 0, 0) + attr)
        elif opcode not in (FORGET, BATCH_FORGET):
            reply(fd, unique, error=ENOSYS)


def daemon(fd, mnt, options):
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for n in (0, 1, 2):
        os.dup2(null, n)
    with open(options["log_file"], "w", encoding="utf-8") as f:
        f.write("fakepail started\n")
    if "report" in options:
        prefix = re.search(r"log_path=([^:]*)", os.environ["ASAN_OPTIONS"])
        with open(f"{prefix[1]}.{os.getpid()}", "w", encoding="utf-8") as f:
            f.write("ERROR: fake report\n")
    serve(fd, mnt)
    while "stay" in options:
        time.sleep(1)
    os._exit(int(options.get("end", 0)))


def start(bucket, mnt, options):
    if "refuse" in options:
        sys.exit(options["refuse"])
    fd = mount(mnt)
    pid = os.fork()
    if not pid:
        daemon(fd, mnt, options)
    with open(state_file(mnt), "w", encoding="utf-8") as f:
        json.dump({"pid": pid, "bucket": bucket, "options": options}, f)


def main(args):
    if args[0] == "status":
        with open(state_file(args[-1]), encoding="utf-8") as f:
            print(f.read())
    elif args[0] == "umount":
        check(LIBC.umount2(args[1].encode(), 0), "umount")
    else:
        start(args[0], args[1], parse(args[3]))


main(sys.argv[1:])
