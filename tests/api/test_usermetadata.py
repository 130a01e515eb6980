# SPDX-License-Identifier: Apache-2.0
"""The calls of user metadata: reading, merging, removing, many at once."""

import uuid

import pytest

from core import Core
from sql import run_sql

PATH = "/recipe/user/metadata"
MISSING = "Field name 'userId' is missing in GET request"


def read(app, user):
    return app.get(PATH, {"userId": user}).ok()["metadata"]


def merge(app, user, update):
    """The whole as the reply and a new read have it."""
    whole = app.put(PATH, {"userId": user, "metadataUpdate": update}).ok()["metadata"]
    assert read(app, user) == whole
    return whole


def remove(app, user):
    assert app.post(PATH + "/remove", {"userId": user}).ok() == {"status": "OK"}


def sign_up(app, email="a@example.com"):
    return app.post("/recipe/signup", {"email": email, "password": "secret123"}).ok()["user"]["id"]


def test_who_has_none_has_an_empty_one(app):
    assert app.get(PATH, {"userId": "nobody"}).ok() == {"status": "OK", "metadata": {}}
    remove(app, "nobody")
    assert merge(app, "nobody", {}) == {}


def test_members_are_merged_on_the_first_level(app):
    first = {"kept": [1, {"a": None}], "sub": {"x": 1, "y": 2}, "gone": "g"}
    assert merge(app, "u", {**first, "never": None}) == first
    update = {"sub": {"y": {"n": None}, "z": []}, "gone": None, "absent": None, "new": False}
    assert merge(app, "u", update) == {
        "kept": [1, {"a": None}], "sub": {"y": {"n": None}, "z": []}, "new": False}
    assert merge(app, "u", {}) == read(app, "u")
    assert merge(app, "u", {"kept": None, "sub": None, "new": None}) == {}
    assert merge(app, "u", {"again": 0}) == {"again": 0}


def test_a_member_that_is_written_goes_to_the_end(app):
    merge(app, "u", {"a": 1, "b": 2, "c": 3})
    assert list(merge(app, "u", {"a": 4})) == ["b", "c", "a"]
    assert list(merge(app, "u", {"b": None, "d": {"z": 1, "y": 2}})) == ["c", "a", "d"]


def test_removing_is_of_one_user_of_one_app(app, core):
    other = core.app()
    for at, user in ((app, "u"), (app, "v"), (other, "u")):
        merge(at, user, {"a": 1})
    remove(app, "u")
    assert (read(app, "u"), read(app, "v"), read(other, "u")) == ({}, {"a": 1}, {"a": 1})
    assert merge(app, "u", {"b": 1}) == {"b": 1}


def repr_short(value):
    return ascii(value)[:20]


@pytest.mark.parametrize("value", [
    0, -1, 2**31, 2**53 + 1, 2**63 - 1, -2**63, 0.1, -2.5, 1e-7, 1.0, 1e21, 1.7976931348623157e308,
    5e-324, 3.141592653589793, True, False, "", "null", "é", "\U0001f600 \u2028 \ufeff",
    "e\u0301", "\b\f\n\r\t\"\\/\u0001\u007f", [], {}, [[[]]], [None], {"": {"a.b": {"$x": None}}},
    "'; DROP TABLE st_users; --", "x" * 100000,
], ids=repr_short)
def test_values_come_back_as_they_were(app, value):
    for update in ({"v": value}, {"deep": [{"v": value}]}, {str(value)[:50] + "k": value}):
        merge(app, "u", update)
    got = read(app, "u")
    assert got["v"] == value and type(got["v"]) is type(value)
    assert got["deep"] == [{"v": value}] and got[str(value)[:50] + "k"] == value


def test_numbers_are_exact_as_text(app):
    """Not by way of Python's own reading of them."""
    raw = b'{"userId": "u", "metadataUpdate": {"i": 9007199254740993, "e": 1E400}}'
    app.request("PUT", PATH, raw=raw).is_error(400, "Invalid Json Input")
    reply = app.request("PUT", PATH, raw=raw.replace(b"1E400", b"12e2"))
    assert reply.ok()["metadata"] == {"i": 9007199254740993, "e": 1200.0}
    assert '"i":9007199254740993' in reply.text


def test_an_escaped_pair_is_one_character(app):
    reply = app.request("PUT", PATH, raw=b'{"userId": "\\u00e9", "metadataUpdate": '
                                         b'{"\\ud83d\\ude00": "\\ud83d\\ude00\\u0000x"}}')
    reply.is_error(400)
    reply = app.request("PUT", PATH, raw=b'{"userId": "\\u00e9", "metadataUpdate": '
                                         b'{"\\ud83d\\ude00": "\\ud83d\\ude00x"}}')
    assert reply.ok()["metadata"] == {"\U0001f600": "\U0001f600x"} == read(app, "é")


def test_ids_are_taken_as_they_are(app):
    ids = ["u", "U", " u", "u ", "ü", "x" * 128, "a/b?c=d&e", ""]
    for i, user in enumerate(ids):
        merge(app, user, {"i": i})
    assert [read(app, user)["i"] for user in ids] == list(range(len(ids)))
    app.put(PATH, {"userId": "x" * 129, "metadataUpdate": {}}).is_error(
        400, "Field 'user_id' is too long: it may have 128 characters")
    assert read(app, "x" * 129) == {}


def test_many_updates_grow_one_object(app):
    for i in range(6):
        merge(app, "u", {f"k{i}": "y" * 200000})
    assert len(read(app, "u")) == 6


