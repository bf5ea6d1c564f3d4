//! Records of an Avro container, by the heads of its blocks (Avro specification 1.11, "Object Container Files"): a block says
//! how many records and bytes it has, and ends with the marker of the file's head. What the blocks hold is not decoded.

use super::Unreadable;

const MAGIC: &[u8] = b"Obj\x01";
const SYNC: usize = 16;
/// A file's head that is kept until it is whole: a schema is in it. Larger ones are taken for something else.
const HEAD: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct AvroCounter {
    /// What has come and is not understood yet.
    open: Vec<u8>,
    next: Next,
    sync: [u8; SYNC],
    /// Bytes of a block that are still to come.
    skip: u64,
    records: u64,
    position: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Head,
    Block,
    Sync,
}

impl AvroCounter {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let skipped = self.skipped(bytes.len());
        let open = std::mem::take(&mut self.open);
        let open = if open.is_empty() {
            bytes[skipped..].to_vec()
        } else {
            [&open, bytes].concat()
        };
        let mut used = 0;
        loop {
            used += self.skipped(open.len() - used);
            match self.step(&open[used..])? {
                Some(length) => {
                    used += length;
                    self.position += length as u64;
                }
                None => break,
            }
        }
        self.open = open[used..].to_vec();
        Ok(())
    }

    /// How many of so many bytes belong to a block.
    fn skipped(&mut self, bytes: usize) -> usize {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes);
        self.skip -= skipped as u64;
        self.position += skipped as u64;
        skipped
    }

    /// Understands what comes next; gives the bytes that it took, or nothing if more have to come.
    fn step(&mut self, rest: &[u8]) -> Result<Option<usize>, Unreadable> {
        if self.skip > 0 || rest.is_empty() {
            return Ok(None);
        }
        let broken = Unreadable::AvroBlock(self.position);
        match self.next {
            Next::Head => {
                let Some((length, sync)) = head(rest)? else {
                    return Ok(None);
                };
                (self.sync, self.next) = (sync, Next::Block);
                Ok(Some(length))
            }
            Next::Block => {
                let mut from = rest;
                let Some(count) = long(&mut from).map_err(|()| broken.clone())? else {
                    return Ok(None);
                };
                let Some(size) = long(&mut from).map_err(|()| broken.clone())? else {
                    return Ok(None);
                };
                let (Ok(count), Ok(size)) = (u64::try_from(count), u64::try_from(size)) else {
                    return Err(broken);
                };
                self.records = self.records.checked_add(count).ok_or(broken)?;
                (self.skip, self.next) = (size, Next::Sync);
                Ok(Some(rest.len() - from.len()))
            }
            Next::Sync if rest.len() < SYNC => Ok(None),
            Next::Sync if rest[..SYNC] != self.sync => Err(broken),
            Next::Sync => {
                self.next = Next::Block;
                Ok(Some(SYNC))
            }
        }
    }

    pub(super) fn finish(self) -> Result<u64, Unreadable> {
        match self.next {
            Next::Head => Err(Unreadable::NoAvro),
            Next::Block if self.open.is_empty() => Ok(self.records),
            Next::Block | Next::Sync => Err(Unreadable::AvroBlock(self.position)),
        }
    }
}

/// The length of a file's head, and its marker; nothing if it is not whole.
fn head(bytes: &[u8]) -> Result<Option<(usize, [u8; SYNC])>, Unreadable> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] || bytes.len() > HEAD {
        return Err(Unreadable::NoAvro);
    }
    let wrong = |()| Unreadable::NoAvro;
    let mut rest = &bytes[known..];
    loop {
        let Some(mut entries) = long(&mut rest).map_err(wrong)? else {
            return Ok(None);
        };
        if entries == 0 {
            break;
        }
        if entries < 0 {
            entries = entries.checked_neg().ok_or(Unreadable::NoAvro)?;
            let Some(_) = long(&mut rest).map_err(wrong)? else {
                return Ok(None);
            };
        }
        // A key and a value each; what is claimed is not believed before it has come.
        for _ in 0..entries.saturating_mul(2) {
            let Some(length) = long(&mut rest).map_err(wrong)? else {
                return Ok(None);
            };
            let length = usize::try_from(length).map_err(|_| Unreadable::NoAvro)?;
            match rest.get(length..) {
                Some(behind) => rest = behind,
                None if length > HEAD => return Err(Unreadable::NoAvro),
                None => return Ok(None),
            }
        }
    }
    let Some(sync) = rest.first_chunk::<SYNC>() else {
        return Ok(None);
    };
    Ok(Some((bytes.len() - rest.len() + SYNC, *sync)))
}

/// A number in Avro's coding (zig-zag, seven bits a byte); nothing if it is not whole.
fn long(bytes: &mut &[u8]) -> Result<Option<i64>, ()> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().enumerate() {
        if at == 10 {
            return Err(());
        }
        number |= u64::from(byte & 0x7f) << (7 * at as u32).min(63);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Ok(Some((number >> 1) as i64 ^ -((number & 1) as i64)));
        }
    }
    if bytes.len() >= 10 {
        return Err(());
    }
    Ok(None)
}
