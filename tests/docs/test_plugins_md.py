# SPDX-License-Identifier: Apache-2.0
"""PLUGINS.md does what it says: its C compiles, its commands run, its contracts are tested."""

import glob
import os
import re
import signal
import subprocess

import pytest

from core import Client, SRC
from sdk import CONFORM, STRICT, Install, plain_environment
from servers import free_port, wait_for

with open(os.path.join(SRC, "PLUGINS.md"), encoding="utf-8") as f:
    TEXT = f.read()


def blocks(language, text=TEXT):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def section(title):
    m = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    assert m, title
    return m[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Install(str(tmp_path_factory.mktemp("install")))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("n", range(len(blocks("c"))))
def test_c_block_compiles(n, compiler, tmp_path):
    source = tmp_path / "block.c"
    source.write_text(blocks("c")[n])
    try:
        r = subprocess.run([compiler, *STRICT, f"-I{SRC}/sdk/include", "-O1", "-c", "-o",
                            str(tmp_path / "block.o"), str(source)], capture_output=True,
                           text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"no {compiler}")
    assert r.returncode == 0, r.stderr


def test_there_are_blocks():
    assert len(blocks("c")) >= 4 and len(blocks("sh", section("Ten minutes"))) == 3
    assert not re.search(r"^```(?!c$|sh$|$)", TEXT, re.M), "a block of another language"


def test_ten_minutes(installed, tmp_path):
    """All commands in one shell, /usr/local being where the SDK was installed."""
    script = "set -ex\n" + "".join(blocks("sh", section("Ten minutes")))
    script = script.replace("/usr/local", installed.prefix)
    port = free_port()
    env = installed.environment(SUPERTOKENS_PORT=str(port), INFO_LOG_PATH="null",
                                ERROR_LOG_PATH="null")
    log = tmp_path / "log"
    with open(log, "wb") as out:
        p = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=env, stdout=out, stderr=out,
                             stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        def serves():
            assert p.poll() is None, log.read_text()
            try:
                return Client(port).get("/hello").status == 200
            except OSError:
                return False

        wait_for(serves, 240, "the commands lead to a core that serves")
        reply = Client(port).post("/recipe/signup", {"email": "a@example.com",
                                                     "password": "secret12"})
        assert reply.ok()["user"]["emails"] == ["a@example.com"]
    finally:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGTERM)
            p.wait(30)
    text = log.read_text()
    assert re.findall(r"^# (\d+) passed, (\d+) failed", text, re.M) != []
    assert all(failed == "0" for failed in re.findall(r"^# \d+ passed, (\d+) failed", text, re.M))
    assert re.search(r"^name: myplugin$", text, re.M)


def test_contracts_and_tests_agree():
    r = subprocess.run([CONFORM, "--list"], capture_output=True, text=True, check=True,
                       env=plain_environment())
    tested = {line.split(".")[0] for line in r.stdout.splitlines()}
    written = re.findall(r"^\*\*(C\d+)\*\*", section("Contracts"), re.M)
    assert written == [f"C{i}" for i in range(1, len(written) + 1)]
    assert set(written) == tested


def test_header_names_contracts_that_exist():
    with open(os.path.join(SRC, "sdk", "include", "stk_plugin.h"), encoding="utf-8") as f:
        named = set(re.findall(r"\b(C\d+)\b", f.read()))
    written = set(re.findall(r"^\*\*(C\d+)\*\*", TEXT, re.M))
    assert named and named <= written


def test_links_lead_somewhere():
    heads = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-")
             for h in re.findall(r"^#+ (.*)$", TEXT, re.M)}
    links = re.findall(r"\]\(#([^)]*)\)", TEXT)
    assert links and set(links) <= heads


def test_names_exist():
    """Every stk_ and STK_ name in the text is one of the headers'."""
    headers = ""
    for path in glob.glob(os.path.join(SRC, "sdk", "*", "*.h")):
        with open(path, encoding="utf-8") as f:
            headers += os.path.basename(path) + "\n" + f.read()
    names = set(re.findall(r"\b(?:stk|STK)_[A-Za-z0-9_]+\b", TEXT)) - {"STK_SDK"}
    assert {n for n in names if n not in headers} == set()


def test_install_is_complete(installed):
    def there(*names):
        return [n for n in names if not os.path.exists(os.path.join(installed.sdk, n))]

    assert there("include/stk_plugin.h", "include/stk_sdk.h", "include/stk_migrations.h",
                 "sql/stk_sql.h", "sql/sql_pool.c", "mk/plugin.mk", "mk/embed-migrations",
                 "template/Makefile", "template/src/plugin.c", "template/README.md",
                 "template/migration_scripts/template/001_initial_schema.json",
                 "conform/main.c", "PLUGINS.md") == []
    for name in ("supertokens", "supertokens-plugin-test"):
        assert os.access(os.path.join(installed.prefix, "bin", name), os.X_OK)


def test_pkg_config(installed):
    def ask(*words):
        return subprocess.run(["pkg-config", *words, "supertokens-plugin"], text=True, check=True,
                              capture_output=True, env=installed.environment()).stdout.strip()

    with open(os.path.join(SRC, "VERSION"), encoding="utf-8") as f:
        assert ask("--modversion") == f.read().strip()
    assert ask("--variable=abi") == "1.0"
    assert os.path.samefile(ask("--variable=sdkdir"), installed.sdk)
    assert os.path.samefile(ask("--variable=plugindir"), os.path.join(installed.home, "plugins"))
    include = re.fullmatch(r"-I(\S+)", ask("--cflags"))[1]
    assert os.path.samefile(include, os.path.join(installed.sdk, "include"))
