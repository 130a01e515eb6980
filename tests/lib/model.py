# SPDX-License-Identifier: Apache-2.0
"""A catalogue that has each operation, type and predicate once."""

from stkabi import (EQ, GE, GT, IF_ABSENT, IN, INC, IS_NULL, KEEP, KEYSET, LE, LOCK, LT, NOT_NULL,
                    PREFIX, SET, Catalog, Query, Table, blob, boolean, count, delete, i64, index,
                    insert, primary, select, text, unique, update, upsert)

assert KEYSET

item = Table("st_item", [
    text("app", 64), text("id", 64), i64("n"), boolean("b"), text("t", 512, null=True),
    text("long", 0, null=True), blob("x", null=True), i64("n2", null=True),
    text("email", null=True, secret=True)],
    [primary("app", "id"), unique("email", "app", "email"), index("by_n", "app", "n", "id")])
pair = Table("st_pair", [text("k", 64), i64("n"), text("first", 64)], [primary("k")])

ALL = ["id", "n", "b", "t", "long", "x", "n2", "email"]
HERE = [("app", EQ)]
ONE = [("app", EQ), ("id", EQ)]

put = insert("put", item, ["app", "id", "n", "b", "t", "long", "x", "n2", "email"])
small = insert("small", item, ["app", "id", "n", "b"])
mail = insert("mail", item, ["app", "id", "n", "b", "email"])
get = select("get", item, ALL, where=ONE)
ids = select("ids", item, ["id"], where=HERE, order=[("id", 0)])
inc = update("inc", item, [("n", INC)], ONE)
setn = update("setn", item, [("n2", SET)], HERE)
set_mail = update("set_mail", item, [("email", SET)], ONE)
remove = delete("remove", item, ONE)
some = select("some", item, ["id"], where=[("app", EQ), ("id", IN)], order=[("id", 0)])
by_flag = select("by_flag", item, ["id"], where=[("app", EQ), ("b", IN), ("n", IN)],
                 order=[("id", 0)])
lt = select("lt", item, ["id"], where=[("app", EQ), ("n", LT)], order=[("id", 0)])
le = select("le", item, ["id"], where=[("app", EQ), ("n", LE)], order=[("id", 0)])
gt = select("gt", item, ["id"], where=[("app", EQ), ("n", GT)], order=[("id", 0)])
ge = select("ge", item, ["id"], where=[("app", EQ), ("n", GE)], order=[("id", 0)])
null = select("null_n2", item, ["id"], where=[("app", EQ), ("n2", IS_NULL)], order=[("id", 0)])
not_null = select("not_null_n2", item, ["id"], where=[("app", EQ), ("n2", NOT_NULL)],
                  order=[("id", 0)])
prefix = select("by_prefix", item, ["id", "t"], where=[("app", EQ), ("t", PREFIX)],
                order=[("id", 0)])
page_up = select("page_up", item, ["n", "id"], where=HERE, order=[("n", 0), ("id", 0)],
                 keyset=(["n", "id"], 0, 0), limit_param=True)
page_down = select("page_down", item, ["n", "id"], where=HERE, order=[("n", 1), ("id", 1)],
                   keyset=(["n", "id"], 1, 0), limit_param=True)
page_incl = select("page_incl", item, ["n", "id"], where=HERE, order=[("n", 1), ("id", 1)],
                   keyset=(["n", "id"], 1, 1), limit_param=True)
total = count("total", item, where=HERE)
capped = count("capped", item, where=HERE, limit_param=True)
lock = select("lock", item, ["id", "n"], where=ONE, flags=LOCK)
lock_some = select("lock_some", item, ["id", "n"], where=[("app", EQ), ("id", IN)], flags=LOCK)
newest = select("newest", item, ["id"], where=HERE, order=[("n", 1), ("id", 1)], limit=3)
trim = delete("trim", item, HERE, order=[("n", 0), ("id", 0)], limit_param=True)
mark = update("mark", item, [("n2", SET)], HERE, order=[("n", 0), ("id", 0)], limit=2)
clear = delete("clear", item, HERE)

once = insert("once", pair, ["k", "n", "first"], flags=IF_ABSENT)
add = upsert("add", pair, [("k", SET), ("n", INC), ("first", KEEP)])
replace = upsert("replace", pair, [("k", SET), ("n", SET), ("first", SET)])
get_pair = select("get_pair", pair, ["n", "first"], where=[("k", EQ)])
bump = update("bump", pair, [("n", INC)], [("k", EQ)])
remove_pair = delete("remove_pair", pair, [("k", EQ)])
lock_pair = select("lock_pair", pair, ["n"], where=[("k", EQ)], flags=LOCK)

tables = [item, pair]
queries = [v for v in list(globals().values()) if isinstance(v, Query)]
catalog = Catalog(tables, queries)
