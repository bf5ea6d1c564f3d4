//! A `HashMap<byte[], byte[]>` as Java serializes it: the file in which Java's standalone worker keeps the offsets of sources.
//! Source of the format: Java Object Serialization Specification, chapter 6, and files of Kafka Connect 4.3.1 on Java 17.

use bytes::{Buf, BufMut, Bytes};

/// Pairs of the map; either may be null.
pub(crate) type Pairs = Vec<(Option<Bytes>, Option<Bytes>)>;

const MAGIC: [u8; 4] = [0xAC, 0xED, 0x00, 0x05];

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS: u8 = 0x72;
const OBJECT: u8 = 0x73;
const ARRAY: u8 = 0x75;
const BLOCK: u8 = 0x77;
const END: u8 = 0x78;

/// The number of the first object in a stream, counted from which others are referred to.
const FIRST_HANDLE: u32 = 0x007E_0000;

/// The class descriptor of `java.util.HashMap` behind its mark: name, version, flags, two fields, no parent.
const HASH_MAP: &[u8] =
    b"\x00\x11java.util.HashMap\x05\x07\xDA\xC1\xC3\x16\x60\xD1\x03\x00\x02F\x00\x0AloadFactorI\x00\x09thresholdxp";

/// The same of `byte[]`.
const BYTE_ARRAY: &[u8] = b"\x00\x02[B\xAC\xF3\x17\xF8\x06\x08\x54\xE0\x02\x00\x00xp";

/// Java's load factor, 0.75.
const LOAD_FACTOR: [u8; 4] = [0x3F, 0x40, 0x00, 0x00];

/// Bytes that are no such map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a serialized map of bytes: {0}")]
pub(crate) struct NoMap(&'static str);

/// Reads a map.
///
/// # Errors
/// If the bytes are anything else.
pub(crate) fn read(file: &[u8]) -> Result<Pairs, NoMap> {
    let mut reader = Reader {
        rest: file,
        handles: Vec::new(),
    };
    reader.expect(&MAGIC, "the mark of Java's streams is missing")?;
    reader.expect(&[OBJECT, CLASS], "it does not begin with an object")?;
    reader.expect(HASH_MAP, "the object is no java.util.HashMap")?;
    // The class and the object.
    reader.handles.extend([None, None]);
    reader.skip(8)?;
    reader.expect(&[BLOCK, 8], "the size is missing")?;
    reader.skip(4)?;
    let size = reader.number()?;
    let mut pairs = Pairs::new();
    for _ in 0..size {
        pairs.push((reader.array()?, reader.array()?));
    }
    reader.expect(&[END], "there is more than the size says")?;
    Ok(pairs)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// What is in the stream, in its order: the bytes of arrays, nothing for all else.
    handles: Vec<Option<Bytes>>,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], NoMap> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), NoMap> {
        self.take(count).map(|_| ())
    }

    fn number(&mut self) -> Result<u32, NoMap> {
        Ok(self.take(4)?.get_u32())
    }

    fn expect(&mut self, bytes: &[u8], why: &'static str) -> Result<(), NoMap> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(NoMap(why)),
        }
    }

    fn array(&mut self) -> Result<Option<Bytes>, NoMap> {
        match self.take(1)?[0] {
            NULL => Ok(None),
            // An array that stood before.
            REFERENCE => {
                let place = self.number()?.wrapping_sub(FIRST_HANDLE) as usize;
                let known = self.handles.get(place).cloned().flatten();
                known.map(Some).ok_or(NoMap("a reference leads nowhere"))
            }
            ARRAY => {
                match self.take(1)?[0] {
                    CLASS => {
                        self.expect(BYTE_ARRAY, "an entry is no array of bytes")?;
                        self.handles.push(None);
                    }
                    REFERENCE => self.skip(4)?,
                    _ => return Err(NoMap("an array has no class")),
                }
                let length = self.number()? as usize;
                let bytes = Bytes::copy_from_slice(self.take(length)?);
                self.handles.push(Some(bytes.clone()));
                Ok(Some(bytes))
            }
            _ => Err(NoMap("an entry is no array of bytes")),
        }
    }
}

