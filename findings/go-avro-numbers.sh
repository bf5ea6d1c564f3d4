#!/usr/bin/env bash
# goavro 2.15.0 and hamba/avro 2.31.0 (Go modules), fastavro 1.13.1 (PyPI) beside them: decimals in a fixed, and defaults.
#
# One would expect, by Avro's specification: a decimal in a fixed is any number that its bytes and precision hold, zero too.
# The default of a long is any integer of 64 bits, and is what a reader gets for a field that the writer did not have.
# Seen: goavro refuses to write zero, and amounts that are rounded to it, into a fixed of several bytes. 9007199254740993 as
# the default of a long is 9007199254740992 for both Go libraries, inside a map too; fastavro has it right.
# To a user: an account that comes to zero stops a producer; default ids are another one's.
. "$(dirname "$0")/lib.sh"
python_packages fastavro==1.13.1

cat >main.go <<'END'
package main

import (
	"fmt"
	"math/big"
	"os"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	decimal := `{"type": "fixed", "name": "F", "size": 5, "logicalType": "decimal", "precision": 10, "scale": 2}`
	codec := must(goavro.NewCodec(decimal))
	for _, number := range []*big.Rat{big.NewRat(1, 100), big.NewRat(0, 1), big.NewRat(1, 1000)} {
		fmt.Printf("%s: hamba writes %x, ", number.FloatString(3), must(avro.Marshal(avro.MustParse(decimal), number)))
		if bytes, err := codec.BinaryFromNative(nil, number); err != nil {
			fmt.Println("goavro:", err)
		} else {
			fmt.Printf("goavro %x\n", bytes)
		}
	}
	schema := string(must(os.ReadFile("reader.avsc")))
	record := must(goavro.NewCodec(schema))
	bytes := must(record.BinaryFromNative(nil, map[string]any{}))
	native, _, err := record.NativeFromBinary(bytes)
	fmt.Println("goavro writes for lack of values", must(native, err))
	resolved := must(avro.NewSchemaCompatibility().Resolve(avro.MustParse(schema), avro.MustParse(`{"type": "record", "name": "R", "fields": []}`)))
	var read map[string]any
	if err := avro.Unmarshal(resolved, []byte{}, &read); err != nil {
		panic(err)
	}
	fmt.Println("hamba reads", read)
}
END
cat >reader.avsc <<'END'
{"type": "record", "name": "R", "fields": [
  {"name": "id", "type": "long", "default": 9007199254740993},
  {"name": "ids", "type": {"type": "map", "values": "long"}, "default": {"a": 9007199254740993}}
]}
END
go_program github.com/linkedin/goavro/v2@v2.15.0 github.com/hamba/avro/v2@v2.31.0 >got

cat >program.py <<'END'
import io
import json

import fastavro

print("fastavro reads", fastavro.schemaless_reader(io.BytesIO(), {"type": "record", "name": "R", "fields": []}, json.load(open("reader.avsc"))))
END
venv/bin/python program.py >>got

seen got <<'END'
0.010: hamba writes 0000000001, goavro 0000000001
0.000: hamba writes 0000000000, goavro: cannot encode binary fixed "F": datum size ought to equal schema size: 1 != 5
0.001: hamba writes 0000000000, goavro: cannot encode binary fixed "F": datum size ought to equal schema size: 1 != 5
goavro writes for lack of values map[id:9007199254740992 ids:map[a:9007199254740992]]
hamba reads map[id:9007199254740992 ids:map[a:9007199254740992]]
fastavro reads {'id': 9007199254740993, 'ids': {'a': 9007199254740993}}
END
