# SPDX-License-Identifier: Apache-2.0
"""Every form of a connection URI that guides and cloud providers write, for each plugin; and
passwords of every printable ASCII character in all places where one can be written, which no
log and no message shows."""

import os
import re
import string
import uuid
from urllib.parse import quote

import pytest

import stkabi
from core import BUILD, Core
from servers import MongoServer, mongod_of_tests

# All of them, both quotes next to each other, and spaces at the ends.
PASSWORD = " Aa1" + string.punctuation + "'\" z "
USER = "app@servername"
SIGN_UP = {"email": "a@example.com", "password": "secret123"}


def identity(plugin, **options):
    loaded = stkabi.Plugin(os.path.join(BUILD, "plugins", plugin + ".so"))
    data, pool = loaded.identity({f"{plugin}_{k}": v for k, v in options.items()})
    assert "pass" not in data + pool
    return data, pool


# What the URI is after its scheme, the user, and the place it leads to.
FORMS = [
    # the guide's own
    ("user:pass@localhost:{port}/supertokens", "user", "localhost:{port}/supertokens"),
    ("user:pass@host:{port}/supertokens?{tls}", "user", "host:{port}/supertokens"),
    ("user:pass@host1:{port},host2:{port}/supertokens", "user",
     "host1:{port},host2:{port}/supertokens"),
    ("user:pass@node1:{port},node2:{port},node3:{port}/supertokens", "user",
     "node1:{port},node2:{port},node3:{port}/supertokens"),
    ("user:pass@pooler:6432/supertokens", "user", "pooler:6432/supertokens"),
    # AWS RDS, Google Cloud SQL, Azure, DigitalOcean
    ("admin:pass@mydb.abc123.us-east-1.rds.amazonaws.com:{port}/supertokens?{tls}", "admin",
     "mydb.abc123.us-east-1.rds.amazonaws.com:{port}/supertokens"),
    ("user:pass@34.102.136.180:{port}/supertokens", "user", "34.102.136.180:{port}/supertokens"),
    ("user@servername:pass@servername.database.azure.com:{port}/supertokens?{tls}",
     "user@servername", "servername.database.azure.com:{port}/supertokens"),
    ("user%40servername:pass@servername.database.azure.com:{port}/supertokens",
     "user@servername", "servername.database.azure.com:{port}/supertokens"),
    ("doadmin:pass@db-1-do-user-1-0.b.db.ondigitalocean.com:25060/defaultdb?{tls}", "doadmin",
     "db-1-do-user-1-0.b.db.ondigitalocean.com:25060/defaultdb"),
    # parts left out
    ("user:pass@host/supertokens", "user", "host:{port}/supertokens"),
    ("user:pass@host", "user", "host:{port}/supertokens"),
    ("user:pass@host/", "user", "host:{port}/supertokens"),
    # addresses, encodings, sockets
    ("user:pass@[::1]:{port}/supertokens", "user", "[::1]:{port}/supertokens"),
    ("user:pass@[2001:db8::7]/supertokens", "user", "[2001:db8::7]:{port}/supertokens"),
    ("user:pass@[::1]:7,host2:8/supertokens", "user", "[::1]:7,host2:8/supertokens"),
    ("us%65r:p%61ss@host:{port}/super%74okens", "user", "host:{port}/supertokens"),
    ("user:pass%40%3A%2F%23%25%3F@host:{port}/supertokens", "user", "host:{port}/supertokens"),
    ("user:pass@%2Ftmp%2Fx.sock/supertokens", "user", "{socket}/supertokens"),
]
PORTS = {"postgresql": 5432, "mysql": 3306, "mongodb": 27017}
TLS = {"postgresql": "sslmode=require", "mysql": "useSSL=true", "mongodb": "tls=true"}
SOCKETS = {"postgresql": "/tmp/x.sock/.s.PGSQL.5432", "mysql": "/tmp/x.sock",
           "mongodb": "/tmp/x.sock:27017"}


