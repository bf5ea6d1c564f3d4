//! Compression: how an object is compressed as a whole, and its bytes unpacked as they come.

use crate::unreadable::Unreadable;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// What the end of a name says of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// That of objects that end so, and the ending before its own.
    pub fn of(extension: &str) -> (Self, &str) {
        for (suffix, compression) in [(".gz", Compression::Gzip), (".zst", Compression::Zstd)] {
            if let Some(plain) = extension.strip_suffix(suffix) {
                return (compression, plain);
            }
        }
        (Compression::None, extension)
    }

    /// Bytes to unpack at a time, so that no more than some megabytes come of them: a gzip stream of zeros becomes a thousand
    /// times longer, a block of Zstandard, which has four bytes at least, 128 KiB.
    pub(crate) fn piece(self) -> usize {
        match self {
            Compression::None => usize::MAX,
            Compression::Gzip => 8 * 1024,
            Compression::Zstd => 64,
        }
    }
}

/// Unpacks into `W` what is compressed.
pub(crate) enum Unpacker<W: Write> {
    Plain(W),
    Gzip(Box<MultiGzDecoder<W>>),
    Zstd(Box<ZstdDecoder<W>>),
}

impl<W: Write> Unpacker<W> {
    pub(crate) fn new(compression: Compression, to: W) -> Result<Self, Unreadable> {
        Ok(match compression {
            Compression::None => Unpacker::Plain(to),
            Compression::Gzip => Unpacker::Gzip(Box::new(MultiGzDecoder::new(to))),
            Compression::Zstd => Unpacker::Zstd(Box::new(ZstdDecoder::new(to)?)),
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they are none of this compression, or `W` refuses what is in them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        match self {
            Unpacker::Plain(to) => to.write_all(bytes).map_err(|_| Unreadable::Refused),
            Unpacker::Gzip(decoder) => decoder.write_all(bytes).map_err(|_| Unreadable::Gzip),
            Unpacker::Zstd(decoder) => decoder.push(bytes),
        }
    }

    /// Sees to it that nothing is missing.
    ///
    /// # Errors
    /// If the bytes end too early.
    pub(crate) fn finish(&mut self) -> Result<(), Unreadable> {
        match self {
            Unpacker::Plain(_) => Ok(()),
            Unpacker::Gzip(decoder) => decoder.try_finish().map_err(|_| Unreadable::Gzip),
            Unpacker::Zstd(decoder) if decoder.is_between_frames => Ok(()),
            Unpacker::Zstd(_) => Err(Unreadable::Zstd),
        }
    }

    pub(crate) fn inner(&mut self) -> &mut W {
        match self {
            Unpacker::Plain(to) => to,
            Unpacker::Gzip(decoder) => decoder.get_mut(),
            Unpacker::Zstd(decoder) => &mut decoder.to,
        }
    }
}

/// The largest window as a power of two: 8 MiB, which RFC 8878 asks of every reader and the `zstd` tool stays within.
const WINDOW_LOG: u32 = 23;

const UNPACKED: usize = 32 * 1024;

/// Frames of Zstandard behind one another.
pub(crate) struct ZstdDecoder<W> {
    context: DCtx<'static>,
    to: W,
    unpacked: Vec<u8>,
    /// Whether the last frame is whole. There is one at least.
    is_between_frames: bool,
}

impl<W: Write> ZstdDecoder<W> {
    fn new(to: W) -> Result<Self, Unreadable> {
        let mut context = DCtx::try_create().ok_or(Unreadable::Zstd)?;
        let set = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG));
        set.map_err(|_| Unreadable::Zstd)?;
        Ok(ZstdDecoder {
            context,
            to,
            unpacked: vec![0; UNPACKED],
            is_between_frames: false,
        })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let mut input = InBuffer::around(bytes);
        let mut may_hold_more = false;
        while input.pos() < bytes.len() || may_hold_more {
            let mut output = OutBuffer::around(&mut self.unpacked[..]);
            let missing = self
                .context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| Unreadable::Zstd)?;
            let unpacked = output.as_slice();
            // A full buffer may not have been all; at a frame's end nothing is left.
            may_hold_more = unpacked.len() == UNPACKED && missing > 0;
            self.is_between_frames = missing == 0;
            let written: io::Result<()> = self.to.write_all(unpacked);
            written.map_err(|_| Unreadable::Refused)?;
        }
        Ok(())
    }
}
