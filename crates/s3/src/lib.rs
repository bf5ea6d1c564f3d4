//! The archive sink: records of Kafka topics as objects in S3, under the names and with the bytes that
//! Confluent's S3 sink connector gives them.

mod archive;
mod batch_id;
mod clock;
mod compatibility;
mod compress;
mod config;
mod connector;
mod extensions;
mod format;
mod intent;
mod ledger;
mod memory;
mod name;
mod object;
mod partition;
mod partitioner;
mod rotation;
mod schemas;
mod settings;
mod spill;
mod start_error;
mod store;
mod task;
mod unsupported;
mod upload;
mod writers;
mod zone;

pub use archive::{
    Archive, ArchiveError, ArchiveLayout, Container, Contents, ListedObject, ListedPage,
    ObjectRows, Part, RowsError, UnfinishedUpload, headers_of_row,
};
pub use connector::S3SinkConnector;
