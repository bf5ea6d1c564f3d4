//! The flags of `millstream advise`: the load's own are `millstream_advise`'s, and here is where it may be measured.

use clap::Args;
use millstream_advise::flags::Flags;
use millstream_tools::connection::ConnectionArgs;
use std::path::PathBuf;

/// Say what a load needs and costs: always-on tasks or Lambda, how many, and which objects and requests S3 sees. With --queue
/// its messages are in a queue, and not in a topic.
///
/// The load comes from --messages-per-day and --size, or is measured: of a topic (--topic with --bootstrap-server) or of a
/// connector that runs (--connector with --url). A flag goes before what was measured.
#[derive(Debug, Args)]
pub(crate) struct AdviseArgs {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Measure this topic: its last day by the times of its records, their size, its partitions.
    #[arg(long, conflicts_with_all = ["connector", "queue"])]
    pub(crate) topic: Option<String>,
    /// Look at this connector: its settings, and what it reads meanwhile.
    #[arg(long, requires = "url", conflicts_with = "queue")]
    pub(crate) connector: Option<String>,
    /// The REST API of a worker that knows it: http://localhost:8083.
    #[arg(long, requires = "connector")]
    pub(crate) url: Option<String>,
    /// How long the connector is looked at, such as 1m; 1m unless set.
    #[arg(long, value_name = "DURATION", requires = "connector")]
    pub(crate) over: Option<String>,
    /// Prices of another region or day: a file of the form of crates/advise/prices.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// One JSON object for machines.
    #[arg(long)]
    pub(crate) json: bool,
}
