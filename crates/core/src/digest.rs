//! Digests of records: the functions by their names, how a digest is made and written, and the batch path of MD5.

mod engine;
mod md5_lanes;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fmt;

/// A hash function. Names are read in any case, with or without `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFunction {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512Of256,
    Sha3Of224,
    Sha3Of256,
    Sha3Of384,
    Sha3Of512,
    Blake3,
    HmacMd5,
    HmacSha1,
    HmacSha224,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Blake3Keyed,
}

impl HashFunction {
    pub const ALL: [HashFunction; 19] = [
        HashFunction::Md5,
        HashFunction::Sha1,
        HashFunction::Sha224,
        HashFunction::Sha256,
        HashFunction::Sha384,
        HashFunction::Sha512,
        HashFunction::Sha512Of256,
        HashFunction::Sha3Of224,
        HashFunction::Sha3Of256,
        HashFunction::Sha3Of384,
        HashFunction::Sha3Of512,
        HashFunction::Blake3,
        HashFunction::HmacMd5,
        HashFunction::HmacSha1,
        HashFunction::HmacSha224,
        HashFunction::HmacSha256,
        HashFunction::HmacSha384,
        HashFunction::HmacSha512,
        HashFunction::Blake3Keyed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            HashFunction::Md5 => "md5",
            HashFunction::Sha1 => "sha1",
            HashFunction::Sha224 => "sha224",
            HashFunction::Sha256 => "sha256",
            HashFunction::Sha384 => "sha384",
            HashFunction::Sha512 => "sha512",
            HashFunction::Sha512Of256 => "sha512_256",
            HashFunction::Sha3Of224 => "sha3_224",
            HashFunction::Sha3Of256 => "sha3_256",
            HashFunction::Sha3Of384 => "sha3_384",
            HashFunction::Sha3Of512 => "sha3_512",
            HashFunction::Blake3 => "blake3",
            HashFunction::HmacMd5 => "hmac_md5",
            HashFunction::HmacSha1 => "hmac_sha1",
            HashFunction::HmacSha224 => "hmac_sha224",
            HashFunction::HmacSha256 => "hmac_sha256",
            HashFunction::HmacSha384 => "hmac_sha384",
            HashFunction::HmacSha512 => "hmac_sha512",
            HashFunction::Blake3Keyed => "blake3_keyed",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(name.trim());
        Self::ALL.into_iter().find(|f| plain(f.name()) == wanted)
    }

    pub fn needs_key(self) -> bool {
        matches!(
            self,
            HashFunction::HmacMd5
                | HashFunction::HmacSha1
                | HashFunction::HmacSha224
                | HashFunction::HmacSha256
                | HashFunction::HmacSha384
                | HashFunction::HmacSha512
                | HashFunction::Blake3Keyed
        )
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DigestEncoding {
    #[default]
    Hex,
    HexUpper,
    Base64,
    /// Without padding.
    Base64Url,
    Binary,
}

/// Which bytes of a value are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HashInput {
    /// The UTF-8 of the decoded text, in which malformed bytes have been replaced.
    #[default]
    Text,
    /// The bytes as fetched.
    Raw,
}

/// What becomes of a record without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NullHashing {
    #[default]
    Fail,
    /// The record is dropped.
    Skip,
    /// The null stays.
    Pass,
}

/// Everything that decides what a record's hash is. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HashSettings {
    pub function: HashFunction,
    /// Of a keyed function; empty otherwise.
    pub key: Vec<u8>,
    pub salt: Vec<u8>,
    /// Whether the salt stands behind the input.
    pub salt_last: bool,
    /// Bytes of the digest to keep; 0 keeps all.
    pub truncate: usize,
    pub encoding: DigestEncoding,
    pub input: HashInput,
    pub null: NullHashing,
}

impl HashSettings {
    /// The plain function, written as lower-case hex digits.
    pub fn plain(function: HashFunction) -> Self {
        HashSettings {
            function,
            key: Vec::new(),
            salt: Vec::new(),
            salt_last: false,
            truncate: 0,
            encoding: DigestEncoding::Hex,
            input: HashInput::Text,
            null: NullHashing::Fail,
        }
    }
}

