//! Amazon SQS, standard and FIFO queues: long polls, deletion in batches, visibility as the lease.

mod config;
mod input;
mod message;
mod queue_url;

pub(crate) use config::Sqs;
