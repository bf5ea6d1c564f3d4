#!/usr/bin/env bash
# Lists that parquet-avro 1.16.0 (Maven Central) writes by default, as DuckDB 2.0.1, polars 2.1.0, pyarrow 26.0.1 (PyPI)
# and hyparquet 1.33.0 (npm) read them.
#
# One would expect, by Parquet's LogicalTypes document (rules for lists of older writers): where the repeated group has several
# fields, or is named array, it is itself the element. So a list of records stays a list of records.
# Seen: pyarrow and polars do so. DuckDB and hyparquet give a list of numbers for records of one field; hyparquet gives records
# of two fields within an object "array", which is no list at all.
# To a user: the type of a field depends on how many fields its records have; it changes when a second one is added.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.parquet:parquet-avro:1.16.0 org.apache.hadoop:hadoop-client-runtime:3.4.1 \
    org.apache.hadoop:hadoop-client-api:3.4.1
python_packages pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0
node_packages hyparquet@1.33.0

cat >Program.java <<'END'
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.avro.AvroParquetWriter;
import org.apache.parquet.hadoop.ParquetWriter;

public class Program {
    public static void main(String[] arguments) throws Exception {
        Schema one = SchemaBuilder.record("One").fields().requiredInt("a").endRecord();
        Schema two = SchemaBuilder.record("Two").fields().requiredInt("a").requiredInt("b").endRecord();
        Schema lists = Schema.createArray(Schema.createArray(Schema.create(Schema.Type.INT)));
        Schema schema = SchemaBuilder.record("R").fields().name("one").type(Schema.createArray(one)).noDefault()
                .name("two").type(Schema.createArray(two)).noDefault().name("lists").type(lists).noDefault().endRecord();
        try (ParquetWriter<GenericRecord> writer =
                AvroParquetWriter.<GenericRecord>builder(new Path("lists.parquet")).withSchema(schema).build()) {
            GenericData.Record first = new GenericRecordBuilder(one).set("a", 1).build();
            GenericData.Record second = new GenericRecordBuilder(two).set("a", 1).set("b", 2).build();
            writer.write(new GenericRecordBuilder(schema).set("one", List.of(first, first)).set("two", List.of(second, second))
                    .set("lists", List.of(List.of(1, 2), List.of(3))).build());
        }
    }
}
END
java_program Program.java

cat >program.py <<'END'
import duckdb
import polars
import pyarrow.parquet

for name, rows in (
    ("pyarrow", pyarrow.parquet.read_table("lists.parquet").to_pylist()),
    ("polars", polars.read_parquet("lists.parquet").to_dicts()),
    ("DuckDB", duckdb.sql("FROM 'lists.parquet'").to_arrow_table().to_pylist()),
):
    print(name, rows[0])
END
venv/bin/python program.py >got

cat >program.mjs <<'END'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
console.log('hyparquet', JSON.stringify((await parquetReadObjects({ file: await asyncBufferFromFile('lists.parquet') }))[0]));
END
node program.mjs >>got

seen got <<'END'
pyarrow {'one': [{'a': 1}, {'a': 1}], 'two': [{'a': 1, 'b': 2}, {'a': 1, 'b': 2}], 'lists': [[1, 2], [3]]}
polars {'one': [{'a': 1}, {'a': 1}], 'two': [{'a': 1, 'b': 2}, {'a': 1, 'b': 2}], 'lists': [[1, 2], [3]]}
DuckDB {'one': [1, 1], 'two': [{'a': 1, 'b': 2}, {'a': 1, 'b': 2}], 'lists': [[1, 2], [3]]}
hyparquet {"one":[1,1],"two":{"array":[{"a":1,"b":2},{"a":1,"b":2}]},"lists":[[1,2],[3]]}
END
