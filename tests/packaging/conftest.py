# SPDX-License-Identifier: Apache-2.0
"""What packages are made of, and roots to try them in."""

import os
import shutil
import subprocess
import tempfile

import pytest

from core import BUILD, SRC, Client
from sdk import make
from servers import wait_for


def built(target):
    """Runs a target of make on what is built already; the path that it prints last."""
    return make(SRC, "--no-print-directory", "-o", "all", f"O={BUILD}", target).split()[-1]


@pytest.fixture(scope="session")
def deb():
    """The path of the package."""
    if not shutil.which("dpkg-shlibdeps"):
        pytest.skip("no dpkg-dev on this machine")
    return built("deb")


@pytest.fixture(scope="session")
def image():
    """The tree that the Dockerfile puts on a bare system."""
    return built("image")


class Root:
    """A root to change into, in a mount namespace of its own that dies with it: this system
    with a layer on top that takes all writes, or a folder."""

    def __init__(self, base=None):
        self.folder = tempfile.mkdtemp(prefix="stk-root-")
        self.path = os.path.join(self.folder, "root")
        mount = f"mount -t tmpfs tmpfs {self.folder} && mkdir {self.path} && "
        if base:
            mount += f"cp -a {base}/. {self.path}"
        else:
            mount += (f"mkdir {self.folder}/upper {self.folder}/work && mount -t overlay overlay "
                      f"-o lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work {self.path}")
        mount += f" && mkdir -p {self.path}/proc && mount --rbind /proc {self.path}/proc"
        # Ends when its input does, that is with us at the latest.
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             f"{mount} && echo ready && cat >/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.holder.stdout.readline()
        if said != "ready\n":
            self.close()
            pytest.skip(f"no root to try it in: {said.strip()}")

    def argv(self, *words, user=None, env=None):
        """A command in there, by a user of there (name:group); env is all of its environment."""
        given = dict(PATH="/usr/sbin:/usr/bin:/sbin:/bin", **(env or {}))
        return ["env", "-i", *(f"{k}={v}" for k, v in given.items()),
                "nsenter", f"--target={self.holder.pid}", "--mount",
                "chroot", *([f"--userspec={user}"] if user else []), self.path, *words]

    def run(self, *words, env=None):
        return subprocess.run(self.argv(*words, env=env), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, check=False, timeout=120)

    def ok(self, *words, env=None):
        r = self.run(*words, env=env)
        assert r.returncode == 0, f"{words}: {r.stdout}{r.stderr}"
        return r.stdout

    def put(self, source, path):
        """A file of ours to a place in there."""
        with open(source, "rb") as f:
            subprocess.run(["nsenter", f"--target={self.holder.pid}", "--mount", "sh", "-c",
                            f"cat >{self.path}{path}"], stdin=f, check=True)

    def close(self):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()
        os.rmdir(self.folder)


@pytest.fixture
def roots():
    """Makes roots that end with the test."""
    if os.geteuid() != 0:
        pytest.skip("not root, so there is no root to install into")
    made = []

    def new(base=None):
        made.append(Root(base))
        return made[-1]

    yield new
    for root in made:
        root.close()


class Served:
    """The core in a root, until the end of the block; its exit status must be 0."""

    def __init__(self, root, argv, port, user, env):
        self.port, self.log = port, tempfile.TemporaryFile("w+")
        self.proc = subprocess.Popen(root.argv(*argv, user=user, env=env), stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, stdout=self.log)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def answers(self, client):
        assert self.proc.poll() is None, self.text()
        try:
            return client.get("/hello").status == 200
        except OSError:
            return False

    def __enter__(self):
        client = Client(self.port)
        try:
            wait_for(lambda: self.answers(client), 60, "the core serves", interval=0.05)
        except BaseException:
            self.proc.kill()
            raise
        return client

    def __exit__(self, kind, value, trace):
        self.proc.terminate()
        code = self.proc.wait(30)
        if kind is None:
            assert code == 0, self.text()
