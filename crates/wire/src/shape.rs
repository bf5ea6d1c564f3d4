//! Shape: the fields of a message in the order of the wire, and the walk that checks bytes against them. The walk
//! allocates nothing and ends with the bytes, whatever they claim.

use std::error::Error;

/// Why bytes are not the message that they are taken for.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("it is cut off")]
    CutOff,
    #[error("it claims {count} entries where {left} bytes are left")]
    Count { count: i64, left: usize },
    #[error("it claims a length of {0}")]
    Length(i64),
    #[error("the tagged field {0} is not as long as it says")]
    Tag(u32),
    /// The decoder of `kafka-protocol` knows better.
    #[error("{0}")]
    Refused(Box<dyn Error + Send + Sync>),
}

/// The fields of one message over all its versions.
#[derive(Debug)]
pub struct Shape {
    /// The first version with lengths of variable size and tagged fields.
    flexible: i16,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) first: i16,
    pub(crate) last: i16,
    pub(crate) tag: Option<u32>,
    pub(crate) kind: Kind,
}

impl Field {
    pub(crate) fn is_in(&self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// So many bytes.
    Fixed(usize),
    Text,
    Bytes,
    /// A count, and so many values.
    List(Box<Kind>),
    Struct(Vec<Field>),
    /// A byte that is 1 before a struct, and anything else where there is none.
    Optional(Vec<Field>),
}

impl Shape {
    /// Reads a line of the table in `shapes`; `None` where it does not parse.
    pub(crate) fn parse(flexible: i16, text: &str) -> Option<Shape> {
        let mut line = Line(text.as_bytes());
        let fields = line.fields()?;
        line.0.is_empty().then_some(Shape { flexible, fields })
    }

    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible
    }

    /// Whether the bytes begin with a whole message of this version.
    pub(crate) fn check(&self, bytes: &[u8], version: i16) -> Result<(), Malformed> {
        let mut walk = Walk {
            rest: bytes,
            version,
            is_flexible: self.is_flexible(version),
        };
        walk.fields(&self.fields)
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
}

impl<'a> Walk<'a> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), Malformed> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(&field.kind)?;
            }
        }
        if self.is_flexible {
            self.tagged(fields)?;
        }
        Ok(())
    }

    fn tagged(&mut self, fields: &[Field]) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let inside = self.take(size)?;
            if let Some(field) = fields.iter().find(|field| field.tag == Some(tag)) {
                // The decoder goes by what is inside, not by the size: the two must agree.
                let mut walk = Walk {
                    rest: inside,
                    ..*self
                };
                walk.value(&field.kind)?;
                if !walk.rest.is_empty() {
                    return Err(Malformed::Tag(tag));
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Malformed> {
        match kind {
            Kind::Fixed(size) => self.take(*size).map(|_| ()),
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => match self.take(1)? {
                [1] => self.fields(fields),
                _ => Ok(()),
            },
            Kind::Text | Kind::Bytes => {
                let length = match kind {
                    _ if self.is_flexible => i64::from(self.varint()?) - 1,
                    Kind::Text => i64::from(self.int16()?),
                    _ => i64::from(self.int32()?),
                };
                match usize::try_from(length) {
                    Ok(length) => self.take(length).map(|_| ()),
                    // There is none.
                    Err(_) if length == -1 => Ok(()),
                    Err(_) => Err(Malformed::Length(length)),
                }
            }
            Kind::List(each) => {
                let count = if self.is_flexible {
                    i64::from(self.varint()?) - 1
                } else {
                    i64::from(self.int32()?)
                };
                // Each entry takes a byte at least.
                if count < -1 || count > self.rest.len() as i64 {
                    let left = self.rest.len();
                    return Err(Malformed::Count { count, left });
                }
                for _ in 0..count {
                    self.value(each)?;
                }
                Ok(())
            }
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(Malformed::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    fn int16(&mut self) -> Result<i16, Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.rest = rest;
        Ok(i16::from_be_bytes(*taken))
    }

    fn int32(&mut self) -> Result<i32, Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.rest = rest;
        Ok(i32::from_be_bytes(*taken))
    }

    /// As the decoder reads it: five bytes at most, and what is beyond 32 bits falls away.
    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed::CutOff)?;
            self.rest = rest;
            value |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }
}

/// A line of the table: fields apart by blanks. A number is so many bytes, `s` a text, `b` bytes, `*4` a list of such
/// values, `[…]` a list of structs, `(…)` a struct, `?(…)` one that may be missing; `@3+`, `@-7` and `@1-3` are the
/// versions, `~0 ` a tag.
struct Line<'a>(&'a [u8]);

impl Line<'_> {
    fn fields(&mut self) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            while self.eat(b' ') {}
            match self.0.first() {
                None | Some(b']' | b')') => return Some(fields),
                Some(_) => fields.push(self.field()?),
            }
        }
    }

    fn field(&mut self) -> Option<Field> {
        let tag = if self.eat(b'~') {
            let tag = u32::from(self.number()?.unsigned_abs());
            self.eat(b' ').then_some(Some(tag))?
        } else {
            None
        };
        let kind = self.kind()?;
        let (mut first, mut last) = (0, i16::MAX);
        if self.eat(b'@') {
            first = self.number().unwrap_or(0);
            if !self.eat(b'+') {
                last = self.eat(b'-').then(|| self.number())??;
            }
        }
        Some(Field {
            first,
            last,
            tag,
            kind,
        })
    }

    fn kind(&mut self) -> Option<Kind> {
        if let Some(size) = self.number() {
            return Some(Kind::Fixed(usize::try_from(size).ok()?));
        }
        let (&sign, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match sign {
            b's' => Kind::Text,
            b'b' => Kind::Bytes,
            b'*' => Kind::List(Box::new(self.kind()?)),
            b'[' => {
                let fields = self.fields()?;
                self.eat(b']').then_some(())?;
                Kind::List(Box::new(Kind::Struct(fields)))
            }
            b'?' => {
                self.eat(b'(').then_some(())?;
                let fields = self.fields()?;
                self.eat(b')').then_some(())?;
                Kind::Optional(fields)
            }
            b'(' => {
                let fields = self.fields()?;
                self.eat(b')').then_some(())?;
                Kind::Struct(fields)
            }
            _ => return None,
        })
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.0.first() == Some(&byte);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn number(&mut self) -> Option<i16> {
        let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.0 = rest;
        Some(number)
    }
}
