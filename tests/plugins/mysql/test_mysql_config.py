# SPDX-License-Identifier: Apache-2.0
"""Connecting as an operator writes it down: users, TLS, and what goes wrong."""

import socket
import struct
import subprocess
import threading

import model as m
import pytest
from servers import free_port
from stkabi import StkError


def fails(plugin, options):
    with pytest.raises(StkError) as e:
        plugin.open(options, m.catalog).close()
    return e.value


def works(plugin, uri, **more):
    with plugin.open({"mysql_connection_uri": uri, **more}, m.catalog) as db:
        return db.health().server.decode()


def tls_accepts(server):
    """How many connections with TLS the server has taken."""
    return int(server.sql("SHOW GLOBAL STATUS LIKE 'Ssl_accepts'").split("\t")[1])


def test_localhost_means_tcp(plugin, server, name, database):
    said = works(plugin, server.uri(name, host="localhost"))
    assert said.endswith(f"localhost:{server.port}") and database
    kind = "MariaDB" if server.label == "mariadb" else "MySQL 8.0.15"
    assert kind in said


@pytest.mark.usefixtures("database")
def test_the_socket_of_the_server(plugin, server, name):
    options = {"mysql_host": server.socket, "mysql_user": server.user_name,
               "mysql_password": server.user_password, "mysql_database_name": name}
    with plugin.open(options, m.catalog) as db:
        assert db.health().server.decode().endswith(server.socket)


@pytest.mark.parametrize("user,password", [
    ("admin@myserver", "p@:/#%?;'\"\\ x"), ("ünï", "päss")])
@pytest.mark.usefixtures("database")
def test_odd_users_and_passwords(plugin, server, name, user, password):
    quoted = password.replace("\\", "\\\\").replace("'", "''")
    server.sql(f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{quoted}'; "
               f"GRANT ALL PRIVILEGES ON {name}.* TO '{user}'@'%'")
    works(plugin, server.uri(name, user, password))


@pytest.mark.usefixtures("database")
def test_azure_users_as_the_guide_writes_them(plugin, server, name):
    server.sql("CREATE USER IF NOT EXISTS 'user@servername'@'%' IDENTIFIED BY 'pass'; "
               f"GRANT ALL PRIVILEGES ON {name}.* TO 'user@servername'@'%'")
    works(plugin, f"mysql://user@servername:pass@127.0.0.1:{server.port}/{name}")


@pytest.mark.usefixtures("database")
def test_what_goes_wrong_is_said_with_the_remedy(plugin, server, name):
    e = fails(plugin, {"mysql_connection_uri": server.uri("nowhere", "root2", "x")})
    assert e.status == "DENIED" and "root2" in e.message
    e = fails(plugin, {"mysql_connection_uri": server.uri(name, password="wrong-one")})
    assert e.status == "DENIED" and "wrong-one" not in e.message and server.user_name in e.message
    server.sql(f"GRANT ALL PRIVILEGES ON `missing%`.* TO '{server.user_name}'@'%'")
    e = fails(plugin, {"mysql_connection_uri": server.uri("missing1")})
    assert e.status == "UNAVAILABLE" and "CREATE DATABASE `missing1`" in e.message
    server.sql("CREATE DATABASE foreign_db")
    e = fails(plugin, {"mysql_connection_uri": server.uri("foreign_db")})
    assert e.status == "DENIED" and "GRANT ALL PRIVILEGES ON `foreign_db`.*" in e.message
    e = fails(plugin, {"mysql_connection_uri": server.uri(name, port=free_port())})
    assert e.status == "UNAVAILABLE" and "Check that the server runs there" in e.message
    e = fails(plugin, {"mysql_connection_uri": "mysql://u:p@no-such-host.invalid/d"})
    assert e.status == "UNAVAILABLE"
    server.sql("DROP DATABASE foreign_db")


def test_a_missing_table_privilege_names_the_grant(plugin, server, name, database):
    server.sql("CREATE USER IF NOT EXISTS 'weak'@'%' IDENTIFIED BY 'p'; "
               f"GRANT SELECT ON {name}.* TO 'weak'@'%'")
    with plugin.open({"mysql_connection_uri": database}, m.catalog) as db:
        db.ensure()
    with plugin.open({"mysql_connection_uri": server.uri(name, "weak", "p")}, m.catalog) as db:
        assert db.exec([m.get_pair("a")])[0].rows == []
        with pytest.raises(StkError) as e:
            db.exec([m.once("a", 0, "")])
        assert e.value.status == "DENIED"
        assert f"GRANT ALL PRIVILEGES ON `{name}`.* TO 'weak'@'%';" in e.value.message


def test_refused_settings(plugin):
    e = fails(plugin, {"mysql_connection_uri": "mysql://u:p@h/d", "mysql_table_names_prefix": "x"})
    assert e.status == "CONFIG" and "mysql_table_names_prefix" in e.message
    e = fails(plugin, {"mysql_connection_uri": "mysql://u:sEcReT@h/d?sslmodus=x"})
    assert e.status == "CONFIG" and "sslmodus" in e.message and "sEcReT" not in e.message


@pytest.mark.usefixtures("database")
def test_pool_size_of_the_uri(plugin, server, name):
    with plugin.open({"mysql_connection_uri": server.uri(name, query="maxPoolSize=3")},
                     m.catalog) as db:
        assert db.health().pool_size == 3
    with plugin.open({"mysql_connection_uri": server.uri(name, query="maxPoolSize=3"),
                      "mysql_connection_pool_size": "7"}, m.catalog) as db:
        assert db.health().pool_size == 3
    assert any("mysql_connection_pool_size is ignored" in line for _, line in plugin.logs)


