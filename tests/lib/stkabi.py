# SPDX-License-Identifier: Apache-2.0
"""Drives a storage plugin from Python through its C ABI (sdk/include/stk_plugin.h).

    plugin = Plugin("build/plugins/postgresql.so")
    users = Table("st_x", [text("id", 36), i64("n")], [primary("id")])
    put = insert("put", users, ["id", "n"])
    get = select("get", users, ["n"], where=[("id", EQ)])
    db = plugin.open({"postgresql_connection_uri": uri}, Catalog([users], [put, get]))
    db.ensure()
    db.exec([put("a", 1)])
    assert db.exec([get("a")])[0].rows == [(1,)]

Failures raise StkError.  Calls release the interpreter lock, so threads really
run side by side.
"""

import ctypes as C
import threading
import time

STATUS = {0: "OK", -1: "DUPLICATE", -2: "EXPECT", -3: "RETRY", -4: "UNCERTAIN", -5: "UNAVAILABLE",
          -6: "TIMEOUT", -7: "UNSUPPORTED", -8: "ABORTED", -9: "SCHEMA", -10: "CONFIG",
          -11: "NOMEM", -12: "INVALID", -13: "TOO_BIG", -14: "DENIED", -15: "READ_ONLY",
          -16: "INTERNAL"}
NONE = 0xFFFF
T_NULL, T_BOOL, T_I64, T_TEXT, T_BYTES, T_LIST = range(6)
OPS = {"insert": 1, "upsert": 2, "update": 3, "delete": 4, "select": 5, "count": 6}
EQ, LT, LE, GT, GE, IN, IS_NULL, NOT_NULL, PREFIX, KEYSET = range(1, 11)
SET, INC, KEEP = 1, 2, 3
IF_ABSENT, LOCK = 1, 2
RW, RO = 0, 1
u8, u16, u32, u64, i32, i64_t = (C.c_uint8, C.c_uint16, C.c_uint32, C.c_uint64, C.c_int32,
                                 C.c_int64)
P, STR = C.c_void_p, C.c_char_p


def struct(name, fields):
    return type(name, (C.Structure,), {"_fields_": fields})


Err = struct("Err", [("size", u32), ("code", i32), ("native", i32), ("sqlstate", C.c_char * 8),
                     ("call", u16), ("table", u16), ("key", u16), ("column", u16),
                     ("msg", C.c_char * 512)])
ValU = type("ValU", (C.Union,), {"_fields_": [("i", i64_t), ("p", P)]})
Val = struct("Val", [("u", ValU), ("len", u32), ("type", u8), ("rsv", u8 * 3)])
ArenaS = struct("ArenaS", [("cur", P), ("end", P), ("grow", P), ("defer", P)])
Col = struct("Col", [("name", STR), ("max_len", u32), ("since", u32), ("type", u8), ("flags", u8),
                     ("rsv", u8 * 6)])
Key = struct("Key", [("name", STR), ("cols", C.POINTER(u16)), ("since", u32), ("ncols", u16),
                     ("kind", u8), ("rsv", u8)])
TableS = struct("TableS", [("name", STR), ("cols", C.POINTER(Col)), ("keys", C.POINTER(Key)),
                           ("ncols", u16), ("nkeys", u16), ("since", u32)])
Pred = struct("Pred", [("col", u16), ("param", u16), ("op", u8), ("rsv", u8 * 3)])
SetS = struct("SetS", [("col", u16), ("param", u16), ("how", u8), ("rsv", u8 * 3)])
Order = struct("Order", [("col", u16), ("desc", u8), ("rsv", u8 * 5)])
Keyset = struct("Keyset", [("cols", C.POINTER(u16)), ("ncols", u16), ("param", u16), ("desc", u8),
                           ("inclusive", u8), ("rsv", u8 * 2)])
QueryS = struct("QueryS", [
    ("id", u16), ("table", u16), ("op", u8), ("flags", u8), ("nparams", u8), ("rsv0", u8),
    ("name", STR), ("out", C.POINTER(u16)), ("set", C.POINTER(SetS)), ("where", C.POINTER(Pred)),
    ("order", C.POINTER(Order)), ("keyset", C.POINTER(Keyset)), ("nout", u8), ("nset", u8),
    ("nwhere", u8), ("norder", u8), ("limit_param", u16), ("rsv1", u16), ("limit", u32),
    ("since", u32)])
