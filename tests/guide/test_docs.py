# SPDX-License-Identifier: Apache-2.0
"""docs/database-setup.md: its URIs are accepted, its table of errors is what is really said."""

import os
import re
import subprocess

from conftest import TABLE
from core import BINARY, PLUGINS, SRC

with open(os.path.join(SRC, "docs", "database-setup.md"), encoding="utf-8") as page:
    TEXT = page.read()


def test_settings_are_accepted(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S)
    assert len(blocks) >= 4
    for block in blocks:
        (tmp_path / "config.yaml").write_text(block, encoding="utf-8")
        r = subprocess.run([BINARY, "config", "check", f"--home={tmp_path}",
                            f"--plugin-dir={PLUGINS}"], capture_output=True, text=True, check=False)
        assert r.returncode == 0, block + r.stdout + r.stderr


def test_errors_are_those_of_the_program():
    """Each text of the table is somewhere in the sources, with its words in that order."""
    sources = ""
    for top in ("core", "plugins", "sdk"):
        for folder, _, files in os.walk(os.path.join(SRC, top)):
            for name in files:
                if name.endswith((".c", ".h")):
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        sources += f.read()
    sources = re.sub(r'"\s*\n\s*"', "", sources)  # literals in pieces
    theirs = {"Connection refused", "No space left on device"}  # of the system, not ours
    for row in TABLE:
        words = [re.escape(part) for part in row.replace('"', '\\"').split("...")]
        assert row in theirs or re.search("[^;]{1,60}".join(words), sources), row


def test_each_error_is_met_by_a_test():
    """Its row is quoted where something makes the program say it."""
    quoted = ""
    for folder, _, files in os.walk(os.path.join(SRC, "tests")):
        for name in files:
            if name.endswith((".py", ".c")) and name != os.path.basename(__file__):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    quoted += f.read()
    missing = [row for row in TABLE if row not in quoted]
    assert len(TABLE) >= 30 and missing == []