@pytest.mark.parametrize("plugin", PORTS)
@pytest.mark.parametrize("form, user, place", FORMS, ids=[f[0] for f in FORMS])
def test_forms(plugin, form, user, place):
    fill = {"port": PORTS[plugin], "tls": TLS[plugin], "socket": SOCKETS[plugin]}
    data, pool = identity(plugin, connection_uri=f"{plugin}://{form.format(**fill)}")
    assert data.split("#")[0] == f"{plugin}://{place.format(**fill)}"
    if plugin != "mongodb":  # which tells pools of several users apart by a hash only
        assert f"-pool:{user}@" in pool


@pytest.mark.parametrize("plugin, uri, same", [
    ("postgresql", "postgres://user:pass@host/db", "postgresql://user:pass@host:5432/db"),
    ("mysql", "mysql://user:pass@host/db?maxPoolSize=7", "mysql://user:pass@host:3306/db?maxPoolSize=7"),
    ("mongodb", "mongodb://user:pass@host/db?authSource=admin",
     "mongodb://user:pass@host:27017/db?authSource=admin"),
])
def test_other_spellings(plugin, uri, same):
    assert identity(plugin, connection_uri=uri)[0] == identity(plugin, connection_uri=same)[0]


NOWHERE = {"postgresql": "the local socket", "mysql": "localhost:{port}"}


@pytest.mark.parametrize("plugin", ["postgresql", "mysql"])
@pytest.mark.parametrize("form, place", [
    ("", "{nowhere}/supertokens"),
    ("/", "{nowhere}/supertokens"),
    ("/db", "{nowhere}/db"),
    ("user@/db?{tls}", "{nowhere}/db"),
    ("host", "host:{port}/supertokens"),
    ("host:7", "host:7/supertokens"),
    ("user@host/db", "host:{port}/db"),
    ("localhost:7/db", "localhost:7/db"),
])
def test_every_part_may_be_left_out(plugin, form, place):
    """scheme://[user[:password]@][host][:port][/database][?param=value]"""
    uri = f"{plugin}://{form.format(tls=TLS[plugin])}"
    data, _ = identity(plugin, connection_uri=uri, user="someone")
    place = place.replace("{nowhere}", NOWHERE[plugin])
    assert data.split("#")[0] == f"{plugin}://{place.format(port=PORTS[plugin])}"


# ------------------------------------------------------------ strong passwords

