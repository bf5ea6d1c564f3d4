//! Parquet files against those of parquet-mr: equal in all that readers tell, which is not their bytes.

use bytes::Bytes;
use parquet::basic::ColumnOrder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::record::Row;

type Verdict = Result<(), String>;

pub(crate) fn compare(actual: &Bytes, recorded: Vec<u8>) -> Verdict {
    let ours = SerializedFileReader::new(actual.clone()).map_err(text)?;
    let theirs = SerializedFileReader::new(Bytes::from(recorded)).map_err(text)?;
    metadata(ours.metadata(), theirs.metadata())?;
    let (ours, theirs) = (rows(&ours)?, rows(&theirs)?);
    equal("rows", &format!("{ours:?}"), &format!("{theirs:?}"))
}

fn metadata(ours: &ParquetMetaData, theirs: &ParquetMetaData) -> Verdict {
    let (own, their) = (ours.file_metadata(), theirs.file_metadata());
    // Names, repetition, logical and converted types.
    equal("schema", &own.schema(), &their.schema())?;
    equal(
        "key/values",
        &own.key_value_metadata(),
        &their.key_value_metadata(),
    )?;
    equal("created_by", &own.created_by(), &their.created_by())?;
    equal("version", &own.version(), &their.version())?;
    equal("records", &own.num_rows(), &their.num_rows())?;
    for order in own.column_orders().into_iter().flatten() {
        if !matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_)) {
            return Err(format!("a column has the order {order:?}"));
        }
    }
    equal(
        "row groups",
        &ours.num_row_groups(),
        &theirs.num_row_groups(),
    )?;
    for (own, their) in ours.row_groups().iter().zip(theirs.row_groups()) {
        for (own, their) in own.columns().iter().zip(their.columns()) {
            let path = own.column_path().string();
            column(own, their).map_err(|why| format!("column {path}: {why}"))?;
        }
    }
    Ok(())
}

fn column(ours: &ColumnChunkMetaData, theirs: &ColumnChunkMetaData) -> Verdict {
    // A level is ours alone to know: it is not in the file.
    let codec = |column: &ColumnChunkMetaData| {
        let codec = format!("{:?}", column.compression());
        codec.split('(').next().unwrap_or_default().to_owned()
    };
    equal("codec", &codec(ours), &codec(theirs))?;
    equal("values", &ours.num_values(), &theirs.num_values())?;
    let Some(their) = theirs.statistics() else {
        return Ok(());
    };
    let Some(own) = ours.statistics() else {
        return Err("there are no statistics".to_owned());
    };
    equal("least", &own.min_bytes_opt(), &their.min_bytes_opt())?;
    equal("most", &own.max_bytes_opt(), &their.max_bytes_opt())?;
    let nulls = |of: &Statistics| of.null_count_opt().unwrap_or(0);
    equal("nulls", &nulls(own), &nulls(their))
}

fn rows(file: &SerializedFileReader<Bytes>) -> Result<Vec<Row>, String> {
    let rows = file.get_row_iter(None).map_err(text)?;
    rows.collect::<Result<_, _>>().map_err(text)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Verdict {
    if actual == expected {
        return Ok(());
    }
    Err(format!(
        "{what}\n   actual {actual:?}\n expected {expected:?}"
    ))
}

fn text(error: ParquetError) -> String {
    error.to_string()
}
