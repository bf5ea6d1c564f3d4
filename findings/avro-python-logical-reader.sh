#!/usr/bin/env bash
# avro 1.12.2 and fastavro 1.13.1 (PyPI) beside org.apache.avro:avro 1.12.1 (Maven Central): a logical type that only one of
# writer's and reader's schema has.
#
# One would expect, by "Schema Resolution" in Avro's specification: the reader gets values of its own schema; a long that
# was written and is read as timestamp-millis is a time, and the other way round a number.
# Seen: so it is in Java. Both Python libraries go by the writer's schema: a reader that says timestamp-millis gets the
# number 1000, one that says long gets a time.
# To a user: adding a logical type to a schema, which every registry takes for compatible, gives a program numbers for old
# records and times for new ones in the same field.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1
java_packages org.apache.avro:avro:1.12.1 org.slf4j:slf4j-nop:2.0.16

cat >Program.java <<'END'
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.DecoderFactory;

public class Program {
    public static void main(String[] arguments) throws Exception {
        GenericData data = new GenericData();
        data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
        Schema number = new Schema.Parser().parse("\"long\"");
        Schema time = new Schema.Parser().parse("{\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}");
        for (Schema[] pair : new Schema[][] {{number, time}, {time, number}, {time, time}}) {
            Object value = new GenericDatumReader<Object>(pair[0], pair[1], data)
                    .read(null, DecoderFactory.get().binaryDecoder(new byte[] {(byte) 0xd0, 0x0f}, null));
            System.out.println("Java, written as " + pair[0] + ", read as " + pair[1] + ": " + value);
        }
    }
}
END
java_program Program.java >got

cat >program.py <<'END'
import io
import json

import avro.io
import avro.schema
import fastavro

number, time = "long", {"type": "long", "logicalType": "timestamp-millis"}
for writer, reader in ((number, time), (time, number), (time, time)):
    parsed = [avro.schema.parse(json.dumps(schema)) for schema in (writer, reader)]
    one = avro.io.DatumReader(*parsed).read(avro.io.BinaryDecoder(io.BytesIO(b"\xd0\x0f")))
    other = fastavro.schemaless_reader(io.BytesIO(b"\xd0\x0f"), fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    print(f"written as {json.dumps(writer)}, read as {json.dumps(reader)}: avro {one}, fastavro {other}")
END
venv/bin/python program.py >>got

seen got <<'END'
Java, written as "long", read as {"type":"long","logicalType":"timestamp-millis"}: 1970-01-01T00:00:01Z
Java, written as {"type":"long","logicalType":"timestamp-millis"}, read as "long": 1000
Java, written as {"type":"long","logicalType":"timestamp-millis"}, read as {"type":"long","logicalType":"timestamp-millis"}: 1970-01-01T00:00:01Z
written as "long", read as {"type": "long", "logicalType": "timestamp-millis"}: avro 1000, fastavro 1000
written as {"type": "long", "logicalType": "timestamp-millis"}, read as "long": avro 1970-01-01 00:00:01+00:00, fastavro 1970-01-01 00:00:01+00:00
written as {"type": "long", "logicalType": "timestamp-millis"}, read as {"type": "long", "logicalType": "timestamp-millis"}: avro 1970-01-01 00:00:01+00:00, fastavro 1970-01-01 00:00:01+00:00
END
