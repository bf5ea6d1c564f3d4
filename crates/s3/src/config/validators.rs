//! The original's own validators, with its texts.

use super::classes;
use crate::zone::Zone;
use millstream_core::config::Parsed;
use millstream_core::config::validator::{invalid, invalid_null};
use millstream_core::{ConfigValue, Properties};

type Verdict = Result<(), String>;

pub(super) const PARQUET_CODECS: [&str; 8] = [
    "none", "gzip", "snappy", "lz4", "brotli", "lz4_raw", "zstd", "lzo",
];

const MIN_PART_SIZE: i64 = 5 * 1024 * 1024;

const CANNED_ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

fn text(value: Option<&Parsed>) -> Option<&str> {
    match value {
        Some(Parsed::String(text) | Parsed::Class(text)) => Some(text),
        _ => None,
    }
}

fn value_one_of(name: &str, value: Option<&Parsed>, allowed: &[&str]) -> Verdict {
    match text(value) {
        Some(text) if allowed.contains(&text) => Ok(()),
        _ => {
            let why = format!("Value must be one of: [{}]", allowed.join(", "));
            Err(invalid(name, value, &why))
        }
    }
}

/// In any case of letters; the message has small ones.
fn in_small_letters(name: &str, value: Option<&Parsed>, allowed: &[&str]) -> Verdict {
    let small = text(value).map(str::to_lowercase);
    match &small {
        Some(text) if allowed.contains(&text.as_str()) => Ok(()),
        _ => {
            let why = format!("String must be one of: {}", allowed.join(", "));
            let shown = small.map(Parsed::String);
            Err(invalid(name, shown.as_ref(), &why))
        }
    }
}

pub(super) fn parquet_codec(name: &str, value: Option<&Parsed>) -> Verdict {
    value_one_of(name, value, &PARQUET_CODECS)
}

pub(super) fn compression(name: &str, value: Option<&Parsed>) -> Verdict {
    value_one_of(name, value, &["none", "gzip"])
}

/// Absent is fine; an empty text is not.
pub(super) fn acl(name: &str, value: Option<&Parsed>) -> Verdict {
    match value {
        None => Ok(()),
        Some(_) => value_one_of(name, value, &CANNED_ACLS),
    }
}

pub(super) fn tagging_error(name: &str, value: Option<&Parsed>) -> Verdict {
    in_small_letters(name, value, &["ignore", "fail"])
}

pub(super) fn null_values(name: &str, value: Option<&Parsed>) -> Verdict {
    in_small_letters(name, value, &["ignore", "fail", "write"])
}

/// The original fails on a blank region with an error of the whole request; here it is an error of the key.
pub(super) fn region(name: &str, value: Option<&Parsed>) -> Verdict {
    match text(value) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(invalid(name, value, "region must not be blank or empty.")),
    }
}

/// The original takes it, and says what is wrong when a task starts.
fn bucket(_: &str, value: Option<&Parsed>) -> Verdict {
    match text(value) {
        Some("") => Err("s3.bucket.name is empty; set it to the name of the bucket".to_owned()),
        _ => Ok(()),
    }
}

/// The original takes every text, and a task fails with what cannot be spoken to.
fn store_url(name: &str, value: Option<&Parsed>) -> Verdict {
    let Some((scheme, rest)) = text(value).and_then(|url| url.split_once("://")) else {
        return Ok(());
    };
    let is_http = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    if is_http && !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) {
        return Ok(());
    }
    let hint = if scheme.eq_ignore_ascii_case("s3") {
        "; the bucket is named by s3.bucket.name, and Amazon's own S3 needs no store.url"
    } else {
        ""
    };
    let why =
        format!("it is to be http://host:port or https://host:port (https without either){hint}");
    Err(invalid(name, value, &why))
}

/// Adds an error for each null that is left. The original takes none: it fails, as a request of its own, while it reads them.
pub(crate) fn refuse_nulls(properties: &Properties, values: &mut [ConfigValue]) {
    let nulls = values
        .iter_mut()
        .filter(|value| properties.entry(&value.name) == Some(None));
    for value in nulls.filter(|value| value.errors.is_empty()) {
        value.errors.push(invalid_null(&value.name));
    }
}

