# SPDX-License-Identifier: Apache-2.0
"""docs/database-setup.md: its URIs are accepted, its table of errors is what is really said."""

import os
import re
import subprocess

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
    rows = re.findall(r"^\| `([^|]*?)`[^|]*\|", TEXT.split("## Errors")[1], re.M)
    assert len(rows) >= 12
    theirs = {"Connection refused", "No space left on device"}  # of the system, not ours
    for row in rows:
        words = [re.escape(part) for part in row.replace('"', '\\"').split("...")]
        assert row in theirs or re.search("[^;]{1,60}".join(words), sources), row
