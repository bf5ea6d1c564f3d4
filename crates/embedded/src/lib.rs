//! In-process stand-ins for Kafka, S3 and MongoDB at wire level, for demos and tests.

pub mod broker;
pub mod documents;
pub mod faults;
pub mod s3;
