//! The original's own validators, with its texts.

use super::{PARQUET_CODECS, classes};
use crate::partitioner::zone::Zone;
use millstream_core::config::Parsed;
use millstream_core::config::validator::invalid;

type Verdict = Result<(), String>;

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

fn in_any_case(name: &str, value: Option<&Parsed>, allowed: &[&str], said: &str) -> Verdict {
    match text(value) {
        Some(text) if allowed.iter().any(|a| a.eq_ignore_ascii_case(text)) => Ok(()),
        _ => {
            let why = format!("{said}: {}", allowed.join(", "));
            Err(invalid(name, value, &why))
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
    in_any_case(name, value, &["ignore", "fail"], "String must be one of")
}

pub(super) fn null_values(name: &str, value: Option<&Parsed>) -> Verdict {
    let allowed = ["ignore", "fail", "write"];
    in_any_case(name, value, &allowed, "String must be one of")
}

pub(super) fn decimal_format(name: &str, value: Option<&Parsed>) -> Verdict {
    let said = "String must be one of (case insensitive)";
    in_any_case(name, value, &["NUMERIC", "BASE64"], said)
}

/// The original fails on a blank region with an error of the whole request; here it is an error of the key.
pub(super) fn region(name: &str, value: Option<&Parsed>) -> Verdict {
    match text(value) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(invalid(name, value, "region must not be blank or empty.")),
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
