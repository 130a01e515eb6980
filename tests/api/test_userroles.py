# SPDX-License-Identifier: Apache-2.0
"""The calls of roles: making and removing them, their permissions, who has them."""

import uuid

import pytest

from core import Core
from sql import run_sql

CDI = ["3.0", "4.0", "5.0", "5.4", "5.6"]
UNKNOWN = "UNKNOWN_ROLE_ERROR"


def put(app, role, *permissions):
    """Whether that made the role."""
    return app.put("/recipe/role", {"role": role, "permissions": list(permissions)}).ok()[
        "createdNewRole"]


def delete(app, role):
    return app.post("/recipe/role/remove", {"role": role}).ok()["didRoleExist"]


def roles(app):
    return app.get("/recipe/roles").ok()["roles"]


def permissions(app, role):
    return app.get("/recipe/role/permissions", {"role": role}).ok()["permissions"]


def roles_with(app, permission):
    return app.get("/recipe/permission/roles", {"permission": permission}).ok()["roles"]


def take(app, role, *names):
    return app.post("/recipe/role/permissions/remove", {"role": role, "permissions": list(names)})


def assign(app, user, role):
    """Whether the user had it."""
    return app.put("/recipe/user/role", {"userId": user, "role": role}).ok()[
        "didUserAlreadyHaveRole"]


def unassign(app, user, role):
    return app.post("/recipe/user/role/remove", {"userId": user, "role": role}).ok()[
        "didUserHaveRole"]


def roles_of(app, user):
    return app.get("/recipe/user/roles", {"userId": user}).ok()["roles"]


def users_of(app, role):
    return app.get("/recipe/role/users", {"role": role}).ok()["users"]


def tenant(app, name="t", **config):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": name, **config}).ok()
    return app.tenant(name)


def sign_up(app, email="a@example.com"):
    return app.post("/recipe/signup", {"email": email, "password": "secret123"}).ok()["user"]["id"]


# ---- roles and permissions

def test_a_role_is_made_once(app):
    assert roles(app) == []
    assert app.put("/recipe/role", {"role": "admin"}).ok() == {
        "status": "OK", "createdNewRole": True}
    assert app.put("/recipe/role", {"role": "admin"}).ok() == {
        "status": "OK", "createdNewRole": False}
    assert put(app, "user", "read") and put(app, "Admin")
    assert roles(app) == ["Admin", "admin", "user"]
    assert permissions(app, "admin") == [] and permissions(app, "user") == ["read"]


def test_permissions_are_added(app):
    assert put(app, "r", "b", "a", "b")
    assert permissions(app, "r") == ["a", "b"]
    assert not put(app, "r", "c", "a")
    assert not put(app, "r")
    assert permissions(app, "r") == ["a", "b", "c"]
    assert put(app, "s", "c")
    assert (roles_with(app, "c"), roles_with(app, "a"), roles_with(app, "x")) == (["r", "s"], ["r"], [])


def test_permissions_are_taken(app):
    put(app, "r", "a", "b", "c", "d"), put(app, "s", "a")
    assert take(app, "r", "b", "nothing", "b").ok() == {"status": "OK"}
    assert permissions(app, "r") == ["a", "c", "d"]
    take(app, "r").ok()
    assert permissions(app, "r") == ["a", "c", "d"]
    assert app.post("/recipe/role/permissions/remove", {"role": "r"}).ok() == {"status": "OK"}
    assert permissions(app, "r") == [] and permissions(app, "s") == ["a"]
    assert roles_with(app, "a") == ["s"] and roles(app) == ["r", "s"]


def test_an_unknown_role(app):
    for reply in (app.get("/recipe/role/permissions", {"role": "r"}),
                  app.get("/recipe/role/users", {"role": "r"}),
                  app.post("/recipe/role/permissions/remove", {"role": "r"}), take(app, "r", "a"),
                  app.put("/recipe/user/role", {"userId": "u", "role": "r"}),
                  app.post("/recipe/user/role/remove", {"userId": "u", "role": "r"})):
        assert reply.is_status(UNKNOWN) == {"status": UNKNOWN}
    assert delete(app, "r") is False
    assert roles_of(app, "u") == [] and roles(app) == []