const CUT: NoMap = NoMap("it is cut short");

/// Writes a map that Java reads.
pub(crate) fn write(pairs: &Pairs) -> Vec<u8> {
    // Java makes a table of its own by the size when it reads; these say how large one of Java's would be.
    let mut slots: u32 = 16;
    while pairs.len() as u64 > u64::from(slots) * 3 / 4 {
        slots *= 2;
    }
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend([OBJECT, CLASS]);
    file.extend(HASH_MAP);
    file.extend(LOAD_FACTOR);
    file.put_u32(slots / 4 * 3);
    file.extend([BLOCK, 8]);
    file.put_u32(slots);
    file.put_u32(pairs.len() as u32);
    let mut has_class = false;
    for (key, value) in pairs {
        for bytes in [key, value] {
            let Some(bytes) = bytes else {
                file.push(NULL);
                continue;
            };
            file.push(ARRAY);
            if has_class {
                // The class of arrays comes after the map's and the map.
                file.push(REFERENCE);
                file.put_u32(FIRST_HANDLE + 2);
            } else {
                has_class = true;
                file.push(CLASS);
                file.extend(BYTE_ARRAY);
            }
            file.put_u32(bytes.len() as u32);
            file.extend(bytes);
        }
    }
    file.push(END);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn pairs(texts: &[(&'static str, Option<&'static str>)]) -> Pairs {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let pairs = texts.iter();
        pairs
            .map(|(key, value)| (Some(bytes(key)), value.map(bytes)))
            .collect()
    }

    /// Written by Java 17: the second value is the same object as the first.
    #[test]
    fn reads_what_java_wrote() {
        let file = STANDARD.decode("rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwACRgAKbG9hZEZhY3RvckkACXRocmVzaG9sZHhwP0AAAAAAAAx3CAAAABAAAAADdXIAAltCrPMX+AYIVOACAAB4cAAAABhbImYiLHsiZmlsZW5hbWUiOiIvaW4ifV11cQB+AAIAAAAOeyJwb3NpdGlvbiI6OH11cQB+AAIAAAAYWyJoIix7ImZpbGVuYW1lIjoiL2luIn1dcHVxAH4AAgAAABhbImciLHsiZmlsZW5hbWUiOiIvaW4ifV1xAH4ABHg=");
        let position = Some("{\"position\":8}");
        let expected = pairs(&[
            ("[\"f\",{\"filename\":\"/in\"}]", position),
            ("[\"h\",{\"filename\":\"/in\"}]", None),
            ("[\"g\",{\"filename\":\"/in\"}]", position),
        ]);
        assert_eq!(read(&file.expect("base64")), Ok(expected));
    }

    #[test]
    fn says_what_is_no_map() {
        assert_eq!(
            read(b""),
            Err(NoMap("the mark of Java's streams is missing"))
        );
        let mut file = write(&pairs(&[("k", None)]));
        file[10] = b'X';
        assert_eq!(
            read(&file),
            Err(NoMap("the object is no java.util.HashMap"))
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs in prop::collection::vec((prop::option::of("[a-z]{0,9}"), prop::option::of("[a-z]{0,9}")), 0..40)) {
            let pairs: Pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.map(Bytes::from), value.map(Bytes::from)))
                .collect();
            prop_assert_eq!(read(&write(&pairs)), Ok(pairs));
        }

        #[test]
        fn no_bytes_are_believed(mut file in Just(write(&pairs(&[("k", Some("v")), ("l", None)]))), at in 0..150usize, byte: u8) {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
            // An error or some map, and no more memory than the file.
            let _ = read(&file);
            let whole = file.len();
            file.truncate(at);
            prop_assert!(at >= whole || read(&file).is_err());
        }
    }
}