impl fmt::Debug for HashSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashSettings")
            .field("function", &self.function)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

/// Makes digests by settings.
pub struct Digester {
    engine: engine::Engine,
    salt: Vec<u8>,
    salt_last: bool,
    len: usize,
    encoding: DigestEncoding,
    /// MD5 without salt or key, which has a way of its own for many inputs.
    lanes: bool,
}

/// The longest digest, that of SHA-512.
pub const MAX_DIGEST: usize = 64;

impl Digester {
    /// # Errors
    /// A sentence about the key, which is not shown.
    pub fn new(settings: &HashSettings) -> Result<Self, String> {
        let function = settings.function;
        if function.needs_key() && settings.key.is_empty() {
            return Err(format!("the function {} needs a key", function.name()));
        }
        if !function.needs_key() && !settings.key.is_empty() {
            return Err(format!("the function {} takes no key", function.name()));
        }
        let engine = engine::engine(function, &settings.key)?;
        let mut probe = Vec::new();
        engine(&[], &mut probe);
        let len = match settings.truncate {
            0 => probe.len(),
            bytes => bytes.min(probe.len()),
        };
        Ok(Digester {
            lanes: function == HashFunction::Md5 && settings.salt.is_empty(),
            engine,
            salt: settings.salt.clone(),
            salt_last: settings.salt_last,
            len,
            encoding: settings.encoding,
        })
    }

    /// Bytes of one digest.
    pub fn digest_len(&self) -> usize {
        self.len
    }

    /// Appends the digest's bytes, `digest_len` of them.
    pub fn digest(&self, input: &[u8], out: &mut Vec<u8>) {
        let end = out.len() + self.len;
        if self.salt.is_empty() {
            (self.engine)(&[input], out);
        } else if self.salt_last {
            (self.engine)(&[input, &self.salt], out);
        } else {
            (self.engine)(&[&self.salt, input], out);
        }
        out.truncate(end);
    }

    /// Appends the digests of many inputs, one behind the other: the fast way where there is one.
    pub fn digest_all(&self, inputs: &[&[u8]], out: &mut Vec<u8>) {
        if self.lanes {
            md5_lanes::digest_all(inputs, self.len, out);
        } else {
            out.reserve(inputs.len() * self.len + MAX_DIGEST);
            for input in inputs {
                self.digest(input, out);
            }
        }
    }

    /// Bytes of a digest as written.
    pub fn encoded_len(&self) -> usize {
        match self.encoding {
            DigestEncoding::Hex | DigestEncoding::HexUpper => self.len * 2,
            DigestEncoding::Base64 => self.len.div_ceil(3) * 4,
            DigestEncoding::Base64Url => (self.len * 8).div_ceil(6),
            DigestEncoding::Binary => self.len,
        }
    }

    /// Whether the written form is bytes and not text.
    pub fn is_binary(&self) -> bool {
        self.encoding == DigestEncoding::Binary
    }

    /// Appends a digest as it is to be written, `encoded_len` bytes.
    pub fn encode(&self, digest: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            DigestEncoding::Hex => push_hex(digest, b"0123456789abcdef", out),
            DigestEncoding::HexUpper => push_hex(digest, b"0123456789ABCDEF", out),
            DigestEncoding::Base64 => out.extend_from_slice(STANDARD.encode(digest).as_bytes()),
            DigestEncoding::Base64Url => {
                out.extend_from_slice(URL_SAFE_NO_PAD.encode(digest).as_bytes());
            }
            DigestEncoding::Binary => out.extend_from_slice(digest),
        }
    }
}

