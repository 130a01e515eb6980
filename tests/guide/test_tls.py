# SPDX-License-Identifier: Apache-2.0
"""TLS, required by the server, on each database that has a network: what is right connects,
what is wrong is refused with its cause."""

import os
import shutil
from urllib.parse import quote

import pytest

from certs import Authority
from core import Core
from mysql_servers import MariaDBServer
from servers import MongoServer, PostgresServer, ServerError, mongod_of_tests, unprivileged_user

SIGN_UP = {"email": "a@example.com", "password": "secret123"}


class Tls:
    """One server of each kind of certificate, made when first asked for."""

    def __init__(self, folder, make):
        self.make, self.servers = make, {}
        self.folder = folder
        self.ca = Authority(folder)
        self.other = Authority(folder, "Other CA")

    def server(self, kind):
        if kind not in self.servers:
            hosts, days = {"right": (("localhost", "127.0.0.1"), 30),
                           "mismatched": (("db.example.com",), 30),
                           "expired": (("localhost", "127.0.0.1"), -1)}[kind]
            cert, key = self.ca.issue(*hosts, days=days, owner=unprivileged_user())
            self.servers[kind] = self.make(cert, key, self.ca.path).start()
        return self.servers[kind]

    def close(self):
        for server in self.servers.values():
            server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("certs")
    for parent in [path, *path.parents][:3]:
        os.chmod(parent, 0o755)
    return path


def opened(tls, kind, query):
    """Starts a core with these parameters: None, or the last line of its refusal."""
    server = tls.server(kind)
    uri = server.uri("supertokens", query=query)
    core = Core(uri=uri, startup_timeout=1)
    try:
        core.start(20)
        core.post("/recipe/signup", SIGN_UP)
        core.post("/recipe/signin", SIGN_UP).ok()
        assert core.stop() == 0
        return None
    except ServerError:
        text = core.log_text()
        password = getattr(server, "password", getattr(server, "user_password", None))
        assert not password or password not in text
        return text.rstrip().splitlines()[-1]
    finally:
        core.close()


def check(tls, kind, query, says):
    said = opened(tls, kind, query)
    if says is None:
        assert said is None, said
    else:
        assert said is not None, "it was accepted"
        for word in says:
            assert word in said, said


# ------------------------------------------------------------------ PostgreSQL

