# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's high availability: a primary with two streaming standbys in one URI, and a
pooler in front.  Clients are at work while the primary dies."""

import shutil

import pytest

from core import Core
from history import History
from servers import PgBouncer, PostgresServer, free_port, wait_for

pytestmark = pytest.mark.skipif(not shutil.which("pg_basebackup"),
                                reason="no PostgreSQL on this machine")


class Cluster:
    """A primary and two standbys; every commit waits for `sync` of them."""

    def __init__(self, sync):
        self.sync = sync
        self.primary = PostgresServer()
        self.standbys = []

    def __enter__(self):
        self.primary.start()
        self.primary.create_database("supertokens")
        self.standbys = [self.primary.replica().start() for _ in range(2)]
        if self.sync:
            self.primary.reload(synchronous_standby_names=f"ANY {self.sync} (*)")
        wait_for(lambda: self.streaming() == 2, 20, "two standbys follow")
        return self

    def streaming(self):
        states = "'quorum'" if self.sync else "'async'"
        return int(self.primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = "
                                     f"'streaming' AND sync_state IN ({states})"))

    def __exit__(self, *exc):
        for server in [*self.standbys, self.primary]:
            server.close()

    def uri(self, query="target_session_attrs=read-write"):
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in [self.primary, *self.standbys])
        return (f"postgresql://{self.primary.superuser}:{self.primary.password}@{hosts}"
                f"/supertokens?{query}")

    def fail_over(self):
        """The primary dies; the first standby becomes it, and waits for nobody any more."""
        self.primary.kill()
        heir = self.standbys[0]
        heir.promote()
        heir.reload(synchronous_standby_names="")
        return heir


def test_primary_dies_under_load():
    """With synchronous standbys nothing that was acknowledged is lost, nothing is doubled;
    clients see 503 in between, and then the core writes to the heir by itself."""
    with Cluster(sync=2) as cluster, Core(uri=cluster.uri()) as core:
        app = core.app()
        with History(app) as h:
            h.progress(60)
            heir = cluster.fail_over()
            h.progress(60)
        h.check()
        assert h.seen["unavailable"] > 0 and h.seen["partial"] == 0
        assert int(heir.psql("SELECT count(*) FROM st_users", "supertokens")) >= len(h.users)


def test_new_core_finds_the_heir():
    """A core that starts after the failover is served by the same URI."""
    with Cluster(sync=2) as cluster:
        with Core(uri=cluster.uri()) as core:
            core.post("/recipe/signup", {"email": "a@b.cc", "password": "secret12"}).ok()
        cluster.fail_over()
        with Core(uri=cluster.uri()) as core:
            core.post("/recipe/signin", {"email": "a@b.cc", "password": "secret12"}).ok()


def test_standby_dies_under_load():
    """Nobody notices the death of an asynchronous standby."""
    with Cluster(sync=0) as cluster, Core(uri=cluster.uri()) as core:
        with History(core.app()) as h:
            h.progress(40)
            cluster.standbys[1].kill()
            h.progress(80)
        h.check()
        assert h.seen["unavailable"] == 0 and h.seen["lost"] == 0


def test_hosts_of_the_guide_without_attrs():
    """`host1,host2` alone: the first that takes writes serves, whichever comes first."""
    with Cluster(sync=0) as cluster:
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{cluster.standbys[0].port}," \
                f"127.0.0.1:{cluster.primary.port}"
        uri = (f"postgresql://{cluster.primary.superuser}:{cluster.primary.password}@{hosts}"
               "/supertokens")
        with Core(uri=uri) as core:
            core.post("/recipe/signup", {"email": "a@b.cc", "password": "secret12"}).ok()
        assert cluster.primary.psql("SELECT count(*) FROM st_users", "supertokens") == "1"


@pytest.mark.skipif(not shutil.which("pgbouncer"), reason="no PgBouncer on this machine")
@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_pooler_with_no_setting(pg, name, pool_mode):
    """Migrations, a load, and the pooler's death in the middle of it."""
    pg.create_database(name)
    with PgBouncer(pg, pool_mode=pool_mode, pool_size=12) as bouncer:
        with Core(uri=bouncer.uri(name)) as core:
            with History(core.app()) as h:
                h.progress(60)
                bouncer.kill()
                bouncer.start()
                h.progress(60)
            h.check()
            assert " ERROR " not in core.log_text()
