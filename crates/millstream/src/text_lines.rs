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
    use crate::log_context::LogContext;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut lines = self.0.lock().expect("not poisoned");
            lines.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_ends_with_what_it_happened_in_and_says_nothing_twice() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(TextLines)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let registry = tracing_subscriber::registry().with(LogContext).with(layer);
        tracing::subscriber::with_default(registry, || {
            let span = tracing::error_span!("task", connector = "s3-sink", task = 3u32);
            span.in_scope(|| {
                tracing::info!(offset = 7, "read");
                tracing::warn!(task = 3u32, "told itself");
            });
            tracing::error!("outside");
        });
        let text = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("UTF-8");
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
