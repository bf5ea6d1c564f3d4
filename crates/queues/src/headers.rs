//! The headers of a message in one piece of memory. There are some ten of them, each shorter than what an allocation of its
//! own would cost.

use std::ops::Range;

/// Names and values in the order in which they came. Names may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageHeaders {
    /// Names, which are UTF-8, and values, one behind the other.
    bytes: Vec<u8>,
    /// Where each name and its value end.
    ends: Vec<(usize, usize)>,
}

impl MessageHeaders {
    /// None yet, with room for so many, of so many bytes in all.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        MessageHeaders {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(headers),
        }
    }

    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.push_under("", name, value);
    }

    /// Adds a header whose name is put together of two parts.
    pub fn push_under(&mut self, prefix: &str, name: &str, value: &[u8]) {
        for part in [prefix.as_bytes(), name.as_bytes()] {
            self.bytes.extend_from_slice(part);
        }
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len()));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.spans().map(|(name, value)| {
            let name = std::str::from_utf8(&self.bytes[name]);
            (name.unwrap_or_default(), &self.bytes[value])
        })
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut spans = self.spans();
        let found = spans.find(|(known, _)| self.bytes[known.clone()] == *name.as_bytes());
        found.map(|(_, value)| &self.bytes[value])
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All names and values, one behind the other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each name and its value are among `bytes`.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let name = start..*name_end;
            start = *end;
            (name, *name_end..*end)
        })
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for MessageHeaders {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut headers = MessageHeaders::default();
        for (name, value) in pairs {
            headers.push(name.as_ref(), value.as_ref());
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_come_back_in_their_order_and_the_first_of_a_name_counts() {
        let mut headers = MessageHeaders::from_iter([("a", "1"), ("", "2"), ("a", "")]);
        headers.push_under("x.", "a", b"\xFF");
        let all: Vec<_> = headers.iter().collect();
        let expected = [
            ("a", &b"1"[..]),
            ("", &b"2"[..]),
            ("a", &b""[..]),
            ("x.a", &b"\xFF"[..]),
        ];
        assert_eq!(all, expected);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("x.a"), Some(&b"\xFF"[..]));
        assert_eq!(headers.get("x."), None);
        assert_eq!(headers.bytes(), b"a12ax.a\xFF");
    }
}
