//! `MILLSTREAM_BOOTSTRAP_CONNECTORS`: where the document is that names a worker's first connectors.

use std::fmt;
use std::path::PathBuf;

/// The variable.
pub const BOOTSTRAP_CONNECTORS: &str = "MILLSTREAM_BOOTSTRAP_CONNECTORS";

const PARAMETER: &str = "ssm:";
const OBJECT: &str = "s3://";

/// Where the document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// A parameter of AWS Systems Manager, by name or ARN.
    Parameter(String),
    /// An object of S3.
    Object {
        bucket: String,
        key: String,
    },
}

impl Place {
    /// # Errors
    /// What is wrong with the text, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |what: &str| {
            format!("{text:?} {what}; write the path of a file, ssm:NAME or s3://bucket/key")
        };
        if text.is_empty() {
            return Err(wrong("names nothing"));
        }
        if let Some(name) = text.strip_prefix(PARAMETER) {
            return match name.trim() {
                "" => Err(wrong("names no parameter")),
                name => Ok(Place::Parameter(name.to_owned())),
            };
        }
        if let Some(place) = text.strip_prefix(OBJECT) {
            let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
            if bucket.is_empty() || key.is_empty() {
                return Err(wrong("lacks a bucket or a key"));
            }
            return Ok(Place::Object {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            });
        }
        if text.contains("://") {
            return Err(wrong("is no place that is read"));
        }
        Ok(Place::File(PathBuf::from(text)))
    }

    /// Whether AWS is asked for it.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Place::File(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Parameter(name) => write!(f, "{PARAMETER}{name}"),
            Place::Object { bucket, key } => write!(f, "{OBJECT}{bucket}/{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_a_file_a_parameter_or_an_object() {
        let arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/millstream/prod/connectors";
        for text in [
            "/etc/millstream/connectors.json",
            "connectors.json",
            "ssm:/millstream/prod/connectors",
            &format!("ssm:{arn}"),
            "s3://bucket/folder/connectors.json",
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!(place.to_string(), text);
            assert_eq!(place.is_remote(), text.starts_with('s'), "{text}");
        }
        assert_eq!(
            Place::parse(" s3://b/k "),
            Ok(Place::Object {
                bucket: "b".to_owned(),
                key: "k".to_owned()
            })
        );
        for wrong in [
            "",
            " ",
            "ssm:",
            "ssm: ",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "https://x/y",
        ] {
            let why = Place::parse(wrong).unwrap_err();
            assert!(why.contains("ssm:NAME"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_told_to_be_none(text in "(ssm:|s3://|/)?.{0,30}") {
            if let Ok(place) = Place::parse(&text) {
                prop_assert_eq!(Place::parse(&place.to_string()), Ok(place));
            }
        }
    }
}