CatalogS = struct("CatalogS", [
    ("size", u32), ("version", u32), ("table_size", u32), ("col_size", u32), ("key_size", u32),
    ("query_size", u32), ("pred_size", u32), ("set_size", u32), ("order_size", u32),
    ("keyset_size", u32), ("ntables", u16), ("nqueries", u16), ("rsv0", u32),
    ("tables", C.POINTER(TableS)), ("queries", C.POINTER(C.POINTER(QueryS)))])
ResultS = struct("ResultS", [("status", i32), ("nrows", u32), ("affected", u64),
                             ("cells", C.POINTER(Val)), ("ncols", u32), ("rsv", u32)])
CallS = struct("CallS", [("query", C.POINTER(QueryS)), ("params", C.POINTER(Val)),
                         ("result", C.POINTER(ResultS)), ("nrows", u32), ("expect_n", u32),
                         ("expect", u8), ("rsv", u8 * 7)])
BatchS = struct("BatchS", [("size", u32), ("flags", u32), ("ncalls", u32), ("call_size", u32),
                           ("calls", C.POINTER(CallS)), ("arena", C.POINTER(ArenaS)),
                           ("deadline_us", u64), ("round_trips", u32), ("statements", u32)])
Option = struct("Option", [("key", STR), ("alias", STR), ("dflt", STR), ("choices", STR),
                           ("help", STR), ("min", i64_t), ("max", i64_t), ("type", u8),
                           ("flags", u8), ("rsv", u8 * 6)])
KV = struct("KV", [("key", STR), ("value", STR)])
MigrationS = struct("MigrationS", [("version", u32), ("rsv", u32), ("name", STR), ("text", STR),
                                   ("text_len", C.c_size_t), ("sha256", STR)])
MigState = struct("MigState", [("size", u32), ("version", u32), ("state", u32), ("compat", u32),
                               ("applied_at", i64_t), ("name", STR)])
Progress = struct("Progress", [("size", u32), ("version", u32), ("step", u32), ("nsteps", u32),
                               ("name", STR), ("text", STR)])
Health = struct("Health", [("size", u32), ("pool_size", u32), ("pool_open", u32),
                           ("pool_idle", u32), ("pool_waiters", u32), ("rsv", u32),
                           ("rtt_us", u64), ("reconnects", u64), ("server", C.c_char * 128)])
LOG_FN = C.CFUNCTYPE(None, P, i32, STR, P, C.c_size_t)
NOW_FN = C.CFUNCTYPE(u64, P)
TIME_FN = C.CFUNCTYPE(i64_t, P)
HostS = struct("HostS", [("size", u32), ("abi_major", u16), ("abi_minor", u16), ("ctx", P),
                         ("log", LOG_FN), ("now_us", NOW_FN), ("time_ms", TIME_FN)])
EMIT_MIG = C.CFUNCTYPE(None, P, C.POINTER(MigState))
PROGRESS_FN = C.CFUNCTYPE(i32, P, C.POINTER(Progress))
EMIT_KV = C.CFUNCTYPE(None, P, STR, STR)
ERR = C.POINTER(Err)
KVS = (C.POINTER(KV), C.c_size_t)
PluginS = struct("PluginS", [
    ("magic", u32), ("size", u32), ("abi_major", u16), ("abi_minor", u16), ("need_minor", u16),
    ("thread_model", u8), ("rsv0", u8), ("name", STR), ("version", STR), ("license", STR),
    ("help", STR), ("caps", u64), ("options", C.POINTER(Option)),
    ("migrations", C.POINTER(MigrationS)), ("noptions", u32), ("option_size", u32),
    ("nmigrations", u32), ("migration_size", u32), ("max_in_list", u32), ("max_batch", u32),
    ("load", C.CFUNCTYPE(i32, C.POINTER(HostS), ERR)), ("unload", C.CFUNCTYPE(None)),
    ("thread_enter", C.CFUNCTYPE(i32)), ("thread_leave", C.CFUNCTYPE(None)),
    ("identity", C.CFUNCTYPE(i32, *KVS, P, P, C.c_size_t, ERR)),
    ("open", C.CFUNCTYPE(i32, *KVS, C.POINTER(CatalogS), u32, C.POINTER(P), ERR)),
    ("close", C.CFUNCTYPE(None, P)), ("db_caps", C.CFUNCTYPE(u64, P)),
    ("migration_status",
     C.CFUNCTYPE(i32, P, C.POINTER(MigrationS), C.c_size_t, EMIT_MIG, P, ERR)),
    ("migrate",
     C.CFUNCTYPE(i32, P, C.POINTER(MigrationS), C.c_size_t, u32, u32, PROGRESS_FN, P, ERR)),
    ("verify", C.CFUNCTYPE(i32, P, ERR)),
    ("ensure", C.CFUNCTYPE(i32, P, C.POINTER(CatalogS), ERR)),
    ("drop", C.CFUNCTYPE(i32, P, C.POINTER(CatalogS), ERR)),
    ("begin", C.CFUNCTYPE(i32, P, i32, u64, C.POINTER(P), ERR)),
    ("exec", C.CFUNCTYPE(i32, P, P, C.POINTER(BatchS), ERR)),
    ("commit", C.CFUNCTYPE(i32, P, u64, ERR)), ("rollback", C.CFUNCTYPE(None, P)),
    ("health", C.CFUNCTYPE(i32, P, u32, C.POINTER(Health), ERR)),
    ("dump", C.CFUNCTYPE(None, P, EMIT_KV, P))])


