#!/usr/bin/env bash
# github.com/mainflux/senml 1.5.0 (Go) beside senml 0.1.0 (PyPI): base values of measurements in SenML.
#
# One would expect, by RFC 8428, 4.1 and 4.6: a base field counts for the record that has it and for all that follow, until one has
# the same field; a base value is added to the value of each. Resolved, the records have none.
# Seen: the Go library carries the base name, the base time and the base unit on, but adds the base value only to the value of the
# record that has it. The others keep the difference as their value. No error.
# To a user: of a series of temperatures above 20 degrees the first is right, and all others are near zero.
. "$(dirname "$0")/lib.sh"
python_packages senml==0.1.0

cat >pack.json <<'END'
[{"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1767322800, "bu": "Cel", "bv": 20, "n": "in", "v": 1.5},
 {"n": "out", "v": -0.5}, {"n": "in", "t": 60, "v": 1.75}]
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/mainflux/senml"
)

func main() {
	text, err := os.ReadFile("pack.json")
	if err != nil {
		panic(err)
	}
	pack, err := senml.Decode(text, senml.JSON)
	if err != nil {
		panic(err)
	}
	if pack, err = senml.Normalize(pack); err != nil {
		panic(err)
	}
	for _, record := range pack.Records {
		fmt.Println("Go:", record.Name, int64(record.Time), record.Unit, *record.Value)
	}
}
END
go_program github.com/mainflux/senml@v1.5.0 >got

cat >program.py <<'END'
import json
from senml import SenMLDocument

document = SenMLDocument.from_json(json.load(open("pack.json")))
for measurement in document.measurements:
    told = measurement.to_absolute(document.base)
    print("Python:", told.name, int(told.time), told.unit, told.value)
END
venv/bin/python program.py >>got

seen got <<'END'
Go: urn:dev:mac:0024befffe804ff1:in 1767322800 Cel 21.5
Go: urn:dev:mac:0024befffe804ff1:out 1767322800 Cel -0.5
Go: urn:dev:mac:0024befffe804ff1:in 1767322860 Cel 1.75
Python: urn:dev:mac:0024befffe804ff1:in 1767322800 Cel 21.5
Python: urn:dev:mac:0024befffe804ff1:out 1767322800 Cel 19.5
Python: urn:dev:mac:0024befffe804ff1:in 1767322860 Cel 21.75
END
