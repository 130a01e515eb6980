# SPDX-License-Identifier: Apache-2.0
"""Negative proof: a plugin with one bug fails exactly on the contracts that the bug breaks.

`memory` bugs are inside tests/plugins/memory, `broken` ones in a plugin in front of it,
`lost` ones in front of PostgreSQL, behind the conformance program's proxy.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlsplit

import pytest

from core import BUILD
from sdk import HEAVY, Report

PLUGINS = os.path.join(BUILD, "tests", "plugins")
MEMORY = os.path.join(PLUGINS, "memorym.so")
BROKEN = os.path.join(PLUGINS, "broken.so")

pytestmark = pytest.mark.skipif(not HEAVY, reason="bugs are not for sanitizers")

# Bug: the contracts that fail; one with a question mark only if threads happen to meet.
IN_MEMORY = {
    "affected": "C4 C19 C20",
    "again": "C15",
    "arena": "C8",
    "call": "C1 C4",
    "case": "C9 C18",
    "deadline": "C22",
    "drop": "C24",
    "edited": "C15",
    "expect": "C4 C13 C20?",
    "flags": "C11",
    "half": "C1 C4 C5",
    "if-absent": "C6 C20",
    "keep": "C6",
    "key": "C5",
    "keyset": "C17",
    "leak": "C12",
    "like": "C18",
    "limit": "C16 C17 C19",
    "not-null": "C7",
    "null": "C5 C7 C20",
    "order": "C9 C16 C17 C19",
    "pad": "C9 C10",
    "rollback": "C2 C3 C4 C20",
    "stdout": "C12",
    "too-big": "C10 C13",
    "unknown": "C11",
    "value": "C13",
    "verify": "C24",
}
IN_FRONT = {
    "buffer": "C8",
    "column": "C10",
    "descriptor": "C12",
    "dry-run": "C15",
    "empty-in": "C16",
    "ensure": "C24",
    "environment": "C12",
    "forgotten-commit": "C3 C20 C21 C22",
    "health": "C25",
    "identity": "C23",
    "last-rows": "C19",
    "late": "C22",
    "mix-up": "C21",
    "overrun": "C25",
    "rollback": "C2 C3 C4 C20",
    "secret": "C13",
    "statements": "C1",
    "table": "C5",
    "thread": "C12",
    "ties": "C17",
    "truncate": "C10 C13",
    "uncapped": "C19",
    "underscore": "C18",
    "unlocked": "C20 C21",
    "upsert-count": "C6",
    "vtable": "C23",
}
LOST = {"hopeful": "C14", "uncertain": "C14", "unavailable": "C14"}


def test_every_contract_has_a_bug():
    found = set(" ".join([*IN_MEMORY.values(), *IN_FRONT.values(), *LOST.values()]).split())
    surely = {c for c in found if not c.endswith("?")}
    assert surely == {f"C{i}" for i in range(1, 26)}


def in_memory(bug):
    return Report(MEMORY, "--seconds=1", env={"STK_MEMORY_BUG": bug})


def broken(bug, target=MEMORY, *words):
    return Report(BROKEN, "--seconds=1", *words,
                  env={"STK_BROKEN": bug, "STK_BROKEN_TARGET": target})


def in_front(bug):
    return broken(bug, MEMORY, "memorym_password=hunter22")


@pytest.fixture(scope="module")
def reports(request):
    """The runs of all bugs that were asked for, a few at once: they mostly wait."""
    wanted = [(i.function, i.callspec.params["bug"]) for i in request.session.items
              if i.path == request.path and "reports" in i.fixturenames]
    with ThreadPoolExecutor(max_workers=4) as pool:
        run = {test_bug_in_memory: in_memory, test_bug_in_front: in_front}
        yield {key: pool.submit(run[key[0]], key[1]) for key in wanted}


def check(report, contracts):
    wanted = set(contracts.split())
    by_chance = {c[:-1] for c in wanted if c.endswith("?")}
    assert report.contracts - by_chance == {c for c in wanted if not c.endswith("?")}, report.text
    assert report.status == 1 and not report.bailed_out


@pytest.mark.parametrize("bug", IN_MEMORY)
def test_bug_in_memory(bug, reports):
    check(reports[test_bug_in_memory, bug].result(), IN_MEMORY[bug])


@pytest.mark.parametrize("bug", IN_FRONT)
def test_bug_in_front(bug, reports):
    check(reports[test_bug_in_front, bug].result(), IN_FRONT[bug])


def test_no_bug():
    r = broken("none")
    assert r.failed == [] and r.status == 0, r.text


def test_crash_is_a_failure():
    r = broken("crash")
    assert r.status == 1
    assert "Bail out! the plugin was killed by signal 6" in r.text


@pytest.mark.parametrize("bug", ["none", *LOST])
def test_bug_in_lost_answers(bug, pg):
    uri = urlsplit(pg.create_database("broken_" + bug))
    r = broken(bug, os.path.join(BUILD, "plugins", "postgresql.so"),
               "--proxy=postgresql_host,postgresql_port", "--only=C14",
               "postgresql_host=127.0.0.1", f"postgresql_port={uri.port}",
               f"postgresql_user={unquote(uri.username)}",
               f"postgresql_password={unquote(uri.password or '')}",
               f"postgresql_database_name={uri.path[1:]}")
    assert r.contracts == set(LOST.get(bug, "").split()), r.text
    assert bug == "none" or r.status == 1
