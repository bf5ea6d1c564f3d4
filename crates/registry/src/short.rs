//! Schemas in short, for what tests expect.

use millstream_core::{Schema, SchemaRef, SchemaType};

/// `?` is optional; the last part of a name stands behind in brackets, a version behind `#`.
pub(crate) fn short(schema: &Schema) -> String {
    let inner = |schema: &Option<SchemaRef>| schema.as_deref().map_or_else(String::new, short);
    let mut text = match schema.kind {
        SchemaType::Struct if schema.recursive => "↑".to_owned(),
        SchemaType::Struct => {
            let fields = schema.fields.iter();
            let fields: Vec<String> = fields
                .map(|field| format!("{}:{}", field.name, short(&field.schema)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        SchemaType::Array => format!("[{}]", inner(&schema.value_schema)),
        SchemaType::Map => format!(
            "<{},{}>",
            inner(&schema.key_schema),
            inner(&schema.value_schema)
        ),
        kind => kind.java_name().to_lowercase(),
    };
    if schema.optional {
        text.push('?');
    }
    if let Some(name) = &schema.name {
        text += &format!("({})", name.rsplit('.').next().unwrap());
    }
    if let Some(version) = schema.version {
        text += &format!("#{version}");
    }
    text
}
