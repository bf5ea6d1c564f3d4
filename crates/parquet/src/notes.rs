//! What readers of today make of some message types, seen with Spark 4.3, DuckDB 2.0, polars 2.1 and ClickHouse.

use parquet::basic::{LogicalType, Repetition};
use parquet::schema::types::Type;
use std::collections::HashSet;

/// The most digits of a decimal that readers have a type for.
const MOST_DIGITS: i32 = 38;

pub(crate) fn of(message: &Type) -> Vec<String> {
    let mut notes = Vec::new();
    let mut path = Vec::new();
    look(message, &mut path, &mut notes);
    notes
}

fn look<'a>(group: &'a Type, path: &mut Vec<&'a str>, notes: &mut Vec<String>) {
    let mut names = HashSet::new();
    for field in group.get_fields() {
        path.push(field.name());
        let place = || path.join(".");
        if !names.insert(field.name().to_lowercase()) {
            let place = place();
            notes.push(format!(
                "field {place} differs from another one only in case: Spark refuses files with such fields"
            ));
        }
        if let Some(LogicalType::Decimal(decimal)) = field.get_basic_info().logical_type_ref()
            && decimal.precision > MOST_DIGITS
        {
            let (place, precision) = (place(), decimal.precision);
            notes.push(format!(
                "decimal {place} is written with a precision of {precision}, more than {MOST_DIGITS}: Spark and polars \
                 refuse such files, DuckDB reads floating-point numbers; give its schema a connect.decimal.precision"
            ));
        }
        if field.is_group() {
            let is_element = field.get_basic_info().repetition() == Repetition::REPEATED;
            if is_element && field.name() == "array" && field.get_fields().len() == 1 {
                let place = place();
                notes.push(format!(
                    "list elements {place} are structs of one field: DuckDB and ClickHouse read that field in their place"
                ));
            }
            look(field, path, notes);
        }
        path.pop();
    }
}
