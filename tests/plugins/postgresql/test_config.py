# SPDX-License-Identifier: Apache-2.0
"""Settings: where the plugin connects to, and what it says when it cannot."""

import re
from urllib.parse import quote

import pytest
import model as m
from servers import PostgresServer, free_port
from stkabi import StkError

HOSTILE = ["p@ss:w/o#r%d?;&=", "sp ace'quote\"back\\slash", "é😀$(x)`", "@", ":", "%41", "a b+c"]


def refused(plugin, options):
    with pytest.raises(StkError) as e:
        plugin.open(options, m.catalog).close()
    for key, value in options.items():
        if "password" in key and value:
            assert value not in e.value.message
    return e.value


def uri_refused(plugin, uri, **options):
    return refused(plugin, {"postgresql_connection_uri": uri, **options})


# ------------------------------------------------------------------- identity

@pytest.mark.parametrize("options,data", [
    ({"postgresql_connection_uri": "postgresql://u:p@db:5433/x"}, "postgresql://db:5433/x#public"),
    ({"postgresql_connection_uri": "postgres://u:p@db/x"}, "postgresql://db:5432/x#public"),
    ({"postgresql_connection_uri": "postgresql://u:p@db"}, "postgresql://db:5432/supertokens#public"),
    ({"postgresql_connection_uri": "postgresql://u@srv:p@db.azure.com:5432/x?sslmode=require"},
     "postgresql://db.azure.com:5432/x#public"),
    ({"postgresql_connection_uri": "postgresql://u:p@a:1,b,[::1]:3/x?target_session_attrs=any"},
     "postgresql://a:1,b:5432,[::1]:3/x#public"),
    ({"postgresql_connection_uri": "postgresql://u:p@db/x?currentSchema=mine"},
     "postgresql://db:5432/x#mine"),
    ({"postgresql_connection_uri": "postgresql://u:p@%2Fvar%2Frun/x"},
     "postgresql:///var/run/.s.PGSQL.5432/x#public"),
    ({"postgresql_connection_uri": "postgresql:///x?host=/tmp&port=99"},
     "postgresql:///tmp/.s.PGSQL.99/x#public;/tmp;99"),
    ({"postgresql_connection_uri": "postgresql://u:p@db/x", "postgresql_host": "no",
      "postgresql_port": "1", "postgresql_database_name": "no", "postgresql_user": "no",
      "postgresql_table_schema": "s"}, "postgresql://db:1/x#s"),
    ({"postgresql_user": "u"}, "postgresql://localhost:5432/supertokens#public"),
    ({"postgresql_user": "u", "postgresql_host": "h1,h2", "postgresql_port": "6",
      "postgresql_database_name": "d", "postgresql_table_schema": "S"},
     "postgresql://h1:6,h2:6/d#S"),
    ({"postgresql_user": "u", "postgresql_connection_attributes":
      "allowPublicKeyRetrieval=true&currentSchema=other"},
     "postgresql://localhost:5432/supertokens#other"),
])
def test_data_identity(plugin, options, data):
    assert plugin.identity(options)[0] == data


def test_pool_identity_tells_connections_apart(plugin):
    base = {"postgresql_connection_uri": "postgresql://u:secret1@db/x"}
    variants = [base, {**base, "postgresql_connection_pool_size": "3"},
                {"postgresql_connection_uri": "postgresql://u:secret2@db/x"},
                {"postgresql_connection_uri": "postgresql://v:secret1@db/x"},
                {"postgresql_connection_uri": "postgresql://u:secret1@db/x?sslmode=require"},
                {**base, "postgresql_prepared_statements": "off"}]
    ids = [plugin.identity(v) for v in variants]
    assert len({pool for _, pool in ids}) == len(ids)
    assert len({data for data, _ in ids}) == 1
    assert plugin.identity(base) == plugin.identity(dict(base))
    assert not any("secret" in i for pair in ids for i in pair)


def test_long_identities_stay_different(plugin):
    hosts = ",".join(f"host-number-{i}.example.com" for i in range(40))
    a, b = ({"postgresql_connection_uri": f"postgresql://u:p@{hosts}/{d}"} for d in ("x", "y"))
    assert plugin.identity(a)[0] != plugin.identity(b)[0]


# ------------------------------------------------------------------- bad values

