# SPDX-License-Identifier: Apache-2.0
"""The TOTP, multi-factor and dashboard recipes of the official Node SDK: node_mfa.js runs
once for each storage, and each of its tests is one here."""

import os
import re
import shutil
import subprocess

import pytest

from test_node_sdk import outcomes

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_mfa.js")
with open(SCRIPT, encoding="utf-8") as script:
    TESTS = re.findall(r'^test\("([^"]+)"', script.read(), re.M)


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
def test_node_mfa(ran, name):
    text, found = ran
    assert name in found, text
    assert found[name] is None, found[name]
