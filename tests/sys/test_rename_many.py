# SPDX-License-Identifier: Apache-2.0
"""Rename of a folder of many files: its requests, and who reads meanwhile."""

import concurrent.futures
import os
import random
import threading

import pytest
from lib import stored

FLIGHT = 64
READERS = 4


def fill(s3, bucket, count):
    """Put ${count} files into "d", and its marker; return {name: size}."""
    tree = {f"f{i:04}": i % 50 for i in range(count)}

    def put(name):
        s3.put_object(Bucket=bucket, Key=f"d/{name}", Body=b"x" * tree[name])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, tree))
    s3.put_object(Bucket=bucket, Key="d/")
    return tree


class Reader(threading.Thread):
    """Looks files up, under the old name, then under the new one."""

    def __init__(self, path, tree, seed):
        super().__init__()
        self.path = path
        self.tree = tree
        self.random = random.Random(seed)
        self.ends = threading.Event()
        self.under = {"d": 0, "g": 0}
        self.wrong = []
        self.start()

    def size(self, name):
        """Return the size of ${name}; None: under neither."""
        for folder in self.under:
            try:
                found = os.stat(self.path / folder / name).st_size
            except FileNotFoundError:
                continue
            self.under[folder] += 1
            return found
        return None

    def run(self):
        names = list(self.tree)
        while not self.ends.wait(0.002):
            name = self.random.choice(names)
            size = self.size(name)
            if size != self.tree[name]:
                self.wrong.append((name, size))

    def end(self):
        self.ends.set()
        self.join()
        return self.wrong


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("count", [
    250, pytest.param(2000, marks=pytest.mark.long)])
def test_requests_and_readers(s3, bucket, proxy, mount, count):
    tree = fill(s3, bucket, count)
    m = mount(bucket, proxy=proxy, ro=False, attrs="list", ttl=600)
    os.mkdir(m.path / "warm")       # asks what the server honours
    os.rename(m.path / "warm", m.path / "cold")
    os.rmdir(m.path / "cold")
    assert os.listdir(m.path) == ["d"]
    assert len(os.listdir(m.path / "d")) == count
    readers = [Reader(m.path, tree, i) for i in range(READERS)]
    proxy.wait_idle()
    proxy.reset()
    proxy.fault("hold", op="CopyObject", when="before", times=FLIGHT)
    done = []
    thread = threading.Thread(
        target=lambda: done.append(os.rename(m.path / "d", m.path / "g")))
    thread.start()
    proxy.wait_held(count=FLIGHT, timeout=60)
    assert proxy.count("CopyObject") == FLIGHT
    proxy.release()
    thread.join()
    assert done == [None]
    counts = proxy.counts()
    pages = -(-(count + 1) // 1000)
    # versitygw does not copy a marker: that is a HEAD and a PUT more.
    assert counts.pop("HeadObject", 0) <= 1
    assert counts.pop("PutObject", 0) <= 1
    assert counts == {"ListObjectsV2": pages, "CopyObject": count + 1,
                      "DeleteObjects": pages}
    assert proxy.stats()["ops"]["CopyObject"]["peak"] <= FLIGHT
    assert [reader.end() for reader in readers] == [[]] * READERS
    assert all(reader.under["d"] > 0 for reader in readers)
    wanted = {f"g/{name}": size for name, size in tree.items()}
    assert stored.keys(s3, bucket) == {**wanted, "g/": 0}
    assert {name: os.stat(m.path / "g" / name).st_size
            for name in os.listdir(m.path / "g")} == tree
