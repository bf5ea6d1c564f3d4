//! Encoded values of AMQP 1.0, looked at before the library reads them, for what it gets wrong.
//!
//! - An array has the constructor of its elements also where it has none. The library takes that for the next value's.
//! - Elements of an array share their constructor. The library forgets it behind the first of them that is itself a list, a map or
//!   an array, and misses the descriptors of those that are described.
//! - It believes sizes and counts, and reads what is nested by recursion without an end.

use std::borrow::Cow;
use thiserror::Error;

/// Far beyond what people nest, and little for a stack.
const DEEPEST: usize = 64;

const DESCRIBED: u8 = 0x00;
const LIST8: u8 = 0xC0;
const LIST32: u8 = 0xD0;
const MAP8: u8 = 0xC1;
const MAP32: u8 = 0xD1;
const ARRAY8: u8 = 0xE0;
const ARRAY32: u8 = 0xF0;

/// The codes of lists, maps and arrays whose sizes have four bytes have this bit, and the others do not.
const WIDE: u8 = 0x10;

/// An array without elements as the library reads and writes it: size and count, and no constructor.
const EMPTY_ARRAY: [u8; 3] = [ARRAY8, 1, 0];

/// Why bytes are no values.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Malformed {
    #[error("the sizes and counts of its encoding do not fit together")]
    Sizes,
    #[error("its values are nested more than {DEEPEST} deep")]
    Depth,
}

/// Encoded values that the library reads rightly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mended<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// One of the values, behind its descriptor, was an array, and may be a list now.
    pub(super) has_array: bool,
}

/// The same values, one behind the other, in an encoding that the library reads rightly: nearly always these bytes. Arrays of
/// lists, maps, arrays and described values become lists, the last without their descriptors. What is made is at most five
/// times as long.
pub(super) fn mended(bytes: &[u8]) -> Result<Mended<'_>, Malformed> {
    let mut input = Input(bytes);
    let (mut is_right, mut has_array) = (true, false);
    while !input.is_empty() {
        let constructor = input.constructor()?;
        has_array |= matches!(constructor.code, ARRAY8 | ARRAY32);
        is_right &= is_read_rightly(constructor.code, &mut input, constructor.descriptors)?;
    }
    let bytes = if is_right {
        Cow::Borrowed(bytes)
    } else {
        let mut input = Input(bytes);
        let mut out = Vec::with_capacity(bytes.len());
        while !input.is_empty() {
            rewrite_value(&mut input, &mut out)?;
        }
        Cow::Owned(out)
    };
    Ok(Mended { bytes, has_array })
}

/// Whether the library reads this value rightly, whose constructor has been read.
fn is_read_rightly(code: u8, input: &mut Input<'_>, depth: usize) -> Result<bool, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed::Depth);
    }
    match code {
        LIST8 | LIST32 | MAP8 | MAP32 => {
            let (count, mut inner) = input.compound(code)?;
            if matches!(code, MAP8 | MAP32) && count % 2 != 0 {
                return Err(Malformed::Sizes);
            }
            let mut is_right = true;
            for _ in 0..count {
                let Constructor { code, descriptors } = inner.constructor()?;
                is_right &= is_read_rightly(code, &mut inner, depth + 1 + descriptors)?;
            }
            inner.ends_here()?;
            Ok(is_right)
        }
        ARRAY8 | ARRAY32 => {
            let (count, mut inner) = input.compound(code)?;
            if count == 0 && inner.is_empty() {
                return Ok(true);
            }
            let element = inner.constructor()?;
            for _ in 0..count {
                let depth = depth + 1 + element.descriptors;
                is_read_rightly(element.code, &mut inner, depth)?;
            }
            inner.ends_here()?;
            Ok(count > 0 && element.is_plain())
        }
        code => {
            input.skip(code)?;
            Ok(true)
        }
    }
}

fn rewrite_value(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = *input;
    let constructor = input.constructor()?;
    let descriptors = start.up_to(input);
    out.extend(&descriptors[..descriptors.len() - 1]);
    rewrite(constructor.code, input, out)
}

