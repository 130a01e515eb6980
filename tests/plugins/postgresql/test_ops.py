# SPDX-License-Identifier: Apache-2.0
"""Each operation, type and predicate, the expectations and the number of round trips,
on PostgreSQL 11, 15 and the newest and through PgBouncer."""

import itertools

import pytest
import model as m
from stkabi import RO, StkError

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def db(plugin, backend):
    name = f"ops{next(numbers)}"
    mark = backend.server.log_mark()
    backend.server.create_database(name)
    handle = plugin.open({"postgresql_connection_uri": backend.uri(name)}, m.catalog)
    handle.ensure()
    handle.verify()
    yield handle
    handle.close()
    # Whatever these tests cause is an expected kind of failure, never a broken statement.
    for line in backend.server.log_errors(mark):
        assert ("duplicate key value" in line or "division by zero" in line
                or "deadlock" in line or "terminating connection" in line), line


@pytest.fixture
def app():
    return f"app{next(numbers)}"


def fails(status, db, calls, **kw):
    with pytest.raises(StkError) as e:
        db.exec(calls, **kw)
    assert e.value.status == status, str(e.value)
    return e.value


@pytest.mark.parametrize("row", [
    (0, False, None, None, None, None, None),
    (2**63 - 1, True, "", "", b"", -2**63, ""),
    (-2**63, True, "hé😀\u0001%_\\'\"$1", "x" * 100000, bytes(range(256)) * 300, 0, "a@b.c"),
    (1, False, " trailing ", "\uffff" * 3, b"\0", -1, "é"),
    (-1, True, "\U0010ffff\U0001f600", "line\nfeed\r\t", b"\xff\xfe", 1, "Ünï"),
])
def test_types_come_back_as_they_went(db, app, row):
    db.exec([m.put(app, "1", *row)])
    assert db.exec([m.get(app, "1")])[0].rows == [("1", *row)]


def test_many_rows_and_counts(db, app):
    db.exec([m.small.rows([(app, f"{i:04}", i, i % 2 == 0) for i in range(301)])])
    r = db.exec([m.total(app), m.capped(app, 10), m.capped(app, 5000), m.ids(app), m.newest(app)])
    assert [x.affected for x in r[:3]] == [301, 10, 301]
    assert [x[0] for x in r[3].rows] == [f"{i:04}" for i in range(301)]
    assert r[4].rows == [("0300",), ("0299",), ("0298",)]
    assert db.round_trips == 1 and db.statements == 5


def test_one_batch_of_the_largest_size(db, app):
    calls = [m.small(app, f"{i}", i, True) for i in range(512)]
    db.exec(calls + [m.total(app)] * 511)
    assert db.round_trips == 1
    assert db.exec([m.total(app)])[0].affected == 512


def test_megabytes_both_ways_do_not_block(db, app):
    big = "y" * 3_000_000
    db.exec([m.put(app, f"{i}", i, True, None, big, None, None, None) for i in range(8)])
    r = db.exec([m.get(app, f"{i}") for i in range(8)] +
                [m.put(app, f"{i}", i, True, None, big, None, None, None) for i in range(8, 16)])
    assert [len(x.rows[0][4]) for x in r[:8]] == [len(big)] * 8


def test_predicates(db, app):
    db.exec([m.put.rows([(app, f"{i}", i, i % 2 == 0, f"t{i}", None, None,
                          None if i < 3 else i, None) for i in range(6)])])

    def of(call):
        return "".join(r[0] for r in db.exec([call])[0].rows)

    assert of(m.lt(app, 2)) == "01"
    assert of(m.le(app, 2)) == "012"
    assert of(m.gt(app, 3)) == "45"
    assert of(m.ge(app, 3)) == "345"
    assert of(m.null(app)) == "012"
    assert of(m.not_null(app)) == "345"
    assert of(m.some(app, ["0", "5", "9"])) == "05"
    assert of(m.some(app, ["2"])) == "2"
    assert of(m.some(app, ["4"] + [f"none{i}" for i in range(5000)])) == "4"
    assert of(m.by_flag(app, [True], [0, 1, 2])) == "02"
    assert of(m.by_flag(app, [True, False], [0, 1])) == "01"
    assert db.exec([m.some(app, [])])[0].rows == []
    assert db.round_trips == 0 and db.statements == 0


def test_prefix_is_bytewise_and_literal(db, app):
    values = ["a%b", "a_b", "a", "A", "ab", "aé", "b", "", None, "a\U0010ffff", "a\U0010ffffz",
              "\ud7ff", "\ue000"]
    db.exec([m.put.rows([(app, f"{i:02}", i, True, v, None, None, None, None)
                         for i, v in enumerate(values)])])

    def of(p):
        return {r[1] for r in db.exec([m.prefix(app, p)])[0].rows}

    some = [v for v in values if v is not None]
    for p in ["a", "a%", "a_", "", "A", "é", "aé", "a\U0010ffff", "\ud7ff", "\U0010ffff", "zz"]:
        assert of(p) == {v for v in some if v.startswith(p)}, p


