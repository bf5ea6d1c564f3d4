#!/usr/bin/env bash
# mongomock 4.3.0 with pymongo 4.20.1 (PyPI): which values of _id are the same.
#
# One would expect, by "Comparison/Sort Order" in MongoDB's manual: true and 1 are different values; documents are the same
# only if their fields stand in the same order; a date has milliseconds; NaN is the same as NaN; 1 is the same as the
# Decimal128 1.
# Seen: ids are compared as Python compares: true is a duplicate of 1, {b, a} of {a, b}. Two dates that differ below the
# millisecond, and two NaN, are both inserted, though they are stored with one value. A Decimal128 or a list is a TypeError.
# To a user: a test of upserts by an id made of a record's key passes, or fails, where the real server does the other.
. "$(dirname "$0")/lib.sh"
python_packages mongomock==4.3.0 pymongo==4.20.1

cat >program.py <<'END'
import datetime

import mongomock
from bson import Decimal128
from pymongo.errors import DuplicateKeyError

moment = datetime.datetime(2020, 1, 1)
for one, other in (
    (1, 1.0),
    (1, True),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (moment, moment + datetime.timedelta(microseconds=1)),
    (float("nan"), float("nan")),
    (1, Decimal128("1")),
):
    collection = mongomock.MongoClient().d.c
    collection.insert_one({"_id": one})
    try:
        collection.insert_one({"_id": other})
        stored = [str(document["_id"]) for document in collection.find()]
        print(f"{one!s} and {other!s}: two documents, with _id {' and '.join(stored)}")
    except (DuplicateKeyError, TypeError) as error:
        print(f"{one!s} and {other!s}: {type(error).__name__}")
END
venv/bin/python program.py >got

seen got <<'END'
1 and 1.0: DuplicateKeyError
1 and True: DuplicateKeyError
{'a': 1, 'b': 2} and {'b': 2, 'a': 1}: DuplicateKeyError
2020-01-01 00:00:00 and 2020-01-01 00:00:00.000001: two documents, with _id 2020-01-01 00:00:00 and 2020-01-01 00:00:00
nan and nan: two documents, with _id nan and nan
1 and 1: TypeError
END
