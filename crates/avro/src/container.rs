//! Object container files: a schema, and data in blocks that are compressed each for itself (Avro 1.11, "Object Container
//! Files").

mod codec;
mod error;
mod file_reader;
mod file_writer;

pub use codec::Codec;
pub use error::ContainerError;
pub use file_reader::{Block, FileReader};
pub use file_writer::FileWriter;

const MAGIC: [u8; 4] = *b"Obj\x01";
const SCHEMA: &str = "avro.schema";
const CODEC: &str = "avro.codec";

/// What stands between blocks.
pub type SyncMarker = [u8; 16];

/// A block is closed by the datum that brings it to so many bytes before compression: Java's default.
pub const BLOCK_SIZE: usize = 64_000;
