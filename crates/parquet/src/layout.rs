//! Layout: what is known of a file before its first row: the message type, the footer's texts and where values go.

use crate::message::{Lists, message};
use crate::notes;
use crate::plan::{Node, Planner, has_optional_elements};
use crate::precision::{DEFAULT_PRECISION, with_precision};
use arrow_schema::Schema as ArrowSchema;
use millstream_avro::{AvroDataSettings, Writer, avro_schema};
use millstream_core::{RecordError, SchemaRef};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use std::sync::Arc;

/// What the original does not leave to choose.
#[derive(Clone, Copy, Debug)]
pub struct LayoutOptions {
    /// How Connect's schemas become Avro's.
    pub avro: AvroDataSettings,
    /// Digits of decimals whose schema does not tell; values are held to it if it is not the original's.
    pub decimal_precision: u32,
    /// Lists have three levels, even if no array may hold nulls.
    pub three_level_lists: bool,
}

impl LayoutOptions {
    /// What the original does.
    pub fn new(avro: AvroDataSettings) -> Self {
        LayoutOptions {
            avro,
            decimal_precision: DEFAULT_PRECISION,
            three_level_lists: false,
        }
    }
}

/// To be made once for a schema, and shared by all files of it.
#[derive(Debug)]
pub struct Layout {
    pub(crate) schema: SchemaRef,
    pub(crate) fields: Vec<Node>,
    pub(crate) message: SchemaDescPtr,
    pub(crate) arrow: Arc<ArrowSchema>,
    /// The text of the Avro schema.
    pub(crate) avro: String,
    /// Of data of that schema.
    writer: Option<Writer>,
    notes: Vec<String>,
}

impl Layout {
    /// Of files whose rows are structs of this schema.
    ///
    /// # Errors
    /// If Avro or Parquet has no such schema; the root must be a struct that is not optional.
    pub fn new(schema: &SchemaRef, options: &LayoutOptions) -> Result<Self, RecordError> {
        let precision = Some(options.decimal_precision);
        let precision = precision.filter(|digits| *digits != DEFAULT_PRECISION);
        let avro = match precision {
            Some(digits) => avro_schema(Some(&with_precision(schema, digits)), &options.avro)?,
            None => avro_schema(Some(schema), &options.avro)?,
        };
        let lists = if options.three_level_lists || has_optional_elements(schema) {
            Lists::ThreeLevel
        } else {
            Lists::TwoLevel
        };
        let message = message(&avro, lists)?;
        let planner = Planner {
            avro: &avro,
            lists,
            precision,
        };
        let fields = planner.fields(schema, avro.root())?;
        let arrow = fields.iter().map(|field| Arc::clone(&field.field));
        let arrow = Arc::new(ArrowSchema::new(arrow.collect::<Vec<_>>()));
        Ok(Layout {
            schema: Arc::clone(schema),
            fields,
            notes: notes::of(&message),
            message: Arc::new(SchemaDescriptor::new(message)),
            arrow,
            avro: avro.text().to_owned(),
            // Without one no datum is taken as it is.
            writer: Writer::new(Some(schema), avro, &options.avro).ok(),
        })
    }

    /// What writes rows as data of the Avro schema; whatever it would write is a `Row::Datum`.
    pub fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    /// What some readers make of such files, a sentence each: to be logged once.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
