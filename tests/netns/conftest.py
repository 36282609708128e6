# SPDX-License-Identifier: GPL-2.0-or-later
"""conftest - every test has a lab of its own; what fails leaves its evidence in build/failures."""
import os, re, sys
import pytest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")]
from lab import Lab, SIXTAP, TOP          # noqa: E402
from libnet import World                  # noqa: E402

FAILURES = os.path.join(TOP, "build", "failures")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "report_" + report.when, report)
    # The evidence is taken before any fixture is torn down.
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and lab is not None and lab.all and not getattr(lab, "saved", None):
        lab.saved = folder = os.path.join(FAILURES, re.sub(r"[^\w.-]+", "_", item.name))
        lab.save(folder, str(report.longrepr))
        again = f"sudo /usr/bin/python3 -m pytest -p no:cacheprovider '{item.nodeid}' --stay"
        report.sections.append(("evidence", f"{os.path.relpath(folder, TOP)}: pcaps, ip -j, ruleset, logs, configuration\n"
                                            f"again, and stay inside when it fails: {again}"))
        if item.config.getoption("--stay"):
            item.config.pluginmanager.getplugin("capturemanager").suspend(in_=True)
            print(f"\n{item.name} failed. Enter a namespace with one of:")
            for ns in lab.all.values():
                print(f"  ip netns exec {ns.name} bash")
            print(f"Folder: {lab.dir}")
            input("Enter ends the lab. ")


def pytest_addoption(parser):
    parser.addoption("--stay", action="store_true", help="keep the namespaces of a failed test until Enter is pressed")


def pytest_configure(config):
    if os.geteuid():
        raise pytest.UsageError("the netns and vm suites need root")
    if not os.path.exists(SIXTAP):
        raise pytest.UsageError(f"{SIXTAP} isn't there: build first (make), or name another in SIXTAP")


@pytest.fixture
def lab(request):
    with Lab("t") as lab:
        lab.start_capture()
        yield lab


@pytest.fixture
def world(lab):
    """A host with an uplink to a dual-stack internet; nothing is up yet. Whatever a test brings up must go away again."""
    w = World(lab)
    yield w
    w.finish()


@pytest.fixture
def lonely(lab):
    """A host without any uplink."""
    w = World(lab, uplink=False)
    yield w
    w.finish()


@pytest.fixture
def lan(world):
    """The usual network, up."""
    world.up()
    return world
