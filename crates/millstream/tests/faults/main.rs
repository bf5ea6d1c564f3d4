//! The binary against services that fail: each request refused, delayed, cut off, or answered with each error, while
//! records flow. Nothing is lost, nothing comes twice, and the status says what is wrong in words. What a person sees
//! is `docs/errors.md`; `MILLSTREAM_WRITE_DOCS=1 cargo test --release -p millstream --test faults` writes it.
#![allow(clippy::unwrap_used)]

mod aws;
mod bootstrap;
mod case;
mod cluster;
mod differences;
mod discovery;
mod documents;
mod environment;
mod hash_key;
mod kafka;
mod ledger;
mod memory;
mod metrics;
mod poison;
mod queue_crashes;
mod queue_sources;
mod queue_stage;
mod queues;
mod registry;
mod report_a_records;
mod report_c_many;
mod report_c_status;
mod report_documents;
mod report_kafka;
mod report_memory;
mod report_process;
mod report_s3;
mod report_stall;
mod report_worker;
mod rest;
mod s3;
mod sign_in;
mod sqs;
mod stage;
mod stops;
mod stream_queue;
mod strike;
mod table;
mod totals;
mod worker;