class StkError(Exception):
    """A negative status; statuses holds that of each call where a batch failed."""

    def __init__(self, code, err, statuses=()):
        self.code = code
        self.status = STATUS.get(code, str(code))
        self.message = err.msg.decode("utf-8", "replace")
        self.sqlstate = err.sqlstate.decode()
        self.call, self.table, self.key, self.column = err.call, err.table, err.key, err.column
        self.statuses = list(statuses)
        super().__init__(f"{self.status}: {self.message}")


def status_of(fn, *args, **kw):
    """OK or the status of the failure, and the failure."""
    try:
        fn(*args, **kw)
        return "OK", None
    except StkError as e:
        return e.status, e


def in_thread(fn, *args, **kw):
    """A thread that runs fn, and the list that its status_of() will be in."""
    box = []
    t = threading.Thread(target=lambda: box.append(status_of(fn, *args, **kw)))
    t.start()
    return t, box


def new_err():
    e = Err()
    e.size = C.sizeof(Err)
    return e


# ------------------------------------------------------------------ catalogues

def text(name, max_len=128, null=False, secret=False):
    return (name, T_TEXT, max_len, (0 if null else 1) | (2 if secret else 0))


def i64(name, null=False):
    return (name, T_I64, 0, 0 if null else 1)


def boolean(name, null=False):
    return (name, T_BOOL, 0, 0 if null else 1)


def blob(name, max_len=1 << 20, null=False, secret=False):
    return (name, T_BYTES, max_len, (0 if null else 1) | (2 if secret else 0))


def primary(*cols):
    return ("pkey", 1, cols)


def unique(name, *cols):
    return (name, 2, cols)


def index(name, *cols):
    return (name, 3, cols)


class Table:
    def __init__(self, name, cols, keys):
        self.name, self.cols, self.keys = name, cols, keys
        self.names = [c[0] for c in cols]
        self.id = None

    def col(self, name):
        return self.names.index(name)

    def type(self, name):
        return self.cols[self.col(name)][1]


