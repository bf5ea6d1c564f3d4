//! The report for a terminal.

use super::{Report, place, proof, range, size};
use std::fmt::Write;

/// Partitions and findings that are shown one by one; `--json` and `--html` have more.
const SHOWN: usize = 200;

/// The report as text, with a line break at the end.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(report, &mut out);
    out
}

fn write_all(report: &Report, out: &mut String) -> std::fmt::Result {
    let looked = &report.looked;
    write!(
        out,
        "{}: {} {}",
        looked.place,
        report.objects,
        looked.what()
    )?;
    match looked.is_documents {
        // Their ids alone are read.
        true => writeln!(out)?,
        false => writeln!(out, ", {}", size(report.bytes))?,
    }
    if looked.is_deep && !looked.is_documents {
        write!(
            out,
            "Contents: {} objects read, {}",
            looked.read_objects,
            size(looked.read_bytes)
        )?;
        if looked.resumed_objects > 0 {
            write!(
                out,
                "; {} known from an earlier run",
                looked.resumed_objects
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out, "Range: {}", looked.range)?;
    writeln!(out, "{}", report.sentence())?;
    if !report.partitions.is_empty() {
        writeln!(out)?;
        partitions(report, out)?;
    }
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    for finding in report.findings.iter().take(SHOWN) {
        let words = [
            finding.severity.name(),
            finding.kind.name(),
            &place(finding),
            &range(finding),
        ];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        write!(out, "{}: {}", words.join(" "), finding.detail)?;
        match &finding.key {
            Some(key) => writeln!(out, " [{key}]")?,
            None => writeln!(out)?,
        }
    }
    let more = report.findings.len().saturating_sub(SHOWN) as u64 + report.left_out;
    if more > 0 {
        writeln!(out, "… and {more} more")?;
    }
    if !report.counts.is_empty() {
        writeln!(out)?;
    }
    for count in &report.counts {
        writeln!(
            out,
            "{} {} ({}): {}",
            count.severity.name(),
            count.kind.name(),
            count.count,
            count.remedy
        )?;
    }
    for limit in &looked.limits {
        writeln!(out, "note: {limit}")?;
    }
    Ok(())
}

fn partitions(report: &Report, out: &mut String) -> std::fmt::Result {
    let what = report.looked.what().to_uppercase();
    let head: [&str; 7] = [
        "PARTITION",
        &what,
        "RECORDS",
        "FIRST",
        "END",
        "MISSING",
        "STATE",
    ];
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut rows: Vec<[String; 7]> = vec![head.map(str::to_owned)];
    for it in report.partitions.iter().take(SHOWN) {
        rows.push([
            format!("{}-{}", it.topic, it.partition),
            it.objects.to_string(),
            it.records
                .map_or_else(|| "-".to_owned(), |records| records.to_string()),
            number(it.first),
            number(it.end),
            it.missing.to_string(),
            proof(it).to_owned(),
        ]);
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    let more = report.partitions.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(out, "… and {more} more partitions")?;
    }
    Ok(())
}
