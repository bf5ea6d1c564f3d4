//! The settings of Hash.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::config::validator::invalid;
use millstream_core::config::{Importance, Key, Kind, Parsed, Password, Validator};
use millstream_core::digest::{DigestEncoding, HashFunction, HashInput, HashSettings, NullHashing};
use millstream_core::{PluginError, config_def};

config_def! {
    pub(super) struct HashConfig {
        pub(super) field_name: Option<String> = Key::null("field.name", Kind::String)
            .doc("The name of the field whose value should be hashed. If empty, the whole key or value is hashed."),
        pub(super) field_names: Vec<String> = Key::new("field.names", Kind::List, "")
            .doc("Fields to hash in place, with dots between the names of nested ones; structs and maps alike."),
        pub(super) skip_missing_or_null: bool = Key::new("skip.missing.or.null", Kind::Boolean, "false")
            .importance(Importance::Low)
            .doc("Whether missing or null values are left as they are instead of being an error."),
        function: String = Key::required("function", Kind::String)
            .importance(Importance::High)
            .doc(
                "The hash function: md5, sha1, sha224, sha256, sha384, sha512, sha512_256, sha3_224, sha3_256, \
                 sha3_384, sha3_512, blake3, hmac_md5, hmac_sha1, hmac_sha224, hmac_sha256, hmac_sha384, \
                 hmac_sha512 or blake3_keyed. Without a key, values that can be guessed can be found by guessing.",
            )
            .validator(Validator::Check(check_function)),
        encoding: String = Key::new("encoding", Kind::String, "hex")
            .doc("How the digest is written: hex, hex_upper, base64, base64url or binary.")
            .validator(Validator::OneOf(&["hex", "hex_upper", "base64", "base64url", "binary"])),
        input: String = Key::new("input", Kind::String, "text")
            .doc("What is hashed: text (the decoded string in UTF-8) or raw (the bytes as they came).")
            .validator(Validator::OneOf(&["text", "raw"])),
        key: Option<Password> = Key::null("key", Kind::Password).doc("The key of a keyed function."),
        key_encoding: String = Key::new("key.encoding", Kind::String, "utf8")
            .doc("How the key is written: utf8, hex or base64.")
            .validator(Validator::OneOf(&["utf8", "hex", "base64"])),
        salt: Option<Password> = Key::null("salt", Kind::Password)
            .doc("Bytes that are hashed together with every value."),
        salt_position: String = Key::new("salt.position", Kind::String, "prefix")
            .doc("Whether the salt stands before or behind the value: prefix or suffix.")
            .validator(Validator::OneOf(&["prefix", "suffix"])),
        truncate_bytes: i32 = Key::new("truncate.bytes", Kind::Int, "0")
            .doc("How many bytes of the digest to keep; 0 keeps all.")
            .validator(Validator::Between(0, 64)),
        null_value: String = Key::new("null.value", Kind::String, "fail")
            .doc(
                "What becomes of a record whose whole value is null, unless skip.missing.or.null is set: fail, skip \
                 (the record is dropped) or pass.",
            )
            .validator(Validator::OneOf(&["fail", "skip", "pass"])),
    }
}

fn check_function(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if HashFunction::by_name(text).is_some() => Ok(()),
        None => Ok(()),
        _ => {
            let names = HashFunction::ALL.map(HashFunction::name).join(", ");
            Err(invalid(
                name,
                value,
                &format!("String must be one of: {names}"),
            ))
        }
    }
}

/// What decides a hash.
pub(super) fn settings_of(config: &HashConfig) -> Result<HashSettings, PluginError> {
    let function = HashFunction::by_name(&config.function);
    let function = function.ok_or_else(|| PluginError::config("the function is unknown"))?;
    let key = match &config.key {
        Some(key) => decode_key(key, &config.key_encoding)?,
        None => Vec::new(),
    };
    let salt = config.salt.as_ref();
    Ok(HashSettings {
        function,
        key,
        salt: salt.map_or_else(Vec::new, |salt| salt.reveal().as_bytes().to_vec()),
        salt_last: config.salt_position == "suffix",
        truncate: usize::try_from(config.truncate_bytes).unwrap_or(0),
        encoding: match config.encoding.as_str() {
            "hex_upper" => DigestEncoding::HexUpper,
            "base64" => DigestEncoding::Base64,
            "base64url" => DigestEncoding::Base64Url,
            "binary" => DigestEncoding::Binary,
            _ => DigestEncoding::Hex,
        },
        input: if config.input == "raw" {
            HashInput::Raw
        } else {
            HashInput::Text
        },
        null: match config.null_value.as_str() {
            _ if config.skip_missing_or_null => NullHashing::Pass,
            "skip" => NullHashing::Skip,
            "pass" => NullHashing::Pass,
            _ => NullHashing::Fail,
        },
    })
}

fn decode_key(key: &Password, encoding: &str) -> Result<Vec<u8>, PluginError> {
    let text = key.reveal();
    // What nobody resolved is known to everybody who reads the settings.
    if text.starts_with("${") && text.ends_with('}') {
        return Err(PluginError::config(
            "the key is a reference that stands for nothing",
        ));
    }
    let decoded = match encoding {
        "hex" => decode_hex(text),
        "base64" => STANDARD.decode(text).ok(),
        _ => Some(text.as_bytes().to_vec()),
    };
    decoded.ok_or_else(|| PluginError::config(format!("the key is not written in {encoding}")))
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| {
        pairs
            .iter()
            .map(|[high, low]| (high << 4 | low) as u8)
            .collect()
    })
}
