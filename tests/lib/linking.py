# SPDX-License-Identifier: Apache-2.0
"""Account linking: the calls, what the database holds, and the fixtures that tests share."""

import pytest

from sql import run_sql

PATH = "/recipe/accountlinking/user/"
TAKEN = "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
LINKED = "RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR"
OTHER = "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR"
NOT_PRIMARY = "INPUT_USER_IS_NOT_A_PRIMARY_USER"
UNKNOWN = "Unknown user ID provided"
TABLES = ("st_users", "st_login_methods", "st_user_tenants", "st_tenant_users",
          "st_account_reservations")


def sign_up(app, email):
    return app.post("/recipe/signup", {"email": email, "password": "secret12"}).ok()["user"]["id"]


def sign_in(app, email):
    return app.post("/recipe/signin", {"email": email, "password": "secret12"})


def check_primary(app, user):
    return app.get(PATH + "primary/check", {"recipeUserId": user})


def primary(app, user):
    return app.post(PATH + "primary", {"recipeUserId": user})


def check_link(app, user, to):
    return app.get(PATH + "link/check", {"recipeUserId": user, "primaryUserId": to})


def link(app, user, to):
    return app.post(PATH + "link", {"recipeUserId": user, "primaryUserId": to})


def unlink(app, user):
    return app.post(PATH + "unlink", {"recipeUserId": user})


def unlinked(app, user):
    out = unlink(app, user).ok()
    assert set(out) == {"status", "wasLinked", "wasRecipeUserDeleted"}
    return out["wasLinked"], out["wasRecipeUserDeleted"]


def get(app, user):
    return app.get("/user/id", {"userId": user})


def seen(app, user):
    return get(app, user).ok()["user"]


def methods(user):
    return [m["recipeUserId"] for m in user["loginMethods"]]


def count(app, **query):
    return app.get("/users/count", query).ok()["count"]


def listed(app, **query):
    return app.get("/users", query).ok()["users"]


def by_email(app, email):
    return app.get("/users/by-accountinfo", {
        "email": email, "doUnionOfAccountInfo": "true"}).ok()["users"]


def new_tenant(app, name):
    app.put("/recipe/multitenancy/tenant/v2", {"tenantId": name}).ok()
    return app.tenant(name)


def associate(tenant, user):
    return tenant.post("/recipe/multitenancy/tenant/user", {"recipeUserId": user})


def disassociate(tenant, user):
    return tenant.post("/recipe/multitenancy/tenant/user/remove", {"recipeUserId": user})


def remove(app, user, **more):
    app.post("/user/remove", {"userId": user, **more}).ok()


def session(app, user):
    return app.post("/recipe/session", {
        "userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
        "useDynamicSigningKey": True}).ok()["session"]


def handles(app, user, linked="true"):
    return sorted(app.get("/recipe/session/user", {
        "userId": user, "fetchSessionsForAllLinkedAccounts": linked}).ok()["sessionHandles"])


def rows(core, storage, app, table, where="1=1"):
    return int(run_sql(core, storage, f"SELECT count(*) FROM {table} WHERE app_id = "
                                      f"'{app.prefix[7:]}' AND {where}")[0][0])


@pytest.fixture
def sql(core, storage, app):
    """Statements about the app: `:app` is its id."""
    return lambda text: run_sql(core, storage, text.replace(":app", f"'{app.prefix[7:]}'"))


@pytest.fixture
def held(sql):
    """What primary users hold: {(tenant, kind, value): user}."""
    def read():
        return {tuple(key.split("\x1f")): user for key, user in sql(
            "SELECT rkey, user_id FROM st_account_reservations WHERE app_id = :app")}
    return read


@pytest.fixture
def give_id(sql):
    def give(user, external):
        sql(f"""INSERT INTO st_user_id_mapping(app_id, supertokens_user_id, external_user_id)
            VALUES (:app, '{user}', '{external}');
            UPDATE st_users SET external_user_id = '{external}' WHERE app_id = :app AND
              user_id = '{user}';
            UPDATE st_login_methods SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user}';
            UPDATE st_user_tenants SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user}'""")
    return give


@pytest.fixture
def turn(sql):
    """Makes an email/password user one of another recipe."""
    def change(user, recipe, **account):
        values = ", ".join(f"{k} = '{v}'" for k, v in account.items())
        for table in ("st_login_methods", "st_user_tenants"):
            sql(f"UPDATE {table} SET recipe_id = '{recipe}', {values} WHERE app_id = :app AND "
                f"recipe_user_id = '{user}'")
    return change


@pytest.fixture
def abc(app):
    return [sign_up(app, f"{c}@example.com") for c in "abc"]


def mail(tenant, letter):
    return tenant, "email", f"{letter}@example.com"
