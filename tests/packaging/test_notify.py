# SPDX-License-Identifier: Apache-2.0
"""What the service manager is told, and when."""

import os
import signal
import socket

import pytest

from core import Core
from servers import free_port


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_and_stopping(tmp_path, abstract):
    name = f"@stk-notify-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(30)
        core = Core(env={"NOTIFY_SOCKET": name}).spawn()
        try:
            assert manager.recv(100) == b"READY=1"
            assert core.serves()
            core.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert core.stop() == 0
        finally:
            core.close()


def test_nothing_of_a_failed_start(tmp_path):
    """The database is not there: the manager must not hear that we serve."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        core = Core(uri=f"postgresql://u:p@127.0.0.1:{free_port()}/d", startup_timeout=0,
                    env={"NOTIFY_SOCKET": name})
        assert core.run("start").returncode == 1
        core.close()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_a_manager_that_is_gone(tmp_path):
    with Core(env={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as core:
        assert core.get("/hello").status == 200
