# SPDX-License-Identifier: Apache-2.0
"""The base of all faults and their registry.

To add one: derive a class from Fault in actions.py (heads and times) or
bodyfaults.py (answer bodies), give it @fault("name"), override the hooks it
needs.  The arguments of __init__ are the "args" of a rule.  An instance serves
one request, so it may keep state.
"""

REGISTRY = {}


class Reset(Exception):
    """Tear the client's connection down with a TCP reset."""


class Cut(Exception):
    """End the client's connection in order, wherever the answer stands."""


class Fault:
    """Does nothing; each hook is a place where a fault may step in."""
    name = ""
    # True: the answer's body must be in memory, with a known length.
    whole = False

    async def before(self, x):
        """Run before the server sees the request.

        An answer returned here goes to the client instead; the server never
        sees the request.
        """
        return None

    async def after(self, x, answer):
        """Run once the server has acted; return the answer to give."""
        return answer

    def limit(self, length):
        """Return how many bytes of a body of ${length} to send, None: all."""
        return None

    async def at_limit(self, x):
        """Run when limit() bytes were sent; the connection ends after it."""

    def piece(self, offset, view):
        """Return what to send in place of ${view}, the bytes at ${offset}."""
        return view


def fault(name):
    """Enter a class into the registry."""
    def enter(cls):
        cls.name = name
        REGISTRY[name] = cls
        return cls
    return enter


def make(name, args):
    """Return a fault by name; raise ValueError."""
    if name not in REGISTRY:
        raise ValueError(f"no action {name!r}; there are {sorted(REGISTRY)}")
    try:
        return REGISTRY[name](**args)
    except TypeError as e:
        raise ValueError(f"action {name}: {e}") from e
