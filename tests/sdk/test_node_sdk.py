# SPDX-License-Identifier: Apache-2.0
"""The official Node SDK: each node_*.js here runs once for each storage, and each of its
tests is one of this file."""

import glob
import os
import re
import shutil
import subprocess

import pytest

SCRIPTS = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_*.js")))


def names_in(script):
    with open(script, encoding="utf-8") as f:
        return [(os.path.basename(script), name)
                for name in re.findall(r'^test\("([^"]+)"', f.read(), re.M)]


def outcomes(tap):
    """TAP of node's runner as {test: what it wrote, or None where it passed}."""
    found = {}
    for ok, name, rest in re.findall(r"^(ok|not ok) \d+ - (.*)\n((?:(?!ok |not ok ).*\n)*)", tap, re.M):
        found[name] = None if ok == "ok" else rest
    return found


@pytest.fixture(scope="module")
def ran(core):
    """What the scripts wrote, with their outcomes: {script: (text, outcomes)}."""
    node, modules = shutil.which("node"), os.environ.get("NODE_PATH", "")
    if not node or not os.path.isdir(os.path.join(modules, "supertokens-node")):
        pytest.skip("no node, or no supertokens-node in NODE_PATH")
    found = {}
    for script in SCRIPTS:
        r = subprocess.run([node, "--test-reporter=tap", script], text=True, timeout=240,
                           env=dict(os.environ, STK_CORE=f"http://127.0.0.1:{core.port}"),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False)
        found[os.path.basename(script)] = r.stdout, outcomes(r.stdout)
    return found


@pytest.mark.parametrize("script, name", [t for s in SCRIPTS for t in names_in(s)])
def test_node(ran, script, name):
    text, found = ran[script]
    assert name in found, text
    assert found[name] is None, found[name]
