//! Offsets: what the records of source offsets say, in the terms of connectors.

use crate::records::Unusable;
use crate::records::offset::{InvalidOffset, OffsetTable};
use millstream_core::compacted_log::LogEntry;
use millstream_core::{Map, Plain, SourceMap, Value};

/// Where all connectors stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets(OffsetTable);

impl Offsets {
    /// Takes a record.
    ///
    /// # Errors
    /// If it tells nothing.
    pub(crate) fn read(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Unusable> {
        self.0.read(key, value)
    }

    /// All that is known of a connector. What no source could have stored is left out.
    pub(crate) fn of(&self, connector: &str) -> Vec<(SourceMap, SourceMap)> {
        let all = self.0.of(connector).into_iter();
        all.filter_map(|(partition, offset)| Some((source_map(&partition)?, source_map(&offset)?)))
            .collect()
    }

    /// The record that says where the connector stands; `None`: nowhere.
    ///
    /// # Errors
    /// As `OffsetTable::write`.
    pub(crate) fn write(
        &self,
        connector: &str,
        partition: &SourceMap,
        offset: Option<&SourceMap>,
    ) -> Result<LogEntry, InvalidOffset> {
        let offset = offset.map(map);
        self.0.write(connector, &map(partition), offset.as_ref())
    }
}

/// In the order of Java's hash map.
fn map(source: &SourceMap) -> Map {
    let pairs = source.iter();
    Map::hashed(pairs.map(|(name, value)| (Value::from(name), value.to_value())))
}

fn source_map(map: &Map) -> Option<SourceMap> {
    let mut source = SourceMap::new();
    for (name, value) in map.iter() {
        let Value::String(name) = name else {
            return None;
        };
        source.set(name.to_java_utf8(), Plain::from_value(value).ok()?);
    }
    Some(source)
}
