# SPDX-License-Identifier: Apache-2.0
"""The core's tables of one database, whatever it is, for tests of migrations.

    at = Tables("postgresql", uri)           # or ("sqlite", path)
    at.names(), at.history(), at.copy_from(other), at.by_hand(script), at.expand(8, compat=1)
"""

import json
import os
import sqlite3
import subprocess
from urllib.parse import unquote, urlsplit

SRC = os.environ.get("STK_SRC", os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
HISTORY = "st_schema_version"
CLI = {"postgresql": ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
       "mysql": ["mysql", "--no-defaults"], "sqlite": ["sqlite3", "-bail"]}


def script_path(kind, name):
    return os.path.join(SRC, "migration_scripts", kind,
                        name + (".json" if kind == "mongodb" else ".sql"))


class Tables:
    def __init__(self, kind, where):
        self.kind, self.where = kind, where

    def _open(self):
        if self.kind == "sqlite":
            return sqlite3.connect(self.where, timeout=20)
        if self.kind == "postgresql":
            import psycopg
            return psycopg.connect(self.where)
        import pymysql
        to = urlsplit(self.where)
        return pymysql.connect(host=to.hostname, port=to.port, user=unquote(to.username),
                               password=unquote(to.password), database=unquote(to.path[1:]))

    def _mongo(self):
        import pymongo
        client = pymongo.MongoClient(self.where, directConnection=True)
        return client[urlsplit(self.where).path[1:]]

    def run(self, text, rows=None):
        """The rows of a statement; with rows it is run once for each."""
        c = self._open()
        try:
            cursor = c.cursor()
            cursor.execute(text) if rows is None else cursor.executemany(text, rows)
            out = cursor.fetchall() if rows is None and cursor.description else []
            c.commit()
            return out
        finally:
            c.close()

    def _text(self, rows):
        return [tuple(v.decode() if isinstance(v, bytes) else v for v in row) for row in rows]

    def columns(self):
        """The columns of each table of the core."""
        if self.kind == "sqlite":
            rows = self.run("SELECT m.name, c.name FROM sqlite_master m JOIN "
                            "pragma_table_info(m.name) c WHERE m.type = 'table'")
        else:
            here = "database()" if self.kind == "mysql" else "current_schema()"
            rows = self.run("SELECT table_name, column_name FROM information_schema.columns "
                            f"WHERE table_schema = {here}")
        out = {}
        for table, column in self._text(rows):
            if table.startswith("st_"):
                out.setdefault(table, []).append(column)
        return out

    def names(self):
        if self.kind == "mongodb":
            return sorted(n for n in self._mongo().list_collection_names() if n.startswith("st_"))
        return sorted(self.columns())

    def history(self):
        """The names of the scripts that were applied."""
        if self.kind == "mongodb":
            return [d["name"] for d in self._mongo()[HISTORY].find().sort("_id", 1)]
        if HISTORY not in self.names():
            return []
        return [r[0] for r in self._text(self.run(f"SELECT name FROM {HISTORY} ORDER BY version"))]

    def copy_from(self, other):
        """Puts the rows of another database in place of those here, as far as this schema
        has the tables and columns for them."""
        if self.kind == "mongodb":
            here, there = self._mongo(), other._mongo()
            for name in set(self.names()) - {HISTORY, "st_leases"}:
                here[name].delete_many({})
                documents = list(there[name].find())
                if documents:
                    here[name].insert_many(documents)
            return
        quote = "`" if self.kind == "mysql" else '"'
        mark = "?" if self.kind == "sqlite" else "%s"
        for table, columns in self.columns().items():
            if table == HISTORY:
                continue
            listed = ", ".join(quote + c + quote for c in columns)
            rows = other.run(f"SELECT {listed} FROM {table}")
            self.run(f"DELETE FROM {table}")
            if rows:
                self.run(f"INSERT INTO {table} ({listed}) VALUES "
                         f"({', '.join([mark] * len(columns))})", rows)

    def by_hand(self, name):
        """Runs a script as an operator does, with the database's own program."""
        path = script_path(self.kind, name)
        if self.kind == "mongodb":
            self._by_hand_mongodb(path)
            return
        argv, text = list(CLI[self.kind]), None
        if self.kind == "postgresql":
            argv += [self.where, "-f", path]
        elif self.kind == "sqlite":
            argv += [self.where, f".read {path}"]
        else:
            to = urlsplit(self.where)
            argv += ["-h", to.hostname, "-P", str(to.port), "-u", unquote(to.username),
                     f"--password={unquote(to.password)}", unquote(to.path[1:])]
            text = f"source {path}\n"
        r = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        assert r.returncode == 0, r.stdout + r.stderr

    def _by_hand_mongodb(self, path):
        """What the line for mongosh in the plugin's README does."""
        import pymongo
        db = self._mongo()
        with open(path, encoding="utf-8") as f:
            commands = json.load(f)["commands"]
        for command in commands:
            try:
                db.command(command)
            except pymongo.errors.OperationFailure as e:
                if e.code != 48:  # the collection is there
                    raise

    def expand(self, version, compat):
        """What a newer core's script does: a table, a column and a key more, and its record."""
        if self.kind == "mongodb":
            db = self._mongo()
            db["st_later"].create_index([("a", 1)])
            db["st_users"].create_index([("app_id", 1), ("later", 1)], name="later")
            last = db[HISTORY].find_one(sort=[("_id", -1)])
            db[HISTORY].insert_one(dict(last, _id=version, version=version, name="later",
                                        compat=compat))
            return
        for statement in ["CREATE TABLE st_later (a INTEGER NOT NULL PRIMARY KEY)",
                          "ALTER TABLE st_users ADD COLUMN later INTEGER",
                          "CREATE INDEX st_users_later ON st_users (app_id, later)",
                          f"INSERT INTO {HISTORY} (version, name, compat, applied_at) VALUES "
                          f"({version}, 'later', {compat}, 1)"]:
            self.run(statement)
