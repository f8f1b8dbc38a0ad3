"""Pytest plugin: with SDC_NO_SKIPS in the environment a test that is skipped has failed.

So a run that is to be complete (.ci/run) does not pass for want of a browser or a compiler. An expected failure is no skip.
"""

from __future__ import annotations

import os

import pytest

NO_SKIPS = "SDC_NO_SKIPS"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _failed(item.nodeid, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _failed(collector.nodeid, (yield))  # a whole module may skip itself


def _failed(name, report):
    if os.environ.get(NO_SKIPS) and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{name}: {why} ({NO_SKIPS} is set)"
    return report