class Query:
    """One descriptor; calling it makes a Call."""

    def __init__(self, op, name, table, out=(), sets=(), where=(), order=(), keyset=None, limit=0,
                 limit_param=False, flags=0):
        self.op, self.name, self.table, self.flags, self.limit = op, name, table, flags, limit
        self.out, self.sets, self.where, self.order = list(out), list(sets), list(where), order
        self.keyset, self.limit_param = keyset, limit_param
        self.types = []
        self.c = None

    def __call__(self, *params, **kw):
        return Call(self, [params], **kw)

    def rows(self, rows, **kw):
        return Call(self, rows, **kw)

    def build(self, qid, keep):
        q, t = QueryS(), self.table
        self.types = []
        preds, ks = [], None

        def param(typ):
            self.types.append(typ)
            return len(self.types) - 1

        sets = (SetS * max(1, len(self.sets)))()
        for i, (col, how) in enumerate(self.sets):
            sets[i].col, sets[i].how, sets[i].param = t.col(col), how, param(t.type(col))
        for col, op in self.where:
            p = Pred()
            p.col, p.op = t.col(col), op
            p.param = NONE if op in (IS_NULL, NOT_NULL) else param(
                T_LIST if op == IN else t.type(col))
            preds.append(p)
        if self.keyset:
            cols, desc, inclusive = self.keyset
            ks = Keyset()
            arr = (u16 * len(cols))(*[t.col(c) for c in cols])
            keep.append(arr)
            ks.cols, ks.ncols, ks.desc, ks.inclusive = arr, len(cols), desc, inclusive
            first = [param(t.type(c)) for c in cols][0]
            ks.param = first
            p = Pred()
            p.col, p.op, p.param = NONE, KEYSET, NONE
            preds.append(p)
        q.limit_param = param(T_I64) if self.limit_param else NONE
        where = (Pred * max(1, len(preds)))(*preds)
        out = (u16 * max(1, len(self.out)))(*[t.col(c) for c in self.out])
        order = (Order * max(1, len(self.order)))()
        for i, (col, desc) in enumerate(self.order):
            order[i].col, order[i].desc = t.col(col), desc
        keep += [sets, where, out, order, ks]
        q.id, q.table, q.op, q.flags, q.nparams = qid, t.id, OPS[self.op], self.flags, len(self.types)
        q.name = self.name.encode()
        q.out, q.set, q.where, q.order = out, sets, where, order
        if ks is not None:
            q.keyset = C.pointer(ks)
        q.nout, q.nset, q.nwhere, q.norder = (len(self.out), len(self.sets), len(preds),
                                              len(self.order))
        q.limit = self.limit
        self.c = q
        return q


def insert(name, table, cols, flags=0):
    return Query("insert", name, table, sets=[(c, SET) for c in cols], flags=flags)


def upsert(name, table, sets):
    return Query("upsert", name, table, sets=sets)


def update(name, table, sets, where, **kw):
    return Query("update", name, table, sets=sets, where=where, **kw)


def delete(name, table, where, **kw):
    return Query("delete", name, table, where=where, **kw)


def select(name, table, out, where=(), **kw):
    return Query("select", name, table, out=out, where=where, **kw)


def count(name, table, where=(), **kw):
    return Query("count", name, table, where=where, **kw)


class Catalog:
    def __init__(self, tables, queries, version=1):
        self.keep = []
        self.tables, self.queries = tables, queries
        ts = (TableS * max(1, len(tables)))()
        for i, t in enumerate(tables):
            t.id = i
            cols = (Col * len(t.cols))()
            for j, (name, typ, max_len, flags) in enumerate(t.cols):
                cols[j].name, cols[j].type, cols[j].max_len, cols[j].flags = (name.encode(), typ,
                                                                              max_len, flags)
            keys = (Key * len(t.keys))()
            for j, (name, kind, kcols) in enumerate(t.keys):
                arr = (u16 * len(kcols))(*[t.col(c) for c in kcols])
                keys[j].name, keys[j].kind, keys[j].cols, keys[j].ncols = (name.encode(), kind, arr,
                                                                           len(kcols))
                self.keep.append(arr)
            ts[i].name, ts[i].cols, ts[i].keys = t.name.encode(), cols, keys
            ts[i].ncols, ts[i].nkeys = len(t.cols), len(t.keys)
            self.keep += [cols, keys]
        qs = (C.POINTER(QueryS) * max(1, len(queries)))()
        for i, q in enumerate(queries):
            qs[i] = C.pointer(q.build(i, self.keep))
        self.keep += [ts, qs]
        c = CatalogS()
        c.size, c.version = C.sizeof(CatalogS), version
        for name, s in (("table", TableS), ("col", Col), ("key", Key), ("query", QueryS),
                        ("pred", Pred), ("set", SetS), ("order", Order), ("keyset", Keyset)):
            setattr(c, name + "_size", C.sizeof(s))
        c.ntables, c.nqueries, c.tables, c.queries = len(tables), len(queries), ts, qs
        self.c = c


# ----------------------------------------------------------------------- calls

def to_val(v, keep):
    r = Val()
    if v is None:
        return r
    if isinstance(v, bool):
        r.type, r.u.i = T_BOOL, int(v)
    elif isinstance(v, int):
        r.type, r.u.i = T_I64, v
    elif isinstance(v, (str, bytes)):
        raw = v.encode() if isinstance(v, str) else v
        buf = C.create_string_buffer(raw, len(raw) + 1)
        keep.append(buf)
        r.type = T_TEXT if isinstance(v, str) else T_BYTES
        r.u.p, r.len = C.cast(buf, P), len(raw)
    elif isinstance(v, (list, tuple)):
        arr = (Val * max(1, len(v)))(*[to_val(x, keep) for x in v])
        keep.append(arr)
        r.type, r.u.p, r.len = T_LIST, C.cast(arr, P), len(v)
    else:
        raise TypeError(type(v))
    return r


