//! Why a container file cannot be read.

use std::io;
use thiserror::Error;

/// Why a file cannot be read on.
#[derive(Debug, Error)]
pub enum ContainerError {
    #[error("cannot read the file")]
    Io(#[from] io::Error),
    #[error("the file is no Avro container file")]
    NotAvro,
    #[error("the file's metadata lacks {0}")]
    Missing(&'static str),
    #[error("the file's codec {0:?} is none of null, deflate, snappy and bzip2")]
    UnknownCodec(String),
    #[error("{what} of the file is larger than {most} bytes")]
    TooLarge { what: &'static str, most: usize },
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    #[error("the file ends within {0}")]
    Truncated(&'static str),
}
