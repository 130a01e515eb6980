# SPDX-License-Identifier: Apache-2.0
"""Building plugins as their authors do, and running the conformance program on them."""

import os
import re
import shutil
import subprocess

from core import BUILD, SRC

TEMPLATE = os.path.join(SRC, "sdk", "template")
CONFORM = os.path.join(BUILD, "bin", "supertokens-plugin-test")
HEAVY = os.environ.get("STK_HEAVY", "1") != "0"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]


def make(folder, *words, env=None):
    r = subprocess.run(["make", "-C", folder, *words], stdin=subprocess.DEVNULL, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300,
                       env=env or plain_environment())
    assert r.returncode == 0, r.stdout
    return r.stdout


def plain_environment(**more):
    """Without what our own make and sanitizers set."""
    drop = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "O", "CC", "SAN", "CFLAGS", "LDFLAGS",
            "LD_PRELOAD")
    return {**{k: v for k, v in os.environ.items() if k not in drop}, **more}


def build_template(folder, edit=None):
    """The template against the SDK of this repository; edit(folder) may change it first."""
    copy = os.path.join(folder, "template")
    shutil.copytree(TEMPLATE, copy)
    if edit:
        edit(copy)
    make(copy, f"STK_SDK={SRC}/sdk")
    return os.path.join(copy, "build", "plugins", "template.so")


class Report:
    """What the conformance program said: the tests that failed, and all of it."""

    def __init__(self, plugin, *words, env=None, program=CONFORM):
        options = [w for w in words if w.startswith("--")]
        settings = [w for w in words if not w.startswith("--")]
        r = subprocess.run([program, *options, plugin, *settings],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.STDOUT, errors="replace", check=False, timeout=600,
                           env=plain_environment(**(env or {})))
        self.text, self.status = r.stdout, r.returncode
        results = re.findall(r"^(not )?ok \d+ - (\S+) .*?(# SKIP.*)?$", self.text, re.M)
        self.failed = [test for bad, test, _ in results if bad]
        self.passed = [test for bad, test, skip in results if not bad and not skip]
        self.bailed_out = "Bail out!" in self.text

    @property
    def contracts(self):
        """The contracts that failed, without the number of the test."""
        return {test.split(".")[0] for test in self.failed}


class Install:
    """`make install` below a folder, and the environment of whoever uses it."""

    def __init__(self, folder, prefix="/usr/local"):
        self.prefix = os.path.join(folder, prefix.lstrip("/"))
        self.home = os.path.join(self.prefix, "lib", "supertokens")
        self.sdk = os.path.join(self.home, "sdk")
        # What is built already is not built again.
        make(SRC, "-o", "all", f"O={BUILD}", "install", f"DESTDIR={folder}", f"PREFIX={prefix}")

    def environment(self, **more):
        return plain_environment(
            PATH=os.path.join(self.prefix, "bin") + ":" + os.environ["PATH"],
            PKG_CONFIG_PATH=os.path.join(self.prefix, "lib", "pkgconfig"), **more)
