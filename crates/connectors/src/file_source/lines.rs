//! Lines: where text is cut, by the rules of Java's file source: after `\n`, `\r` or both, and only once the end is sure.

use bytes::{Buf, Bytes, BytesMut};
use millstream_core::{ByteColumn, text};

/// Text that was read and is not yet brought on.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: BytesMut,
    /// What of it is known to hold no end of a line.
    searched: usize,
}

/// Whole lines, without their ends.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) lines: ByteColumn,
    /// The bytes of the source up to the end of each, counted from the beginning of the first.
    pub(super) ends: Vec<i64>,
}

impl Lines {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Bytes that no line is made of yet.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Takes whole lines off, at most so many.
    pub(super) fn cut(&mut self, most: usize) -> Cut {
        let mut spans = Vec::new();
        let (mut start, mut ends) = (0, Vec::new());
        while spans.len() < most {
            let from = start.max(self.searched);
            let found = memchr::memchr2(b'\n', b'\r', &self.text[from..]).map(|at| from + at);
            let Some(end) = found else {
                self.searched = self.text.len();
                break;
            };
            let next = match (self.text[end], self.text.get(end + 1)) {
                (b'\n', _) => end + 1,
                (_, Some(b'\n')) => end + 2,
                (_, Some(_)) => end + 1,
                // It may be the first half of an end.
                (_, None) => {
                    self.searched = end;
                    break;
                }
            };
            spans.push((start, end));
            ends.push(next as i64);
            start = next;
        }
        self.searched = self.searched.saturating_sub(start);
        let taken = self.text.split_to(start).freeze();
        Cut {
            lines: column(taken, &spans),
            ends,
        }
    }
}

/// The lines as text that is well formed: what is malformed is replaced as Java's decoder does it.
fn column(text: Bytes, spans: &[(usize, usize)]) -> ByteColumn {
    let mut column = ByteColumn::with_capacity(spans.len());
    if simdutf8::basic::from_utf8(text.chunk()).is_ok() {
        let buffer = column.add_buffer(text);
        for (start, end) in spans {
            column.push_span(buffer, *start, end - start);
        }
        return column;
    }
    for (start, end) in spans {
        let line = text::decode_utf8(&text[*start..*end]);
        column.push(Some(Bytes::from(line.into_owned())));
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(cut: &Cut) -> Vec<(String, i64)> {
        let lines = cut.lines.iter().map(|line| {
            let line = line.expect("no line is null");
            String::from_utf8(line.to_vec()).unwrap()
        });
        lines.zip(cut.ends.iter().copied()).collect()
    }

    /// The lines of text that comes in these pieces, each with what is taken off with it.
    fn check(pieces: &[&str], expected: &[(&str, i64)], left: usize) {
        let mut lines = Lines::default();
        let (mut found, mut before) = (Vec::new(), 0);
        for piece in pieces {
            lines.push(piece.as_bytes());
            let cut = lines.cut(usize::MAX);
            for (line, end) in shown(&cut) {
                found.push((line, before + end));
            }
            before += cut.ends.last().copied().unwrap_or_default();
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, end)| ((*line).to_owned(), *end))
            .collect();
        assert_eq!((found, lines.len()), (expected, left), "{pieces:?}");
    }

    #[test]
    fn lines_end_as_java_says() {
        check(&["one\ntwo\nthr"], &[("one", 4), ("two", 8)], 3);
        check(
            &["a\r\nb\rc\n\n"],
            &[("a", 3), ("b", 5), ("c", 7), ("", 8)],
            0,
        );
        check(&["a\r", "\nb\n"], &[("a", 3), ("b", 5)], 0);
        check(&["a\r", "b\r"], &[("a", 2)], 2);
        check(&["zw", "öl", "f\n"], &[("zwölf", 7)], 0);
        check(&["", "x"], &[], 1);
    }

    #[test]
    fn no_more_lines_are_cut_than_are_asked_for() {
        let mut lines = Lines::default();
        lines.push(b"1\n2\n3\n");
        assert_eq!(shown(&lines.cut(2)), [("1".into(), 2), ("2".into(), 4)]);
        assert_eq!(shown(&lines.cut(2)), [("3".into(), 2)]);
        assert!(lines.cut(2).ends.is_empty());
    }

    #[test]
    fn malformed_text_is_replaced_and_counted_in_bytes() {
        let mut lines = Lines::default();
        lines.push(b"a\xC3\n\xA4\nok\n");
        let replaced = "\u{FFFD}";
        assert_eq!(
            shown(&lines.cut(9)),
            [
                (format!("a{replaced}"), 3),
                (replaced.to_owned(), 5),
                ("ok".to_owned(), 8)
            ]
        );
    }

    proptest! {
        /// However the text comes in, the lines are the same.
        #[test]
        fn pieces_make_no_difference(text in "[ab\r\n]{0,40}", cuts in prop::collection::vec(0..40usize, 0..4)) {
            let lines_of = |pieces: Vec<&str>| {
                let mut lines = Lines::default();
                let mut found = Vec::new();
                for piece in pieces {
                    lines.push(piece.as_bytes());
                    found.extend(shown(&lines.cut(usize::MAX)).into_iter().map(|(line, _)| line));
                }
                (found, lines.len())
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            prop_assert_eq!(lines_of(pieces), lines_of(vec![&text]));
        }
    }
}
