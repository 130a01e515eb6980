# SPDX-License-Identifier: Apache-2.0
"""What is MongoDB's own: settings and what is said of them, documents, keys, scripts."""

import json
import os

import pymongo
import pytest

import mongo_model as m
from servers import free_port
from stkabi import Catalog, StkError

PENDING, APPLIED, EDITED = 1, 2, 3


@pytest.fixture
def db(plugin, database):
    with plugin.open(m.settings(database), m.catalog) as handle:
        handle.ensure()
        yield handle


def refused(plugin, **options):
    with pytest.raises(StkError) as e:
        plugin.open({f"mongodb_{k}": str(v) for k, v in options.items()}, m.catalog)
    return e.value


# ---- settings

@pytest.mark.parametrize("options, words", [
    ({}, "neither mongodb_connection_uri nor mongodb_host is set"),
    ({"connection_uri": "mysql://a:secret@h/d"}, "begins with mysql://"),
    ({"connection_uri": "mongodb://a:secret@127.0.0.1:1/with.dot"}, "no name of a database"),
    ({"host": "h", "collection_names_prefix": "x_"}, "mongodb_database_name instead"),
    ({"host": "h", "connection_pool_size": "many"}, "mongodb_connection_pool_size must be"),
])
def test_wrong_settings(plugin, options, words):
    e = refused(plugin, **options)
    assert e.status == "CONFIG" and words in e.message and "secret" not in e.message


def test_nobody_there(plugin):
    port = free_port()
    e = refused(plugin, connection_uri=f"mongodb://u:secret@127.0.0.1:{port}/d"
                                       "?serverSelectionTimeoutMS=300")
    assert e.status == "UNAVAILABLE" and f"127.0.0.1:{port}" in e.message
    assert "secret" not in e.message


def test_login(plugin, mongo_auth):
    user, password = mongo_auth.login
    keys = {"host": "127.0.0.1", "port": mongo_auth.port, "database_name": "keys", "user": user,
            "password": password, "connection_attributes": "authSource=admin"}
    for options in ({"connection_uri": mongo_auth.uri("login")}, keys):
        with plugin.open({f"mongodb_{k}": str(v) for k, v in options.items()}, m.catalog) as db:
            db.ensure()
            db.exec([m.put("a", "one", 1, None)])
            assert password not in str(db.dump())
    e = refused(plugin, connection_uri=mongo_auth.uri("login", password="wr0ngpass"))
    assert e.status == "DENIED" and user in e.message and "wr0ngpass" not in e.message
    # a user of another database than the one that is named
    e = refused(plugin, connection_uri=mongo_auth.uri("login", query=""))
    assert e.status == "DENIED" and "?authSource=admin" in e.message and '"login"' in e.message
    assert not any(password in line for line in map(str, plugin.logs))


def test_weaker_concerns_are_ignored(plugin, database):
    uri = database + "?w=1&readPreference=secondary&maxPoolSize=3"
    with plugin.open(m.settings(uri), m.catalog) as db:
        db.ensure()
        db.exec([m.put("a", "one", 1, None)])
        assert db.health().pool_size == 3
        assert b"MongoDB" in db.health().server


# ---- documents

def test_documents(db, database):
    db.exec([m.put("app", "id", 5, None), m.add("k", -1, 2, "f")])
    with pymongo.MongoClient(database, directConnection=True) as c:
        there = c.get_default_database()
        assert list(there.st_item.find()) == [{"_id": "app\0id", "app": "app", "id": "id", "n": 5}]
        assert there.st_pair.find_one()["_id"] == "k\0" + "7" + "f" * 15
        with pytest.raises(pymongo.errors.WriteError):  # the validator holds
            there.st_item.insert_one({"_id": "x", "app": "a", "id": "i", "n": "text"})


def test_ids_sort_as_keys_do(db):
    numbers = [-2**63, -2, -1, 0, 1, 2**63 - 1]
    for n in reversed(numbers):
        db.exec([m.add("k", n, 0, "f"), m.add("ka", n, 0, "f")])
    assert [i for i, _, _ in db.exec([m.pairs("k")])[0].rows] == numbers
    assert [i for (i,) in db.exec([m.between("k", -2, 1)])[0].rows] == [-2, -1, 0]
    assert [i for (i,) in db.exec([m.up_to("k", -1)])[0].rows] == [-1, -2, -2**63]


def test_keys_that_serve(db):
    dump = db.dump()
    for query, plan in (("get", "_id_ (one)"), ("some", "_id_ (list)"),
                        ("named", "_id_, 1 equal, ordered by _id"),
                        ("id_page", "_id_, 1 equal, ordered by _id"),
                        ("page", "by_n, 1 equal, hinted"), ("by_email", "email, 2 equal")):
        assert plan in dump[f"query.{query}"], (query, dump[f"query.{query}"])


