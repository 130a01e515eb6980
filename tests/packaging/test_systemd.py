# SPDX-License-Identifier: Apache-2.0
"""The unit as systemd reads it, and that its locks do not lock the core in."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from core import BUILD, SRC, Core
from core_fixtures import database, postgres  # noqa: F401
from sdk import make
from servers import unprivileged_user
from unit_file import read_unit

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """The path of the unit, installed where its program is."""
    prefix = str(tmp_path_factory.mktemp("unit"))
    make(SRC, "-o", "all", f"O={BUILD}", "install", f"PREFIX={prefix}")
    return os.path.join(prefix, "lib/systemd/system/supertokens.service")


def analyze(*words):
    r = subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True,
                       check=False, env=dict(os.environ, LC_ALL="C"))
    return r.returncode, r.stdout + r.stderr


def test_verify(unit):
    code, out = analyze("verify", "--man=no", unit)
    about = [line for line in out.splitlines() if "supertokens" in line]
    assert (code, about) == (0, [])


def test_verify_would_find_a_mistake(unit, tmp_path):
    with open(unit, encoding="utf-8") as f:
        text = f.read()
    wrong = tmp_path / "supertokens.service"
    wrong.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=very").replace("bin/", "bin/no"))
    code, out = analyze("verify", "--man=no", str(wrong))
    assert code != 0 and "protect system" in out and "nosupertokens" in out


def test_exposure(unit):
    """Two of ten at most, by systemd's own reckoning; what is left is the network."""
    code, out = analyze("security", "--offline=true", "--threshold=20", unit)
    assert code == 0, out
    assert re.search(r"Overall exposure level for supertokens.service: [01]\.\d OK", out)


def allowed_calls(unit):
    """The system calls that the unit's filter lets through."""
    _, text = analyze("syscall-filter")
    sets, name = {}, None
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            sets[name] = set()
        elif name and word and not word.startswith("#"):
            sets[name].add(word)

    def calls(name):
        return {c for item in sets[name] for c in (calls(item) if item.startswith("@") else {item})}

    allowed = set()
    for line in read_unit(unit)["Service"]["SystemCallFilter"]:
        for word in line.lstrip("~").split():
            allowed = allowed - calls(word) if line.startswith("~") else allowed | calls(word)
    # These are let through whatever the list says.
    return allowed | calls("@default")


def served_by(tracer):
    """The process that strace started: signals to strace itself do not reach it."""
    with open(f"/proc/{tracer}/task/{tracer}/children", encoding="ascii") as f:
        return int(f.read().split()[0])


def traced(uri, tmp_path):
    """The names of the system calls of a core's life, as a user without rights."""
    user = unprivileged_user()
    out = str(tmp_path / "calls")
    core = Core(uri=uri)
    os.chmod(core.home, 0o777)
    if user:
        os.chmod(tmp_path, 0o777)
    argv = core.command
    runas = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []
    core.command = lambda *words: ["strace", "-f", "-qq", "-o", out, *runas, *argv(*words)]
    try:
        core.start(timeout=120)
        core.post("/recipe/signup", {"email": "a@b.co", "password": "secret12"}).ok()
        session = core.post("/recipe/session", {
            "userId": "u", "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}).ok()
        core.post("/recipe/session/verify", {
            "accessToken": session["accessToken"]["token"], "enableAntiCsrf": False,
            "doAntiCsrfCheck": False, "checkDatabase": True}).ok()
        assert core.get("/metrics").status == 200
        os.kill(served_by(core.proc.pid), signal.SIGTERM)
        assert core.proc.wait(30) == 0
        core.proc = None
    finally:
        if core.proc:
            os.kill(served_by(core.proc.pid), signal.SIGKILL)
        core.close()
    with open(out, encoding="ascii", errors="replace") as f:
        text = f.read()
    if runas:  # what came before was setpriv's
        start = max(m.start() for m in re.finditer(r"^\d+ +execve\(", text, re.M))
        text = text[start:]
    return set(re.findall(r"^\d+ +(\w+)\(", text, re.M))


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_system_calls(storage, unit, request, tmp_path):
    uri = request.getfixturevalue("database") if storage == "postgresql" else None
    calls = traced(uri, tmp_path)
    assert {"socket", "clone3", "fsync" if not uri else "connect"} & calls and len(calls) > 30
    assert calls - allowed_calls(unit) == set()
