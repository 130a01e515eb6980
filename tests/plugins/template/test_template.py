# SPDX-License-Identifier: Apache-2.0
"""The SDK's template as an author has it: built out of tree against the installed SDK,
conforming, also under AddressSanitizer."""

import os
import shutil
import subprocess

import pytest

from sdk import HEAVY, STRICT, Install, Report, make, plain_environment


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Install(str(tmp_path_factory.mktemp("install")), "/opt/supertokens")


@pytest.fixture
def folder(installed, tmp_path):
    """A copy of the installed template."""
    return shutil.copytree(os.path.join(installed.sdk, "template"), tmp_path / "mine")


def conforms(report):
    assert report.status == 0 and report.failed == [], report.text
    assert len(report.passed) > 80


def test_one_make_and_conforming(installed, folder):
    make(folder, env=installed.environment())
    so = folder / "build" / "plugins" / "template.so"
    exported = subprocess.run(["nm", "-D", "--defined-only", str(so)], capture_output=True,
                              text=True, check=True).stdout.split()
    assert exported[2:] == ["stk_plugin_v1"]
    conforms(Report(str(so)))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_without_a_warning(installed, folder, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    more = "-O2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion"
    make(folder, f"CC={compiler}", f"STK_CFLAGS={' '.join(STRICT)} {more}",
         env=installed.environment())


def test_sdk_named_by_hand(installed, folder):
    env = plain_environment(PKG_CONFIG_PATH="/nowhere")
    make(folder, f"STK_SDK={installed.sdk}", env=env)
    assert (folder / "build" / "plugins" / "template.so").exists()


def test_with_the_kit(installed, folder):
    """Without _nokit the SQL kit is built from the installed sources and linked in."""
    text = (folder / "Makefile").read_text()
    (folder / "Makefile").write_text("\n".join(
        line for line in text.splitlines() if "_nokit" not in line) + "\n")
    make(folder, env=installed.environment())
    assert (folder / "build" / "lib" / "libstksql.a").exists()


def test_renamed(installed, folder):
    text = (folder / "Makefile").read_text()
    (folder / "Makefile").write_text(text.replace("NAME := template", "NAME := mine2"))
    os.rename(folder / "migration_scripts" / "template", folder / "migration_scripts" / "mine2")
    make(folder, env=installed.environment())
    conforms(Report(str(folder / "build" / "plugins" / "mine2.so"), "mine2_wait_ms=9000"))


def test_an_unresolved_symbol_does_not_link(installed, folder):
    with open(folder / "src" / "plugin.c", "a", encoding="utf-8") as f:
        f.write("void nobody_has_this(void);\nvoid use(void);\nvoid use(void)\n"
                "{\n    nobody_has_this();\n}\n")
    with pytest.raises(AssertionError, match="nobody_has_this"):
        make(folder, env=installed.environment())


def test_migration_scripts_are_checked(installed, folder):
    scripts = folder / "migration_scripts" / "template"
    (scripts / "003_gap.json").write_text("{}\n")
    with pytest.raises(AssertionError, match="number 002 is expected here"):
        make(folder, env=installed.environment())


@pytest.mark.skipif(not HEAVY, reason="the program has a sanitizer already")
def test_address_sanitizer(installed, folder):
    out = make(folder, "asan", env=installed.environment())
    assert "AddressSanitizer" not in out and "runtime error" not in out, out
    assert ", 0 failed, " in out


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_cplusplus_can_include_the_headers(installed, tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    source = tmp_path / "plugin.cc"
    source.write_text("""#include <stk_plugin.h>
#include <stk_sdk.h>
#include <stk_migrations.h>
static stk_plugin plugin;
STK_PLUGIN(plugin)
static int64_t use(const stk_batch *b, stk_err *err)
{
    stk_call call;
    stk_batch_call(b, 0, &call);
    stk_val v = stk_text("x");
    char *copy = stk_arena_text(b->arena, v.u.p, v.len);
    stk_err_set(err, STK_E_INVALID, "%s", copy);
    return stk_utf8_count(copy, v.len);
}
int64_t (*used)(const stk_batch *, stk_err *) = use;
""")
    r = subprocess.run([compiler, "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                        f"-I{installed.sdk}/include", "-o", str(tmp_path / "p.so"), str(source)],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 0, r.stderr
    exported = subprocess.run(["nm", "-D", "--defined-only", str(tmp_path / "p.so")], text=True,
                              capture_output=True, check=True).stdout
    assert " T stk_plugin_v1\n" in exported