/// At most `MAX_DIGEST` bytes.
fn push_hex(bytes: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
    // Put together on the stack, so that the vector is asked for room once and not for each byte.
    let mut text = [0; 2 * MAX_DIGEST];
    for (pair, &byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = digits[usize::from(byte >> 4)];
        pair[1] = digits[usize::from(byte & 15)];
    }
    out.extend_from_slice(&text[..2 * bytes.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Kafka message sent at 1700000000.0";

    fn hex(settings: &HashSettings, input: &[u8]) -> String {
        let digester = Digester::new(settings).unwrap();
        let (mut digest, mut text) = (Vec::new(), Vec::new());
        digester.digest(input, &mut digest);
        digester.encode(&digest, &mut text);
        assert_eq!(digest.len(), digester.digest_len());
        assert_eq!(text.len(), digester.encoded_len());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn gives_the_known_digests() {
        let check = |name: &str, input: &[u8], expected: &str| {
            let settings = HashSettings::plain(HashFunction::by_name(name).unwrap());
            assert_eq!(hex(&settings, input), expected, "{name}");
        };
        check("md5", MESSAGE, "4a7c4d8d8b57bd7d37ed80e152e60927");
        check("sha1", MESSAGE, "3f92442742f26ebda6f674cfdbcedef7b8411320");
        check(
            "SHA-224",
            MESSAGE,
            "93b8273c34e6ba47ffdc9b0c0f4f2a62519fa145277a821b8dc538ba",
        );
        check(
            "sha256",
            MESSAGE,
            "980c85e0e2cf429d583bb562626328cdb533bff3c568d3d15c00159667bc21c5",
        );
        check(
            "sha384",
            MESSAGE,
            "b8536f02813bfabd241a0d15f487640c6b39c2834cd5c1130c273b198735ec1a16e577c4a3aeb5995f8d8473307974f9",
        );
        check(
            "sha512",
            MESSAGE,
            "3f37ac80fcb1e5e790e1f9746f96ce4c5f1a4be95c6f59155d92e1cb137fca66161a4b71cc395995a6189c150928a476f9f3329b112df8dd932fa2248a7745de",
        );
        check(
            "sha3_256",
            MESSAGE,
            "64eb61b8b0f86f7a2b0e78fc1a9270f490991bedc16c25cc74444cfb35007cbf",
        );
        check(
            "blake3",
            MESSAGE,
            "00b3d33b6906dc4825c932b949f5261b3ad6ad99b310a9bdf3ad4cd873701672",
        );
        check(
            "sha224",
            "é".as_bytes(),
            "33dd9448e5538d16ddc6df32dd7f16240cac6cb5238c1c22cb33ae66",
        );
        check(
            "sha224",
            &[0xFF],
            "e33f9d75e6ae1369dbabf81b96b4591ae46bba30b591a6b6c62542b5",
        );
        check(
            "sha224",
            b"",
            "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
        );
        check(
            "blake3",
            b"",
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        );
        check(
            "md5",
            b"jerry@big-corp.com",
            "10e5756d5d4c9c1cadd5e1b952071378",
        );
        check(
            "sha1",
            b"jerry@big-corp.com",
            "dd9ab6e93603bf618db0894a82da64f1623a94b6",
        );
    }

    #[test]
    fn keys_salts_and_truncates() {
        let mut settings = HashSettings::plain(HashFunction::HmacSha256);
        settings.key = b"s3cret".to_vec();
        assert_eq!(
            hex(&settings, MESSAGE),
            "c4075436911f4994d360fb88c9a7c1a2e3650e6be685beb341c0342d6e75f744"
        );
        settings.function = HashFunction::HmacSha224;
        assert_eq!(
            hex(&settings, MESSAGE),
            "168e84a2dc98a5ea78a88e3f79cb3d9f74f486d7886b05c29f9b7ca6"
        );
        settings.function = HashFunction::Sha256;
        assert!(Digester::new(&settings).is_err());
        settings.key.clear();
        settings.salt = b"pepper".to_vec();
        assert_eq!(
            hex(&settings, MESSAGE),
            "fbc18e138d36bc492e5b11c3a2bbadc39252dce6ff3f6d790aa373a9e5894e50"
        );
        settings.truncate = 4;
        settings.encoding = DigestEncoding::Base64;
        assert_eq!(hex(&settings, MESSAGE), "+8GOEw==");
        settings.encoding = DigestEncoding::Base64Url;
        assert_eq!(hex(&settings, MESSAGE), "-8GOEw");
        settings.encoding = DigestEncoding::HexUpper;
        assert_eq!(hex(&settings, MESSAGE), "FBC18E13");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut settings = HashSettings::plain(HashFunction::HmacMd5);
        settings.key = b"topsecret".to_vec();
        assert!(!format!("{settings:?}").contains("116"));
    }
}
