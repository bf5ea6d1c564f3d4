//! The functions themselves, from the crates that keep them.

use super::HashFunction;
use hmac::digest::block_api::{BlockSizeUser, EagerHash};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

/// Appends the digest of the parts, taken as one input.
pub(super) type Engine = Box<dyn Fn(&[&[u8]], &mut Vec<u8>) + Send + Sync>;

pub(super) fn engine(function: HashFunction, key: &[u8]) -> Result<Engine, String> {
    Ok(match function {
        HashFunction::Md5 => plain::<Md5>(),
        HashFunction::Sha1 => plain::<Sha1>(),
        HashFunction::Sha224 => plain::<Sha224>(),
        HashFunction::Sha256 => plain::<Sha256>(),
        HashFunction::Sha384 => plain::<Sha384>(),
        HashFunction::Sha512 => plain::<Sha512>(),
        HashFunction::Sha512Of256 => plain::<Sha512_256>(),
        HashFunction::Sha3Of224 => plain::<Sha3_224>(),
        HashFunction::Sha3Of256 => plain::<Sha3_256>(),
        HashFunction::Sha3Of384 => plain::<Sha3_384>(),
        HashFunction::Sha3Of512 => plain::<Sha3_512>(),
        HashFunction::Blake3 => blake3_of(blake3::Hasher::new()),
        HashFunction::HmacMd5 => keyed::<Md5>(key)?,
        HashFunction::HmacSha1 => keyed::<Sha1>(key)?,
        HashFunction::HmacSha224 => keyed::<Sha224>(key)?,
        HashFunction::HmacSha256 => keyed::<Sha256>(key)?,
        HashFunction::HmacSha384 => keyed::<Sha384>(key)?,
        HashFunction::HmacSha512 => keyed::<Sha512>(key)?,
        HashFunction::Blake3Keyed => {
            let key = key
                .try_into()
                .map_err(|_| "the key of blake3_keyed must have 32 bytes".to_owned())?;
            blake3_of(blake3::Hasher::new_keyed(key))
        }
    })
}

fn plain<D: Digest>() -> Engine {
    Box::new(|parts, out| {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        out.extend_from_slice(&digest.finalize());
    })
}

/// The key is worked in once; every record starts from a copy of that state.
fn keyed<D>(key: &[u8]) -> Result<Engine, String>
where
    D: EagerHash + BlockSizeUser + 'static,
    Hmac<D>: Mac + KeyInit + Clone + Send + Sync,
{
    let keyed = <Hmac<D> as KeyInit>::new_from_slice(key)
        .map_err(|_| "the key does not fit the function".to_owned())?;
    Ok(Box::new(move |parts, out| {
        let mut mac = keyed.clone();
        for part in parts {
            mac.update(part);
        }
        out.extend_from_slice(&mac.finalize().into_bytes());
    }))
}

fn blake3_of(start: blake3::Hasher) -> Engine {
    Box::new(move |parts, out| {
        let mut hasher = start.clone();
        for part in parts {
            hasher.update(part);
        }
        out.extend_from_slice(hasher.finalize().as_bytes());
    })
}
