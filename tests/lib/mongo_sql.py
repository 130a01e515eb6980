# SPDX-License-Identifier: Apache-2.0
"""The few statements by which tests change rows, translated for the MongoDB plugin: INSERT
of one row, UPDATE, DELETE and SELECT of columns or count(*), with conditions joined by AND.

A document is what the plugin makes of a row: the columns as fields, and _id, the components
of the primary key joined by NUL, in the order that the validator of the collection tells.
"""

import re

TOKEN = re.compile(r"'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_][A-Za-z_0-9]*)|(\?|<=|>=|[(),=<>*+-])")
OPERATORS = {"=": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class Statement:
    def __init__(self, text, params, database):
        self.tokens = []
        self.params = [self.long(p) if type(p) is int else p for p in params]
        for text_, number, word, sign in TOKEN.findall(text):
            self.tokens.append(("value", self.long(number)) if number else
                               ("word", word.lower()) if word else
                               ("sign", sign) if sign else ("value", text_.replace("''", "'")))
        self.db = database

    @staticmethod
    def long(n):
        from bson import Int64

        return Int64(int(n))

    def peek(self):
        return self.tokens[0] if self.tokens else ("end", None)

    def take(self, *wanted):
        kind, value = self.tokens.pop(0)
        assert not wanted or value in wanted, f"{value!r} where {wanted} is expected"
        return kind, value

    def accept(self, wanted):
        if self.peek()[1] != wanted or self.peek()[0] == "value":
            return False
        self.tokens.pop(0)
        return True

    def value(self):
        kind, value = self.take()
        if value == "?" and kind == "sign":
            return self.params.pop(0)
        if kind == "word":
            return {"true": True, "false": False, "null": None}[value]
        return value

    def values(self):
        self.take("(")
        out = [self.value()]
        while self.accept(","):
            out.append(self.value())
        self.take(")")
        return out

    def typed(self, table, column, value):
        """Booleans are written as numbers for the other databases."""
        schema = self.schema(table)
        kind = schema["properties"].get(column, {}).get("bsonType")
        return bool(value) if kind == "bool" and value is not None else value

    def schema(self, table):
        found = next(self.db.list_collections(filter={"name": table}))
        return found["options"]["validator"]["$jsonSchema"]

    def where(self, table):
        terms = []
        while self.accept("and" if terms else "where"):
            kind, column = self.take()
            if self.accept("in"):
                terms.append({column: {"$in": self.values()}})
                continue
            operator = OPERATORS[self.take(*OPERATORS)[1]]
            value = self.value()
            if kind != "value":  # 1=1 says nothing
                terms.append({column: {operator: self.typed(table, column, value)}})
            else:
                terms.append({})
        return {"$and": terms} if terms else {}

    def run(self):
        verb = self.take()[1]
        done = getattr(self, verb)() or []
        assert not self.tokens, f"not understood: {self.tokens}"
        return done

    def insert(self):
        self.take("into")
        table = self.take()[1]
        self.take("(")
        columns = [self.take()[1]]
        while self.accept(","):
            columns.append(self.take()[1])
        self.take(")")
        self.take("values")
        row = dict(zip(columns, self.values()))
        key = self.schema(table)["properties"]["_id"]["description"].split(",")
        doc = {"_id": "\0".join(component(row[c]) for c in key)}
        doc.update({c: self.typed(table, c, v) for c, v in row.items() if v is not None})
        self.db[table].insert_one(doc)

    def update(self):
        table = self.take()[1]
        change = {}
        while self.accept("," if change else "set"):
            column = self.take()[1]
            self.take("=")
            if self.peek() == ("word", column):
                self.take()
                sign = -1 if self.take("+", "-")[1] == "-" else 1
                change.setdefault("$inc", {})[column] = self.long(sign * self.value())
                continue
            value = self.typed(table, column, self.value())
            if value is None:
                change.setdefault("$unset", {})[column] = True
            else:
                change.setdefault("$set", {})[column] = value
        self.db[table].update_many(self.where(table), change)

    def delete(self):
        self.take("from")
        table = self.take()[1]
        self.db[table].delete_many(self.where(table))

    def select(self):
        if self.peek()[0] == "value":  # SELECT 1
            return [(self.value(),)]
        if self.accept("count"):
            for sign in "(*)":
                self.take(sign)
            self.take("from")
            table = self.take()[1]
            return [(self.db[table].count_documents(self.where(table)),)]
        columns = [self.take()[1]]
        while self.accept(","):
            columns.append(self.take()[1])
        self.take("from")
        table = self.take()[1]
        return [tuple(doc.get(c) for c in columns) for doc in self.db[table].find(self.where(table))]


def component(value):
    """A component of _id."""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value + 2 ** 63:016x}" if isinstance(value, int) else value


def run_mongo(uri, text, params=()):
    """The rows of one statement, as tuples."""
    import pymongo

    with pymongo.MongoClient(uri, directConnection=True) as client:
        return Statement(text, list(params), client.get_default_database()).run()
