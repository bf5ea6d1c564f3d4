//! Log lines for people: time, level, what happened, its fields, and those of what it happened in.

use crate::log_context::around;
use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

pub(crate) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let (dim, colour, plain) = match writer.has_ansi_escapes() {
            true => ("\x1b[2m", colour(level), "\x1b[0m"),
            false => ("", "", ""),
        };
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "{plain} {colour}{level:>5}{plain} ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer, "{}", around(context, event).text())
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_context::lines_of;

    #[test]
    fn a_line_ends_with_what_it_happened_in_and_says_nothing_twice() {
        let text = lines_of(TextLines, || {
            let span = tracing::error_span!("task", connector = "s3-sink", task = 3u32);
            span.in_scope(|| {
                tracing::info!(offset = 7, "read");
                tracing::warn!(task = 3u32, "told itself");
            });
            tracing::error!("outside");
        });
        let behind_time: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once('Z')?.1))
            .collect();
        assert_eq!(
            behind_time,
            [
                "  INFO read offset=7 connector=\"s3-sink\" task=3",
                "  WARN told itself task=3 connector=\"s3-sink\"",
                " ERROR outside",
            ]
        );
    }
}
