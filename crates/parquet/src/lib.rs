//! Parquet files as Confluent's S3 sink writes them through parquet-avro 1.15.2: the message type that it makes of an Avro
//! schema, its footer, and values that come from Connect's. The bytes are the `parquet` crate's.
//!
//! A `Layout` is what is known of a schema before any record; a `Writer` fills one file. It holds rows back in columns,
//! then in compressed pages, and gives out whole row groups, so that nothing it has given out is ever taken back. A `RowReader`
//! brings the rows of such a file back.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bounds;
mod codec;
mod column;
mod dictionary;
mod layout;
mod message;
mod notes;
mod plan;
mod precision;
mod reader;
mod rows;
mod writer;

pub use codec::Codec;
pub use layout::{Layout, LayoutOptions};
pub use message::INVALID_SCHEMA_EXCEPTION;
pub use precision::DEFAULT_PRECISION;
pub use reader::{ReadError, RowReader};
pub use writer::{EncodeError, Row, Writer};
