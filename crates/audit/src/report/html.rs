//! The report as one page: no scripts, and nothing is loaded from elsewhere.

use super::{Outcome, Report, place, proof, range, size};
use crate::finding::Finding;
use crate::judge::{PartitionVerdict, Proof};
use std::fmt::Write;

/// Bars are drawn for so many partitions: a browser has to lay them out.
const DRAWN: usize = 2_000;

const STYLE: &str = "\
:root{color-scheme:light dark;--ok:#1a7f37;--bad:#cf222e;--dim:#6e7781;--line:#d0d7de}\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}\
.verdict{padding:.75rem 1rem;border-radius:.5rem;border:2px solid var(--dim);font-weight:600}\
.proven{border-color:var(--ok)}.findings{border-color:var(--bad)}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
code{overflow-wrap:anywhere}.error{color:var(--bad);font-weight:600}.note{color:var(--dim)}\
.counted{color:var(--ok)}.faulty{color:var(--bad)}\
svg{display:block;width:12rem;height:.8rem}details{margin:.3rem 0}";

/// The whole page.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(report, &mut out);
    out
}

fn write_all(report: &Report, out: &mut String) -> std::fmt::Result {
    let looked = &report.looked;
    let title = escaped(&looked.place);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Audit of {title}</title><style>{STYLE}</style></head><body>\n<h1>Audit of {title}</h1>"
    )?;
    let class = match report.outcome {
        Outcome::Proven => "proven",
        Outcome::NothingFound => "",
        Outcome::Findings => "findings",
    };
    writeln!(
        out,
        "<p class=\"verdict {class}\">{}</p>",
        escaped(&report.sentence())
    )?;
    let read = match looked.is_deep {
        true if looked.is_documents => "by their ids".to_owned(),
        true => format!(
            "{} of them read ({}), {} known from an earlier run",
            looked.read_objects,
            size(looked.read_bytes),
            looked.resumed_objects
        ),
        false => "by names and sizes".to_owned(),
    };
    writeln!(
        out,
        "<p>{} {}, {}; {read}. Range: {}.</p>",
        report.objects,
        looked.what(),
        size(report.bytes),
        escaped(&looked.range)
    )?;
    for limit in &looked.limits {
        writeln!(out, "<p class=\"note\">{}</p>", escaped(limit))?;
    }
    partitions(report, out)?;
    findings(report, out)?;
    writeln!(out, "</body></html>")
}

fn partitions(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.partitions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Partitions</h2>\n<div class=\"scroll\"><table><thead><tr><th>Partition</th><th class=\"n\">Objects</th><th class=\"n\">Size</th>\
         <th class=\"n\">Records</th><th class=\"n\">First</th><th class=\"n\">End</th><th class=\"n\">Missing</th><th>State</th>\
         <th>Gaps</th></tr></thead><tbody>"
    )?;
    let number = |number: Option<i64>| number.map_or_else(|| "–".to_owned(), |it| it.to_string());
    for it in report.partitions.iter().take(DRAWN) {
        let class = match it.proof {
            Proof::Counted => "counted",
            Proof::Names => "note",
            Proof::Faulty => "faulty",
        };
        writeln!(
            out,
            "<tr><td>{}-{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"{class}\">{}</td><td>{}</td></tr>",
            escaped(&it.topic),
            it.partition,
            it.objects,
            size(it.bytes),
            it.records
                .map_or_else(|| "–".to_owned(), |records| records.to_string()),
            number(it.first),
            number(it.end),
            it.missing,
            proof(it),
            bar(report, it),
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    let more = report.partitions.len().saturating_sub(DRAWN);
    if more > 0 {
        writeln!(out, "<p>{more} more partitions are in the JSON report.</p>")?;
    }
    Ok(())
}

/// A partition's range from left to right, with what is missing or double in it.
fn bar(report: &Report, verdict: &PartitionVerdict) -> String {
    let is_its = |finding: &&Finding| {
        finding.topic == verdict.topic
            && finding.partition == Some(verdict.partition)
            && finding.to.is_some()
    };
    let marked: Vec<&Finding> = report.findings.iter().filter(is_its).collect();
    let Some(first) = verdict.first else {
        return String::new();
    };
    let begin = marked
        .iter()
        .filter_map(|finding| finding.from)
        .min()
        .unwrap_or(first)
        .min(first);
    let end = marked
        .iter()
        .filter_map(|finding| finding.to)
        .max()
        .unwrap_or(first);
    let end = end.max(verdict.end.unwrap_or(first)).max(begin + 1);
    let at = |offset: i64| 1000.0 * (offset - begin) as f64 / (end - begin) as f64;
    let mut svg = String::from(
        "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"range of offsets\">\
         <rect width=\"1000\" height=\"10\" fill=\"#8c959f\" opacity=\".5\"/>",
    );
    for finding in marked {
        if let (Some(from), Some(to)) = (finding.from, finding.to) {
            let (x, width) = (at(from), (at(to) - at(from)).max(6.0));
            let colour = if finding.severity == crate::finding::Severity::Note {
                "#bf8700"
            } else {
                "#cf222e"
            };
            let _ = write!(
                svg,
                "<rect x=\"{x:.1}\" width=\"{width:.1}\" height=\"10\" fill=\"{colour}\"/>"
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn findings(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What was found, and what to do</h2>")?;
    for count in &report.counts {
        let (severity, kind) = (count.severity.name(), count.kind.name());
        writeln!(
            out,
            "<details open><summary><span class=\"{severity}\">{severity}</span> {kind}: {}</summary><p>{}</p></details>",
            count.count,
            escaped(count.remedy)
        )?;
    }
    writeln!(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>Severity</th><th>Kind</th><th>Place</th><th>Offsets</th><th>What</th></tr></thead><tbody>"
    )?;
    for finding in &report.findings {
        let severity = finding.severity.name();
        let key = finding.key.as_deref().map_or_else(String::new, |key| {
            format!("<br><code>{}</code>", escaped(key))
        });
        writeln!(
            out,
            "<tr><td class=\"{severity}\">{severity}</td><td>{}</td><td>{}</td><td>{}</td><td>{}{key}</td></tr>",
            finding.kind.name(),
            escaped(&place(finding)),
            range(finding),
            escaped(&finding.detail)
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if report.left_out > 0 {
        writeln!(
            out,
            "<p>{} more were counted and are not shown.</p>",
            report.left_out
        )?;
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