def test_removing_a_role_takes_all_that_hangs_on_it(app):
    t = tenant(app)
    put(app, "r", "a", "b"), put(app, "s", "a")
    for at, user in ((app, "u"), (t, "u"), (t, "v")):
        assign(at, user, "r"), assign(at, user, "s")
    assert app.post("/recipe/role/remove", {"role": "r"}).ok() == {
        "status": "OK", "didRoleExist": True}
    assert delete(app, "r") is False
    assert roles(app) == ["s"] and roles_with(app, "a") == ["s"] and roles_with(app, "b") == []
    assert roles_of(app, "u") == roles_of(t, "u") == roles_of(t, "v") == ["s"]
    put(app, "r")
    assert permissions(app, "r") == users_of(app, "r") == users_of(t, "r") == []


# ---- who has them

def test_roles_of_users(app):
    put(app, "r"), put(app, "s")
    assert app.put("/recipe/user/role", {"userId": "u", "role": "s"}).ok() == {
        "status": "OK", "didUserAlreadyHaveRole": False}
    assert assign(app, "u", "s") and not assign(app, "u", "r") and not assign(app, "v", "r")
    assert roles_of(app, "u") == ["r", "s"] and users_of(app, "r") == ["u", "v"]
    assert app.post("/recipe/user/role/remove", {"userId": "u", "role": "r"}).ok() == {
        "status": "OK", "didUserHaveRole": True}
    assert not unassign(app, "u", "r") and not unassign(app, "nobody", "r")
    assert roles_of(app, "u") == ["s"] and users_of(app, "r") == ["v"]
    assert app.get("/recipe/user/roles", {"userId": "nobody"}).ok() == {"status": "OK", "roles": []}


def test_roles_are_of_one_tenant(app):
    t = tenant(app)
    put(app, "r")
    assign(app, "u", "r"), assign(t, "v", "r")
    assert roles_of(app, "v") == roles_of(t, "u") == []
    assert users_of(app, "r") == ["u"] and users_of(t, "r") == ["v"]
    assert not unassign(t, "u", "r")
    assert roles_of(app, "u") == ["r"]


def test_roles_are_of_one_app(app, core):
    other = core.app()
    put(app, "r", "a"), put(other, "r", "b")
    assign(app, "u", "r")
    assert roles_of(other, "u") == [] and permissions(other, "r") == ["b"]
    delete(other, "r")
    assert roles_of(app, "u") == ["r"] and permissions(app, "r") == ["a"]


def test_names_are_trimmed_and_compared_by_their_bytes(app):
    assert put(app, " \t r \n", " a ", "a")
    assert not put(app, "r") and put(app, "R") and put(app, "ŕ") and put(app, "r\u0301")
    assert put(app, "x y") and put(app, "'%_\"\\")
    assert roles(app) == sorted(["r", "R", "ŕ", "r\u0301", "x y", "'%_\"\\"], key=str.encode)
    assert permissions(app, "  r ") == ["a"] and roles_with(app, " a\t") == ["r"]
    assert not assign(app, " u ", " r ")
    assert assign(app, " u ", "r") and not assign(app, "u", "r")
    assert users_of(app, " r") == [" u ", "u"] and roles_of(app, " u ") == ["r"]
    assert unassign(app, " u ", " r ")
    take(app, " r ", " a ").ok()
    assert permissions(app, "r") == []
    assert delete(app, " r ") and not delete(app, "r")


def test_long_names(app):
    role, permission, user = "é" * 255, "p" * 255, "u" * 128
    assert put(app, role, permission) and not assign(app, user, role)
    assert roles_of(app, user) == [role] and users_of(app, role) == [user]
    assert roles_with(app, permission) == [role]
    for reply in (app.put("/recipe/role", {"role": "r" * 256}),
                  app.put("/recipe/role", {"role": "r", "permissions": ["p" * 256]}),
                  app.put("/recipe/user/role", {"userId": "u" * 129, "role": role})):
        assert "is too long" in reply.is_error(400)
    assert roles(app) == [role] and roles_of(app, "u" * 129) == []
    app.get("/recipe/role/permissions", {"role": "r" * 256}).is_status(UNKNOWN)


