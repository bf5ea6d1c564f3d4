"""Events of change data capture for scenario mongodb: what Debezium, Qlik and MongoDB's own source write, and what they do not.

A row lives on: events follow each other as a database makes them, under a few keys, with some that no handler takes.
"""

import random

from . import draws
from .dead_letters import Record, envelope, struct
from .document_cases import ALL, JAVA_ONLY, SCHEMALESS, SINK, TEXTS, Case, converter, document, one, text

COUNT = 24
KEY = struct({"field": "id", "type": "int32", "optional": False})
ROW = {"type": "struct", "optional": True, "fields": [
    {"field": "id", "type": "int32", "optional": False}, {"field": "at", "type": "int64", "optional": True, "name": f"{draws.LOGICAL}.Timestamp", "version": 1},
    {"field": "price", "type": "bytes", "optional": True, "name": f"{draws.LOGICAL}.Decimal", "version": 1, "parameters": {"scale": "2"}}]}  # fmt: skip
EVENT = struct({"field": "before", **ROW}, {"field": "after", **ROW}, {"field": "op", "type": "string", "optional": False})


def handler(name: str) -> dict[str, str]:
    return {**ALL, "change.data.capture.handler": f"{SINK}.cdc.{name}"}


def rows(rng: random.Random) -> list[Record]:
    """Debezium's events of a relational table, as JSON."""
    records = []
    for number in range(COUNT):
        name = rng.randrange(5)
        key = rng.choice(({"id": name}, {"id": name}, {"id": name}, {"a": name, "b": 1}, None))
        after, before = {"id": name, "a": name, "b": 1, **document(rng, "n")}, {"id": name, "a": name, "b": 1, "n": number}
        event = rng.choice((
            {"op": "c", "before": None, "after": after}, {"op": "r", "before": None, "after": after}, {"op": "u", "before": before, "after": after},
            {"op": "u", "before": None, "after": after}, {"op": "d", "before": before, "after": None}, {"op": "d", "before": None, "after": None},
            {"op": "x", "after": after}, {"op": 5}, {}, {"op": "c", "after": None}, {"op": "c", "after": {}}, {"op": "t"}, {"ddl": "ALTER TABLE t"},
        ))  # fmt: skip
        records.append(Record(None if rng.random() < 0.1 else text(event), text(key), []))
    return records


def typed_rows(rng: random.Random) -> list[Record]:
    """The same with schemas, as a SQL Server or PostgreSQL connector writes them."""
    records = []
    for _ in range(COUNT):
        name = rng.randrange(5)
        row = {"id": name, "at": rng.choice((None, 0, 1_700_000_000_123)), "price": rng.choice((None, "AMc=", "AQ=="))}
        op = rng.choice("cuurd")
        event = {"before": None if op in "cr" else row, "after": None if op == "d" else row, "op": op}
        records.append(Record(None if rng.random() < 0.1 else envelope(EVENT, event).encode(), envelope(KEY, {"id": name}).encode(), []))
    return records


PATCHES = ('{"$v":1,"$set":{"n":7}}', '{"$set":{"n":7,"s.p":1},"$unset":{"a":true}}', '{"_id":1,"n":8}')


def documents(rng: random.Random, patches: tuple[str, ...] = PATCHES) -> list[Record]:
    """Debezium's events of a MongoDB collection: documents are texts within."""
    records = []
    for _ in range(COUNT):
        name = rng.randrange(5)
        key = rng.choice(({"id": str(name)}, {"id": str(name)}, {"id": f'"n{name}"'}, {"id": '{"$oid":"5f15aab12435743f9bd126a4"}'}, {"id": name}, {"other": 1}, None))
        inner = text({"_id": name, **document(rng)}).decode()
        patch = rng.choice(patches)
        event = rng.choice((
            {"op": "c", "after": inner}, {"op": "r", "after": inner}, {"op": "u", "after": inner}, {"op": "u", "patch": patch}, {"op": "u", "after": None},
            {"op": "d"}, {"op": "c", "after": 5}, {"op": "z", "after": inner}, {"after": inner},
        ))  # fmt: skip
        records.append(Record(None if rng.random() < 0.1 else text(event), text(key), []))
    return records


