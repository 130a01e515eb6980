# SPDX-License-Identifier: Apache-2.0
"""Many users put straight into the tables, as so many sign-ups would have left them."""

import sqlite3
import uuid
from itertools import islice
from urllib.parse import unquote, urlsplit

from mongo_sql import component

BASE_MS = 1_700_000_000_000

TABLES = {
    "st_users": "app_id user_id is_primary time_joined recipe_mask lm_count row_ver",
    "st_login_methods": "app_id recipe_user_id user_id recipe_id time_joined email password_hash "
                        "verified updated_at",
    "st_user_tenants": "app_id tenant_id recipe_user_id user_id recipe_id is_primary time_joined "
                       "email email_domain uk_email password_hash verified",
    "st_tenant_users": "app_id tenant_id user_id time_joined recipe_mask lm_count",
}


def rows(app, n):
    """For each user the row of each table, in the order of TABLES."""
    for i in range(n):
        uid, t = str(uuid.UUID(int=(BASE_MS + i) << 80 | 7 << 76 | 2 << 62 | i)), BASE_MS + i
        email, domain = f"bulk{i}@example{i % 97}.com", f"example{i % 97}.com"
        secret = "$2a$04$abcdefghijklmnopqrstuuCnYHDS3w2rHnSpLhFX4mAMmI8XkWfc6"
        yield ((app, uid, False, t, 1, 1, 1),
               (app, uid, uid, "emailpassword", t, email, secret, False, t),
               (app, "public", uid, uid, "emailpassword", False, t, email, domain, email, secret,
                False),
               (app, "public", uid, t, 1, 1))


def counters(app, n):
    for tenant in ("", "public"):
        for shard in range(16):
            yield (app, tenant, 1, shard, n // 16 + (shard < n % 16))


COUNTERS = "app_id tenant_id recipe_mask shard n"
COUNTER = ("INSERT INTO st_user_counters (app_id, tenant_id, recipe_mask, shard, n) "
           "VALUES ({0}, {0}, {0}, {0}, {0})")


def fill_postgresql(uri, app, n):
    import psycopg
    with psycopg.connect(uri) as db, db.cursor() as cur:
        for k, (table, columns) in enumerate(TABLES.items()):
            names = ", ".join(columns.split())
            with cur.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows(app, n):
                    copy.write_row(row[k])
        cur.executemany(COUNTER.format("%s"), list(counters(app, n)))
        db.commit()
    analyze_postgresql(uri)


def analyze_postgresql(uri):
    """What its autovacuum does within a minute, and without which it takes whichever index."""
    import psycopg
    with psycopg.connect(uri, autocommit=True) as db:
        db.execute("VACUUM ANALYZE")


def fill_sqlite(path, app, n):
    db = sqlite3.connect(path, timeout=60)
    with db:
        for k, (table, columns) in enumerate(TABLES.items()):
            names = columns.split()
            db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES "
                           f"({', '.join('?' * len(names))})", (row[k] for row in rows(app, n)))
        db.executemany(COUNTER.format("?"), list(counters(app, n)))
    db.execute("ANALYZE")
    db.close()


def insert(table, columns):
    names = columns.split()
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"


def fill_mysql(uri, app, n):
    import pymysql
    to = urlsplit(uri)
    db = pymysql.connect(host=to.hostname, port=to.port, user=unquote(to.username),
                         password=unquote(to.password), database=to.path[1:])
    with db, db.cursor() as cur:
        for k, (table, columns) in enumerate(TABLES.items()):
            cur.executemany(insert(table, columns), (row[k] for row in rows(app, n)))
        cur.executemany(insert("st_user_counters", COUNTERS), counters(app, n))
        db.commit()
        cur.execute(f"ANALYZE TABLE {', '.join(TABLES)}")


def fill_mongodb(uri, app, n):
    import pymongo
    from bson import Int64
    with pymongo.MongoClient(uri, directConnection=True) as client:
        db = client.get_default_database()
        keys = {c["name"]: c["options"]["validator"]["$jsonSchema"]["properties"]["_id"]["description"]
                for c in db.list_collections() if "validator" in c.get("options", {})}

        def put(table, columns, values):
            names, many = columns.split(), iter(values)
            while batch := list(islice(many, 5000)):
                docs = [dict(zip(names, (Int64(v) if type(v) is int else v for v in row)))
                        for row in batch]
                for doc in docs:
                    doc["_id"] = "\0".join(component(doc[c]) for c in keys[table].split(","))
                db[table].insert_many(docs, ordered=False)

        for k, (table, columns) in enumerate(TABLES.items()):
            put(table, columns, (row[k] for row in rows(app, n)))
        put("st_user_counters", COUNTERS, counters(app, n))


FILL = {"postgresql": fill_postgresql, "mysql": fill_mysql, "mongodb": fill_mongodb}