@pytest.mark.parametrize("body, field", [
    ({}, "userId"), ({"userId": 1, "metadataUpdate": {}}, "userId"),
    ({"userId": None, "metadataUpdate": {}}, "userId"), ({"userId": "u"}, "metadataUpdate"),
    ({"userId": "u", "metadataUpdate": None}, "metadataUpdate"),
    ({"userId": "u", "metadataUpdate": []}, "metadataUpdate"),
    ({"userId": "u", "metadataUpdate": "{}"}, "metadataUpdate"),
])
def test_bad_updates(app, body, field):
    app.put(PATH, body).is_error(400, f"Field name '{field}' is invalid in JSON input")


def test_other_bad_calls(app):
    app.get(PATH).is_error(400, MISSING)
    for path, field in ((PATH + "/remove", "userId"), (PATH + "/bulk", "userIds")):
        app.post(path, {}).is_error(400, f"Field name '{field}' is invalid in JSON input")
    app.post(PATH + "/bulk", {"userIds": "u"}).is_error(
        400, "Field name 'userIds' is invalid in JSON input")
    app.post(PATH + "/bulk", {"userIds": ["u", 1]}).is_error(
        400, "userIds array must contain only strings")
    app.post(PATH + "/bulk", {"userIds": ["u"] * 501}).is_error(
        400, "You can only query up to 500 users at a time.")


def test_bulk(app):
    def bulk(ids):
        reply = app.post(PATH + "/bulk", {"userIds": ids}).ok()
        return [(u["userId"], u["metadata"]) for u in reply["users"]]
    assert bulk([]) == []
    for i in range(5):
        merge(app, f"u{i}", {"i": i})
    assert bulk(["u3", "nobody", "u1", "u3"]) == [
        ("u3", {"i": 3}), ("nobody", None), ("u1", {"i": 1}), ("u3", {"i": 3})]
    ids = [f"u{i}" for i in range(500)]
    assert bulk(ids) == [(u, {"i": i} if i < 5 else None) for i, u in enumerate(ids)]


@pytest.mark.parametrize("cdi", ["3.0", "4.0", "5.0", "5.4", "5.6"])
def test_only_the_public_tenant_is_asked(app, cdi):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t"}).ok()
    at, tenant = app.at(cdi=cdi), app.tenant("t").at(cdi=cdi)
    merge(at, "u", {"a": 1})
    replies = [tenant.get(PATH, {"userId": "u"}),
               tenant.put(PATH, {"userId": "u", "metadataUpdate": {"b": 1}}),
               tenant.post(PATH + "/remove", {"userId": "v"}),
               tenant.post(PATH + "/bulk", {"userIds": []})]
    for reply in replies:
        if cdi >= "5.0":
            reply.is_error(403, "Only public tenantId can call this app specific API")
        else:
            reply.ok()
    assert read(at, "u") == ({"a": 1} if cdi >= "5.0" else {"a": 1, "b": 1})


def test_it_goes_with_its_user(app):
    user = sign_up(app)
    merge(app, user, {"a": 1})
    merge(app, "other", {"a": 1})
    app.post("/user/remove", {"userId": user}).ok()
    assert read(app, user) == {} and read(app, "other") == {"a": 1}


def test_it_goes_with_its_app(core):
    app_id = str(uuid.uuid4())
    merge(core.app(app_id=app_id), "u", {"a": 1})
    core.post("/recipe/multitenancy/app/remove", {"appId": app_id}).ok()
    assert read(core.app(app_id=app_id), "u") == {}


def test_it_outlives_a_restart(tmp_path):
    with Core(home=str(tmp_path)) as core:
        merge(core.app(app_id="a"), "u", {"a": [1.5, "é"]})
    with Core(home=str(tmp_path)) as core:
        assert read(core.at("/appid-a"), "u") == {"a": [1.5, "é"]}


def test_of_a_user_in_another_database(tmp_path):
    """It is kept where the user is, and found from there."""
    with Core() as core:
        app = core.app()
        app.put("/recipe/multitenancy/tenant/v2", {
            "tenantId": "far", "coreConfig": {"sqlite_path": str(tmp_path / "far.db")}}).ok()
        near, far = sign_up(app), sign_up(app.tenant("far"))
        for user in (near, far, "nobody"):
            assert merge(app, user, {"id": user}) == {"id": user}
        assert "nobody" not in (tmp_path / "far.db").read_bytes().decode("latin-1")
        reply = app.post(PATH + "/bulk", {"userIds": [far, "nobody", near, "x"]}).ok()
        assert [u["metadata"] for u in reply["users"]] == [
            {"id": far}, {"id": "nobody"}, {"id": near}, None]
        app.post("/user/remove", {"userId": far}).ok()
        assert (read(app, far), read(app, near)) == ({}, {"id": near})


def test_what_is_no_object_is_told_and_not_overwritten(core, app, storage):
    merge(app, "u", {"a": 1})
    run_sql(core, storage, "UPDATE st_user_metadata SET metadata = ? WHERE app_id = ?",
            ("[1]", app.prefix.split("-", 1)[1]))
    for reply in (app.get(PATH, {"userId": "u"}),
                  app.put(PATH, {"userId": "u", "metadataUpdate": {"b": 1}})):
        assert "st_user_metadata" in reply.is_error(500)
    remove(app, "u")
    assert merge(app, "u", {"b": 1}) == {"b": 1}
