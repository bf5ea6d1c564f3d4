//! Whether data of one Avro schema can be read by another: the resolution of Avro's specification ("Schema Resolution"), of
//! schemas alone.

use millstream_avro::{AvroSchema, Kind, Record, TypeId};
use std::collections::HashSet;

/// Whether what `writer` describes can be read by `reader`.
pub(super) fn can_read(reader: &AvroSchema, writer: &AvroSchema) -> bool {
    let mut check = Check {
        reader,
        writer,
        assumed: HashSet::new(),
    };
    check.is_readable(reader.root(), writer.root())
}

struct Check<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    /// Pairs that are being looked at further up: recursive schemas have no end.
    assumed: HashSet<(TypeId, TypeId)>,
}

impl Check<'_> {
    fn is_readable(&mut self, reader: TypeId, writer: TypeId) -> bool {
        let (read, written) = (&self.reader[reader], &self.writer[writer]);
        match (&read.kind, &written.kind) {
            (_, Kind::Union(branches)) => {
                let branches = branches.clone();
                branches
                    .into_iter()
                    .all(|branch| self.is_readable(reader, branch))
            }
            (Kind::Union(branches), _) => {
                let branches = branches.clone();
                branches
                    .into_iter()
                    .any(|branch| self.is_readable(branch, writer))
            }
            (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int)
            | (Kind::Long, Kind::Int | Kind::Long)
            | (Kind::Float, Kind::Int | Kind::Long | Kind::Float)
            | (Kind::Double, Kind::Int | Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Bytes | Kind::String, Kind::Bytes | Kind::String) => true,
            (Kind::Array(read), Kind::Array(written)) | (Kind::Map(read), Kind::Map(written)) => {
                self.is_readable(*read, *written)
            }
            (Kind::Fixed(read), Kind::Fixed(written)) => {
                read.name.name == written.name.name && read.size == written.size
            }
            (Kind::Enum(read), Kind::Enum(written)) => {
                let is_known = |symbol: &String| read.symbols.contains(symbol);
                read.name.name == written.name.name
                    && (read.default.is_some() || written.symbols.iter().all(is_known))
            }
            (Kind::Record(read), Kind::Record(written)) => {
                let has_name = read.name.name == written.name.name
                    || read
                        .aliases
                        .iter()
                        .any(|alias| alias.full() == written.name.full());
                has_name
                    && (!self.assumed.insert((reader, writer))
                        || self.are_fields_readable(&read.clone(), &written.clone()))
            }
            _ => false,
        }
    }

    /// Each field that is read was written, or has a default.
    fn are_fields_readable(&mut self, reader: &Record, writer: &Record) -> bool {
        reader.fields.iter().all(|field| {
            let aliases = field.aliases.iter().find_map(|alias| writer.field(alias));
            match writer.field(&field.name).or(aliases) {
                Some(written) => self.is_readable(field.schema, written.schema),
                None => field.default.is_some(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reader: &str, writer: &str, expected: bool) {
        let [reader, writer] = [reader, writer].map(|text| AvroSchema::parse(text).unwrap());
        assert_eq!(
            can_read(&reader, &writer),
            expected,
            "{} {}",
            reader.text(),
            writer.text()
        );
    }

    #[test]
    fn resolves_as_the_specification_says() {
        check(r#""long""#, r#""int""#, true);
        check(r#""int""#, r#""long""#, false);
        check(r#"["null","string"]"#, r#""string""#, true);
        check(r#""string""#, r#"["null","string"]"#, false);
        let record =
            |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let a = r#"{"name":"a","type":"int"}"#;
        let b = r#"{"name":"b","type":"int"}"#;
        let c = r#"{"name":"c","type":"int","default":1}"#;
        check(&record(a), &record(&format!("{b},{a}")), true);
        check(&record(&format!("{a},{b}")), &record(a), false);
        check(&record(&format!("{a},{c}")), &record(a), true);
        let list = record(r#"{"name":"next","type":["null","R"]}"#);
        check(&list, &list, true);
        let of = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
        check(&of(r#""A""#), &of(r#""A","B""#), false);
        check(&of(r#""A","B""#), &of(r#""A""#), true);
    }
}
