#!/usr/bin/env bash
# avro 1.12.2 and fastavro 1.13.1 (PyPI), apache-avro 0.22.0 (crates.io), org.apache.avro:avro 1.12.1 (Maven Central): the
# canonical form of a schema, and with it the fingerprint that stands before single objects.
#
# One would expect, by "Parsing Canonical Form" in Avro's specification: all attributes but type, name, fields, symbols,
# items, values and size are dropped, a primitive type is its name alone; so all libraries have one form.
# Seen: avro and apache-avro write an int with a logical type as {"type":"int"}, apache-avro keeps a field's order, too. Java
# and fastavro do as specified.
# To a user: the fingerprint of such a schema differs by language: a record that one wrote is of an unknown schema for
# the other.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1
java_packages org.apache.avro:avro:1.12.1 org.slf4j:slf4j-nop:2.0.16
rust_packages <<'END'
apache-avro = "=0.22.0"
END
cat >schemas <<'END'
{"type": "record", "name": "R", "fields": [{"name": "x", "type": "int", "doc": "d", "default": 3}]}
{"type": "record", "name": "R", "fields": [{"name": "x", "type": "int", "order": "ignore"}]}
{"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "int", "logicalType": "date"}}]}
END

cat >Program.java <<'END'
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;

public class Program {
    public static void main(String[] arguments) throws Exception {
        for (String text : Files.readAllLines(Path.of("schemas"))) {
            Schema schema = new Schema.Parser().parse(text);
            System.out.println("Java " + SchemaNormalization.toParsingForm(schema) + " "
                    + HexFormat.of().formatHex(SchemaNormalization.parsingFingerprint("CRC-64-AVRO", schema)));
        }
    }
}
END
java_program Program.java >java

cat >program.py <<'END'
import json
import sys
import warnings

import avro.schema
import fastavro.schema

warnings.simplefilter("ignore")
for text in open("schemas"):
    if sys.argv[1] == "avro":
        schema = avro.schema.parse(text)
        print("avro", schema.canonical_form, schema.fingerprint().hex())
    else:
        form = fastavro.schema.to_parsing_canonical_form(json.loads(text))
        print("fastavro", form, fastavro.schema.fingerprint(form, "CRC-64-AVRO"))
END
venv/bin/python program.py avro >avro
venv/bin/python program.py fastavro >fastavro

cat >src/main.rs <<'END'
use apache_avro::{Schema, rabin::Rabin};

fn main() {
    for text in std::fs::read_to_string("schemas").unwrap().lines() {
        let schema = Schema::parse_str(text).unwrap();
        println!("apache-avro {} {}", schema.canonical_form(), schema.fingerprint::<Rabin>());
    }
}
END
rust_program >rust
paste -d '\n' java fastavro avro rust >got

seen got <<'END'
Java {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
fastavro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
avro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
apache-avro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
Java {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
fastavro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
avro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
apache-avro {"name":"R","type":"record","fields":[{"name":"x","type":"int","order":"ignore"}]} 38128544b1f6190c
Java {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
fastavro {"name":"R","type":"record","fields":[{"name":"x","type":"int"}]} cabdaffb716de2dd
avro {"name":"R","type":"record","fields":[{"name":"x","type":{"type":"int"}}]} 0b4736c1efa4ed39
apache-avro {"name":"R","type":"record","fields":[{"name":"x","type":{"type":"int"}}]} 0b4736c1efa4ed39
END
