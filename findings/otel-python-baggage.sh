#!/usr/bin/env bash
# opentelemetry-api 1.45.2 (PyPI) beside @opentelemetry/core 2.12.1 (npm): the baggage header, which travels beside the trace
# in records and messages.
#
# One would expect, by W3C's Baggage: a value is percent-encoded, so a space is %20; a plus sign may stand as it is and means
# itself; what follows a semicolon are properties and no part of the value.
# Seen: Python writes a space as a plus sign, and reads a plus sign as a space. JavaScript gets "a+b" for "a b", and Python
# gets "a b" for a+b. Python takes properties for a part of the value, and passes them on as such.
# To a user: tenants, time zones (+02:00) or text in baggage change between services; filters on them stop matching.
. "$(dirname "$0")/lib.sh"
python_packages opentelemetry-api==1.45.2
node_packages @opentelemetry/core@2.12.1 @opentelemetry/api@1.9.1

cat >program.py <<'END'
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator

propagator = W3CBaggagePropagator()
with open("headers", "w") as headers:
    for value in ("a b", "+02:00"):
        carrier = {}
        propagator.inject(carrier, baggage.set_baggage("k", value))
        print(f"Python writes {value!r} as {carrier['baggage']}")
        print(carrier["baggage"], file=headers)
    for header in ("k=+02:00", "k=a%20b", "k=a;p=1"):
        context = propagator.extract({"baggage": header})
        carrier = {}
        propagator.inject(carrier, context)
        print(f"Python reads {header} as {baggage.get_baggage('k', context)!r}, and passes on {carrier['baggage']}")
        print(header, file=headers)
END
venv/bin/python program.py >got

cat >program.js <<'END'
const { W3CBaggagePropagator } = require('@opentelemetry/core');
const { propagation, ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter } = require('@opentelemetry/api');
const propagator = new W3CBaggagePropagator();
for (const header of require('fs').readFileSync('headers', 'utf8').trim().split('\n')) {
  const context = propagator.extract(ROOT_CONTEXT, { baggage: header }, defaultTextMapGetter);
  const carrier = {};
  propagator.inject(context, carrier, defaultTextMapSetter);
  console.log(`JavaScript reads ${header} as '${propagation.getBaggage(context).getEntry('k').value}', and passes on ${carrier.baggage}`);
}
END
node program.js >>got

seen got <<'END'
Python writes 'a b' as k=a+b
Python writes '+02:00' as k=%2B02%3A00
Python reads k=+02:00 as '02:00', and passes on k=02%3A00
Python reads k=a%20b as 'a b', and passes on k=a+b
Python reads k=a;p=1 as 'a;p=1', and passes on k=a%3Bp%3D1
JavaScript reads k=a+b as 'a+b', and passes on k=a%2Bb
JavaScript reads k=%2B02%3A00 as '+02:00', and passes on k=%2B02%3A00
JavaScript reads k=+02:00 as '+02:00', and passes on k=%2B02%3A00
JavaScript reads k=a%20b as 'a b', and passes on k=a%20b
JavaScript reads k=a;p=1 as 'a', and passes on k=a;p=1
END