def yaml_double(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def yaml_single(text):
    return "'" + text.replace("'", "''") + "'"


def only_needed(text):
    """Percent-encoded where the documentation demands it and nowhere else, as people do."""
    return re.sub("[@:/#%? ]", lambda m: f"%{ord(m[0]):02X}", text)


WAYS = ["environment", "double-quoted", "single-quoted", "unquoted", "command-line", "file-named",
        "half-encoded", "azure", "keys-double-quoted", "keys-single-quoted", "keys-environment",
        "keys-file-named"]


def configured(way, plugin, host, port, database, query, home):
    """A core that is told the password in this way."""
    encoded = quote(PASSWORD, safe="")
    user = USER if way == "azure" else quote(USER, safe="")
    encoded = only_needed(PASSWORD) if way == "half-encoded" else encoded
    uri = f"{plugin}://{user}:{encoded}@{host}:{port}/{database}{'?' if query else ''}{query}"
    key, file, env, settings = f"{plugin}_connection_uri", "", {}, {}
    single = {f"{plugin}_user": USER, f"{plugin}_password": PASSWORD, f"{plugin}_host": host,
              f"{plugin}_port": str(port), f"{plugin}_database_name": database}
    if query:
        single[f"{plugin}_connection_attributes"] = query
    if way in ("environment", "half-encoded", "azure"):
        env[key.upper()] = uri
    elif way == "double-quoted":
        file = f"{key}: {yaml_double(uri)}\n"
    elif way == "single-quoted":
        file = f"{key}: {yaml_single(uri)}\n"
    elif way == "unquoted":
        file = f"{key}: {uri}\n"
    elif way == "command-line":
        settings[key] = uri
    elif way == "file-named":
        env[key.upper() + "_FILE"] = os.path.join(home, "uri")
        with open(env[key.upper() + "_FILE"], "w", encoding="utf-8") as f:
            f.write(uri + "\n")
    elif way == "keys-environment":
        env.update({k.upper(): v for k, v in single.items()})
    elif way == "keys-file-named":
        env.update({k.upper(): v for k, v in single.items() if "password" not in k})
        env[f"{plugin}_password".upper() + "_FILE"] = os.path.join(home, "password")
        with open(os.path.join(home, "password"), "w", encoding="utf-8") as f:
            f.write(PASSWORD)
    else:
        put = yaml_double if way == "keys-double-quoted" else yaml_single
        file = "".join(f"{k}: {put(v)}\n" for k, v in single.items())
    with open(os.path.join(home, "config.yaml"), "w", encoding="utf-8") as f:
        f.write(file)
    return Core(home=home, env=env, log_level="DEBUG", **settings)


def connects(way, plugin, host, port, database, query, home):
    with configured(way, plugin, host, port, database, query, home) as core:
        core.app().post("/recipe/signup", SIGN_UP).ok()
        shown = core.run("config", "show")
        assert shown.returncode == 0
        told = core.log_text() + shown.stdout + shown.stderr
    for secret in (PASSWORD, quote(PASSWORD, safe=""), only_needed(PASSWORD),
                   PASSWORD.replace("'", "''"), PASSWORD.strip(), string.punctuation,
                   quote(string.punctuation, safe="")):
        assert secret not in told
    # and wrong, it is not told either
    if way in ("environment", "keys-environment"):
        core = configured(way, plugin, host, port, database, query, home)
        core.settings["startup_timeout"] = "0"
        for key in list(core.env):
            core.env[key] = core.env[key].replace("Aa1", "Bb2hidden")
        r = core.run("start")
        assert r.returncode == 1 and "Bb2hidden" not in r.stdout + r.stderr
        assert "password" in r.stderr


@pytest.fixture(scope="module")
def postgresql(pg):
    pg.create_user(USER, PASSWORD)
    pg.create_database("uris", owner=USER)
    return pg.port, "uris", ""


@pytest.fixture(scope="module")
def mysql(mariadb):
    name = "uris_" + uuid.uuid4().hex[:8]
    mariadb.create_database(name)
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    mariadb.sql(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{escaped}'; "
                f"GRANT ALL PRIVILEGES ON {name}.* TO '{USER}'@'%'")
    return mariadb.port, name, ""


@pytest.fixture(scope="module")
def mongodb():
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer(auth=True, user=USER, password=PASSWORD) as server:
        yield server.port, "uris", "authSource=admin"


@pytest.mark.parametrize("plugin", ["postgresql", "mysql", "mongodb"])
@pytest.mark.parametrize("way", WAYS)
def test_strong_password(request, plugin, way, tmp_path):
    port, database, query = request.getfixturevalue(plugin)
    connects(way, plugin, "127.0.0.1", port, database, query, str(tmp_path))


def test_postgresql_socket(pg, postgresql):
    _, database, _ = postgresql
    uri = f"postgresql://{quote(USER)}:{quote(PASSWORD, safe='')}@{quote(pg.home, safe='')}:{pg.port}/{database}"
    with Core(uri=uri) as core:
        core.app().post("/recipe/signup", SIGN_UP).ok()


def test_mysql_socket(mariadb, mysql):
    _, database, _ = mysql
    uri = f"mysql://{quote(USER)}:{quote(PASSWORD, safe='')}@{quote(mariadb.socket, safe='')}/{database}"
    with Core(uri=uri) as core:
        core.app().post("/recipe/signup", SIGN_UP).ok()