/// Adds what the original takes at first. It is no part of the definition: the original's checks across settings run
/// whatever is found here.
pub(crate) fn check_own(values: &mut [ConfigValue]) {
    for value in values.iter_mut().filter(|value| value.errors.is_empty()) {
        let verdict = match value.name.as_str() {
            "s3.bucket.name" => bucket(&value.name, value.value.as_ref()),
            "store.url" => store_url(&value.name, value.value.as_ref()),
            _ => Ok(()),
        };
        value.errors.extend(verdict.err());
    }
}

pub(super) fn part_size(name: &str, value: Option<&Parsed>) -> Verdict {
    match value {
        Some(Parsed::Int(size)) if *size < MIN_PART_SIZE => {
            let why = format!("Part size must be at least: {MIN_PART_SIZE} bytes (5MB)");
            Err(invalid(name, value, &why))
        }
        Some(_) => Ok(()),
        None => Err(invalid(name, value, "Part size must be non-null")),
    }
}

pub(super) fn credentials_class(name: &str, value: Option<&Parsed>) -> Verdict {
    match text(value) {
        Some(class) if classes::is_provider(class) => Ok(()),
        _ => Err(invalid(
            name,
            value,
            "Class must extend: interface software.amazon.awssdk.auth.credentials.AwsCredentialsProvider",
        )),
    }
}

pub(super) fn field_names(name: &str, value: Option<&Parsed>) -> Verdict {
    let Some(Parsed::List(fields)) = value else {
        return Ok(());
    };
    for field in fields {
        let refuse = |why: &str| {
            let shown = Parsed::String(field.clone());
            Err(invalid(name, Some(&shown), why))
        };
        if field.trim().is_empty() {
            return refuse("Field name cannot be null or empty");
        }
        // Java's split drops what is empty at the end: `a.` passes.
        let path = field.trim_end_matches('.');
        if path.split('.').any(|segment| segment.trim().is_empty()) {
            return refuse("Field name cannot contain an empty or whitespace-only path segment");
        }
    }
    Ok(())
}

pub(super) fn timezone(name: &str, value: Option<&Parsed>) -> Verdict {
    match text(value) {
        Some(id) if !id.trim().is_empty() => Zone::parse(id)
            .map(|_| ())
            .map_err(|why| invalid(name, value, &why)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(check: fn(&str, Option<&Parsed>) -> Verdict, text: &str) -> Option<String> {
        check("k", Some(&Parsed::String(text.to_owned()))).err()
    }

    #[test]
    fn a_choice_in_any_case_is_shown_in_small_letters() {
        assert_eq!(said(null_values, "WRITE"), None);
        assert_eq!(
            said(null_values, "TRUE").as_deref(),
            Some(
                "Invalid value true for configuration k: String must be one of: ignore, fail, write"
            )
        );
    }

    #[test]
    fn report_message_6_an_empty_bucket_name_is_an_error_of_its_key() {
        let error = said(bucket, "").expect("an error");
        assert_eq!(
            error,
            "s3.bucket.name is empty; set it to the name of the bucket"
        );
        assert_eq!(said(bucket, "b"), None);
        assert_eq!(bucket("k", None), Ok(()));
    }

    #[test]
    fn report_c21_a_store_url_is_one_of_http() {
        for fine in [
            "",
            "minio:9000",
            "http://minio:9000",
            "HTTPS://s3.example.org/",
            "127.0.0.1:9000",
        ] {
            assert_eq!(said(store_url, fine), None, "{fine}");
        }
        assert_eq!(
            said(store_url, "s3://bucket").as_deref(),
            Some(
                "Invalid value s3://bucket for configuration k: it is to be http://host:port or https://host:port \
                 (https without either); the bucket is named by s3.bucket.name, and Amazon's own S3 needs no store.url"
            )
        );
        for wrong in ["ftp://host", "http://", "https:///bucket", "http://:9000"] {
            assert!(said(store_url, wrong).is_some(), "{wrong}");
        }
    }
}
