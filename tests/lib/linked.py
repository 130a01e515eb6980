# SPDX-License-Identifier: Apache-2.0
"""Accounts linked and mapped to external ids by hand in the database, since the calls that
do it come later."""

from sql import run_sql


class Database:
    """The rows of one app."""

    def __init__(self, core, storage, app):
        self.core, self.storage = core, storage
        self.app_id = app.prefix[len("/appid-"):]

    def run(self, sql):
        sql = sql.replace(":app", f"'{self.app_id}'")
        return [tuple(str(v) for v in row) for row in run_sql(self.core, self.storage, sql)]

    def link(self, primary, *others):
        """Makes `primary` a primary user and links others to it, each a user object in the
        public tenant with one email."""
        oldest = min(u["timeJoined"] for u in (primary, *others))
        ids = ",".join(f"'{u['id']}'" for u in others) or "''"
        true = "true" if self.storage[0] == "postgresql" else "1"
        n, pid = 1 + len(others), primary["id"]
        reserve = ";".join(
            "INSERT INTO st_account_reservations(app_id, rkey, tenant_id, kind, user_id) VALUES "
            f"(:app, 'public\x1femail\x1f{u['emails'][0]}', 'public', 'email', '{pid}')"
            for u in (primary, *others))
        shards = ";".join(
            f"UPDATE st_user_counters SET n = n - 1 WHERE app_id = :app AND recipe_mask = 1 AND "
            f"tenant_id IN ('', 'public') AND shard = {shard(u['id'])}" for u in others) or "SELECT 1"
        self.run(f"""
            UPDATE st_login_methods SET user_id = '{pid}' WHERE app_id = :app AND
              recipe_user_id IN ({ids});
            UPDATE st_user_tenants SET user_id = '{pid}', is_primary = {true} WHERE app_id = :app AND
              recipe_user_id IN ('{pid}', {ids});
            UPDATE st_users SET is_primary = {true}, lm_count = {n}, time_joined = {oldest} WHERE
              app_id = :app AND user_id = '{pid}';
            UPDATE st_tenant_users SET lm_count = {n}, time_joined = {oldest} WHERE app_id = :app AND
              user_id = '{pid}';
            DELETE FROM st_users WHERE app_id = :app AND user_id IN ({ids});
            DELETE FROM st_tenant_users WHERE app_id = :app AND user_id IN ({ids});
            {reserve}; {shards}""")

    def map(self, user_id, external):
        self.run(f"""
            INSERT INTO st_user_id_mapping(app_id, supertokens_user_id, external_user_id) VALUES
              (:app, '{user_id}', '{external}');
            UPDATE st_users SET external_user_id = '{external}' WHERE app_id = :app AND
              user_id = '{user_id}';
            UPDATE st_login_methods SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user_id}';
            UPDATE st_user_tenants SET external_user_id = '{external}' WHERE app_id = :app AND
              recipe_user_id = '{user_id}'""")

    def rows(self, table, where="1=1"):
        return int(self.run(f"SELECT count(*) FROM {table} WHERE app_id = :app AND {where}")[0][0])


def shard(user_id):
    h = 0xcbf29ce484222325
    for b in user_id.encode():
        h = (h ^ b) * 0x100000001b3 % 2 ** 64
    return h % 16