def test_the_empty_user_id_is_one(app):
    put(app, "r")
    assert not assign(app, "", "r") and assign(app, "", "r") and not assign(app, "a", "r")
    assert users_of(app, "r") == ["", "a"] and roles_of(app, "") == ["r"]


# ---- large lists come whole

def test_many_permissions(app, storage):
    names = [f"permission-{i:05}" for i in range(1100 if storage[0] == "mongodb" else 4100)]
    assert put(app, "r", *reversed(names))
    assert not put(app, "r", *names[:200])
    assert permissions(app, "r") == names
    take(app, "r", *names[50:-100]).ok()
    assert permissions(app, "r") == names[:50] + names[-100:]
    put(app, "r", *names), put(app, "s", names[0])
    app.post("/recipe/role/permissions/remove", {"role": "r"}).ok()
    assert permissions(app, "r") == [] and roles_with(app, names[0]) == ["s"]
    put(app, "r", *names)
    assert delete(app, "r") and put(app, "r") and permissions(app, "r") == []


@pytest.mark.parametrize("n", [999, 1000, 1001, 2500])
def test_many_roles_and_users(core, app, storage, n):
    if storage[0] == "mongodb":
        pytest.skip("rows are put in by SQL")
    app_id = app.prefix.split("-", 1)[1]
    names = [f"n{i:05}" for i in range(n)]
    assert put(app, "r", "p") and not assign(app, "u", "r")

    def fill(table, columns, values):
        for start in range(0, n, 250):
            part = names[start:start + 250]
            rows = ", ".join("(" + ", ".join(f"'{v}'" for v in values(x)) + ")" for x in part)
            run_sql(core, storage, f"INSERT INTO {table} ({columns}) VALUES {rows}")
    fill("st_roles", "app_id, role, created_at", lambda x: (app_id, x, 1))
    fill("st_role_permissions", "app_id, role, permission", lambda x: (app_id, x, "p"))
    fill("st_user_roles", "app_id, tenant_id, user_id, role", lambda x: (app_id, "public", "u", x))
    fill("st_user_roles", "app_id, tenant_id, user_id, role", lambda x: (app_id, "public", x, "r"))
    assert roles(app) == roles_with(app, "p") == roles_of(app, "u") == [*names, "r"]
    assert users_of(app, "r") == [*names, "u"]
    assert delete(app, names[5])
    assert roles_of(app, "u") == [x for x in names if x != names[5]] + ["r"]
    assert delete(app, "r")
    assert put(app, "r") and users_of(app, "r") == []


# ---- roles that are gone

def test_readers_ignore_what_an_assignment_left_behind(core, app, storage):
    """The row that an assignment leaves which meets the deletion of its role."""
    app_id = app.prefix.split("-", 1)[1]
    put(app, "r"), put(app, "s"), put(app, "t")
    for role in "rst":
        assign(app, "u", role)
    run_sql(core, storage, "DELETE FROM st_roles WHERE app_id = ? AND role = ?", (app_id, "s"))
    assert roles_of(app, "u") == ["r", "t"]
    app.get("/recipe/role/users", {"role": "s"}).is_status(UNKNOWN)
    app.put("/recipe/user/role", {"userId": "u", "role": "s"}).is_status(UNKNOWN)
    assert delete(app, "s") is False
    run_sql(core, storage, "DELETE FROM st_roles WHERE app_id = ? AND role = ?", (app_id, "t"))
    assert put(app, "t")
    assert roles_of(app, "u") == ["r"] and users_of(app, "t") == []


# ---- users and tenants that go

def test_roles_go_with_their_user(app):
    t = tenant(app)
    user, other = sign_up(app), sign_up(t, "b@example.com")
    put(app, "r"), put(app, "s")
    for who in (user, other):
        assign(app, who, "r"), assign(t, who, "s")
    app.post("/user/remove", {"userId": user}).ok()
    assert roles_of(app, user) == roles_of(t, user) == []
    assert roles_of(app, other) == ["r"] and users_of(t, "s") == [other]


