"""How Hypothesis searches, and the cluster that tests of live mode use; which tests run alone.

No example is too slow on a busy machine, and CI draws the same ones each time.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from onenode import target
from onenode.node import Unavailable

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


NODES = {"cluster", "possible"}
"""Fixtures behind which a Kubernetes stands, or what one is made of."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster: `make test` runs it after all else, with nothing beside it."""
    for item in items:
        if NODES & set(getattr(item, "fixturenames", ())):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[target.Cluster]:
    """A real Kubernetes, brought up for the first test that asks and gone after the last.

    It is the tests' own (tests/cluster), or the one that ROLLOUTLAB_TEST_CONTEXT names. Where there can be
    none the tests say why; under CI that is a failure.
    """
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    with ExitStack() as stack:
        try:
            found = stack.enter_context(target.cluster(terminal.write_line))
        except Unavailable as why:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no cluster here: {why}")
        yield found
