#!/usr/bin/env bash
# avro 1.12.2 and fastavro 1.13.1 (PyPI), apache-avro 0.22.0 (crates.io), org.apache.avro:avro 1.12.1 (Maven Central): a
# reader's default of bytes, fixed and decimal.
#
# One would expect, by "Complex Types, Records" in Avro's specification: in the default of bytes and fixed the characters
# U+0000 to U+00FF stand for the bytes 0 to 255, so "\u00ff" is the single byte ff.
# Seen: Java does so. avro and apache-avro take the text's UTF-8, c3 bf, so that a fixed of two bytes has three; only the
# decimal is right in apache-avro. fastavro hands over a text, not bytes, for all three types.
# To a user: a field that was added with such a default has another value, or another type, in each language that reads
# the older records.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1
java_packages org.apache.avro:avro:1.12.1 org.slf4j:slf4j-nop:2.0.16
rust_packages <<'END'
apache-avro = "=0.22.0"
END
cat >writer.avsc <<'END'
{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
END
cat >reader.avsc <<'END'
{"type": "record", "name": "R", "fields": [
  {"name": "a", "type": "int"},
  {"name": "bytes", "type": "bytes", "default": "\u00ff"},
  {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 2}, "default": "\u0001\u00ff"},
  {"name": "decimal", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "default": "\u00ff"}]}
END

cat >Program.java <<'END'
import java.io.File;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

public class Program {
    public static void main(String[] arguments) throws Exception {
        GenericData data = new GenericData();
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        Schema writer = new Schema.Parser().parse(new File("writer.avsc")), reader = new Schema.Parser().parse(new File("reader.avsc"));
        GenericRecord record = new GenericDatumReader<GenericRecord>(writer, reader, data)
                .read(null, DecoderFactory.get().binaryDecoder(new byte[] {2}, null));
        ByteBuffer bytes = (ByteBuffer) record.get("bytes");
        System.out.println("Java: bytes " + HexFormat.of().formatHex(bytes.array()) + ", fixed "
                + HexFormat.of().formatHex(((GenericFixed) record.get("fixed")).bytes()) + ", decimal " + record.get("decimal"));
    }
}
END
java_program Program.java >got

cat >program.py <<'END'
import io
import json
import warnings

import avro.io
import avro.schema
import fastavro

warnings.simplefilter("ignore")
writer, reader = (open(name).read() for name in ("writer.avsc", "reader.avsc"))
record = avro.io.DatumReader(avro.schema.parse(writer), avro.schema.parse(reader)).read(avro.io.BinaryDecoder(io.BytesIO(b"\2")))
print("avro:", {name: value.hex() for name, value in record.items() if name != "a"})
record = fastavro.schemaless_reader(io.BytesIO(b"\2"), json.loads(writer), json.loads(reader))
print("fastavro:", {name: ascii(value) + " " + type(value).__name__ for name, value in record.items() if name != "a"})
END
venv/bin/python program.py >>got

cat >src/main.rs <<'END'
use apache_avro::Schema;

#[allow(deprecated)]
fn main() {
    let [writer, reader] = ["writer.avsc", "reader.avsc"].map(|name| Schema::parse_str(&std::fs::read_to_string(name).unwrap()).unwrap());
    println!("apache-avro: {:?}", apache_avro::from_avro_datum(&writer, &mut &[2u8][..], Some(&reader)).unwrap());
}
END
rust_program >>got

seen got <<'END'
Java: bytes ff, fixed 01ff, decimal -0.01
avro: {'bytes': 'c3bf', 'fixed': '01c3bf', 'decimal': 'c3bf'}
fastavro: {'bytes': "'\\xff' str", 'fixed': "'\\x01\\xff' str", 'decimal': "'\\xff' str"}
apache-avro: Record([("a", Int(1)), ("bytes", Bytes([195, 191])), ("fixed", Fixed(3, [1, 195, 191])), ("decimal", Decimal(Decimal { value: -1, len: 1 }))])
END
