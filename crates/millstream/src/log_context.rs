//! What a log line is about: the fields of the spans around it, kept so that a line can carry them beside its own.

use serde_json::{Map, Value};
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
#[cfg(test)]
use {
    std::io::{Read, Seek},
    std::sync::Arc,
    tracing_subscriber::fmt::FormatEvent,
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::layer::{Layered, SubscriberExt},
    tracing_subscriber::registry::Registry,
};

/// Keeps the fields of our spans. Those of libraries may hold what no log should.
pub(crate) struct LogContext;

impl<S> Layer<S> for LogContext
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("millstream") {
            return;
        }
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }
}

/// The fields of the spans around an event that the event does not have itself, those of inner spans first.
pub(crate) fn around<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Fields
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    let mut around = Fields::default();
    for span in context.event_scope().into_iter().flatten() {
        let extensions = span.extensions();
        let fields = extensions.get::<Fields>().map(|fields| fields.0.iter());
        for (name, value) in fields.into_iter().flatten() {
            if event.metadata().fields().field(name).is_none() && !around.0.contains_key(name) {
                around.0.insert(name.clone(), value.clone());
            }
        }
    }
    around
}

/// Fields by name, as JSON has them.
#[derive(Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    pub(crate) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// As they stand at the end of a line for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            // Writing to a text does not fail.
            let _ = write!(text, " {name}={value}");
        }
        text
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field.name(), value.to_string());
    }
}

/// The lines that a format makes of the events of `emit`.
#[cfg(test)]
pub(crate) fn lines_of<E>(format: E, emit: impl FnOnce()) -> String
where
    E: FormatEvent<Layered<LogContext, Registry>, DefaultFields> + Send + Sync + 'static,
{
    let file = Arc::new(tempfile::tempfile().expect("a file"));
    let layer = tracing_subscriber::fmt::layer()
        .event_format(format)
        .with_ansi(false)
        .with_writer(Arc::clone(&file));
    let registry = tracing_subscriber::registry().with(LogContext).with(layer);
    tracing::subscriber::with_default(registry, emit);
    let mut text = String::new();
    let read = (&*file)
        .rewind()
        .and_then(|()| (&*file).read_to_string(&mut text));
    read.expect("UTF-8");
    text
}
