#!/usr/bin/env bash
# bson 7.3.4 (npm), org.mongodb:bson 5.6.1 (Maven Central), pymongo 4.20.1 (PyPI): integers from 2^63 on in Extended JSON.
#
# One would expect, by "MongoDB Extended JSON (v2)": a JSON number beyond int64 is read as a double, and a double is written
# as $numberDouble; $numberLong holds an int64.
# Seen: 9223372036854775808 is read as the int64 9223372036854775807 by the JavaScript library (relaxed off), and refused by
# the two others. JavaScript writes the double of that size as $numberLong with a text beyond int64, 9223372036854776000.
# To a user: a hash or an unsigned id of 64 bits is changed by one program and ends the batch of the next.
. "$(dirname "$0")/lib.sh"
node_packages bson@7.3.4
python_packages pymongo==4.20.1
java_packages org.mongodb:bson:5.6.1

cat >program.js <<'END'
const { EJSON, serialize } = require('bson');
for (const text of ['9223372036854775807', '9223372036854775808', '12345678901234567890']) {
  console.log(text, 'read:', EJSON.stringify(EJSON.parse(`{"n":${text}}`, { relaxed: false }), { relaxed: false }));
}
for (const number of [2 ** 53, 2 ** 63, 12345678901234567890, 1e20]) {
  const text = EJSON.stringify({ n: number }, { relaxed: false });
  console.log(number, 'is type', serialize({ n: number })[4], 'in BSON, written:', text);
}
END
node program.js >got
cat >program.py <<'END'
from bson import encode, json_util

for text in ('{"n":9223372036854775808}', '{"n":{"$numberLong":"9223372036854776000"}}'):
    try:
        print("pymongo reads", text, "as type", encode(json_util.loads(text))[4])
    except Exception as error:
        print("pymongo reads", text, "not:", type(error).__name__)
END
venv/bin/python program.py >>got
cat >Program.java <<'END'
import org.bson.BsonDocument;

public class Program {
    public static void main(String[] arguments) {
        for (String number : new String[] {"9223372036854775807", "9223372036854775808", "9223372036854775808.0"}) {
            try {
                System.out.println("Java reads " + number + " as " + BsonDocument.parse("{\"n\":" + number + "}").get("n"));
            } catch (RuntimeException error) {
                System.out.println("Java refuses " + number + ": " + error.getClass().getSimpleName());
            }
        }
    }
}
END
java_program Program.java >>got

seen got <<'END'
9223372036854775807 read: {"n":{"$numberLong":"9223372036854775807"}}
9223372036854775808 read: {"n":{"$numberLong":"9223372036854775807"}}
12345678901234567890 read: {"n":{"$numberDouble":"12345678901234567168.0"}}
9007199254740992 is type 1 in BSON, written: {"n":{"$numberLong":"9007199254740992"}}
9223372036854776000 is type 1 in BSON, written: {"n":{"$numberLong":"9223372036854776000"}}
12345678901234567000 is type 1 in BSON, written: {"n":{"$numberDouble":"12345678901234567000"}}
100000000000000000000 is type 1 in BSON, written: {"n":{"$numberDouble":"100000000000000000000"}}
pymongo reads {"n":9223372036854775808} not: OverflowError
pymongo reads {"n":{"$numberLong":"9223372036854776000"}} not: OverflowError
Java reads 9223372036854775807 as BsonInt64{value=9223372036854775807}
Java refuses 9223372036854775808: NumberFormatException
Java reads 9223372036854775808.0 as BsonDouble{value=9.223372036854776E18}
END
