//! Records that are written as Java would write them already: nothing but a look at each token, for there is nothing to
//! remember of a text that is copied as it is.

use super::names::{Names, Place};
use super::strings::{StringSpan, holds_beyond_bmp};
use super::{Form, MAX_DEPTH, number, word_end};

/// The end of an object or a list that may be copied. `None` if it may not, or if its names are not known yet.
pub(super) fn scan(names: &Names, record: &[u8], at: usize) -> Option<usize> {
    let mut walk = Walk {
        names,
        record,
        non_ascii: false,
    };
    let end = walk.container(at, Place::ROOT, 0)?;
    if walk.non_ascii {
        let text = &record[at..end];
        if holds_beyond_bmp(text) || simdutf8::basic::from_utf8(text).is_err() {
            return None;
        }
    }
    Some(end)
}

struct Walk<'a> {
    names: &'a Names,
    record: &'a [u8],
    non_ascii: bool,
}

impl Walk<'_> {
    fn container(&mut self, open: usize, names: Place, depth: usize) -> Option<usize> {
        if depth == MAX_DEPTH {
            return None;
        }
        match self.record.get(open)? {
            b'{' => self.object(open, names, depth),
            b'[' => self.array(open, names, depth),
            _ => None,
        }
    }

    #[inline]
    fn object(&mut self, open: usize, names: Place, depth: usize) -> Option<usize> {
        let mut at = open + 1;
        if self.record.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        let mut place = names;
        loop {
            let (next, len) = self.names.next(place, self.record.get(at..)?)?;
            place = next;
            at += len;
            at = match *self.record.get(at)? {
                b'{' | b'[' => self.container(at, self.names.known_inside(place)?, depth + 1)?,
                byte => self.scalar(at, byte)?,
            };
            match self.record.get(at)? {
                b',' => at += 1,
                b'}' => return self.names.is_kept(place).then_some(at + 1),
                _ => return None,
            }
        }
    }

    #[inline]
    fn array(&mut self, open: usize, names: Place, depth: usize) -> Option<usize> {
        let mut at = open + 1;
        if self.record.get(at) == Some(&b']') {
            return Some(at + 1);
        }
        loop {
            at = match *self.record.get(at)? {
                b'{' | b'[' => self.container(at, names, depth + 1)?,
                byte => self.scalar(at, byte)?,
            };
            match self.record.get(at)? {
                b',' => at += 1,
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The end of a string, a number or a word.
    #[inline(always)]
    fn scalar(&mut self, at: usize, byte: u8) -> Option<usize> {
        match byte {
            b'"' => {
                let string = StringSpan::scan(self.record, at)?;
                self.non_ascii |= string.non_ascii;
                (!string.odd).then_some(string.end)
            }
            b'-' | b'0'..=b'9' => {
                let number = number::scan(self.record, at)?;
                let kept = number.form == Form::Joined && number.copy_end == number.end;
                kept.then_some(number.end)
            }
            _ => word_end(self.record, at),
        }
    }
}