class TlsPostgres(PostgresServer):
    """Takes TCP connections with TLS only."""

    def __init__(self, cert, key):
        super().__init__(conf={"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key})

    def start(self, wait=True):
        super().start(wait)
        hba = os.path.join(self.data, "pg_hba.conf")
        with open(hba, "w", encoding="utf-8") as f:
            f.write("local all all trust\nhostssl all all all scram-sha-256\n")
        self.psql("SELECT pg_reload_conf()")
        self.create_database("supertokens")
        return self


@pytest.fixture(scope="module")
def postgres_tls(folder):
    if not shutil.which("psql"):
        pytest.skip("no PostgreSQL on this machine")
    tls = Tls(folder, lambda cert, key, ca: TlsPostgres(cert, key))
    yield tls
    tls.close()


@pytest.mark.parametrize("kind, query, says", [
    ("right", "sslmode=require", None),
    ("right", "sslmode=verify-ca&sslrootcert={ca}", None),
    ("right", "sslmode=verify-full&sslrootcert={ca}", None),
    ("right", "", None),
    ("right", "sslmode=disable", ["with TLS only", "sslmode=require"]),
    ("right", "sslmode=verify-ca&sslrootcert={other}", ["certificate verify failed", "sslrootcert"]),
    ("right", "sslmode=verify-full&sslrootcert=/no/such.pem", ["/no/such.pem"]),
    ("mismatched", "sslmode=verify-ca&sslrootcert={ca}", None),
    ("mismatched", "sslmode=verify-full&sslrootcert={ca}", ["db.example.com", "127.0.0.1"]),
    ("expired", "sslmode=require", None),
    ("expired", "sslmode=verify-full&sslrootcert={ca}", ["certificate has expired"]),
])
def test_postgresql(postgres_tls, kind, query, says):
    check(postgres_tls, kind, query.format(ca=quote(postgres_tls.ca.path, safe=""),
                                           other=quote(postgres_tls.other.path, safe="")), says)


# ------------------------------------------------------------------------ MySQL

class TlsMariaDB(MariaDBServer):
    """Takes TCP connections with TLS only."""

    def __init__(self, cert, key, ca):
        super().__init__(conf={"ssl-cert": cert, "ssl-key": key, "ssl-ca": ca,
                               "require_secure_transport": "ON"})

    def start(self, wait=True):
        super().start(wait)
        self.create_database("supertokens")
        return self


@pytest.fixture(scope="module")
def mysql_tls(folder):
    try:
        tls = Tls(folder, TlsMariaDB)
        tls.server("right")
    except ServerError as e:
        pytest.skip(str(e))
    yield tls
    tls.close()


@pytest.mark.parametrize("kind, query, says", [
    ("right", "useSSL=true", None),
    ("right", "useSSL=true&verifyServerCertificate=true&serverSslCert={ca}", None),
    ("right", "sslMode=VERIFY_CA&serverSslCert={ca}", None),
    ("right", "sslMode=VERIFY_IDENTITY&serverSslCert={ca}", None),
    ("right", "useSSL=false", ["useSSL=true"]),
    ("right", "sslMode=VERIFY_CA&serverSslCert={other}", ["certificate", "serverSslCert"]),
    ("right", "sslMode=VERIFY_CA&serverSslCert=/no/such.pem", ["/no/such.pem"]),
    ("mismatched", "sslMode=VERIFY_IDENTITY&serverSslCert={ca}", ["certificate", "127.0.0.1"]),
    ("expired", "useSSL=true", None),
    ("expired", "sslMode=VERIFY_IDENTITY&serverSslCert={ca}", ["certificate has expired"]),
])
def test_mysql(mysql_tls, kind, query, says):
    check(mysql_tls, kind, query.format(ca=quote(mysql_tls.ca.path, safe=""),
                                        other=quote(mysql_tls.other.path, safe="")), says)


# ---------------------------------------------------------------------- MongoDB

class TlsMongo(MongoServer):
    """Takes connections with TLS only."""

    def __init__(self, cert, key):
        super().__init__()
        self.more = ["--tls-cert-file", cert, "--tls-key-file", key]


@pytest.fixture(scope="module")
def mongo_tls(folder):
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    tls = Tls(folder, lambda cert, key, ca: TlsMongo(cert, key))
    yield tls
    tls.close()


@pytest.mark.parametrize("kind, query, says", [
    ("right", "tls=true&tlsCAFile={ca}", None),
    ("right", "ssl=true&tlsCAFile={ca}", None),
    ("right", "tls=true&tlsAllowInvalidCertificates=true", None),
    ("right", "", ["tls=true"]),
    ("right", "tls=true&tlsCAFile={other}", ["certificate verify failed"]),
    ("right", "tls=true&tlsCAFile=/no/such.pem", ["/no/such.pem"]),
    ("mismatched", "tls=true&tlsCAFile={ca}", ["certificate"]),
    ("mismatched", "tls=true&tlsCAFile={ca}&tlsAllowInvalidHostnames=true", None),
    ("expired", "tls=true&tlsCAFile={ca}", ["certificate"]),
])
def test_mongodb(mongo_tls, kind, query, says):
    query += "&serverSelectionTimeoutMS=1000" if query else "serverSelectionTimeoutMS=1000"
    check(mongo_tls, kind, query.format(ca=quote(mongo_tls.ca.path, safe=""),
                                        other=quote(mongo_tls.other.path, safe="")), says)
