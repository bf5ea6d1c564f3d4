//! Reader: a cursor over bytes with Kafka's variable-length numbers. Running out is an answer, never a panic.

pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

/// Why a number or a field cannot be read.
pub(super) const CUT_OFF: &str = "the batch ends in the middle of a record";
const TOO_LONG: &str = "a variable-length number is too long";

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Reader { bytes, at }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or(CUT_OFF)?;
        self.at += 1;
        Ok(byte)
    }

    /// A zigzag number of at most five bytes; most have one.
    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<i32, &'static str> {
        let first = self.byte()?;
        let raw = if first < 0x80 {
            u32::from(first)
        } else {
            self.varint_rest(first)?
        };
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    fn varint_rest(&mut self, first: u8) -> Result<u32, &'static str> {
        let mut raw = u32::from(first & 0x7F);
        for shift in [7, 14, 21, 28] {
            let byte = self.byte()?;
            raw |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(raw);
            }
        }
        Err(TOO_LONG)
    }

    /// A zigzag number of at most ten bytes.
    #[inline(always)]
    pub(super) fn varlong(&mut self) -> Result<i64, &'static str> {
        let first = self.byte()?;
        let raw = if first < 0x80 {
            u64::from(first)
        } else {
            self.varlong_rest(first)?
        };
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn varlong_rest(&mut self, first: u8) -> Result<u64, &'static str> {
        let mut raw = u64::from(first & 0x7F);
        for shift in (7..=63).step_by(7) {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(raw);
            }
        }
        Err(TOO_LONG)
    }

    /// A field with its length before it: its place, or `None` for null (any negative length).
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<(usize, usize)>, &'static str> {
        let length = self.varint()?;
        self.take(length)
    }

    #[inline(always)]
    pub(super) fn take(&mut self, length: i32) -> Result<Option<(usize, usize)>, &'static str> {
        if length < 0 {
            return Ok(None);
        }
        let start = self.at;
        let length = length as usize;
        if length > self.remaining() {
            return Err(CUT_OFF);
        }
        self.at = start + length;
        Ok(Some((start, length)))
    }

    pub(super) fn int32(&mut self) -> Result<i32, &'static str> {
        self.chunk().map(i32::from_be_bytes)
    }

    pub(super) fn int64(&mut self) -> Result<i64, &'static str> {
        self.chunk().map(i64::from_be_bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let chunk = self.bytes[self.at..].first_chunk::<N>().ok_or(CUT_OFF)?;
        self.at += N;
        Ok(*chunk)
    }
}