def test_lock_leaves_columns_alone(db, database):
    db.exec([m.put("a", "one", 1, None)])
    txn = db.begin()
    assert txn.exec([m.lock("a", "one")], commit=True)[0].rows == [(1,)]
    with pymongo.MongoClient(database, directConnection=True) as c:
        assert c.get_default_database().st_item.find_one()["_lk"] == 1
    assert db.exec([m.get("a", "one")])[0].rows == [(1, None)]


def test_one_document_is_one_command(db):
    db.exec([m.put("a", "one", 1, None)])
    assert (db.round_trips, db.statements) == (1, 1)
    db.exec([m.remove("a", "one", affected=1)])
    assert (db.round_trips, db.statements) == (1, 1)


# ---- scripts

def script(version, *commands):
    name = f"{version:03}_s"
    record = {"update": "st_schema_version", "updates": [
        {"q": {"_id": version}, "upsert": True, "u": [{"$replaceWith": {"$mergeObjects": [
            {"version": version, "name": name, "compat": 1, "applied_at": {"$toLong": "$$NOW"}},
            "$$ROOT"]}}]}]}
    return name, json.dumps({"commands": [*commands, record]}) + "\n"


INDEX = {"createIndexes": "st_one", "indexes": [{"key": {"a": 1}, "name": "a", "unique": True}]}
ONE = script(1, {"create": "st_one"}, INDEX)
TWO = script(2, {"create": "st_two"})


@pytest.fixture
def bare(plugin, database):
    with plugin.open(m.settings(database), Catalog([], [], version=2)) as handle:
        yield handle


@pytest.fixture
def there(database):
    with pymongo.MongoClient(database, directConnection=True) as c:
        yield c.get_default_database()


def test_scripts_in_steps(bare, there):
    both = [ONE, TWO]
    assert bare.migration_status(both) == [(1, PENDING), (2, PENDING)]
    assert bare.migrate(both, dry_run=True) == [(1, 1, 2), (2, 2, 2)]
    assert there.list_collection_names() == []
    assert bare.migrate(both, to=1) == [(1, 1, 1)]
    assert bare.migrate(both) == [(2, 1, 1)]
    assert bare.migrate(both) == []
    assert bare.migration_status(both) == [(1, APPLIED), (2, APPLIED)]
    assert [d["sha256"] is not None for d in there.st_schema_version.find()] == [True, True]
    assert there.st_leases.count_documents({}) == 0


def test_edited_script(bare):
    bare.migrate([ONE])
    changed = (ONE[0], ONE[1].replace('"a"', '"b"'))
    assert bare.migration_status([changed]) == [(1, EDITED)]
    with pytest.raises(StkError, match="updateOne.*unset.*sha256") as e:
        bare.migrate([changed])
    assert e.value.status == "SCHEMA" and "001_s" in e.value.message


def test_script_that_was_cut_off_is_resumed(bare, there):
    there.create_collection("st_one")
    there.st_one.insert_many([{"a": 1}, {"a": 1}])
    with pytest.raises(StkError) as e:
        bare.migrate([ONE])
    assert "001_s" in e.value.message
    assert bare.migration_status([ONE]) == [(1, PENDING)]
    there.st_one.delete_many({})
    assert bare.migrate([ONE]) == [(1, 1, 1)]
    assert "a" in there.st_one.index_information()


def test_script_by_hand(bare, there):
    for _ in range(2):  # twice is harmless
        for command in json.loads(ONE[1])["commands"]:
            try:
                there.command(command)
            except pymongo.errors.OperationFailure as e:
                assert e.code == 48
    assert bare.migration_status([ONE]) == [(1, APPLIED)]
    assert bare.migrate([ONE]) == []
    assert there.st_schema_version.find_one()["sha256"]


def test_script_that_is_none(bare):
    for text in ("nonsense\n", "{}\n", '{"commands": [1]}\n'):
        with pytest.raises(StkError) as e:
            bare.migrate([("001_s", text)])
        assert e.value.status == "SCHEMA" and "001_s" in e.value.message


def test_the_real_script_makes_all_collections(bare, there):
    folder = os.path.join(m.ROOT, "migration_scripts", "mongodb")
    scripts = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            scripts.append((name[:-5], f.read()))
    assert len(bare.migrate(scripts)) == len(scripts)
    for c in there.list_collections(filter={"name": {"$regex": "^st_"}}):
        if c["name"] not in ("st_schema_version", "st_leases"):
            schema = c["options"]["validator"]["$jsonSchema"]
            assert schema["properties"]["_id"]["description"], c["name"]
