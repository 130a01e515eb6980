# SPDX-License-Identifier: Apache-2.0
"""Linked accounts, accounts with external ids, and their rows in the database."""

from sql import run_sql


class Database:
    """The rows of one app."""

    def __init__(self, core, storage, app):
        self.core, self.storage, self.app = core, storage, app
        self.app_id = app.prefix[len("/appid-"):]

    def run(self, sql):
        sql = sql.replace(":app", f"'{self.app_id}'")
        return [tuple(str(v) for v in row) for row in run_sql(self.core, self.storage, sql)]

    def link(self, primary, *others):
        """Makes `primary` a primary user and links others to it, each a user object."""
        self.app.post("/recipe/accountlinking/user/primary", {"recipeUserId": primary["id"]}).ok()
        for user in others:
            self.app.post("/recipe/accountlinking/user/link", {
                "recipeUserId": user["id"], "primaryUserId": primary["id"]}).ok()

    def map(self, user_id, external):
        """Whatever is filed under the user's id stays there."""
        self.app.post("/recipe/userid/map", {
            "superTokensUserId": user_id, "externalUserId": external, "force": True}).ok()

    def rows(self, table, where="1=1"):
        return int(self.run(f"SELECT count(*) FROM {table} WHERE app_id = :app AND {where}")[0][0])

