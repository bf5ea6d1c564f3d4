//! Printer: lines of JSON to the standard output, written behind the task that makes them.

use crate::output::Output;
use millstream_core::{Map, RecordError, SinkError, Value};
use millstream_java::json::write_value;

/// Lines that may wait before whoever makes them does.
const WAITING: usize = 1024 * 1024;

pub(super) struct Printer {
    output: Output,
    waiting: Vec<u8>,
}

impl Printer {
    pub(super) fn new(output: Output) -> Self {
        Printer {
            output,
            waiting: Vec::new(),
        }
    }

    /// Adds a line, with its fields in the order of Java's hash map.
    pub(super) fn print(&mut self, fields: impl IntoIterator<Item = (&'static str, Value)>) {
        let pairs = fields
            .into_iter()
            .map(|(name, value)| (Value::from(name), value));
        let start = self.waiting.len();
        let line = Value::Map(Map::hashed(pairs));
        if let Err(error) = write_value(&mut self.waiting, &line) {
            self.waiting.truncate(start);
            self.note(&error);
        }
        self.waiting.push(b'\n');
        self.go_on();
    }

    /// What Java prints in the place of what is not JSON.
    fn note(&mut self, error: &RecordError) {
        let text = format!("Bad data can't be written as json: {}", error.message);
        self.waiting.extend_from_slice(text.as_bytes());
    }

    fn go_on(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some(room) = self.output.room() {
            room.append(&mut self.waiting);
            self.output.begin();
        }
    }

    /// Returns when there is room for more lines. Cancel safe.
    ///
    /// # Errors
    /// Lines that cannot be written end the task.
    pub(super) async fn room(&mut self) -> Result<(), SinkError> {
        while self.waiting.len() > WAITING {
            self.step().await?;
        }
        Ok(())
    }

    /// Returns when all lines are written. Cancel safe.
    ///
    /// # Errors
    /// As `room`.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        loop {
            self.step().await?;
            if self.waiting.is_empty() && !self.output.is_writing() {
                return Ok(());
            }
        }
    }

    async fn step(&mut self) -> Result<(), SinkError> {
        if let Err(error) = self.output.settled().await {
            return Err(SinkError::fatal(format!("cannot print: {error}")));
        }
        self.go_on();
        Ok(())
    }
}