/// Writes a value whose constructor has been read, with its code.
fn rewrite(code: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match code {
        LIST8 | LIST32 | MAP8 | MAP32 => {
            let (count, mut inner) = input.compound(code)?;
            write_compound(code | WIDE, count, out, |out| {
                (0..count).try_for_each(|_| rewrite_value(&mut inner, out))
            })
        }
        ARRAY8 | ARRAY32 => {
            let (count, mut inner) = input.compound(code)?;
            if count == 0 {
                out.extend(EMPTY_ARRAY);
                return Ok(());
            }
            let start = inner;
            let element = inner.constructor()?;
            if element.is_plain() {
                return write_compound(ARRAY32, count, out, |out| {
                    out.extend(start.0);
                    Ok(())
                });
            }
            write_compound(LIST32, count, out, |out| {
                (0..count).try_for_each(|_| rewrite(element.code, &mut inner, out))
            })
        }
        code => {
            let start = *input;
            input.skip(code)?;
            out.push(code);
            out.extend(start.up_to(input));
            Ok(())
        }
    }
}

fn write_compound(
    code: u8,
    count: usize,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let four = |number: usize| u32::try_from(number).map_err(|_| Malformed::Sizes);
    out.push(code);
    let size = out.len()..out.len() + 4;
    out.extend([0; 4]);
    out.extend(four(count)?.to_be_bytes());
    content(out)?;
    let written = four(out.len() - size.end)?;
    out[size].copy_from_slice(&written.to_be_bytes());
    Ok(())
}

/// What stands before the bytes of a value, or once before those of all elements of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constructor {
    pub(super) code: u8,
    descriptors: usize,
}

impl Constructor {
    /// Whether the library reads elements of an array that begins with it.
    fn is_plain(self) -> bool {
        self.descriptors == 0 && self.code < LIST8
    }
}

/// Bytes that have not been read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read since, `later` being this input further on.
    pub(super) fn up_to(&self, later: &Input<'_>) -> &'a [u8] {
        &self.0[..self.0.len() - later.0.len()]
    }

    /// Passes over descriptors, which are numbers or symbols.
    pub(super) fn constructor(&mut self) -> Result<Constructor, Malformed> {
        let mut descriptors = 0;
        loop {
            match self.byte()? {
                DESCRIBED => match self.byte()? {
                    code @ (0x44 | 0x53 | 0x80 | 0xA3 | 0xB3) => self.skip(code)?,
                    _ => return Err(Malformed::Sizes),
                },
                code => return Ok(Constructor { code, descriptors }),
            }
            descriptors += 1;
        }
    }

    /// How many values a list, a map (keys too) or an array holds, and the bytes behind that number.
    pub(super) fn compound(&mut self, code: u8) -> Result<(usize, Input<'a>), Malformed> {
        let width = if code & WIDE == 0 { 1 } else { 4 };
        let size = self.number(width)?;
        let mut inner = Input(self.take(size)?);
        let count = inner.number(width)?;
        // Elements of an array may have no bytes of their own; nobody means so many of them.
        if count > size {
            return Err(Malformed::Sizes);
        }
        Ok((count, inner))
    }

    /// Passes over a value of any code, whose first digit says how long it is.
    pub(super) fn skip(&mut self, code: u8) -> Result<(), Malformed> {
        let size = match code >> 4 {
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xA | 0xC | 0xE => self.number(1)?,
            0xB | 0xD | 0xF => self.number(4)?,
            _ => return Err(Malformed::Sizes),
        };
        self.take(size).map(drop)
    }

    fn ends_here(&self) -> Result<(), Malformed> {
        self.is_empty().then_some(()).ok_or(Malformed::Sizes)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.0.split_first().ok_or(Malformed::Sizes)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self, width: usize) -> Result<usize, Malformed> {
        let bytes = self.take(width)?.iter();
        Ok(bytes.fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Sizes)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
