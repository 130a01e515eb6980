# SPDX-License-Identifier: Apache-2.0
"""A small catalogue, the plugin, and the child process of the tests of MongoDB's plugin.

Run as a program it is that child: `mongo_model.py URI` prints `open` when it has opened the
database, then carries out a line of standard input each: `write` (WRITES with its commit, then
prints `done`) or `hold` (a transaction that is begun and left open, then prints `held`).
"""

import os
import socket
import struct
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from stkabi import (EQ, GE, IN, INC, KEEP, LE, LOCK, LT, PREFIX, SET, Catalog,  # noqa: E402
                    Plugin, Query, Table, delete, i64, index, insert, primary, select, text,
                    unique, update, upsert)

item = Table("st_item", [text("app", 64), text("id", 64), i64("n"), text("email", null=True)],
             [primary("app", "id"), unique("email", "app", "email"), index("by_n", "app", "n", "id")])
pair = Table("st_pair", [text("k", 64), i64("i"), i64("n"), text("first", 64)],
             [primary("k", "i")])

ONE = [("app", EQ), ("id", EQ)]
put = insert("put", item, ["app", "id", "n", "email"])
get = select("get", item, ["n", "email"], where=ONE)
every = select("every", item, ["id", "n"], where=[("app", EQ)], order=[("id", 0)])
inc = update("inc", item, [("n", INC)], ONE)
set_all = update("set_all", item, [("n", SET)], [("app", EQ)])
remove = delete("remove", item, ONE)
oldest = delete("oldest", item, [("app", EQ)], order=[("n", 0), ("id", 0)], limit=1)
page = select("page", item, ["id"], where=[("app", EQ)], order=[("n", 0), ("id", 0)],
              keyset=(["n", "id"], 0, 0), limit_param=True)
id_page = select("id_page", item, ["id"], where=[("app", EQ)], order=[("id", 0)],
                 keyset=(["id"], 0, 0), limit_param=True)
named = select("named", item, ["id"], where=[("app", EQ), ("id", PREFIX)], order=[("id", 0)])
some = select("some", item, ["id"], where=[("app", EQ), ("id", IN)], order=[("id", 0)])
by_email = select("by_email", item, ["id"], where=[("app", EQ), ("email", EQ)])
lock = select("lock", item, ["n"], where=ONE, flags=LOCK)
add = upsert("add", pair, [("k", SET), ("i", SET), ("n", INC), ("first", KEEP)])
pairs = select("pairs", pair, ["i", "n", "first"], where=[("k", EQ)], order=[("i", 0)])
between = select("between", pair, ["i"], where=[("k", EQ), ("i", GE), ("i", LT)], order=[("i", 0)])
up_to = select("up_to", pair, ["i"], where=[("k", EQ), ("i", LE)], order=[("i", 1)])

queries = [v for v in list(globals().values()) if isinstance(v, Query)]
catalog = Catalog([item, pair], queries)


def plugin_path():
    build = os.environ.get("STK_BUILD") or os.environ.get("O") or "build"
    return os.path.join(ROOT, build, "plugins", "mongodb.so")


def settings(uri):
    return {"mongodb_connection_uri": uri}


def rows_before():
    """What a database holds before WRITES."""
    return [put("a", "one", 1, "1@x"), put("a", "two", 2, None), put("a", "three", 3, None),
            add("p", 1, 10, "before")]


# One transaction that inserts, changes one row and all, deletes, and upserts both ways.
WRITES = [put("a", "four", 4, "4@x"), inc(5, "a", "one"), remove("a", "two"), set_all(9, "a"),
          add.rows([("p", 1, 7, "late"), ("p", -2, 1, "new")]), oldest("a")]


def state(db):
    """All that can be seen."""
    items, two = db.exec([every("a"), pairs("p")])
    return items.rows, two.rows


class Child:
    """The program below in a process of its own."""

    def __init__(self, uri):
        env = dict(os.environ, LD_PRELOAD=os.environ.get("STK_PRELOAD", ""))
        self.proc = subprocess.Popen([sys.executable, __file__, uri], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, env=env)
        assert self.line() == "open"

    def line(self):
        return self.proc.stdout.readline().strip()

    def say(self, word):
        self.proc.stdin.write(word + "\n")
        self.proc.stdin.flush()

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()

    def end(self):
        self.proc.stdin.close()
        self.proc.wait(30)
        self.proc.stdout.close()


def message_of(sock):
    """One message of MongoDB's protocol, empty at the end of the stream."""
    try:
        head = sock.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return b""
        (size,) = struct.unpack("<i", head)
        return head + sock.recv(size - 4, socket.MSG_WAITALL)
    except OSError:
        return b""


def main(uri):
    with Plugin(plugin_path()).open(settings(uri), catalog) as db:
        print("open", flush=True)
        txn = None
        for word in sys.stdin:
            if word.strip() == "hold":
                txn = db.begin()
                txn.exec([inc(100, "a", "one")])
                print("held", flush=True)
            else:
                txn = db.begin()
                for call in WRITES[:-1]:
                    txn.exec([call])
                txn.exec(WRITES[-1:], commit=True)
                print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
