//! The live summary: redrawn in place on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};

/// What is shown at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) seconds: u64,
    pub(crate) records_in: u64,
    pub(crate) per_second: u64,
    pub(crate) objects: u64,
    pub(crate) object_records: u64,
    pub(crate) newest_objects: Vec<String>,
    pub(crate) archive_lag: u64,
    pub(crate) documents: u64,
    pub(crate) newest_documents: Vec<String>,
    pub(crate) hash_lag: u64,
}

pub(crate) struct View {
    is_terminal: bool,
    /// Lines drawn the last time, to be drawn over.
    drawn: usize,
}

impl View {
    pub(crate) fn new() -> Self {
        View {
            is_terminal: io::stdout().is_terminal(),
            drawn: 0,
        }
    }

    /// Whether lines go below each other, so that fewer are better.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_terminal
    }

    pub(crate) fn draw(&mut self, now: &Snapshot) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.is_terminal {
            writeln!(
                out,
                "{:>4} s  records in {}  objects {} ({} records)  documents {}  lag {} / {}",
                now.seconds,
                now.records_in,
                now.objects,
                now.object_records,
                now.documents,
                now.archive_lag,
                now.hash_lag
            )?;
            return out.flush();
        }
        let lines = table(now);
        if self.drawn > 0 {
            write!(out, "\x1b[{}A", self.drawn)?;
        }
        for line in &lines {
            writeln!(out, "\x1b[2K{line}")?;
        }
        self.drawn = lines.len();
        out.flush()
    }
}

fn table(now: &Snapshot) -> Vec<String> {
    let mut lines = vec![
        format!("  running for {} s", now.seconds),
        format!(
            "  records in   {:>10}   {} a second",
            now.records_in, now.per_second
        ),
        format!(
            "  S3 objects   {:>10}   {} records, {} not committed yet",
            now.objects, now.object_records, now.archive_lag
        ),
    ];
    lines.extend(padded(&now.newest_objects));
    lines.push(format!(
        "  documents    {:>10}   {} not committed yet",
        now.documents, now.hash_lag
    ));
    lines.extend(padded(&now.newest_documents));
    lines
}

/// Always three lines, so that the summary keeps its height.
fn padded(names: &[String]) -> impl Iterator<Item = String> + '_ {
    (0..3).map(|row| format!("      {}", names.get(row).map_or("", String::as_str)))
}
