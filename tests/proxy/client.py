# SPDX-License-Identifier: Apache-2.0
"""What tests use: start a proxy process, control it, stop it.

    with Proxy.start(server, conditions=True) as proxy:
        proxy.fault("slow_down", op="GetObject", nth=2)
        ...  an S3 client that talks to proxy.endpoint  ...
        assert proxy.count("GetObject") == 3
"""

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0       # for what comes at once, unless the machine is busy


class Proxy:
    """A running proxy process."""

    def __init__(self, process, ports):
        self.process = process
        self.port = ports["port"]
        self.control = ports["control"]
        self.pid = ports["pid"]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.senders = []       # that wait_idle() asks, too: wait_sent(s)

    @classmethod
    def start(cls, host, port, access="", secret="", *, log=None, **options):
        """Start a proxy before host:port.

        ${access} and ${secret} are for its own requests; ${log}, a file, gets
        its complaints.  Options are those of the command line: profile,
        latency_ms, rate, total_rate, conditions=True, virtual_domain, region.
        """
        command = [sys.executable, "-m", "tests.proxy",
                   "--upstream", f"{host}:{port}", "--watch-stdin"]
        for name, value in options.items():
            if value is None or value is False:
                continue
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        env = {**os.environ, "PROXY_ACCESS_KEY": access,
               "PROXY_SECRET_KEY": secret}
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        line = process.stdout.readline()
        if not line:
            process.wait(5)
            raise RuntimeError(f"the proxy did not start: {command}")
        return cls(process, json.loads(line))

    def stop(self):
        """End the process; complain if it had died before."""
        died = self.process.poll()
        self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(3)
        self.process.stdout.close()
        if died is not None:
            raise RuntimeError(f"the proxy ended by itself: {died}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def call(self, method, path, args=None, timeout=60):
        """Make a control request; return its JSON; raise ValueError."""
        conn = http.client.HTTPConnection("127.0.0.1", self.control,
                                          timeout=timeout)
        try:
            body = json.dumps(args or {})
            conn.request(method, path, body if method != "GET" else None)
            reply = conn.getresponse()
            value = json.loads(reply.read())
        finally:
            conn.close()
        if reply.status != 200:
            raise ValueError(value["error"])
        return value

    # Counters and log.

    def stats(self):
        """Return all counters: requests, up, down, errors, peak, ops, ..."""
        return self.call("GET", "/stats")

    def count(self, op=None):
        """Return the number of requests, of one operation or of all."""
        stats = self.stats()
        if op is None:
            return stats["requests"]
        return stats["ops"].get(op, {}).get("requests", 0)

    def counts(self):
        """Return {operation: requests}."""
        return {name: op["requests"]
                for name, op in self.stats()["ops"].items()}

    def log(self, op=None, key=None):
        """Return the requests (dicts, see record.Entry), filtered."""
        return [e for e in self.call("GET", "/log")
                if (op is None or e["op"] == op)
                and (key is None or e["key"] == key)]

    def reset(self):
        """Forget counters and log."""
        self.call("POST", "/reset")

    def wait_idle(self, timeout=WAIT_S):
        """Wait until no request is in flight, or about to be sent."""
        for sender in self.senders:
            sender.wait_sent(timeout)
        args = {"timeout": timeout}
        if not self.call("POST", "/idle", args, timeout + 10)["idle"]:
            raise TimeoutError(f"still in flight: {self.stats()}")

    @contextmanager
    def counting(self):
        """Count what a block causes: yields a dict, filled at its end."""
        self.wait_idle()
        self.reset()
        result = {}
        yield result
        self.wait_idle()
        result.update(self.counts())

    # Link.

    def shape(self, profile=None, **link):
        """Set the link: a profile, or latency_ms, rate, total_rate."""
        if profile:
            link["profile"] = profile
        return self.call("POST", "/shape", link)

    # Faults.

    def fault(self, action, *, op=None, key=None, query=None, nth=None,
              probability=None, seed=None, times=None, **args):
        """Append a rule (see rules.py); return its id."""
        spec = {"op": op, "key": key, "query": query, "nth": nth,
                "probability": probability, "seed": seed, "times": times}
        spec = {k: v for k, v in spec.items() if v is not None}
        return self.call("POST", "/rules",
                         {**spec, "action": action, "args": args})["id"]

    def rules(self):
        """Return the rules with what they matched and fired."""
        return self.call("GET", "/rules")

    def fired(self, rule=None):
        """Return how often one rule, or all, fired."""
        return sum(r["fired"] for r in self.rules()
                   if rule is None or r["id"] == rule)

    def clear(self, rule=None):
        """Drop one rule, or all."""
        self.call("DELETE", "/rules", {} if rule is None else {"id": rule})

    def held(self):
        """Return {name: answers held back}."""
        return self.call("GET", "/held")

    def wait_held(self, name="hold", count=1, timeout=WAIT_S):
        """Wait until ${count} answers are held under ${name}."""
        end = time.monotonic() + timeout
        while self.held().get(name, 0) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"held: {self.held()}")
            time.sleep(0.005)

    def release(self, name=None, count=None):
        """Release held answers; return how many."""
        args = {"name": name, "count": count}
        return self.call("POST", "/release", args)["released"]

    def drop(self):
        """Reset all client connections; return how many."""
        return self.call("POST", "/drop")["dropped"]

    # The rest.

    def conditions(self, on=True):
        """Switch the conditional requests on or off."""
        self.call("POST", "/conditions", {"on": on})

    def upstream(self, host, port):
        """Send later requests to another server."""
        self.call("POST", "/upstream", {"host": host, "port": port})

    def restore(self, conditions=True):
        """Back to a proxy as new: no rule, no limit, nothing counted."""
        self.senders.clear()
        self.clear()
        self.release()
        self.drop()
        self.shape("raw")
        self.conditions(conditions)
        self.reset()
