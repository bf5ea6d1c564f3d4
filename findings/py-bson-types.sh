#!/usr/bin/env bash
# bson 0.5.10 (PyPI, the package without a driver) beside pymongo 4.20.1: types that change on the way.
#
# One would expect, by BSON's specification: type 11 (hexadecimal) is MongoDB's timestamp and nothing else; what is read and
# written again keeps its type; an integer that int64 cannot hold is refused, or a double.
# Seen: the integer 2^63 is written as a timestamp. An ObjectId is read as the bytes of its hexadecimal text, and written
# again as binary; a timestamp becomes an int64; the old binary type 2 keeps its inner length as data.
# To a user: a program that reads a document and writes it back changes its _id, so that a second document appears.
. "$(dirname "$0")/lib.sh"
python_packages bson==0.5.10 six==1.17.0 python-dateutil==2.9.0.post0
python3 -m venv other
other/bin/pip install --quiet --disable-pip-version-check pymongo==4.20.1

cat >write.py <<'END'
import bson

for name, value in (
    ("ObjectId", bson.ObjectId("56e1fc72e0c917e9c4714161")),
    ("Timestamp", bson.Timestamp(1, 2)),
    ("Binary 2", bson.Binary(b"ab", 2)),
    ("int64", bson.Int64(1 << 40)),
):
    print(name, bson.encode({"v": value}).hex(), sep="\t")
END
other/bin/python write.py >documents

cat >pass.py <<'END'
import bson

for line in open("documents"):
    name, document = line.split("\t")
    print(name, bson.dumps(bson.loads(bytes.fromhex(document))).hex(), sep="\t")
print("the integer 2^63", bson.dumps({"v": 1 << 63}).hex(), sep="\t")
END
venv/bin/python pass.py >passed

cat >read.py <<'END'
import bson

for line in open("passed"):
    name, document = line.split("\t")
    print(name, "comes out as", repr(bson.decode(bytes.fromhex(document))["v"]))
END
other/bin/python read.py >got

seen got <<'END'
ObjectId comes out as b'56e1fc72e0c917e9c4714161'
Timestamp comes out as 4294967298
Binary 2 comes out as b'\x02\x00\x00\x00ab'
int64 comes out as 1099511627776
the integer 2^63 comes out as Timestamp(2147483648, 0)
END