def from_val(v):
    if v.type == T_NULL:
        return None
    if v.type == T_BOOL:
        return bool(v.u.i)
    if v.type == T_I64:
        return v.u.i
    raw = C.string_at(v.u.p, v.len + (1 if v.type == T_TEXT else 0)) if v.u.p else b"\0"
    if v.type == T_BYTES:
        return raw[:v.len]
    assert raw[v.len] == 0, "a text result must end in a NUL byte"
    return raw[:v.len].decode()


class Call:
    """A query with parameters; affected=n or at_least=n is what it expects."""

    def __init__(self, query, rows, affected=None, at_least=None):
        self.query, self.params = query, rows
        self.expect = 1 if affected is not None else 2 if at_least is not None else 0
        self.expect_n = affected if affected is not None else at_least or 0


class Result:
    def __init__(self, status, affected, rows):
        self.status, self.affected, self.rows = STATUS[status], affected, rows


GROW = C.CFUNCTYPE(P, P, C.c_size_t)
DEFER = C.CFUNCTYPE(None, P, P, P)
FN = C.CFUNCTYPE(None, P)


class Arena:
    """A request arena whose memory Python owns; close() runs the deferred calls."""

    def __init__(self):
        self.blocks, self.deferred = [], []
        self.s = ArenaS()
        self._grow, self._defer = GROW(self._on_grow), DEFER(self._on_defer)
        self.s.grow, self.s.defer = C.cast(self._grow, P), C.cast(self._defer, P)
        self.s.cur = self.s.end = None

    def _on_grow(self, _arena, n):
        buf = C.create_string_buffer(n + 16)
        self.blocks.append(buf)
        return (C.addressof(buf) + 15) & ~15

    def _on_defer(self, _arena, fn, arg):
        self.deferred.append((fn, arg))

    def close(self):
        for fn, arg in reversed(self.deferred):
            FN(fn)(arg)
        self.deferred = []


