# SPDX-License-Identifier: Apache-2.0
"""Managed databases fail over behind one name: it leads elsewhere from one moment to the next,
and the core follows without a restart.  And the other ways to a server: IPv6, a list with
hosts that are down."""

import os
import shutil

import pytest

from core import Core
from history import History
from proxy import TcpProxy
from servers import MongoServer, free_port, mongod_of_tests

SERVERS = {"postgresql": "pg", "mysql": "mariadb", "mongodb": "mongo"}


@pytest.fixture(params=SERVERS)
def server(request):
    return request.getfixturevalue(SERVERS[request.param])


def at(server, name, host, port):
    return server.create_database(name).replace(f"127.0.0.1:{server.port}", f"{host}:{port}")


class Resolving(Core):
    """A core that has an /etc/hosts of its own."""

    def __init__(self, hosts, **kw):
        super().__init__(**kw)
        self.hosts = str(hosts)

    def command(self, *words):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount --bind "$0" /etc/hosts && exec "$@"', self.hosts, *super().command(*words)]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"),
                    reason="not root, so names lead where they lead")
def test_name_leads_elsewhere(server, name, tmp_path):
    hosts = tmp_path / "hosts"
    with TcpProxy(server.port, at=("127.0.0.2", 0)) as old, \
            TcpProxy(server.port, at=("127.0.0.3", old.port)) as new:
        hosts.write_text("127.0.0.1 localhost\n127.0.0.2 db.test\n")
        with Resolving(hosts, uri=at(server, name, "db.test", old.port)) as core:
            with History(core.app()) as h:
                h.progress(40)
                assert old.pairs and not new.pairs
                old.accepting = False
                old.cut_all()
                hosts.write_text("127.0.0.1 localhost\n127.0.0.3 db.test\n")
                h.progress(40)
                assert new.pairs
            h.check()


def test_ipv6(server, name):
    with TcpProxy(server.port, at=("::1", 0)) as proxy:
        with Core(uri=at(server, name, "[::1]", proxy.port)) as core:
            core.app().post("/recipe/signup", {"email": "a@b.cc", "password": "secret12"}).ok()
            assert proxy.pairs


def test_mongodb_list_of_hosts():
    """Authentication, a host that is down, replicaSet; the server dies under load and is found
    again."""
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer(auth=True) as mongo:
        mongo.more = ["--sync-on-commit"]
        mongo.restart()
        replica_set = mongo.client().admin.command("hello")["setName"]
        uri = mongo.uri("supertokens", query=f"replicaSet={replica_set}&authSource=admin").replace(
            "@127.0.0.1:", f"@127.0.0.1:{free_port()},127.0.0.1:")
        with Core(uri=uri) as core:
            with History(core.app()) as h:
                h.progress(40)
                mongo.kill()
                mongo.start()
                h.progress(40)
            h.check()
