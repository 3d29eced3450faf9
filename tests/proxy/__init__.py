# SPDX-License-Identifier: Apache-2.0
"""A test proxy between an S3 client and a real S3 server.

It runs as a process of its own, counts and logs what passes, shapes the link,
injects faults and implements the conditional headers that test servers
ignore.  Requests pass byte for byte, so that their signatures hold.

Reading order:

    __main__.py    arguments, start, the JSON line with the ports
    wire.py        sockets, HTTP heads, body framing (no S3)
    classify.py    a request head -> operation, bucket, key (pure)
    shape.py       latency and bandwidth
    record.py      counters and the request log
    answer.py      an answer that can be edited; S3 error documents
    rules.py       which request gets which fault
    faults.py      the base of all faults and their registry
    actions.py     faults in status, head and time
    bodyfaults.py  the faults inside answer bodies
    upstream.py    connections to the server; requests of our own, signed
    conditions.py  If-Match and its kin, atomically per key
    exchange.py    one request from head to last byte
    server.py      all of it together; the listening socket
    control.py     the control API
    client.py      what tests use: start a proxy, control it
"""
