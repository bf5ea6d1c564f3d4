//! The live summary: redrawn in place on a terminal, plain lines elsewhere.

use super::screen::{Screen, Size};
use std::io::{self, Write};
use std::time::Duration;

/// What is shown at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) elapsed: Duration,
    pub(crate) records_in: u64,
    /// Records that came in since the snapshot before, and the most in any second so far.
    pub(crate) per_second: u64,
    pub(crate) peak: u64,
    pub(crate) objects: u64,
    pub(crate) object_records: u64,
    pub(crate) newest_objects: Vec<String>,
    /// Records behind what the archive's group has committed, and the hash's.
    pub(crate) archive_lag: u64,
    pub(crate) documents: u64,
    pub(crate) newest_documents: Vec<String>,
    pub(crate) hash_lag: u64,
}

impl Snapshot {
    /// Records that are not in S3: most of them in files that are not full.
    pub(crate) fn waiting(&self) -> u64 {
        self.records_in.saturating_sub(self.object_records)
    }
}

pub(crate) enum View {
    Terminal(Screen),
    /// A line each time; with `--json` standard output is for the summary alone.
    Lines {
        to_stderr: bool,
    },
}

impl View {
    /// Whether lines go below each other, so that fewer are better.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, View::Lines { .. })
    }

    pub(crate) fn draw(&self, now: &Snapshot) -> io::Result<()> {
        match self {
            View::Terminal(screen) => screen.draw(|size| table(now, size)),
            View::Lines { .. } => self.say(&line(now)),
        }
    }

    /// Writes a line of text that stays.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        match self {
            View::Lines { to_stderr: true } => writeln!(io::stderr(), "{text}"),
            View::Lines { to_stderr: false } | View::Terminal(_) => {
                let mut out = io::stdout().lock();
                writeln!(out, "{text}")?;
                out.flush()
            }
        }
    }
}

fn line(now: &Snapshot) -> String {
    format!(
        "{:>4} s  {} records in, {} a second; S3: {} in {} objects, {} not committed; documents: {}, {} not committed",
        now.elapsed.as_secs(),
        grouped(now.records_in),
        grouped(now.per_second),
        grouped(now.object_records),
        grouped(now.objects),
        grouped(now.archive_lag),
        grouped(now.documents),
        grouped(now.hash_lag)
    )
}

/// Lines of the summary beside the newest objects and documents.
const HEADS: usize = 4;

/// Newest objects and documents where there is room.
const NEWEST: usize = 3;

fn table(now: &Snapshot, size: Size) -> Vec<String> {
    // A row stays free for the cursor.
    let newest = (size.rows.saturating_sub(HEADS + 1) / 2).min(NEWEST);
    let mut lines = vec![
        format!("  running for {} s", now.elapsed.as_secs()),
        format!(
            "  records in {:>10}  {} a second now, {} at the most",
            grouped(now.records_in),
            grouped(now.per_second),
            grouped(now.peak)
        ),
        format!(
            "  in S3      {:>10}  in {} objects, {} wait for theirs to fill",
            grouped(now.object_records),
            grouped(now.objects),
            grouped(now.waiting())
        ),
    ];
    lines.extend(padded(&now.newest_objects, newest));
    lines.push(format!(
        "  documents  {:>10}  {} records to go",
        grouped(now.documents),
        grouped(now.records_in.saturating_sub(now.documents))
    ));
    lines.extend(padded(&now.newest_documents, newest));
    lines.truncate(size.rows.saturating_sub(1));
    lines
}

/// Always as many lines, so that the summary keeps its height.
fn padded(names: &[String], count: usize) -> impl Iterator<Item = String> + '_ {
    (0..count).map(|row| format!("    {}", names.get(row).map_or("", String::as_str)))
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn report_c19_the_summary_fits_its_terminal_and_keeps_its_height() {
        let now = Snapshot {
            records_in: 1_040,
            object_records: 1_035,
            newest_documents: vec!["MyTopic#2#99".to_owned()],
            ..Snapshot::default()
        };
        for rows in 1..40 {
            let lines = table(&now, Size { columns: 80, rows });
            assert!(lines.len() < rows, "{rows} rows: {lines:?}");
            assert_eq!(
                lines.len(),
                table(&Snapshot::default(), Size { columns: 80, rows }).len()
            );
        }
        let lines = table(
            &now,
            Size {
                columns: 80,
                rows: 24,
            },
        )
        .join("\n");
        assert!(lines.contains("5 wait for theirs to fill"), "{lines}");
        assert!(
            lines.lines().all(|line| line.chars().count() < 80),
            "{lines}"
        );
    }
}
