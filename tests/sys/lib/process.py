# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with the tests, however those end."""

import ctypes
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


def become_subreaper():
    """Let daemons that lose their parent become our children.

    So we can wait for them, and learn whether they ended well.
    """
    if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def wait_until(true, timeout, what, step=0.02):
    """Wait until ${true}() is; raise TimeoutError naming ${what}."""
    end = time.monotonic() + timeout
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(step)


def answers(port):
    """Say whether somebody listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Child:
    """A server in its own process group, with its output in a file."""

    def __init__(self, command, log, env, cwd="/"):
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=env, cwd=cwd, start_new_session=True,
                preexec_fn=_die_with_parent)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        """Send a signal to the whole group."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, timeout=5):
        """End the whole group, by force if need be."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        self.signal(signal.SIGKILL)
        self.process.wait(timeout)

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()


def state(pid):
    """Return the state letter of a process, "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def hangs(pid):
    """Say whether a thread waits in the kernel for what may never come."""
    try:
        return any(state(f"{pid}/task/{task}") == "D"
                   for task in os.listdir(f"/proc/{pid}/task"))
    except FileNotFoundError:
        return False


def reap(pid, timeout):
    """Wait for a daemon to end.

    Returns: its exit status (negative: the signal), None if it is no child
    of ours and its status thus unknown.  Raises TimeoutError.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            if state(pid) in ("", "Z", "X"):
                return None
        if time.monotonic() > end:
            raise TimeoutError(f"process {pid} goes on after {timeout:.0f} s")
        time.sleep(0.01)


def naming(word):
    """Return the pids of living processes with ${word} as an argument."""
    wanted = os.fsencode(word)
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if wanted in words and state(int(name)) not in ("", "Z", "X"):
            found.append(int(name))
    return found


def kill(pid):
    """Kill a process and wait for its end."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    reap(pid, 10)
