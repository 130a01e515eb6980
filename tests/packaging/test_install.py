# SPDX-License-Identifier: Apache-2.0
"""make install: all of it is there, in both layouts, and an upgrade keeps the configuration."""

import os
import subprocess

import pytest

from core import BUILD, SRC
from sdk import make
from unit_file import read_unit


def install(root, *words):
    make(SRC, "-o", "all", f"O={BUILD}", "install", f"DESTDIR={root}", *words)
    return root


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    return install(tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    return install(tmp_path_factory.mktemp("packaged"), "PREFIX=/usr", "SYSCONFDIR=/etc")


def names(*parts):
    return sorted(os.listdir(os.path.join(SRC, *parts)))


@pytest.mark.parametrize("layout, prefix", [("local", "usr/local"), ("packaged", "usr")])
def test_everything_is_installed(layout, prefix, request):
    root = request.getfixturevalue(layout) / prefix
    home = root / "lib" / "supertokens"
    for program in ("supertokens", "supertokens-plugin-test"):
        assert os.access(root / "bin" / program, os.X_OK)
    plugins = names("plugins")
    assert sorted(os.listdir(home / "plugins")) == [p + ".so" for p in plugins]
    for plugin in plugins:
        assert sorted(os.listdir(home / "migration_scripts" / plugin)) == names("migration_scripts", plugin)
    assert sorted(os.listdir(root / "include")) == names("sdk", "include")
    for part in ("include", "sql", "mk", "conform", "template"):
        for at, _, files in os.walk(os.path.join(SRC, "sdk", part)):
            for name in files:
                there = home / "sdk" / os.path.relpath(os.path.join(at, name), os.path.join(SRC, "sdk"))
                assert there.exists(), there
    docs = os.listdir(root / "share" / "doc" / "supertokens-core")
    assert {"README.md", "LICENSE", *names("docs")} <= set(docs)
    assert os.path.lexists(home / "config.yaml")
    assert (root / "lib" / "sysusers.d" / "supertokens.conf").exists()


def test_nothing_is_writable_by_others(packaged):
    for at, folders, files in os.walk(packaged):
        for name in folders + files:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                assert os.stat(path).st_mode & 0o022 == 0, path


def test_pkg_config(local):
    env = dict(os.environ, PKG_CONFIG_PATH=str(local / "usr/local/lib/pkgconfig"))
    out = subprocess.run(["pkg-config", "--cflags", "supertokens-plugin"], env=env, text=True,
                         capture_output=True, check=True).stdout
    include = out.strip()[2:]
    assert os.path.exists(os.path.join(include, "stk_plugin.h"))


def test_configuration_is_kept(tmp_path):
    root = install(tmp_path)
    config = root / "usr/local/lib/supertokens/config.yaml"
    config.write_text("port: 4000\n")
    install(root)
    assert config.read_text() == "port: 4000\n"
    with open(os.path.join(SRC, "config", "config.yaml"), encoding="utf-8") as f:
        assert (config.parent / "config.yaml.new").read_text() == f.read()


def test_configuration_below_etc(packaged):
    link = packaged / "usr/lib/supertokens/config.yaml"
    assert os.readlink(link) == "/etc/supertokens/config.yaml"
    assert (packaged / "etc/supertokens/config.yaml").exists()
    install(packaged, "PREFIX=/usr", "SYSCONFDIR=/etc")
    assert (packaged / "etc/supertokens/config.yaml.new").exists()
    (packaged / "etc/supertokens/config.yaml.new").unlink()


def test_unit_names_what_is_installed(packaged, local):
    for root, prefix in ((packaged, "/usr"), (local, "/usr/local")):
        path = str(root) + prefix + "/lib/systemd/system/supertokens.service"
        unit = read_unit(path)
        with open(path, encoding="utf-8") as f:
            assert "@BIN" not in f.read()
        assert unit["Service"]["ExecStart"] == [prefix + "/bin/supertokens start"]
        manual = unit["Unit"]["Documentation"][0].removeprefix("file:")
        assert os.path.exists(str(root) + manual)
        with open(str(root) + prefix + "/lib/sysusers.d/supertokens.conf", encoding="utf-8") as f:
            assert f"u {unit['Service']['User'][0]} - " in f.read()
