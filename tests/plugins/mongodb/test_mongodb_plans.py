# SPDX-License-Identifier: Apache-2.0
"""Every query of the core is served by a key: the commands that the plugin sends for the
whole catalogue are read on their way, and the server explains each.

MONGODB_TEST_URI names a MongoDB, on which a database of this test is made and dropped."""

import os
import socket
import struct
import subprocess
import threading
import uuid
from urllib.parse import urlsplit

import bson
import pymongo
import pytest

import mongo_model as m

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(m.plugin_path())), "tests", "test_catalogue")
OURS = ("st_schema_version", "st_leases", "st_undo")
OP_MSG = 2013


def bodies(message):
    """The command of a message, with the documents that travel beside it."""
    if len(message) < 21 or struct.unpack_from("<i", message, 12)[0] != OP_MSG:
        return None
    command, at = {}, 20
    while at < len(message):
        kind, at = message[at], at + 1
        (size,) = struct.unpack_from("<i", message, at)
        if kind == 0:
            command.update(bson.decode(message[at:at + size]))
        elif kind == 1:
            end = message.index(b"\0", at + 4)
            name = message[at + 4:end].decode()
            command[name] = bson.decode_all(message[end + 1:at + size])
        at += size
    return command


class Tap:
    """Passes messages on and keeps the commands."""

    def __init__(self, host, port):
        self.target, self.commands = (host, port), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for a, b, keep in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(a, b, keep), daemon=True).start()

    def _pass(self, a, b, keep):
        try:
            while message := m.message_of(a):
                command = bodies(message) if keep else None
                if command:
                    self.commands.append(command)
                b.sendall(message)
        except OSError:
            pass
        finally:
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def explained(command):
    """What explain takes of a command: one for each statement that looks for rows."""
    name = next(iter(command))
    keep = {"find": ("filter", "sort", "hint", "limit", "projection"),
            "aggregate": ("pipeline", "cursor", "hint"),
            "findAndModify": ("query", "sort", "update", "remove", "new", "fields", "hint")}
    if name in keep:
        yield {name: command[name], **{k: command[k] for k in keep[name] if k in command}}
    for each, many in (("update", "updates"), ("delete", "deletes")):
        if name == each:
            yield from ({each: command[each], many: [one]} for one in command[many])


def stages(plan):
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"]
        for value in plan.values():
            yield from stages(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from stages(value)


def winning(plan):
    if isinstance(plan, dict):
        if "winningPlan" in plan:
            yield from stages(plan["winningPlan"])
        else:
            for value in plan.values():
                yield from winning(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from winning(value)


def lookup(command):
    """The filter and the order of an explained command."""
    name = next(iter(command))
    if name in ("update", "delete"):
        return command[name + "s"][0]["q"], {}
    if name == "aggregate":
        return command["pipeline"][0]["$match"], {}
    return command.get("filter", command.get("query", {})), command.get("sort", {})


def compared(where):
    return {k for k, v in where.items() if not isinstance(v, dict) or {"$eq", "$in"} & set(v)}


def is_few(command, indexes):
    """Every column of an index is given, so that what is found may be put in order afterwards."""
    same = compared(lookup(command)[0])
    return any(set(keys) <= same for keys in indexes)


def is_served(command, indexes):
    """Whether an index begins with columns that the filter compares with one value or a list,
    and goes on with a range or the order: what a planner needs at the least."""
    where, sort = lookup(command)
    same = compared(where)
    order = [k for k in sort if k not in same]
    if is_few(command, indexes):
        order = []
    for keys in indexes:
        n = 0
        while n < len(keys) and keys[n] in same:
            n += 1
        rest = keys[n:n + max(1, len(order))]
        if rest[:len(order)] == order and (n or order or (rest and rest[0] in where)):
            return True
    return False


def plan_of(db, command):
    return set(winning(db.command({"explain": command, "verbosity": "queryPlanner"})))


def indexes_of(db):
    return {c: [[k for k, _ in i["key"]] for i in db[c].index_information().values()]
            for c in db.list_collection_names()}


def catalogue(uri):
    """The database that the catalogue was carried out on, and the commands of it."""
    host = urlsplit(uri)
    tap = Tap(host.hostname, host.port or 27017)
    name = "plans_" + uuid.uuid4().hex
    login = uri[uri.index("//") + 2:].rpartition("@")[0]
    tapped = f"mongodb://{login + '@' if login else ''}127.0.0.1:{tap.port}/{name}"
    query = "&".join(p for p in (host.query, "directConnection=true") if p)
    with pymongo.MongoClient(uri, directConnection=True) as client:
        try:
            r = subprocess.run([PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, check=False, timeout=300,
                               env={**os.environ, "STK_CATALOGUE_PLUGIN": "mongodb",
                                    "STK_CATALOGUE_SETTINGS": f"mongodb_connection_uri={tapped}?{query}"})
            assert r.returncode == 0, r.stdout
            commands = [e for c in tap.commands for e in explained(c)
                        if e[next(iter(e))] not in OURS]
            assert len(commands) > 200
            yield client[name], commands
        finally:
            client.drop_database(name)
            tap.listener.close()


def test_every_query_has_its_key(mongo):
    for db, commands in catalogue(mongo.uri("any")):
        indexes = indexes_of(db)
        bad = [c for c in commands if not is_served(c, indexes[c[next(iter(c))]])]
        assert not bad, "\n".join(map(str, bad))


def test_mongodb_uses_the_keys():
    uri = os.environ.get("MONGODB_TEST_URI")
    if not uri:
        pytest.skip("MONGODB_TEST_URI names no MongoDB")
    for db, commands in catalogue(uri):
        indexes, bad = indexes_of(db), []
        for c in commands:
            plan = plan_of(db, c)
            sorts = "SORT" in plan and not is_few(c, indexes[c[next(iter(c))]])
            if "COLLSCAN" in plan or sorts or not plan:
                bad.append((c, plan))
        assert not bad, "\n".join(map(str, bad))
