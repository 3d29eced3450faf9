# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed: nothing acknowledged is lost, no file is torn.

The work is done by tests/crash; a failure says how to run its seed again.
"""

import pytest
from lib import env

from tests.crash import broken, points
from tests.crash.campaign import Campaign, Site

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(120)]
own_build = pytest.mark.skipif(env.flavour() != "",
                               reason="it has a build of its own")
MODES = ["close", "fsync", "local"]     # of sync=; seeds take turns
KILLS = 5


@pytest.fixture
def site(server, s3, proxy, mount):
    return Site(server, s3, proxy, mount)


def kill(site, seed):
    mode = MODES[seed % len(MODES)]
    Campaign(site, seed, mode).run(KILLS)


@pytest.mark.parametrize("seed", range(8))
def test_p1_killed_at_any_moment(site, seed):
    kill(site, seed)


@own_build
def test_p1_killed_at_each_point(site, tmp_path):
    """When it is passed for the first time."""
    with points.programs():
        names = points.listed(site, "close", tmp_path)
        assert len(names) > 40, names
        died = sum(points.Scenario(site, "close", (name, 1)).run()
                   for name in names)
    assert died >= len(names) * 0.9, f"{died} of {len(names)}"


@own_build
@pytest.mark.parametrize("how", broken.WORK)
def test_a_broken_build_is_found(site, how):
    with points.programs():
        seed = broken.first_found(site, how, "close", 20)
        assert seed is not None, "nothing was found: nothing is proved"
        assert broken.first_found(site, how, "close", seed + 1, False) is None


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(100, 200, 10))
def test_p1_killed_hundreds_of_times(site, first):
    for seed in range(first, first + 10):
        kill(site, seed)


@own_build
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_p1_killed_at_each_point_of_each_mode(site, mode, nth, tmp_path):
    """When it is passed for the first time, and later."""
    with points.programs():
        names = points.listed(site, mode, tmp_path)
        tried = [name for name, passes in names.items() if passes >= nth]
        assert len(tried) > 20, names
        for name in tried:
            points.Scenario(site, mode, (name, nth)).run()