def test_text_is_compared_bytewise_and_unpadded(db, app):
    for name in ("a", "A", "a ", "é", "e\u0301", "Z", "_"):
        db.exec([m.small(app, name, 0, True)])
    got = [r[0] for r in db.exec([m.ids(app)])[0].rows]
    assert got == sorted(["a", "A", "a ", "é", "e\u0301", "Z", "_"], key=lambda s: s.encode())


@pytest.mark.parametrize("query,down,inclusive", [(m.page_up, False, False),
                                                  (m.page_down, True, False),
                                                  (m.page_incl, True, True)])
def test_keyset_pages_over_ties(db, app, query, down, inclusive):
    rows = sorted(((i // 4, f"{i:02}") for i in range(20)), reverse=down)
    db.exec([m.small.rows([(app, i, n, True) for n, i in rows])])
    for at in (0, 3, 7, 18, 19):
        r = db.exec([query(app, rows[at][0], rows[at][1], 5)])[0].rows
        start = at if inclusive else at + 1
        assert r == rows[start:start + 5]


def test_if_absent_and_upsert(db, app):
    k = app
    db.exec([m.once(k, 1, "one")])
    db.exec([m.once.rows([(k, 2, "two"), (k + "b", 5, "b"), (k + "b", 6, "c")])])
    assert db.exec([m.get_pair(k), m.get_pair(k + "b")])[1].rows == [(5, "b")]
    assert db.exec([m.get_pair(k)])[0].rows == [(1, "one")]
    db.exec([m.add.rows([(k, 10, "x"), (k + "c", 1, "y"), (k, 100, "z"), (k + "c", 2, "w")])])
    assert db.exec([m.get_pair(k)])[0].rows == [(111, "one")]
    assert db.exec([m.get_pair(k + "c")])[0].rows == [(3, "y")]
    db.exec([m.replace(k, 7, "seven")])
    assert db.exec([m.get_pair(k)])[0].rows == [(7, "seven")]


def test_affected_counts_rows_matched(db, app):
    db.exec([m.small.rows([(app, f"{i}", i, True) for i in range(5)])])
    r = db.exec([m.setn(1, app), m.setn(1, app), m.inc(1, app, "3"),
                 m.inc(1, app, "none"), m.mark(9, app), m.trim(app, 2), m.trim(app, 0),
                 m.clear(app)])
    assert [x.affected for x in r] == [5, 5, 1, 0, 2, 2, 0, 3]


def test_limited_delete_takes_the_first_in_order(db, app):
    db.exec([m.small.rows([(app, f"{i}", -i, True) for i in range(5)])])
    assert db.exec([m.trim(app, 2)])[0].affected == 2
    assert db.exec([m.ids(app)])[0].rows == [("0",), ("1",), ("2",)]


def test_duplicates_name_table_and_key(db, app):
    db.exec([m.mail(app, "1", 0, True, "e@x"), m.mail(app, "2", 0, True, None),
             m.mail(app, "3", 0, True, None)])
    e = fails("DUPLICATE", db, [m.small(app, "1", 0, True)])
    assert (e.table, e.key, e.call, e.sqlstate) == (m.item.id, 0, 0, "23505")
    assert db.round_trips == 1
    e = fails("DUPLICATE", db, [m.small(app, "4", 0, True), m.mail(app, "5", 0, True, "e@x"),
                                m.total(app)])
    assert (e.table, e.key, e.call) == (m.item.id, 1, 1)
    assert e.statuses == ["OK", "DUPLICATE", "ABORTED"]
    assert "e@x" not in e.message
    e = fails("DUPLICATE", db, [m.set_mail("e@x", app, "2")])
    assert (e.table, e.key) == (m.item.id, 1)
    assert db.exec([m.total(app)])[0].affected == 3


def test_too_big_and_invalid_values(db, app):
    assert fails("TOO_BIG", db, [m.put(app, "1", 0, True, "x" * 513, None, None, None, None)]
                 ).column == m.item.col("t")
    fails("INVALID", db, [m.small(app, "1", None, True)])
    fails("INVALID", db, [m.small(app, b"1", 0, True)])
    fails("INVALID", db, [m.lock(app, "1")])


# ---------------------------------------------------------------- expectations

def test_expect_hit_in_one_trip(db, app):
    db.exec([m.small.rows([(app, f"{i}", i, True) for i in range(3)])])
    r = db.exec([m.get(app, "1", at_least=1), m.inc(5, app, "1", affected=1),
                 m.ids(app, at_least=3), m.remove(app, "2", affected=1), m.total(app)])
    assert db.round_trips == 1
    assert r[0].rows[0][:2] == ("1", 1)
    assert r[1].affected == 1 and r[3].affected == 1
    assert [x[0] for x in r[2].rows] == ["0", "1", "2"]
    assert r[4].affected == 2


@pytest.mark.parametrize("bad", [
    lambda a: m.inc(1, a, "none", affected=1), lambda a: m.remove(a, "0", affected=0),
    lambda a: m.setn(1, a, affected=2), lambda a: m.get(a, "none", at_least=1),
    lambda a: m.ids(a, at_least=4), lambda a: m.some(a, [], at_least=1)])
@pytest.mark.parametrize("place", ["first", "middle", "last", "alone"])
def test_expect_missed_keeps_nothing(db, app, bad, place):
    db.exec([m.small.rows([(app, f"{i}", i, True) for i in range(3)])])
    call, write = bad(app), m.inc(100, app, "1")
    calls = {"first": [call, write], "middle": [write, call, m.total(app)], "last": [write, call],
             "alone": [call]}[place]
    at = calls.index(call)
    for run in ("batch", "transaction", "second batch"):
        if run == "batch":
            e = fails("EXPECT", db, calls)
        else:
            t = db.begin()
            if run == "second batch":
                t.exec([m.setn(77, app)])
            with pytest.raises(StkError) as x:
                t.exec(calls, commit=True)
            e = x.value
            t.rollback()
        assert e.status == "EXPECT" and e.call == at
        assert e.statuses == ["OK"] * at + ["EXPECT"] + ["ABORTED"] * (len(calls) - at - 1)
        r = db.exec([m.get(app, "1"), m.total(app), m.not_null(app)])
        assert r[0].rows[0][1] == 1 and r[1].affected == 3 and r[2].rows == []


def test_expect_miss_without_writes_leaves_no_error_in_the_log(db, app, backend):
    mark = backend.server.log_mark()
    fails("EXPECT", db, [m.get(app, "none", at_least=1), m.total(app)])
    t = db.begin()
    with pytest.raises(StkError):
        t.exec([m.get(app, "none", at_least=1)])
    t.rollback()
    assert backend.server.log_errors(mark) == []


def test_guarded_select_with_lock_and_order(db, app):
    db.exec([m.small.rows([(app, f"{i:02}", 50 - i, True) for i in range(40)])])
    t = db.begin()
    r = t.exec([m.lock_some(app, [f"{i:02}" for i in (7, 3, 30)], at_least=3),
                m.newest(app, at_least=3), m.inc(1, app, "03")], commit=True)
    assert [x[0] for x in r[0].rows] == ["03", "07", "30"]
    assert [x[0] for x in r[1].rows] == ["00", "01", "02"]


# ---------------------------------------------------------------- transactions

def test_round_trips(db, app):
    db.exec([m.small(app, "1", 1, True)])
    assert db.round_trips == 1
    db.exec([m.get(app, "1")])
    assert (db.round_trips, db.statements) == (1, 1)
    db.exec([m.inc(1, app, "1"), m.inc(1, app, "1")])
    assert (db.round_trips, db.statements) == (1, 2)
    t = db.begin()  # write only
    t.exec([m.inc(1, app, "1"), m.inc(1, app, "1")], commit=True)
    assert db.round_trips == 1
    t = db.begin()  # read, decide, write
    t.exec([m.lock(app, "1")])
    trips = db.round_trips
    t.exec([m.inc(1, app, "1", affected=1)], commit=True)
    assert trips + db.round_trips == 2
    t = db.begin()  # nothing done
    t.commit()
    t = db.begin()
    t.rollback()
    assert db.exec([m.get(app, "1")])[0].rows[0][1] == 6


def test_rollback_and_own_writes(db, app):
    db.exec([m.small(app, "1", 1, True)])
    t = db.begin()
    t.exec([m.inc(5, app, "1")])
    assert t.exec([m.get(app, "1")])[0].rows[0][1] == 6
    assert db.exec([m.get(app, "1")])[0].rows[0][1] == 1
    t.rollback()
    assert db.exec([m.get(app, "1")])[0].rows[0][1] == 1


def test_commit_callback(db, app):
    t = db.begin()
    t.exec([m.small(app, "1", 1, True)])
    t.commit()
    assert db.exec([m.total(app)])[0].affected == 1


def test_read_only_transactions(db, app):
    db.exec([m.small(app, "1", 1, True)])
    t = db.begin(RO)
    assert t.exec([m.total(app)])[0].affected == 1
    with pytest.raises(StkError) as e:
        t.exec([m.inc(1, app, "1")])
    assert e.value.status == "INVALID"
    t.rollback()
    t = db.begin(RO)
    t.exec([m.total(app)])
    t.exec([m.get(app, "1")], commit=True)


def test_after_a_failure_only_rollback_is_legal(db, app):
    db.exec([m.small(app, "1", 1, True)])
    t = db.begin()
    t.exec([m.inc(1, app, "1")])
    with pytest.raises(StkError) as e:
        t.exec([m.small(app, "1", 1, True)])
    assert e.value.status == "DUPLICATE"
    with pytest.raises(StkError) as e:
        t.exec([m.get(app, "1")])
    assert e.value.status == "INVALID"
    with pytest.raises(StkError) as e:
        t.commit()
    assert e.value.status == "INVALID"
    assert db.exec([m.get(app, "1")])[0].rows[0][1] == 1


def test_health_and_dump(db, backend):
    h = db.health()
    assert h.server.decode().startswith("PostgreSQL 1") and h.rtt_us > 0
    assert h.pool_size == 10 and h.pool_open >= 1
    d = db.dump()
    assert d["query.get"].startswith('SELECT "id"')
    pooled = backend.front is not backend.server
    assert d["prepared_statements"] == ("off" if pooled else "on")
