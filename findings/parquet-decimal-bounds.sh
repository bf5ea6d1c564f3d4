#!/usr/bin/env bash
# Decimals written by parquet 59.3.2 (crates.io), read by DuckDB 2.0.1 and pyarrow 26.0.1 (PyPI): a column of byte arrays.
#
# One would expect, by ColumnOrder in parquet.thrift: "DECIMAL - signed comparison of the represented value", for least and
# greatest values too, whichever of the crate's writers wrote the column.
# Seen: the column writer compares as signed numbers, ArrowWriter as bytes. Of -1, 0 and 1 it tells 0 as the least value and -1 as
# the greatest, in the order of the type. DuckDB and pyarrow find all rows here all the same.
# To a user: a reader that trusts the bounds of such columns may leave out rows that it was asked for.
. "$(dirname "$0")/lib.sh"
rust_packages <<'END'
arrow-array = "=59.3.2"
arrow-schema = "=59.3.2"
parquet = { version = "=59.3.2", default-features = false, features = ["arrow"] }
END
cat >src/main.rs <<'END'
use arrow_array::{BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::{parser::parse_message_type, types::SchemaDescriptor};
use std::{fs::File, sync::Arc};

const VALUES: [&[u8]; 3] = [&[0xff], &[0x00], &[0x01]];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let message = Arc::new(parse_message_type("message m { required binary price (DECIMAL(9, 0)); }")?);

    let schema = Arc::new(Schema::new(vec![Field::new("price", DataType::Binary, false)]));
    let column = Arc::new(BinaryArray::from_iter_values(VALUES));
    let options = ArrowWriterOptions::new()
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(SchemaDescriptor::new(Arc::clone(&message)));
    let file = File::create("ArrowWriter.parquet")?;
    let mut writer = ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options)?;
    writer.write(&RecordBatch::try_new(schema, vec![column])?)?;
    writer.close()?;

    let file = File::create("SerializedFileWriter.parquet")?;
    let mut writer = SerializedFileWriter::new(file, message, Default::default())?;
    let mut group = writer.next_row_group()?;
    let mut column = group.next_column()?.ok_or("no column")?;
    let values = VALUES.map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    column.close()?;
    group.close()?;
    writer.close()?;

    for name in ["ArrowWriter", "SerializedFileWriter"] {
        let reader = SerializedFileReader::new(File::open(format!("{name}.parquet"))?)?;
        let column = reader.metadata().row_group(0).column(0);
        let order = reader.metadata().file_metadata().column_order(0);
        let bounds = column.statistics().ok_or("no statistics")?;
        println!("{name}: {order:?}, least {:02x?}, greatest {:02x?}", bounds.min_bytes_opt(), bounds.max_bytes_opt());
    }
    Ok(())
}
END
rust_program >got
python_packages pyarrow==26.0.1 duckdb==2.0.1

cat >program.py <<'END'
import decimal

import duckdb
import pyarrow.parquet

for name in ("ArrowWriter", "SerializedFileWriter"):
    file = f"{name}.parquet"
    print(f"{name}: all rows:", [int(price) for (price,) in duckdb.sql(f"select price from '{file}'").fetchall()])
    for sign, number in (("=", -1), ("=", 0), ("=", 1), ("<", 0), (">", 0)):
        rows = duckdb.sql(f"select price from '{file}' where price {sign} {number}").fetchall()
        table = pyarrow.parquet.read_table(file, filters=[("price", "==" if sign == "=" else sign, decimal.Decimal(number))])
        by_pyarrow = [int(price) for price in table["price"].to_pylist()]
        print(f"{name}: price {sign} {number}: DuckDB {[int(price) for (price,) in rows]}, pyarrow {by_pyarrow}")
END
venv/bin/python program.py >>got

seen got <<'END'
ArrowWriter: TYPE_DEFINED_ORDER(SIGNED), least Some([00]), greatest Some([ff])
SerializedFileWriter: TYPE_DEFINED_ORDER(SIGNED), least Some([ff]), greatest Some([01])
ArrowWriter: all rows: [-1, 0, 1]
ArrowWriter: price = -1: DuckDB [-1], pyarrow [-1]
ArrowWriter: price = 0: DuckDB [0], pyarrow [0]
ArrowWriter: price = 1: DuckDB [1], pyarrow [1]
ArrowWriter: price < 0: DuckDB [-1], pyarrow [-1]
ArrowWriter: price > 0: DuckDB [1], pyarrow [1]
SerializedFileWriter: all rows: [-1, 0, 1]
SerializedFileWriter: price = -1: DuckDB [-1], pyarrow [-1]
SerializedFileWriter: price = 0: DuckDB [0], pyarrow [0]
SerializedFileWriter: price = 1: DuckDB [1], pyarrow [1]
SerializedFileWriter: price < 0: DuckDB [-1], pyarrow [-1]
SerializedFileWriter: price > 0: DuckDB [1], pyarrow [1]
END
