//! In-process stand-ins for Kafka, S3, MongoDB, a schema registry and what AWS tells a process of itself, at wire level, for demos and tests.

pub mod aws;
pub mod broker;
pub mod documents;
pub mod faults;
mod listener;
pub mod registry;
pub mod s3;
mod scram;
pub mod tls;
pub mod token_endpoint;
