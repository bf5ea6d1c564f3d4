#!/usr/bin/env bash
# mongomock 4.3.0 beside pymongo 4.20.1 (PyPI): documents with Decimal128, and integers at the end of their range.
#
# One would expect, by MongoDB's manual ("Comparison/Sort Order", $inc, $max): numbers are compared by value whatever their
# type, so that Decimal128 1.5, 1.50 and the double 1.5 are equal; $inc and $sum take Decimal128; $inc beyond int64 fails.
# Seen: a Decimal128 is found by the very same digits alone, and any order, $inc, $max or $sum with one raises an error. The
# $inc beyond int64 leaves a number that BSON cannot hold.
# To a user: queries for amounts find too little in tests, and an overflow that the server refuses passes there.
. "$(dirname "$0")/lib.sh"
python_packages mongomock==4.3.0 pymongo==4.20.1

cat >program.py <<'END'
import bson
import mongomock
from bson import Decimal128, Int64

amounts = mongomock.MongoClient().database.amounts
amounts.insert_many([{"_id": text, "v": Decimal128(text)} for text in ("1.5", "1.50")])
amounts.insert_one({"_id": "double", "v": 1.5})
amounts.insert_one({"_id": "last", "n": Int64(2**63 - 1)})


def ids(found):
    return [document["_id"] for document in found]


def end():
    amounts.update_one({"_id": "last"}, {"$inc": {"n": 1}})
    document = amounts.find_one({"_id": "last"})
    try:
        bson.encode(document)
    except OverflowError:
        return f"{document['n']}, which BSON cannot hold"


for name, action in {
    "equal to 1.5": lambda: ids(amounts.find({"v": 1.5})),
    "equal to Decimal128 1.5": lambda: ids(amounts.find({"v": Decimal128("1.5")})),
    "above 1": lambda: ids(amounts.find({"v": {"$gt": 1}})),
    "sorted": lambda: ids(amounts.find({"_id": {"$ne": "last"}}).sort("v", 1)),
    "$inc": lambda: amounts.update_one({"_id": "1.5"}, {"$inc": {"v": 1}}).modified_count,
    "$max": lambda: amounts.update_one({"_id": "1.5"}, {"$max": {"v": Decimal128("3")}}).modified_count,
    "$sum": lambda: list(amounts.aggregate([{"$group": {"_id": None, "sum": {"$sum": "$v"}}}])),
    "$inc of 2^63-1": end,
}.items():
    try:
        print(f"{name}:", action())
    except Exception as error:
        print(f"{name}:", type(error).__name__)
END
venv/bin/python program.py >got

seen got <<'END'
equal to 1.5: ['double']
equal to Decimal128 1.5: ['1.5']
above 1: NotImplementedError
sorted: NotImplementedError
$inc: TypeError
$max: TypeError
$sum: TypeError
$inc of 2^63-1: 9223372036854775808, which BSON cannot hold
END
