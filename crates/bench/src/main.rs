//! The small programs around `bench/run`: filling a topic, the raw fetch loop that bounds everything else, our consumer
//! alone, and an S3 and a document server that answer at once. Each runs in its own process, so that `bench/run` can tell whose CPU time is whose.

// The programs talk to `bench/run` on standard output.
#![allow(clippy::print_stdout)]

mod avro;
mod batch;
mod docs_sink;
mod fetch;
mod fill;
mod random;
mod raw;
mod s3_sink;
mod wire;

use clap::{Args, Parser, Subcommand, ValueEnum};
use millstream_kafka::codec::Codec;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "The helper programs of bench/run")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Creates a topic and fills its partitions evenly with records of one kind
    Fill {
        #[command(flatten)]
        topic: Topic,
        #[arg(long, value_enum, default_value = "text")]
        kind: Kind,
        /// What batches are compressed with, as Kafka's clients do it
        #[arg(long, value_parser = codec_named, default_value = "none")]
        codec: Codec,
    },
    /// Prints the schema of records of the kind avro, whose messages have the id 1
    AvroSchema,
    /// Reads a topic with blocking sockets: fetch, checksum, walk, nothing else
    Raw {
        #[command(flatten)]
        topic: Topic,
    },
    /// Reads a topic with millstream's consumer and drops every batch
    Fetch {
        #[command(flatten)]
        topic: Topic,
        /// Further client settings, such as those of TLS
        #[arg(long)]
        properties: Option<PathBuf>,
    },
    /// Answers MongoDB's write commands at once and counts the documents
    DocsSink {
        #[arg(long)]
        port: u16,
    },
    /// Answers S3's multipart calls at once and counts the lines it is sent
    S3Sink {
        #[arg(long)]
        port: u16,
        /// Lets the kernel throw away what comes, and counts objects alone
        #[arg(long)]
        discard: bool,
    },
}

#[derive(Args)]
struct Topic {
    /// The only broker, as host:port
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    topic: String,
    #[arg(long, default_value_t = 3)]
    partitions: i32,
    /// Records in the whole topic
    #[arg(long)]
    records: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// 100 bytes of ASCII words
    Text,
    /// 1,000 bytes of them
    #[value(name = "text1k")]
    Text1k,
    /// 10,000 bytes of them
    #[value(name = "text10k")]
    Text10k,
    /// 1,000,000 bytes of them
    #[value(name = "text1m")]
    Text1m,
    /// Objects of 110 bytes with five fields
    Json,
    /// Messages of 100 bytes with five fields, of the schema that `avro-schema` prints
    Avro,
    /// Objects of some 560 bytes in Java's order: a list of four objects, a text of 45 words, decimals
    Nested,
}

fn codec_named(name: &str) -> Result<Codec, &'static str> {
    Codec::named(name).ok_or("not a name of Kafka's compression.type")
}

impl Kind {
    /// How many make a batch of 100 kB before compression, as busy producers send.
    fn per_batch(self) -> u64 {
        match self {
            Kind::Text | Kind::Json | Kind::Avro => 1_000,
            Kind::Nested => 200,
            Kind::Text1k => 100,
            Kind::Text10k => 10,
            Kind::Text1m => 1,
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    match Cli::parse().command {
        Command::Fill { topic, kind, codec } => fill::run(&topic, kind, codec),
        Command::AvroSchema => {
            println!("{}", avro::SCHEMA);
            Ok(())
        }
        Command::Raw { topic } => raw::run(&topic),
        Command::Fetch { topic, properties } => fetch::run(&topic, properties.as_deref()),
        Command::DocsSink { port } => docs_sink::run(port),
        Command::S3Sink { port, discard } => s3_sink::run(port, discard),
    }
}
