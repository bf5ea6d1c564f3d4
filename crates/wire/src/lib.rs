//! Wire: Kafka's messages read within bounds. `kafka-protocol` makes room for as many entries as a message claims before
//! it reads one of them, so that a few bytes of nonsense end the process. Here a message is walked first, by its shape
//! and without allocating: what the decoder then makes room for is what the bytes hold.

mod shape;
mod shapes;

pub use shape::{Malformed, Shape};
pub use shapes::Shaped;

use bytes::Bytes;

/// Reads a message of this version; what follows it stays in `bytes`.
pub fn decode<M: Shaped>(bytes: &mut Bytes, version: i16) -> Result<M, Malformed> {
    M::shape().check(bytes, version)?;
    M::decode(bytes, version).map_err(|error| Malformed::Refused(error.into()))
}

#[cfg(test)]
mod tests;
