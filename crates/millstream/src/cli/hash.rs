//! Flags and variables about what the hashing job writes.

use clap::{ArgAction, Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Default, Args)]
pub(crate) struct HashArgs {
    /// The key of a keyed hash itself; a file is the better place.
    #[arg(long, env = "HASH_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) hash_key: Option<String>,
    /// Where Secrets Manager keeps the key of a keyed hash: the secret's name or ARN, and behind a colon the name of a value in
    /// it. It is read when the job starts, and shown nowhere.
    #[arg(long, env = "HASH_KEY_SECRET", value_name = "NAME:VALUE")]
    pub(crate) hash_key_secret: Option<String>,
    /// How the key is written.
    #[arg(long, env = "HASH_KEY_ENCODING", value_enum, default_value = "utf8")]
    pub(crate) hash_key_encoding: KeyEncoding,
    /// What the key is called: it is written into each document, as keyId, so that it is known after the key has been replaced
    /// by which one a digest was made.
    #[arg(long, env = "HASH_KEY_ID", value_name = "ID")]
    pub(crate) hash_key_id: Option<String>,
    /// Values are JSON, and these of their fields are hashed in place, separated by commas, with dots between the names of
    /// nested ones: email,address.street. The whole value is hashed unless set.
    #[arg(
        long,
        env = "HASH_FIELDS",
        value_delimiter = ',',
        value_name = "FIELDS"
    )]
    hash_fields: Vec<String>,
    /// How digests are written; binary is half as long as hex.
    #[arg(long, env = "HASH_ENCODING", value_enum, default_value = "hex")]
    pub(crate) hash_encoding: DigestForm,
    /// Write topic, partition, offset and timestamp of its record into each document.
    #[arg(long, env = "PROVENANCE", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true")]
    pub(crate) provenance: bool,
    /// Print what would be written of the records in this file, a value in each line (- is the standard input), and end. No
    /// broker and no document store is asked.
    #[arg(long, value_name = "FILE")]
    pub(crate) explain: Option<PathBuf>,
}

impl HashArgs {
    /// The paths of fields; a variable that is set to nothing names none.
    pub(crate) fn fields(&self) -> Vec<String> {
        let fields = self.hash_fields.iter().map(|path| path.trim());
        fields
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyEncoding {
    #[default]
    Utf8,
    Hex,
    Base64,
}

impl KeyEncoding {
    /// As the hash transform's setting has it.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            KeyEncoding::Utf8 => "utf8",
            KeyEncoding::Hex => "hex",
            KeyEncoding::Base64 => "base64",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DigestForm {
    #[default]
    Hex,
    #[value(name = "hex_upper", alias = "hex-upper")]
    HexUpper,
    Base64,
    Base64url,
    Binary,
}

impl DigestForm {
    /// As the hash transform's setting has it.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            DigestForm::Hex => "hex",
            DigestForm::HexUpper => "hex_upper",
            DigestForm::Base64 => "base64",
            DigestForm::Base64url => "base64url",
            DigestForm::Binary => "binary",
        }
    }
}
