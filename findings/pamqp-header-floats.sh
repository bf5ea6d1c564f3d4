#!/usr/bin/env bash
# pamqp 4.0.1, which aiormq and so aio-pika need, beside amqp 5.4.2 (PyPI): floating-point numbers in AMQP 0-9-1 headers.
#
# One would expect, by the grammar of AMQP 0-9-1 (section 4.2.1, "f" and "d" are IEEE numbers of 32 and 64 bits): Python's float, of 64
# bits, is written as a double, and read as the same number.
# Seen: pamqp reads doubles, but writes a float as 32 bits. 0.1 is 0.10000000149011612 to every reader, and a time of 2026 in seconds
# is 37 seconds off; 1e300 raises an error. amqp, the client below Celery, writes doubles.
# To a user: times, prices and coordinates in headers are others at the consumer, though both are Python.
. "$(dirname "$0")/lib.sh"
python_packages pamqp==4.0.1 amqp==5.4.2

cat >program.py <<'END'
from amqp.serialization import dumps, loads
from pamqp import decode, encode

for number in (0.5, 0.1, 1767323045.25, 52.520008, 1e300):
    try:
        written = encode.field_table({"k": number})
    except OverflowError as error:
        print(f"{number}: pamqp:", error)
        continue
    told = loads("F", written, 0)[0][0]["k"], decode.field_table(written)[1]["k"]
    there = dumps("F", [{"k": number}])
    print(f"{number}: pamqp writes {written[6:].hex()}, amqp reads {told[0]}, pamqp {told[1]};",
          f"amqp writes {there[6:].hex()}, pamqp reads {decode.field_table(there)[1]['k']}")
END
venv/bin/python program.py >got

seen got <<'END'
0.5: pamqp writes 663f000000, amqp reads 0.5, pamqp 0.5; amqp writes 643fe0000000000000, pamqp reads 0.5
0.1: pamqp writes 663dcccccd, amqp reads 0.10000000149011612, pamqp 0.10000000149011612; amqp writes 643fb999999999999a, pamqp reads 0.1
1767323045.25: pamqp writes 664ed2ae6b, amqp reads 1767323008.0, pamqp 1767323008.0; amqp writes 6441da55cd69500000, pamqp reads 1767323045.25
52.520008: pamqp writes 664252147d, amqp reads 52.5200080871582, pamqp 52.5200080871582; amqp writes 64404a428f9f44d445, pamqp reads 52.520008
1e+300: pamqp: float too large to pack with f format
END