def stream(rng: random.Random) -> list[Record]:
    """What MongoDB's own source writes of a change stream."""
    records = []
    for _ in range(COUNT):
        name = rng.randrange(5)
        whole = {"_id": name, **document(rng)}
        changed = {"updatedFields": rng.choice(({"n": 1, "s": {"p": 2}}, {"n": None}, {})), "removedFields": rng.choice((["a"], ["a", "s.p"], []))}
        common = {"_id": {"_data": "x"}, "ns": {"db": "d", "coll": "c"}, "documentKey": {"_id": name}}
        event = rng.choice((
            {"operationType": "insert", "fullDocument": whole}, {"operationType": "replace", "fullDocument": whole}, {"operationType": "update", "updateDescription": changed},
            {"operationType": "update", "updateDescription": changed, "fullDocument": whole}, {"operationType": "update", "updateDescription": changed, "fullDocument": None},
            {"operationType": "update", "updateDescription": {"updatedFields": {"n": 1}}}, {"operationType": "update"}, {"operationType": "delete"},
            {"operationType": "drop"}, {"operationType": "rename"}, {"operationType": "invalidate"}, {"operationType": "other"}, {"operationType": 5}, {},
            {"operationType": "update", "updateDescription": changed | {"truncatedArrays": [{"field": "a", "newSize": 1}]}}, {"operationType": "insert", "fullDocument": 5},
        ))  # fmt: skip
        records.append(Record(None if rng.random() < 0.1 else text({**common, **event}), None, []))
    return records


def qlik(rng: random.Random) -> list[Record]:
    """Qlik Replicate's messages, in its two envelopes and without one."""
    records = []
    for number in range(COUNT):
        name = rng.randrange(5)
        data, before = {"id": name, **document(rng, "n")}, {"id": name, "n": number}
        operation = rng.choice(("INSERT", "REFRESH", "READ", "UPDATE", "UPDATE", "DELETE", "insert", "OTHER", 5))
        inner = {"headers": {"operation": operation}, "data": rng.choice((data, data, data, None)), "beforeData": rng.choice((before, data, None))}
        event = rng.choice(({"message": inner}, {"message": inner}, inner, {"headers_operation": operation, **data}, {"message": 5}, {}))
        records.append(Record(None if rng.random() < 0.1 else text(event), text(rng.choice(({"id": name}, {"id": name}, None))), []))
    return records


def cases() -> list[Case]:
    typed = {**converter("key", True), **converter("value", True)}
    return [
        Case("cdc-rows", TEXTS | handler("debezium.rdbms.RdbmsHandler"), one(rows)),
        Case("cdc-rows-values", SCHEMALESS | handler("debezium.rdbms.RdbmsHandler"), one(rows)),
        Case("cdc-mysql", TEXTS | handler("debezium.rdbms.mysql.MysqlHandler"), one(rows)),
        Case("cdc-postgres", TEXTS | handler("debezium.rdbms.postgres.PostgresHandler"), one(rows)),
        Case("cdc-sqlserver", typed | handler("debezium.rdbms.RdbmsHandler"), one(typed_rows), JAVA_ONLY),
        Case("cdc-postgres-typed", typed | handler("debezium.rdbms.postgres.PostgresHandler"), one(typed_rows), JAVA_ONLY),
        Case("cdc-mongodb", TEXTS | handler("debezium.mongodb.MongoDbHandler"), one(documents), JAVA_ONLY),
        Case("cdc-mongodb-patches", TEXTS | handler("debezium.mongodb.MongoDbHandler"), one(lambda rng: documents(rng, (*PATCHES, "{}", "no json"))), JAVA_ONLY),
        Case("cdc-mongodb-streams", TEXTS | handler("debezium.mongodb.ChangeStreamHandler"), one(documents), JAVA_ONLY),
        Case("cdc-stream", TEXTS | handler("mongodb.ChangeStreamHandler"), one(stream), JAVA_ONLY),
        Case("cdc-stream-values", SCHEMALESS | handler("mongodb.ChangeStreamHandler"), one(stream), JAVA_ONLY),
        Case("cdc-qlik", TEXTS | handler("qlik.rdbms.RdbmsHandler"), one(qlik), JAVA_ONLY),
        Case("cdc-qlik-values", SCHEMALESS | handler("qlik.rdbms.RdbmsHandler"), one(qlik), JAVA_ONLY),
    ]