@pytest.mark.parametrize("options,words", [
    ({}, "neither postgresql_connection_uri nor postgresql_user is set"),
    ({"postgresql_connection_uri": "mysql://u:p@h/d"}, "mysql://"),
    ({"postgresql_connection_uri": "postgresql://u:p@h/d?nonsense=1"}, '"nonsense"'),
    ({"postgresql_connection_uri": "postgresql://u:p@h/d?target_session_attrs=best"}, "read-write"),
    ({"postgresql_connection_uri": "postgresql://u:p@h/d?connect_timeout=soon"}, "seconds"),
    ({"postgresql_user": "u", "postgresql_table_names_prefix": "x"}, "postgresql_table_schema"),
    ({"postgresql_user": "u", "postgresql_connection_pool_size": "0"}, "from 1 to"),
    ({"postgresql_user": "u", "postgresql_connection_pool_size": "ten"}, "must be a number"),
    ({"postgresql_user": "u", "postgresql_connection_pool_size": "3",
      "postgresql_minimum_idle_connections": "4"}, "from 0 to 3"),
    ({"postgresql_user": "u", "postgresql_prepared_statements": "maybe"}, "auto, on or off"),
    ({"postgresql_user": "u", "postgresql_table_schema": "s" * 64}, "63 bytes"),
])
def test_wrong_settings_name_the_key(plugin, options, words):
    e = refused(plugin, options)
    assert e.status == "CONFIG" and words in e.message and e.message.startswith("postgresql: ")


def test_a_wrong_uri_never_shows_its_password(plugin):
    for uri in ("postgresql://u:hunter2@[::1/d", "postgresql://u:hunter2@h:port/d",
                "postgresql://u:hunter2@h/d?x=hunter2", "postgresql:u:hunter2@h",
                "postgresql://u:hunter2%zz@h/d"):
        with pytest.raises(StkError) as e:
            plugin.open({"postgresql_connection_uri": uri}, m.catalog)
        assert "hunter2" not in e.value.message


def test_the_incumbents_keys_are_known(plugin):
    keys = {plugin.v.options[i].key.decode(): plugin.v.options[i].flags
            for i in range(plugin.v.noptions)}
    for name in ("connection_uri", "host", "port", "user", "password", "database_name",
                 "table_schema", "connection_pool_size", "idle_connection_timeout",
                 "minimum_idle_connections", "config_version", "connection_attributes",
                 "connection_scheme", "table_names_prefix", "key_value_table_name",
                 "session_info_table_name", "emailpassword_users_table_name",
                 "emailpassword_pswd_reset_tokens_table_name",
                 "emailverification_tokens_table_name",
                 "emailverification_verified_emails_table_name", "thirdparty_users_table_name"):
        assert f"postgresql_{name}" in keys
    assert keys["postgresql_table_names_prefix"] & 2
    assert keys["postgresql_password"] & 1 and keys["postgresql_connection_uri"] & 1


# ------------------------------------------------------------------ connecting

@pytest.mark.parametrize("password", HOSTILE)
@pytest.mark.parametrize("user", ["plain", "name@server", "we:ird/ %u"])
def test_users_and_passwords_of_any_kind(plugin, pg, user, password):
    pg.psql(f"DROP ROLE IF EXISTS {quoted(user)}")
    pg.create_user(user, password)
    uri = pg.uri("postgres", user, password)
    plugin.open({"postgresql_connection_uri": uri}, m.catalog).close()
    plugin.open({"postgresql_user": user, "postgresql_password": password,
                 "postgresql_host": "127.0.0.1", "postgresql_port": pg.port,
                 "postgresql_database_name": "postgres"}, m.catalog).close()
    if ":" not in user and "/" not in user:  # as Azure's portal shows it
        plugin.open({"postgresql_connection_uri":
                     f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{pg.port}/postgres"
                     }, m.catalog).close()


def quoted(name):
    return '"' + name + '"'


def test_the_socket_of_a_folder(plugin, pg):
    uri = f"postgresql://postgres@{quote(pg.home, safe='')}:{pg.port}/postgres"
    for options in ({"postgresql_connection_uri": uri},
                    {"postgresql_connection_uri":
                     f"postgresql:///postgres?host={pg.home}&port={pg.port}&user=postgres"},
                    {"postgresql_host": pg.home, "postgresql_port": pg.port,
                     "postgresql_user": "postgres", "postgresql_database_name": "postgres"}):
        with plugin.open(options, m.catalog) as db:
            assert f"{pg.home}/.s.PGSQL.{pg.port}"[:90] in db.health().server.decode()


def test_session_is_left_as_the_server_sets_it(plugin, pg, database):
    name = database.rsplit("/", 1)[1]
    with plugin.open({"postgresql_connection_uri": database}, m.catalog) as db:
        db.ensure()
        t = db.begin()
        t.exec([m.total("a")])
        row = pg.rows("SELECT application_name, backend_xid IS NULL FROM pg_stat_activity "
                      f"WHERE datname = '{name}'")
        assert row == [("supertokens", "t")]
        t.rollback()


def test_uri_wins_and_says_so(plugin, database):
    options = {"postgresql_connection_uri": database, "postgresql_user": "nobody",
               "postgresql_password": "oth3r", "postgresql_database_name": "none"}
    plugin.open(options, m.catalog).close()
    said = "\n".join(line for _, line in plugin.logs)
    for key in ("postgresql_user", "postgresql_password", "postgresql_database_name"):
        assert f"{key} is ignored" in said
    assert "oth3r" not in said and "super-secret" not in said


