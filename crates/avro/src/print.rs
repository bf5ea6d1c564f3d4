//! A schema's text, in the order and form of Java 1.11's `Schema.toString`: type, name, namespace, doc, then what the type is
//! made of, then properties as they were set.

use crate::error::schema_parse;
use crate::json;
use crate::model::{AvroField, AvroType, Kind, Order, Properties, TypeId};
use crate::names::{self, Name};
use crate::same::same;
use millstream_core::RecordError;
use millstream_java::json::write_str;
use std::collections::HashMap;

pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

/// Prints the type and all it is made of.
///
/// # Errors
/// If two types of one name are not the same.
pub(crate) fn print(types: &[AvroType], root: TypeId) -> Result<Printed, RecordError> {
    let mut printer = Printer {
        types,
        out: Vec::new(),
        space: None,
        seen: HashMap::new(),
        place: Vec::new(),
        notes: Vec::new(),
    };
    printer.write_type(root)?;
    Ok(Printed {
        text: String::from_utf8_lossy(&printer.out).into_owned(),
        notes: printer.notes,
    })
}

struct Printer<'a> {
    types: &'a [AvroType],
    out: Vec<u8>,
    /// The namespace of the enclosing type.
    space: Option<&'a str>,
    /// Named types that were printed, and the place where.
    seen: HashMap<String, (TypeId, String)>,
    /// The fields on the way to what is printed.
    place: Vec<&'a str>,
    notes: Vec<String>,
}

impl<'a> Printer<'a> {
    fn write_type(&mut self, id: TypeId) -> Result<(), RecordError> {
        let of = &self.types[id.0];
        if let Some(name) = of.name() {
            if !self.is_known(id, name)? {
                return self.write_named(of, name);
            }
            self.write_use(name);
            return Ok(());
        }
        match &of.kind {
            Kind::Union(branches) => {
                self.raw("[");
                for (index, branch) in branches.iter().enumerate() {
                    self.comma(index);
                    self.write_type(*branch)?;
                }
                self.raw("]");
            }
            Kind::Array(inner) | Kind::Map(inner) => {
                self.begin(of.word());
                self.key(if matches!(of.kind, Kind::Map(_)) {
                    "values"
                } else {
                    "items"
                });
                self.write_type(*inner)?;
                self.write_properties(&of.properties);
                self.raw("}");
            }
            _ if of.properties.is_empty() => write_str(&mut self.out, of.word()),
            _ => {
                self.begin(of.word());
                self.write_properties(&of.properties);
                self.raw("}");
            }
        }
        Ok(())
    }

    /// Whether a type of this name was printed before. It has to be the same.
    fn is_known(&mut self, id: TypeId, name: &Name) -> Result<bool, RecordError> {
        let full = name.full();
        let here = self.here();
        match self.seen.get(&full) {
            None => {
                self.seen.insert(full, (id, here));
                Ok(false)
            }
            Some((known, _)) if same((self.types, *known), (self.types, id)) => Ok(true),
            Some((_, there)) => Err(schema_parse(format!(
                "Can't redefine: {full} (it is one thing in {there} and another in {here})"
            ))),
        }
    }

    fn here(&self) -> String {
        match self.place.is_empty() {
            true => "the schema itself".to_owned(),
            false => format!("field `{}`", self.place.join(".")),
        }
    }

    fn write_use(&mut self, name: &Name) {
        let written = name.qualified(self.space);
        if name.namespace.is_none()
            && let Some(space) = self.space
        {
            self.notes.push(format!(
                "type `{written}` has no namespace and is used again inside `{space}`, where only Java finds it"
            ));
        }
        write_str(&mut self.out, &written);
    }

    fn write_named(&mut self, of: &'a AvroType, name: &'a Name) -> Result<(), RecordError> {
        if !name.is_portable() {
            self.notes.push(format!(
                "name `{}` is no Avro name by the letter of the specification: Python's avro, the Rust crate apache-avro and ClickHouse refuse such a file",
                name.full()
            ));
        }
        let is_error = matches!(&of.kind, Kind::Record(record) if record.is_error);
        self.begin(if is_error { "error" } else { of.word() });
        self.text("name", &name.name);
        let inside = self.space;
        if name.namespace.as_deref() != inside {
            self.text("namespace", name.namespace.as_deref().unwrap_or_default());
        }
        let aliases = match &of.kind {
            Kind::Record(record) => {
                self.space = name.namespace.as_deref();
                self.doc(record.doc.as_deref());
                self.key("fields");
                self.raw("[");
                for (index, field) in record.fields.iter().enumerate() {
                    self.comma(index);
                    self.write_field(field)?;
                }
                self.raw("]");
                self.write_properties(&of.properties);
                &record.aliases
            }
            Kind::Enum(of_enum) => {
                self.doc(of_enum.doc.as_deref());
                self.key("symbols");
                let symbols = of_enum.symbols.iter().map(|symbol| symbol.as_str().into());
                json::write(&mut self.out, &serde_json::Value::Array(symbols.collect()));
                if let Some(default) = &of_enum.default {
                    self.text("default", default);
                }
                self.write_properties(&of.properties);
                &of_enum.aliases
            }
            Kind::Fixed(fixed) => {
                self.doc(fixed.doc.as_deref());
                self.key("size");
                self.raw(&fixed.size.to_string());
                self.write_properties(&of.properties);
                &fixed.aliases
            }
            // No other type has a name.
            _ => &Vec::new(),
        };
        let aliases = aliases
            .iter()
            .map(|alias| alias.qualified(name.namespace.as_deref()));
        self.write_aliases(aliases);
        self.raw("}");
        self.space = inside;
        Ok(())
    }

    fn write_field(&mut self, field: &'a AvroField) -> Result<(), RecordError> {
        if !names::is_portable(&field.name) {
            self.notes.push(format!(
                "field name `{}` is no Avro name by the letter of the specification: Python's avro, the Rust crate apache-avro and ClickHouse refuse such a file",
                field.name
            ));
        }
        self.raw("{");
        self.key("name");
        write_str(&mut self.out, &field.name);
        self.key("type");
        self.place.push(&field.name);
        self.write_type(field.schema)?;
        self.place.pop();
        self.doc(field.doc.as_deref());
        if let Some(default) = &field.default {
            self.key("default");
            json::write(&mut self.out, default);
        }
        match field.order {
            Order::Ascending => {}
            Order::Descending => self.text("order", "descending"),
            Order::Ignore => self.text("order", "ignore"),
        }
        self.write_aliases(field.aliases.iter().cloned());
        self.write_properties(&field.properties);
        self.raw("}");
        Ok(())
    }

    fn write_properties(&mut self, properties: &Properties) {
        for (key, value) in properties {
            self.key(key);
            json::write(&mut self.out, value);
        }
    }

    fn write_aliases(&mut self, aliases: impl ExactSizeIterator<Item = String>) {
        if aliases.len() > 0 {
            self.key("aliases");
            json::write(
                &mut self.out,
                &aliases.map(serde_json::Value::from).collect(),
            );
        }
    }

    fn begin(&mut self, word: &str) {
        self.raw("{");
        self.text("type", word);
    }

    fn doc(&mut self, doc: Option<&str>) {
        if let Some(doc) = doc {
            self.text("doc", doc);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_str(&mut self.out, value);
    }

    fn key(&mut self, key: &str) {
        self.comma(usize::from(self.out.last() != Some(&b'{')));
        write_str(&mut self.out, key);
        self.raw(":");
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.raw(",");
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}
