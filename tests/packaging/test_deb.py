# SPDX-License-Identifier: Apache-2.0
"""The package for Debian: what it says, and its life in a root of its own, from install over
upgrade to purge, with the core run as the unit would run it."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import Served
from servers import free_port
from unit_file import environment, read_unit

CONFIG = "/etc/supertokens/config.yaml"


def deb_field(deb, name):
    return subprocess.run(["dpkg-deb", "--field", deb, name], capture_output=True, text=True,
                          check=True).stdout.strip()


def test_control(deb, tmp_path):
    assert deb_field(deb, "Package") == "supertokens-core"
    assert re.fullmatch(r"\d+\.\d+\.\d+", deb_field(deb, "Version"))
    depends, recommends = deb_field(deb, "Depends"), deb_field(deb, "Recommends")
    for package in ("adduser", "libc6", "libcivetweb1", "libssl3", "libsqlite3-0"):
        assert re.search(rf"(^|, ){package}( |,|$)", depends), depends
    for package in ("libpq5", "libmariadb3", "libmongoc-1.0-0"):
        assert package in recommends and package not in depends
    assert "@" not in deb_field(deb, "Maintainer").replace("@localhost", "")
    subprocess.run(["dpkg-deb", "--raw-extract", deb, str(tmp_path / "x")], check=True)
    assert (tmp_path / "x/DEBIAN/conffiles").read_text() == CONFIG + "\n"
    # Which checks the sums, the scripts and the tree's owners as well.
    subprocess.run(["md5sum", "--quiet", "-c", "DEBIAN/md5sums"], cwd=tmp_path / "x", check=True)
    for script in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", str(tmp_path / "x/DEBIAN" / script)], check=True)
    listed = subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, text=True,
                            check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}


def test_configuration_of_the_package(deb, tmp_path):
    """All keys, and the one line that differs."""
    subprocess.run(["dpkg-deb", "--extract", deb, str(tmp_path)], check=True)
    text = (tmp_path / CONFIG[1:]).read_text()
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == [
        "state_dir: /var/lib/supertokens"]


def installed(roots, deb):
    root = roots()
    root.put(deb, "/tmp/new.deb")
    root.ok("dpkg", "--install", "/tmp/new.deb", env={"DEBIAN_FRONTEND": "noninteractive"})
    return root


@pytest.mark.skipif(not shutil.which("dpkg"), reason="no dpkg on this machine")
def test_life(deb, roots, tmp_path):
    root = installed(roots, deb)
    assert "ii " in root.ok("dpkg", "--list", "supertokens-core").splitlines()[-1][:3]

    # -- a user of its own, and a configuration that only it can read
    assert root.ok("stat", "-c", "%a %U:%G", CONFIG) == "640 root:supertokens\n"
    assert root.ok("stat", "-c", "%a %U:%G", "/var/lib/supertokens") == "750 supertokens:supertokens\n"
    entry = root.ok("getent", "passwd", "supertokens").strip().split(":")
    assert entry[5] == "/var/lib/supertokens" and entry[6].endswith("/nologin")
    assert root.run("find", "/usr/lib/supertokens", "/etc/supertokens", "-writable",
                    "-user", "supertokens").stdout == ""

    # -- it serves, as the unit would start it
    unit_path = tmp_path / "unit"
    unit_path.write_text(root.ok("cat", "/usr/lib/systemd/system/supertokens.service"))
    unit = read_unit(unit_path)
    service, port = unit["Service"], free_port()
    assert service["StateDirectoryMode"] == ["0750"]
    how = {"argv": service["ExecStart"][0].split(), "port": port,
           "user": f"{service['User'][0]}:{service['Group'][0]}",
           "env": dict(environment(unit), SUPERTOKENS_PORT=str(port))}
    with Served(root, **how) as client:
        client.post("/recipe/signup", {"email": "a@b.co", "password": "secret12"}).ok()
        listed = root.ok("supertokens", "list")
        assert str(port) in listed
    shown = root.ok("supertokens", "config", "show")
    assert "# home          /usr/lib/supertokens\n" in shown
    assert "# state         /var/lib/supertokens\n" in shown
    assert root.ok("stat", "-c", "%U", "/var/lib/supertokens/.started/supertokens.db") == "supertokens\n"
    assert root.run("find", "/usr/lib/supertokens", "-newer", CONFIG, "-name", "*.log").stdout == ""

    # -- an upgrade keeps what was edited, and who may read it
    root.ok("sh", "-c", f"echo 'max_server_pool_size: 7' >>{CONFIG}")
    root.ok("dpkg", "--install", "--force-confdef", "/tmp/new.deb")
    assert root.ok("tail", "-n1", CONFIG) == "max_server_pool_size: 7\n"
    assert root.ok("stat", "-c", "%a %U:%G", CONFIG) == "640 root:supertokens\n"
    with Served(root, **how) as client:
        client.post("/recipe/signin", {"email": "a@b.co", "password": "secret12"}).ok()

    # -- removed, purged: the configuration goes with the purge, the users never
    root.ok("dpkg", "--remove", "supertokens-core")
    assert root.run("test", "-e", "/usr/bin/supertokens").returncode == 1
    root.ok("test", "-e", CONFIG)
    out = root.ok("dpkg", "--purge", "supertokens-core")
    assert "/var/lib/supertokens is kept" in out
    assert root.run("test", "-e", CONFIG).returncode == 1
    root.ok("test", "-e", "/var/lib/supertokens/.started/supertokens.db")


def test_a_purge_without_data_leaves_nothing(deb, roots):
    root = installed(roots, deb)
    root.ok("dpkg", "--purge", "supertokens-core")
    assert root.run("find", "/etc/supertokens", "/var/lib/supertokens", "/usr/lib/supertokens",
                    "/usr/share/doc/supertokens-core").stdout == ""
    assert not os.path.exists("/usr/share/doc/supertokens-core")  # nor did it reach this system
