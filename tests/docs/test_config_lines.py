# SPDX-License-Identifier: Apache-2.0
"""Configuration that README.md and docs/ show is accepted as it stands there."""

import glob
import os
import re

import pytest

from core import PLUGINS, SRC, Core

LINE = re.compile(r"^([a-z][a-z0-9_]+): ?([^{\s].*)$")
FILES = [os.path.join(SRC, "README.md"), *sorted(glob.glob(os.path.join(SRC, "docs", "*.md")))]


def shown():
    """(file:line, line) of every setting in a block of code or in `back quotes`."""
    for path in FILES:
        with open(path, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                found = [line.strip()] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
                for text in found:
                    if LINE.match(text) and LINE.match(text)[2] != "NAME":
                        yield f"{os.path.basename(path)}:{n}", text


def exports():
    for path in FILES:
        with open(path, encoding="utf-8") as f:
            yield from re.findall(r"^    export ([A-Z_]+)=\"([^\"]+)\"$", f.read(), re.M)


def check(tmp_path, text="", **env):
    (tmp_path / "config.yaml").write_text(text)
    core = Core(home=str(tmp_path), env={"PLUGIN_DIR": PLUGINS, **env})
    core.settings.clear()
    r = core.run("config", "check")
    assert r.returncode == 0, f"{text}\n{r.stdout}{r.stderr}"


@pytest.mark.parametrize("where, text", list(shown()))
def test_line(where, text, tmp_path):
    check(tmp_path, text + "\n")


@pytest.mark.parametrize("name, value", list(exports()))
def test_export(name, value, tmp_path):
    check(tmp_path, **{name: value})


def test_every_default_of_the_configuration(tmp_path):
    """config.yaml with each line that shows a value made real, but what would choose a
    second database."""
    with open(os.path.join(SRC, "config", "config.yaml"), encoding="utf-8") as f:
        lines = re.findall(r"^# ([a-z][a-z0-9_]+: \S.*)$", f.read(), re.M)
    assert len(lines) > 30
    check(tmp_path, "\n".join([*lines, "storage_plugin: sqlite", ""]))


def test_something_is_shown():
    assert len(list(shown())) >= 3 and len(list(exports())) >= 1
