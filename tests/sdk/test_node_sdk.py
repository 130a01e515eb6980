# SPDX-License-Identifier: Apache-2.0
"""The official Node SDK: node_sdk.js runs once for each storage, and each of its tests is
one here."""

import os
import re
import shutil
import subprocess

import pytest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_sdk.js")
with open(SCRIPT, encoding="utf-8") as script:
    TESTS = re.findall(r'^test\("([^"]+)"', script.read(), re.M)


def outcomes(tap):
    """TAP of node's runner as {test: what it wrote, or None where it passed}."""
    found = {}
    for ok, name, rest in re.findall(r"^(ok|not ok) \d+ - (.*)\n((?:(?!ok |not ok ).*\n)*)", tap, re.M):
        found[name] = None if ok == "ok" else rest
    return found


@pytest.fixture(scope="module")
def ran(core):
    """What the script wrote, with its outcomes."""
    node, modules = shutil.which("node"), os.environ.get("NODE_PATH", "")
    if not node or not os.path.isdir(os.path.join(modules, "supertokens-node")):
        pytest.skip("no node, or no supertokens-node in NODE_PATH")
    r = subprocess.run([node, "--test-reporter=tap", SCRIPT], text=True, timeout=240, check=False,
                       env=dict(os.environ, STK_CORE=f"http://127.0.0.1:{core.port}"),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.stdout, outcomes(r.stdout)


@pytest.mark.parametrize("name", TESTS)
def test_node(ran, name):
    text, found = ran
    assert name in found, text
    assert found[name] is None, found[name]