@pytest.mark.parametrize("case", ["refused", "unknown host", "database", "password", "no password",
                                  "role", "no tls"])
def test_what_is_said_when_connecting_fails(plugin, pg, case):
    port = free_port()
    where = f"127.0.0.1:{pg.port}"
    uri, status, words = {
        "refused": (f"postgresql://u:pw@127.0.0.1:{port}/d", "UNAVAILABLE",
                    ["cannot connect to 127.0.0.1:%d: Connection refused" % port, "Check that"]),
        "unknown host": ("postgresql://u:pw@no-such-host.invalid/d", "UNAVAILABLE",
                         ["host name of no-such-host.invalid:5432 cannot be resolved"]),
        "database": (pg.uri("nonesuch"), "UNAVAILABLE",
                     [f'database "nonesuch" does not exist on {where}. Create it: CREATE DATABASE '
                      'nonesuch;']),
        "password": (pg.uri("postgres", password="wr0ng"), "DENIED",
                     [f'{where} refuses the password of user "postgres". Check']),
        "no password": (f"postgresql://postgres@{where}/postgres", "DENIED",
                        ["asks for the password of user", "postgresql_password"]),
        "role": (pg.uri("postgres", "ghost", "pw"), "DENIED", ['"ghost"']),
        "no tls": (pg.uri("postgres", query="sslmode=require"), "UNAVAILABLE",
                   [f"no TLS connection to {where}", "sslmode"]),
    }[case]
    e = uri_refused(plugin, uri)
    assert e.status == status, e
    for w in words:
        assert w in e.message, e.message
    assert e.message.startswith("postgresql: ") and "\n" not in e.message
    everything = e.message + "".join(line for _, line in plugin.logs)
    assert not re.search(r"wr0ng|:pw@|super-secret", everything)


def test_tls_and_its_verification(plugin):
    with PostgresServer(tls=True) as server:
        cert, _ = server.make_certificate()
        ca = quote(cert, safe="")
        for query in ("sslmode=require", f"sslmode=verify-full&sslrootcert={ca}",
                      f"sslmode=verify-ca&sslrootcert={ca}", "ssl=true"):
            with plugin.open({"postgresql_connection_uri":
                              server.uri("postgres", query=query)}, m.catalog) as db:
                assert server.psql("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a "
                                   "USING (pid) WHERE s.ssl AND application_name = "
                                   "'supertokens'") == "1"
                db.health()
        e = uri_refused(plugin, server.uri("postgres", query="sslmode=verify-full&sslrootcert="
                                           + quote("/etc/hostname", safe="")))
        assert e.status == "UNAVAILABLE" and "no TLS connection" in e.message, e
        e = uri_refused(plugin, server.uri("postgres", query="sslmode=maybe"))
        assert e.status == "CONFIG" and "sslmode" in e.message, e


def test_missing_privileges_are_said_with_the_grant(plugin, pg, database):
    name = database.rsplit("/", 1)[1]
    pg.create_user(f"low_{name}", "pw")
    with plugin.open({"postgresql_connection_uri": database}, m.catalog) as db:
        db.ensure()
    with plugin.open({"postgresql_connection_uri": pg.uri(name, f"low_{name}", "pw")},
                     m.catalog) as db:
        with pytest.raises(StkError) as e:
            db.exec([m.total("a")])
        assert e.value.status == "DENIED"
        assert (f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "
                f"low_{name};") in e.value.message
        pg.psql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "
                f"low_{name}", name)
        assert db.exec([m.total("a")])[0].affected == 0


def test_missing_table_is_a_schema_error(plugin, database):
    with plugin.open({"postgresql_connection_uri": database}, m.catalog) as db:
        with pytest.raises(StkError) as e:
            db.exec([m.total("a")])
        assert e.value.status == "SCHEMA" and "supertokens migrate" in e.value.message
        with pytest.raises(StkError) as e:
            db.verify()
        assert e.value.status == "SCHEMA" and "st_item" in e.value.message


def test_an_encoding_that_cannot_hold_the_data(plugin, pg):
    pg.psql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    e = uri_refused(plugin, pg.uri("latin"))
    assert e.status == "CONFIG" and "LATIN1" in e.message and "UTF8" in e.message


def test_idle_connections_above_the_minimum_are_closed(plugin, pg, database):
    name = database.rsplit("/", 1)[1]
    with plugin.open({"postgresql_connection_uri": database,
                      "postgresql_minimum_idle_connections": "1",
                      "postgresql_idle_connection_timeout": "1"}, m.catalog) as db:
        db.ensure()
        txns = [db.begin() for _ in range(4)]
        for t in txns:
            t.exec([m.total("a")])
        assert db_count(pg, name) == 4
        for t in txns:
            t.rollback()
        from servers import wait_for
        wait_for(lambda: db.health() and db_count(pg, name) == 1, what="closed")


def db_count(pg, name):
    return int(pg.psql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"))
