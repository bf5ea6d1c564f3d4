//! Log lines as JSON, one object each: time, level, what happened, and the fields beside one another, with those of what it
//! happened in.

use crate::log_context::{Fields, around};
use serde_json::Value;
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
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
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        fields.put("timestamp", time);
        fields.put("level", event.metadata().level().as_str());
        event.record(&mut fields);
        fields.0.extend(around(context, event).0);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_context::lines_of;
    use std::io;

    #[test]
    fn report_c20_a_line_is_one_json_object_with_its_fields() {
        let text = lines_of(JsonLines, || {
            let _task = tracing::error_span!("task", connector = "other", partition = 1).entered();
            let error = io::Error::other("a \"quoted\" line\nbreak");
            tracing::warn!(connector = "s3-sink", task = 3u32, %error, stopped = false, "it fails");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(&text).expect("JSON");
        let time = line
            .as_object_mut()
            .and_then(|line| line.remove("timestamp"));
        assert!(time.is_some_and(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))));
        let expected = serde_json::json!({
            "level": "WARN", "message": "it fails", "connector": "s3-sink", "task": 3, "partition": 1,
            "error": "a \"quoted\" line\nbreak", "stopped": false
        });
        assert_eq!(line, expected);
    }
}