# ------------------------------------------------------------------------ TLS

@pytest.fixture(scope="module")
def tls(server):
    with type(server)(tls=True) as s:
        s.create_database("d")
        s.sql("CREATE USER 'tls'@'%' IDENTIFIED BY 'p' REQUIRE SSL; "
              "GRANT ALL PRIVILEGES ON d.* TO 'tls'@'%'")
        yield s


def test_tls_where_the_server_has_it(plugin, tls):
    before = tls_accepts(tls)
    works(plugin, tls.uri("d", "tls", "p"))  # preferred by default
    works(plugin, tls.uri("d", "tls", "p", query="useSSL=true"))
    works(plugin, tls.uri("d", "tls", "p", query="sslMode=REQUIRED"))
    assert tls_accepts(tls) >= before + 3
    e = fails(plugin, {"mysql_connection_uri": tls.uri("d", "tls", "p", query="useSSL=false")})
    assert e.status == "DENIED" and "useSSL=true" in e.message


def test_tls_that_is_verified(plugin, tls, tmp_path):
    cert, _ = tls.make_certificate()
    for query in (f"useSSL=true&serverSslCert={cert}", f"sslMode=VERIFY_CA&serverSslCert={cert}",
                  f"sslMode=VERIFY_IDENTITY&serverSslCert=file:{cert}"):
        works(plugin, tls.uri("d", "tls", "p", host="localhost", query=query))
    other = tmp_path / "other.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=other", "-keyout", "/dev/null", "-out", str(other)], check=True,
                   capture_output=True)
    for query in (f"useSSL=true&serverSslCert={other}", "useSSL=true&verifyServerCertificate=true",
                  f"sslMode=VERIFY_CA&serverSslCert={other}"):
        e = fails(plugin, {"mysql_connection_uri": tls.uri("d", "tls", "p", host="localhost",
                                                           query=query)})
        assert e.status == "UNAVAILABLE" and "TLS" in e.message, query


def test_tls_that_must_be_there(plugin):
    from mysql_servers import MariaDBServer
    with MariaDBServer(conf={"skip-ssl": None}) as plain:
        plain.create_database("d")
        works(plugin, plain.uri("d"))
        for query in ("useSSL=true", "sslMode=REQUIRED", "sslMode=VERIFY_IDENTITY"):
            e = fails(plugin, {"mysql_connection_uri": plain.uri("d", query=query)})
            assert e.status == "UNAVAILABLE" and "TLS" in e.message, query


class Stripped:
    """What claims to be a server without TLS, and keeps what clients tell it."""

    PLUGIN_AUTH = 1 << 19

    def __init__(self, capabilities):
        name = b"mysql_native_password\0" if capabilities & self.PLUGIN_AUTH else b""
        body = (b"\x0a8.0.30\0" + struct.pack("<I", 7) + b"abcdefgh\0"
                + struct.pack("<H", capabilities & 0xFFFF) + b"\x2d\x02\0"
                + struct.pack("<H", capabilities >> 16) + b"\x15" + bytes(10) + b"ijklmnopqrst\0" + name)
        self.greeting = struct.pack("<I", len(body)) + body
        self.said = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self.thread.start()
        return self

    def _serve(self):
        while True:
            client, _ = self.listener.accept()
            with client:
                client.sendall(self.greeting)
                said = client.recv(4096)
                if said == b"end":
                    return
                self.said.append(said)

    def __exit__(self, *exc):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(b"end")
            self.thread.join()
        self.listener.close()


@pytest.mark.parametrize("capabilities", [0x0008A20D, 0x0000A20D], ids=["today's", "of old"])
def test_who_strips_tls_sees_no_login(plugin, capabilities):
    with Stripped(capabilities) as s:
        uri = f"mysql://someone:sEcReT@127.0.0.1:{s.port}/d"
        for query in ("useSSL=true", "sslMode=REQUIRED", "sslMode=VERIFY_CA", "sslMode=VERIFY_IDENTITY"):
            e = fails(plugin, {"mysql_connection_uri": f"{uri}?{query}"})
            assert e.status == "UNAVAILABLE" and "TLS" in e.message, query
        assert s.said and not any(s.said)
        # and this is what would be seen
        fails(plugin, {"mysql_connection_uri": f"{uri}?useSSL=false"})
        assert b"someone" in s.said[-1]


def test_a_deadline_holds_with_tls(plugin, tls):
    with plugin.open({"mysql_connection_uri": tls.uri("d", "tls", "p", query="useSSL=true")},
                     m.catalog) as db:
        db.ensure()
        db.exec([m.once("a", 0, "")])
        holder = db.begin()
        holder.exec([m.lock_pair("a")])
        with pytest.raises(StkError) as e:
            db.exec([m.bump(1, "a"), m.get_pair("a")], timeout=0.3)
        assert e.value.status == "TIMEOUT"
        holder.rollback()


@pytest.mark.usefixtures("database")
def test_caching_sha2_password_without_tls(plugin, server, name):
    if server.label == "mariadb":
        pytest.skip("MariaDB has no caching_sha2_password")
    server.sql("FLUSH PRIVILEGES")  # forgets who has proved to know the password
    works(plugin, server.uri(name, query="useSSL=false"))
    works(plugin, server.uri(name))
