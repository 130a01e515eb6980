# SPDX-License-Identifier: Apache-2.0
"""Statements of a test in the core's own database, whatever it is."""

import os
import ssl
import sqlite3
from urllib.parse import unquote, urlsplit

from mongo_sql import run_mongo


def _mysql(uri):
    import pymysql

    to = urlsplit(uri)
    args = {"host": to.hostname, "port": to.port, "user": unquote(to.username),
            "password": unquote(to.password), "database": unquote(to.path[1:]), "charset": "utf8mb4"}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return pymysql.connect(ssl=context, **args)
    except pymysql.err.OperationalError:
        return pymysql.connect(**args)  # a server without TLS


def run_sql(core, storage, text, params=()):
    """The rows of a statement, as tuples (bytes, as MySQL keeps keys, as text); text may be
    several parted by semicolons, then without parameters.  Placeholders are question marks,
    and text that holds one is no statement for this function."""
    statements = [text] if params else [s for s in text.split(";") if s.strip()]
    if storage[0] == "mongodb":
        return [row for s in statements for row in run_mongo(storage[1], s, params)]
    if storage[0] == "sqlite":
        c = sqlite3.connect(os.path.join(core.home, ".started", "supertokens.db"), timeout=20)
    elif storage[0] == "postgresql":
        import psycopg

        c = psycopg.connect(storage[1])
    else:
        c = _mysql(storage[1])
    try:
        out = []
        for s in statements:
            cursor = c.cursor()
            if storage[0] != "sqlite" and params:
                s = s.replace("%", "%%").replace("?", "%s")
            cursor.execute(s, tuple(params)) if params else cursor.execute(s)
            out += [tuple(v.decode() if isinstance(v, bytes) else v for v in row)
                    for row in (cursor.fetchall() if cursor.description else [])]
        c.commit()
        return out
    finally:
        c.close()
