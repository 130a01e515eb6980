# SPDX-License-Identifier: Apache-2.0
"""MySQL's high availability: three Galera nodes in one URI stand in for group replication,
HAProxy for ProxySQL."""

import glob
import shutil

import pytest

from core import Core
from history import History
from mysql_servers import MariaDBServer
from servers import Process, ServerError, free_port, wait_for

PROVIDERS = glob.glob("/usr/lib*/galera/libgalera_smm.so") + glob.glob(
    "/usr/lib/*/galera/libgalera_smm.so")
HAPROXY = shutil.which("haproxy") or next(iter(glob.glob("/usr/sbin/haproxy")), None)


class GaleraNode(MariaDBServer):
    """One node; the first is started with no others to join."""

    def __init__(self, name):
        super().__init__(conf={
            "binlog_format": "ROW", "default_storage_engine": "InnoDB",
            "innodb_autoinc_lock_mode": 2, "wsrep_on": "ON", "wsrep_provider": PROVIDERS[0],
            "wsrep_cluster_name": "tests", "wsrep_node_name": name,
            "wsrep_node_address": "127.0.0.1", "wsrep_sst_method": "rsync"})
        self.group, self.ist = free_port(), free_port()
        self.sst = free_port()
        self.conf["wsrep_sst_receive_address"] = f"127.0.0.1:{self.sst}"
        self.conf["wsrep_provider_options"] = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group};ist.recv_addr=127.0.0.1:{self.ist};"
            "gcache.size=32M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;"
            "pc.recovery=false")

    def join(self, others):
        self.conf["wsrep_cluster_address"] = "gcomm://" + ",".join(
            f"127.0.0.1:{o.group}" for o in others)
        self.start()
        wait_for(self.synced, 60, f"{self.conf['wsrep_node_name']} is synced\n{self.tail()}")

    def synced(self):
        return self.running() and self.sql(
            "SHOW STATUS LIKE 'wsrep_local_state_comment'").endswith("Synced")


class Galera:
    def __enter__(self):
        self.nodes = [GaleraNode(f"node{n}") for n in (1, 2, 3)]
        try:
            for n, node in enumerate(self.nodes):
                node.join(self.nodes[:n])
            self.uri = self.nodes[0].create_database("supertokens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for node in self.nodes:
            node.close()

    def conflicts(self):
        """Transactions of one node that lost against another's."""
        return sum(int(value) for node in self.nodes[:2] for _, value in node.rows(
            "SHOW STATUS WHERE Variable_name IN ('wsrep_local_cert_failures', "
            "'wsrep_local_bf_aborts')"))

    def hosts(self):
        return self.uri.replace(f"127.0.0.1:{self.nodes[0].port}", ",".join(
            f"127.0.0.1:{node.port}" for node in self.nodes))


@pytest.fixture(scope="module")
def galera():
    if not PROVIDERS or not shutil.which("rsync"):
        pytest.skip("no galera-4 or no rsync on this machine")
    try:
        cluster = Galera()
        with cluster:
            yield cluster
    except ServerError as e:
        if "not installed" in str(e):
            pytest.skip(str(e))
        raise


def test_cores_on_different_nodes_conflict(galera):
    """Two cores write to two nodes: a certification conflict is tried again, not told."""
    first, second = (galera.uri.replace(str(galera.nodes[0].port), str(node.port))
                     for node in galera.nodes[:2])
    with Core(uri=first) as one, Core(uri=second) as two:
        app = one.app(app_id="shared")
        with History(app) as h, History(two.at("/appid-shared"), tag="x") as other:
            wait_for(lambda: galera.conflicts() > 0 and h.seen["ok"] + other.seen["ok"] > 100, 60,
                     "a conflict between the nodes")
        assert h.wrong == [] and other.wrong == []
        emails = len(h.users) + len(other.users)
        assert app.get("/users/count").ok()["count"] >= emails
        assert two.at("/appid-shared").get("/users/count").ok()["count"] >= emails


def test_node_dies_under_load(galera):
    """The URI of the guide, node1,node2,node3: the node that serves dies, the next takes over."""
    with Core(uri=galera.hosts()) as core:
        with History(core.app()) as h:
            h.progress(40)
            galera.nodes[0].kill()
            h.progress(60, timeout=40)
        h.check()


class HaProxy(Process):
    kind = "haproxy"

    def __init__(self, server):
        super().__init__()
        self.server, self.port = server, free_port()

    def start(self):
        conf = self.write("haproxy.cfg", f"""
global
    maxconn 500
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen mysql
    bind 127.0.0.1:{self.port}
    server one 127.0.0.1:{self.server.port}
""")
        self.spawn([HAPROXY, "-db", "-f", conf])
        self.wait_ready(self.accepting)
        return self


@pytest.mark.skipif(not HAPROXY, reason="no HAProxy on this machine")
def test_through_a_proxy(mariadb, name):
    """The proxy's death and return under load."""
    uri = mariadb.create_database(name)
    with HaProxy(mariadb) as proxy:
        with Core(uri=uri.replace(f":{mariadb.port}/", f":{proxy.port}/")) as core:
            with History(core.app()) as h:
                h.progress(40)
                proxy.kill()
                proxy.start()
                h.progress(40)
            h.check()
