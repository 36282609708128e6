# SPDX-License-Identifier: GPL-2.0-or-later
"""conftest - the netns suite's, with the demo's stage: real QEMU guests, few and slow."""
import os, shutil, sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns")]
import importlib.util       # noqa: E402

# The netns suite's conftest, under another name: pytest already has one called conftest.
_spec = importlib.util.spec_from_file_location("netns_conftest", os.path.join(sys.path[0], "conftest.py"))
_netns = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_netns)
pytest_runtest_makereport, pytest_addoption, pytest_configure = (
    _netns.pytest_runtest_makereport, _netns.pytest_addoption, _netns.pytest_configure)

import pytest               # noqa: E402
from demo_cells import Stage    # noqa: E402


@pytest.fixture
def stage():
    s = Stage("vm", capture=True)
    # A copy: tests change it.
    s.config = shutil.copy(s.config, s.lab.dir)
    yield s
    s.close()


@pytest.fixture
def lab(stage):
    """What the evidence of a failure is taken from."""
    return stage.lab


@pytest.fixture
def up(stage, lab):
    stage.topology()
    stage.up()
    return stage