class Plugin:
    def __init__(self, path):
        self.lib = C.CDLL(path)
        self.lib.stk_plugin_v1.restype = C.POINTER(PluginS)
        self.v = self.lib.stk_plugin_v1(C.c_uint16(1), C.c_uint16(0)).contents
        self.logs = []
        h = HostS()
        h.size, h.abi_major = C.sizeof(HostS), 1
        h.log = LOG_FN(lambda ctx, level, plugin, msg, n: self.logs.append(
            (level, C.string_at(msg, n).decode())))
        h.now_us = NOW_FN(lambda ctx: time.monotonic_ns() // 1000)
        h.time_ms = TIME_FN(lambda ctx: time.time_ns() // 1000000)
        self.host = h
        self.check(self.v.load(C.byref(h), C.byref(err := new_err())), err)

    @staticmethod
    def check(code, err):
        if code != 0:
            assert err.code == code, f"err.code {err.code} but status {code}"
            raise StkError(code, err)

    @staticmethod
    def kv(options):
        kv = (KV * max(1, len(options)))()
        for i, (k, v) in enumerate(options.items()):
            kv[i].key, kv[i].value = k.encode(), str(v).encode()
        return kv, len(options)

    def identity(self, options):
        a, b, err = C.create_string_buffer(256), C.create_string_buffer(256), new_err()
        kv, n = self.kv(options)
        self.check(self.v.identity(kv, n, C.addressof(a), C.addressof(b), 256, C.byref(err)), err)
        return a.value.decode(), b.value.decode()

    def open(self, options, catalog, scratch=True):
        kv, n = self.kv(options)
        db, err = P(), new_err()
        self.check(self.v.open(kv, n, C.byref(catalog.c), 1 if scratch else 0, C.byref(db),
                               C.byref(err)), err)
        return Db(self, db, catalog)


def deadline(seconds):
    return 0 if seconds is None else int((time.monotonic() + seconds) * 1e6)


class Db:
    def __init__(self, plugin, handle, catalog):
        self.plugin, self.v, self.h, self.catalog = plugin, plugin.v, handle, catalog
        self.round_trips = self.statements = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        if self.h:
            self.v.close(self.h)
            self.h = None

    def _simple(self, fn, *args):
        err = new_err()
        self.plugin.check(fn(self.h, *args, C.byref(err)), err)

    def ensure(self, catalog=None):
        self._simple(self.v.ensure, C.byref((catalog or self.catalog).c))

    def drop(self, catalog=None):
        self._simple(self.v.drop, C.byref((catalog or self.catalog).c))

    def verify(self):
        self._simple(self.v.verify)

    def health(self, timeout_ms=5000):
        h = Health()
        h.size = C.sizeof(Health)
        self._simple(self.v.health, timeout_ms, C.byref(h))
        return h

    def dump(self):
        out = {}
        fn = EMIT_KV(lambda ud, k, v: out.__setitem__(k.decode(), v.decode()))
        self.v.dump(self.h, fn, None)
        return out

    def migrations(self, scripts):
        """scripts: [(name, text)] -> C array."""
        import hashlib
        arr = (MigrationS * max(1, len(scripts)))()
        for i, (name, body) in enumerate(scripts):
            raw = body.encode()
            arr[i].version, arr[i].name, arr[i].text = i + 1, name.encode(), raw
            arr[i].text_len, arr[i].sha256 = len(raw), hashlib.sha256(raw).hexdigest().encode()
        return arr, len(scripts)

    def migrate(self, scripts, to=None, dry_run=False, progress=None):
        arr, n = self.migrations(scripts)
        steps = []

        def on(_ud, p):
            steps.append((p.contents.version, p.contents.step, p.contents.nsteps))
            return progress(p.contents) if progress else 0

        fn = PROGRESS_FN(on)
        self._simple(self.v.migrate, arr, n, n if to is None else to, 1 if dry_run else 0, fn, None)
        return steps

    def migration_status(self, scripts):
        arr, n = self.migrations(scripts)
        out = []
        fn = EMIT_MIG(lambda ud, s: out.append((s.contents.version, s.contents.state)))
        self._simple(self.v.migration_status, arr, n, fn, None)
        return out

    def begin(self, mode=RW, timeout=None):
        txn = P()
        err = new_err()
        self.plugin.check(self.v.begin(self.h, mode, deadline(timeout), C.byref(txn),
                                       C.byref(err)), err)
        return Txn(self, txn)

    def exec(self, calls, timeout=None, txn=None, commit=False):
        """Runs a batch; results, or StkError.  Counts land in round_trips, statements."""
        keep, results, arena = [], (ResultS * max(1, len(calls)))(), Arena()
        arr = (CallS * max(1, len(calls)))()
        for i, c in enumerate(calls):
            flat = [to_val(v, keep) for row in c.params for v in row]
            params = (Val * max(1, len(flat)))(*flat)
            keep.append(params)
            arr[i].query, arr[i].params = C.pointer(c.query.c), params
            arr[i].result = C.pointer(results[i])
            arr[i].nrows, arr[i].expect, arr[i].expect_n = len(c.params), c.expect, c.expect_n
        b = BatchS()
        b.size, b.flags, b.ncalls, b.call_size = C.sizeof(BatchS), int(commit), len(calls), C.sizeof(CallS)
        b.calls, b.arena, b.deadline_us = arr, C.pointer(arena.s), deadline(timeout)
        err = new_err()
        code = self.v.exec(self.h, txn, C.byref(b), C.byref(err))
        self.round_trips, self.statements = b.round_trips, b.statements
        try:
            if code != 0:
                assert err.code == code
                raise StkError(code, err, [STATUS[r.status] for r in results[:len(calls)]])
            return [Result(r.status, r.affected,
                           [tuple(from_val(r.cells[i * r.ncols + j]) for j in range(r.ncols))
                            for i in range(r.nrows)])
                    for r in results[:len(calls)]]
        finally:
            arena.close()


class Txn:
    def __init__(self, db, handle):
        self.db, self.h = db, handle

    def exec(self, calls, timeout=None, commit=False):
        r = self.db.exec(calls, timeout, self.h, commit)
        if commit:
            self.h = None
        return r

    def commit(self, timeout=None):
        err = new_err()
        h, self.h = self.h, None
        self.db.plugin.check(self.db.v.commit(h, deadline(timeout), C.byref(err)), err)

    def rollback(self):
        if self.h:
            self.db.v.rollback(self.h)
            self.h = None
