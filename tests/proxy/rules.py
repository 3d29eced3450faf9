# SPDX-License-Identifier: Apache-2.0
"""Which request gets which fault.

A rule is a JSON object:

    op, key, query      regular expressions: op must match in full, the other
                        two anywhere; a missing one matches all
    nth                 fire at the n-th match (from 1) ...
    probability, seed   ... or at each match with this probability
    times               fire at most so often (default: 1 with nth, else no
                        limit; nth=3 times=2 means the 3rd and the 4th match)
    action, args        what happens: a name in faults.REGISTRY, its arguments

Rules are asked in their order; the first that fires wins, so a request has
one fault at most, and rules behind it do not count the request.
"""

import random
import re

from . import actions, bodyfaults, faults  # noqa: F401 (they register)

FIELDS = {"op", "key", "query", "nth", "probability", "seed", "times",
          "action", "args"}


class Rule:
    """One rule and how often it matched and fired."""

    def __init__(self, number, spec):
        unknown = set(spec) - FIELDS
        if unknown or "action" not in spec:
            raise ValueError(f"rule {spec}: unknown {sorted(unknown)}, "
                             "or no action")
        self.id = number
        self.spec = spec
        self.op = re.compile(spec.get("op") or ".*")
        self.key = re.compile(spec.get("key") or "", re.S)
        self.query = re.compile(spec.get("query") or "", re.S)
        self.nth = spec.get("nth")
        self.probability = spec.get("probability")
        self.random = random.Random(spec.get("seed", 0))
        self.times = spec.get("times")
        if self.nth is not None and self.times is None:
            self.times = 1
        self.matched = 0
        self.fired = 0
        self.make()             # complain about the arguments now

    def make(self):
        """Return a fresh fault for one request."""
        return faults.make(self.spec["action"], self.spec.get("args") or {})

    def takes(self, req):
        """Count ${req} if it matches; say whether the rule fires."""
        if not (self.op.fullmatch(req.op) and self.key.search(req.key)
                and self.query.search(req.query_text)):
            return False
        self.matched += 1
        if self.times is not None and self.fired >= self.times:
            return False
        if self.nth is not None and self.matched < self.nth:
            return False
        if (self.probability is not None
                and self.random.random() >= self.probability):
            return False
        self.fired += 1
        return True

    def as_dict(self):
        return {"id": self.id, "matched": self.matched, "fired": self.fired,
                **self.spec}


class Rules:
    """The list in force."""

    def __init__(self):
        self.rules = []
        self.next_id = 1

    def add(self, spec):
        """Append a rule; return its id; raise ValueError."""
        try:
            rule = Rule(self.next_id, spec)
        except (TypeError, KeyError, re.error) as e:
            raise ValueError(f"rule {spec}: {e}") from e
        self.next_id += 1
        self.rules.append(rule)
        return rule.id

    def remove(self, number=None):
        """Drop one rule, or all."""
        self.rules = [] if number is None else [
            rule for rule in self.rules if rule.id != number]

    def pick(self, req):
        """Return the fault for ${req} or None."""
        for rule in self.rules:
            if rule.takes(req):
                return rule.make()
        return None

    def as_list(self):
        return [rule.as_dict() for rule in self.rules]