def test_roles_go_when_a_user_leaves_a_tenant(app):
    t, path = tenant(app), "/recipe/multitenancy/tenant/user"
    user = sign_up(app)
    put(app, "r")
    t.post(path, {"recipeUserId": user}).ok()
    assign(app, user, "r"), assign(t, user, "r"), assign(t, "stranger", "r")
    assert t.post(path + "/remove", {"recipeUserId": user}).ok()["wasAssociated"]
    assert roles_of(t, user) == [] and roles_of(app, user) == ["r"]
    # of who has but a role there
    assign(t, user, "r")
    assert t.post(path + "/remove", {"recipeUserId": user}).ok()["wasAssociated"]
    assert not t.post(path + "/remove", {"recipeUserId": user}).ok()["wasAssociated"]
    assert users_of(t, "r") == ["stranger"]


def test_roles_go_with_their_tenant_and_app(core):
    app_id = str(uuid.uuid4())
    app = core.app(app_id=app_id)
    t = tenant(app)
    put(app, "r", "p")
    assign(t, "u", "r"), assign(app, "u", "r")
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
    assert "AppId or tenantId not found" in t.get("/recipe/user/roles", {"userId": "u"}).is_error(400)
    assert roles_of(tenant(app), "u") == [] and roles_of(app, "u") == ["r"]
    app.post("/recipe/multitenancy/tenant/remove", {"tenantId": "t"}).ok()
    core.post("/recipe/multitenancy/app/remove", {"appId": app_id}).ok()
    app = core.app(app_id=app_id)
    assert roles(app) == [] and roles_with(app, "p") == []
    assert put(app, "r") and permissions(app, "r") == users_of(app, "r") == []


def test_a_tenant_with_a_database_of_its_own(tmp_path):
    """Roles are with the app, who has them with the tenant."""
    with Core() as core:
        app = core.app()
        far = tenant(app, "far", coreConfig={"sqlite_path": str(tmp_path / "far.db")})
        put(app, "r", "p"), put(app, "s")
        for at in (app, far):
            assert [assign(at, "u", "r"), assign(at, "u", "r"), assign(at, "v", "s")] == [
                False, True, False]
        assert roles_of(far, "u") == ["r"] and users_of(far, "r") == ["u"]
        assert unassign(far, "v", "s") and not unassign(far, "v", "s")
        assert roles_of(app, "v") == ["s"]
        for reply in (far.put("/recipe/user/role", {"userId": "u", "role": "x"}),
                      far.post("/recipe/user/role/remove", {"userId": "u", "role": "x"}),
                      far.get("/recipe/role/users", {"role": "x"})):
            reply.is_status(UNKNOWN)
        assert delete(app, "r")
        assert roles_of(far, "u") == roles_of(app, "u") == []
        assert put(app, "r") and users_of(far, "r") == users_of(app, "r") == []
        # what an assignment left there that met a deletion
        assign(far, "u", "r")
        run_sql(core, ("sqlite", None), "DELETE FROM st_roles WHERE role = 'r'")
        assert roles_of(far, "u") == []
        user = sign_up(far)
        assign(far, user, "s")
        app.post("/user/remove", {"userId": user}).ok()
        assert roles_of(far, user) == [] and users_of(far, "s") == []


# ---- bad calls

def test_bad_names(app):
    def bad(reply, field):
        reply.is_error(400, f"Field name '{field}' is invalid in JSON input")
    for body in ({}, {"role": None}, {"role": 1}, {"role": ["r"]}):
        for send, path in ((app.put, "/recipe/role"), (app.post, "/recipe/role/remove"),
                           (app.post, "/recipe/role/permissions/remove")):
            bad(send(path, body), "role")
        for send, path in ((app.put, "/recipe/user/role"), (app.post, "/recipe/user/role/remove")):
            bad(send(path, {"userId": "u", **body}), "role")
            bad(send(path, {"role": "r", "userId": body.get("role")}), "userId")
            bad(send(path, {"role": "r"}), "userId")
    for send, path in ((app.put, "/recipe/role"), (app.post, "/recipe/role/permissions/remove")):
        for value in ("p", {}, 1, None, [1], ["p", None], [["p"]]):
            bad(send(path, {"role": "r", "permissions": value}), "permissions")
        for value in ([""], ["p", " \n"]):
            send(path, {"role": "r", "permissions": value}).is_error(
                400, "Field name 'permissions' cannot contain an empty string")
    assert roles(app) == []


