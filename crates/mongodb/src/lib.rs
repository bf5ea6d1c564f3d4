//! The MongoDB and DocumentDB sink: records to documents, documents to write commands, commands to the
//! cluster, several in flight; offsets move when their records are in the collection or settled.

mod aggregate;
mod authentication;
mod bulk;
mod cause;
mod cdc;
mod classes;
mod command_buffer;
mod config;
mod connect_json;
mod connector;
mod document;
mod document_id;
mod existing;
mod extensions;
mod hash_path;
mod health;
mod java_text;
mod json;
mod key_stores;
mod lane;
mod namespace;
mod null_fields;
mod operation;
mod outcome;
mod privileges;
mod probe;
mod processor;
mod projection;
mod raw_json;
mod record;
mod rename;
mod replay;
mod reply;
mod series_maker;
mod settings;
mod statement;
mod store;
mod task;
mod time_field;
mod time_series;
mod told;
mod topics;
mod uri;
mod write_model;

pub use connector::{CLASS, MongoSinkConnector};
