//! Flags and variables about totals in place of records.

use clap::{ArgAction, Args, ValueEnum};

#[derive(Debug, Default, Args)]
pub(crate) struct AggregateArgs {
    /// Write totals in place of the records: for each key and each window of time how many records there were, with sums,
    /// extremes and last values of their fields. A record that is read again counts once.
    #[arg(long, env = "AGGREGATE", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true")]
    pub(crate) aggregate: bool,
    /// Values are JSON, and records with the same value of this field belong together: customer.id. Unless set, those do whose
    /// values have the same hash as a whole.
    #[arg(long, env = "AGGREGATE_KEY", value_name = "FIELD")]
    pub(crate) aggregate_key: Option<String>,
    /// Whether totals have the hash of the key's field, which is a text then, or the field itself.
    #[arg(long, env = "AGGREGATE_KEY_AS", value_enum, default_value = "hash")]
    pub(crate) aggregate_key_as: KeyForm,
    /// How long a window of the records' timestamps is, in milliseconds.
    #[arg(
        long,
        env = "AGGREGATE_WINDOW_MS",
        default_value_t = 60_000,
        value_name = "MS"
    )]
    pub(crate) aggregate_window_ms: i64,
    /// What is kept beside the number of records: sum:amount,min:amount,max:amount,last:plan.
    #[arg(
        long,
        env = "AGGREGATE_FIELDS",
        value_delimiter = ',',
        value_name = "FIELDS"
    )]
    aggregate_fields: Vec<String>,
    /// How long after the end of its window a record still counts, by the timestamps of its partition; an hour unless set.
    #[arg(long, env = "AGGREGATE_LATENESS_MS", value_name = "MS")]
    pub(crate) aggregate_lateness_ms: Option<i64>,
    /// How long records are gathered before their totals are written; half a second unless set.
    #[arg(long, env = "AGGREGATE_LINGER_MS", value_name = "MS")]
    pub(crate) aggregate_linger_ms: Option<i64>,
}

impl AggregateArgs {
    /// What is kept of fields; a variable that is set to nothing names none.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let fields = self.aggregate_fields.iter().map(|text| text.trim());
        fields.filter(|text| !text.is_empty()).collect()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyForm {
    #[default]
    Hash,
    Plain,
}
