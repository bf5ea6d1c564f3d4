//! ByteColumn: many byte strings as spans over a few shared buffers, like Arrow's binary view.
//! It costs one reference count per buffer, not per row; null is apart from empty.

use bytes::Bytes;

/// Where a row's bytes lie. `buffer == NULL` marks a null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    buffer: u32,
    start: u32,
    len: u32,
}

const NULL: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub struct ByteColumn {
    buffers: Vec<Bytes>,
    spans: Vec<Span>,
}

impl ByteColumn {
    pub fn new() -> Self {
        ByteColumn::default()
    }

    pub fn with_capacity(rows: usize) -> Self {
        ByteColumn {
            buffers: Vec::new(),
            spans: Vec::with_capacity(rows),
        }
    }

    /// Makes room for further rows.
    pub fn reserve(&mut self, rows: usize) {
        self.spans.reserve(rows);
    }

    /// A column of nulls.
    pub fn nulls(rows: usize) -> Self {
        ByteColumn {
            buffers: Vec::new(),
            spans: vec![
                Span {
                    buffer: NULL,
                    start: 0,
                    len: 0
                };
                rows
            ],
        }
    }

    /// Adds a buffer and returns its number for `push_span`. At most 4 GiB each.
    pub fn add_buffer(&mut self, buffer: Bytes) -> u32 {
        self.buffers.push(buffer);
        (self.buffers.len() - 1) as u32
    }

    /// Adds a row that lies at `start..start + len` of a buffer that was added before.
    ///
    /// # Panics
    /// If the span is not inside the buffer.
    #[inline]
    pub fn push_span(&mut self, buffer: u32, start: usize, len: usize) {
        debug_assert!(start + len <= self.buffers[buffer as usize].len());
        self.spans.push(Span {
            buffer,
            start: start as u32,
            len: len as u32,
        });
    }

    #[inline]
    pub fn push_null(&mut self) {
        self.spans.push(Span {
            buffer: NULL,
            start: 0,
            len: 0,
        });
    }

    /// Adds a row that lies at `(start, len)` of a buffer that was added before, or a null.
    ///
    /// # Panics
    /// If the span is not inside the buffer.
    #[inline(always)]
    pub fn push_place(&mut self, buffer: u32, place: Option<(usize, usize)>) {
        match place {
            Some((start, len)) => self.push_span(buffer, start, len),
            None => self.push_null(),
        }
    }

    /// A column without rows that has the buffers of this one, under the same numbers.
    pub fn sharing_buffers(&self, rows: usize) -> Self {
        ByteColumn {
            buffers: self.buffers.clone(),
            spans: Vec::with_capacity(rows),
        }
    }

    /// Adds a part of a row of another column, whose buffers this one shares; a null if the row is one.
    ///
    /// # Panics
    /// If the part is not inside the row.
    #[inline]
    pub fn push_part(&mut self, other: &ByteColumn, row: usize, start: usize, len: usize) {
        let span = other.spans[row];
        if span.buffer == NULL {
            return self.push_null();
        }
        assert!(start + len <= span.len as usize, "a part of the row");
        self.push_span(span.buffer, span.start as usize + start, len);
    }

    /// Adds a row with a buffer of its own.
    pub fn push(&mut self, row: Option<Bytes>) {
        match row {
            Some(bytes) => {
                let len = bytes.len();
                let buffer = self.add_buffer(bytes);
                self.push_span(buffer, 0, len);
            }
            None => self.push_null(),
        }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The row's bytes; `None` for null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let span = self.spans[row];
        if span.buffer == NULL {
            return None;
        }
        let start = span.start as usize;
        Some(&self.buffers[span.buffer as usize][start..start + span.len as usize])
    }

    /// The row as a shared slice of its buffer.
    pub fn get_shared(&self, row: usize) -> Option<Bytes> {
        let span = self.spans[row];
        (span.buffer != NULL).then(|| {
            let start = span.start as usize;
            self.buffers[span.buffer as usize].slice(start..start + span.len as usize)
        })
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.spans[row].buffer == NULL
    }

    pub fn is_all_null(&self) -> bool {
        self.spans.iter().all(|span| span.buffer == NULL)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Keeps the rows for which `keep` says so, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut row = 0;
        self.spans.retain(|_| {
            row += 1;
            keep(row - 1)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_null_from_empty_and_keeps_order() {
        let mut column = ByteColumn::new();
        let buffer = column.add_buffer(Bytes::from_static(b"abcdef"));
        column.push_span(buffer, 1, 2);
        column.push_null();
        column.push_span(buffer, 3, 0);
        column.push(Some(Bytes::from_static(b"x")));
        column.retain(|row| row != 0);
        let rows: Vec<_> = column.iter().collect();
        assert_eq!(rows, [None, Some(&b""[..]), Some(&b"x"[..])]);
    }

    #[test]
    fn parts_of_rows_lie_where_the_rows_lie() {
        let mut column = ByteColumn::new();
        column.push(Some(Bytes::from_static(b"abc")));
        column.push_null();
        column.push(Some(Bytes::from_static(b"def")));
        let mut parts = column.sharing_buffers(3);
        let own = parts.add_buffer(Bytes::from_static(b"own"));
        parts.push_part(&column, 2, 1, 2);
        parts.push_part(&column, 1, 0, 0);
        parts.push_span(own, 0, 3);
        let rows: Vec<_> = parts.iter().collect();
        assert_eq!(rows, [Some(&b"ef"[..]), None, Some(&b"own"[..])]);
    }
}
