# SPDX-License-Identifier: Apache-2.0
"""Servers that the tests of the MongoDB plugin share."""

import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import mongo_model  # noqa: E402
from servers import MongoServer, mongod_of_tests  # noqa: E402
from stkabi import Plugin  # noqa: E402

numbers = itertools.count(1)
if os.environ.get("STK_HEAVY") == "0":  # the client library is not built with sanitizers
    collect_ignore_glob = ["test_*.py"]


def serve(**kw):
    if not mongod_of_tests():
        pytest.skip("no secantusdb on this machine")
    with MongoServer(**kw) as server:
        yield server


@pytest.fixture(scope="session")
def mongo():
    yield from serve()


@pytest.fixture(scope="session")
def mongo_alone():
    yield from serve(standalone=True)


@pytest.fixture(scope="session")
def mongo_auth():
    yield from serve(auth=True)


@pytest.fixture(scope="session")
def plugin():
    return Plugin(mongo_model.plugin_path())


@pytest.fixture
def database(mongo):
    return mongo.create_database(f"t{next(numbers)}")
