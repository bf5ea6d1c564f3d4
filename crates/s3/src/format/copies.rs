//! Copies: whether data are what a writer would write of their values, found out once for each encoding that comes.

use millstream_avro::{Reader, Writer};
use millstream_core::Encoding;
use millstream_core::encoded::Datum;
use std::any::Any;
use std::sync::Arc;

/// Encodings that are remembered for one object; its records have one schema, which a registry may know by a few ids.
const REMEMBERED: usize = 8;

#[derive(Default)]
pub(super) struct Copies {
    known: Vec<(Arc<dyn Encoding>, bool)>,
}

impl Copies {
    /// The datum's bytes, if the writer, which is always the same one, would write them.
    pub(super) fn of<'a>(&mut self, writer: &Writer, datum: Datum<'a>) -> Option<&'a [u8]> {
        (datum.is_canonical && self.copies(writer, datum.encoding)).then_some(datum.bytes)
    }

    fn copies(&mut self, writer: &Writer, encoding: &Arc<dyn Encoding>) -> bool {
        let mut known = self.known.iter();
        if let Some((_, copies)) = known.find(|(known, _)| Arc::ptr_eq(known, encoding)) {
            return *copies;
        }
        let any: &dyn Any = &**encoding;
        let reader = any.downcast_ref::<Reader>();
        let copies = reader.is_some_and(|reader| writer.copies(reader));
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((Arc::clone(encoding), copies));
        copies
    }
}