@pytest.mark.parametrize("blank", ["", " ", " \t\n"])
def test_blank_names(app, blank):
    text = "Field name '%s' cannot be an empty String"
    for send, path in ((app.put, "/recipe/role"), (app.post, "/recipe/role/remove"),
                       (app.post, "/recipe/role/permissions/remove"),
                       (app.put, "/recipe/user/role"), (app.post, "/recipe/user/role/remove")):
        send(path, {"userId": "u", "role": blank}).is_error(400, text % "role")
    for path, field in (("/recipe/role/permissions", "role"), ("/recipe/role/users", "role"),
                        ("/recipe/permission/roles", "permission")):
        app.get(path, {field: blank}).is_error(400, text % field)


@pytest.mark.parametrize("path, field", [
    ("/recipe/role/permissions", "role"), ("/recipe/role/users", "role"),
    ("/recipe/permission/roles", "permission"), ("/recipe/user/roles", "userId")])
def test_missing_parameters(app, path, field):
    app.get(path).is_error(400, f"Field name '{field}' is missing in GET request")


@pytest.mark.parametrize("cdi", CDI)
def test_scopes(app, cdi):
    t = tenant(app).at(cdi=cdi)
    put(app.at(cdi=cdi), "r", "p")
    for reply in (t.put("/recipe/role", {"role": "r2"}), t.get("/recipe/roles"),
                  t.get("/recipe/role/permissions", {"role": "r"}),
                  t.get("/recipe/permission/roles", {"permission": "p"}),
                  t.post("/recipe/role/permissions/remove", {"role": "r"}),
                  t.post("/recipe/role/remove", {"role": "r2"})):
        if cdi >= "5.0":
            reply.is_error(403, "Only public tenantId can call this app specific API")
        else:
            reply.ok()
    assert not assign(t, "u", "r") and roles_of(t, "u") == ["r"] and users_of(t, "r") == ["u"]
    assert unassign(t, "u", "r") and roles(app) == ["r"]


def test_of_an_unknown_tenant(app):
    ghost = app.tenant("ghost")
    for reply in (ghost.put("/recipe/user/role", {"userId": "u", "role": "r"}),
                  ghost.get("/recipe/user/roles", {"userId": "u"})):
        assert "AppId or tenantId not found" in reply.is_error(400)


def test_ids_that_are_mapped(app):
    """Metadata and roles are filed under the id the application uses, and hold it."""
    path, body = "/recipe/userid/map", {"externalUserId": "ext"}
    body["superTokensUserId"] = user = sign_up(app)
    put(app, "r")
    assign(app, user, "r")
    app.post(path, body).is_error(400, "UserId is already in use in UserRoles recipe")
    unassign(app, user, "r")
    app.put("/recipe/user/metadata", {"userId": user, "metadataUpdate": {}}).ok()
    app.post(path, body).is_error(400, "UserId is already in use in UserMetadata recipe")
    app.post("/recipe/user/metadata/remove", {"userId": user}).ok()
    app.post(path, body).ok()
    assign(app, "ext", "r")
    app.put("/recipe/user/metadata", {"userId": "ext", "metadataUpdate": {"a": 1}}).ok()
    assert users_of(app, "r") == ["ext"] and roles_of(app, user) == []
    app.post("/user/remove", {"userId": user}).ok()
    assert users_of(app, "r") == roles_of(app, "ext") == []
    assert app.get("/recipe/user/metadata", {"userId": "ext"}).ok()["metadata"] == {}
