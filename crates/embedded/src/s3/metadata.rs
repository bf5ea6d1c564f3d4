//! Metadata of objects: what clients asked for besides the bytes. It is kept in memory, as long as the server.

use s3s::dto::{
    Grant, Grantee, ObjectCannedACL, Owner, Permission, SSECustomerAlgorithm, SSECustomerKeyMD5,
    SSEKMSKeyId, ServerSideEncryption, Tag, Type,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects and uploads remembered at most; the first in order of name goes when one more comes.
const MAX_ENTRIES: usize = 100_000;

/// The settings of one object, as its writer gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectMetadata {
    /// `AES256`, `aws:kms` …
    pub(super) server_side_encryption: Option<String>,
    pub(super) kms_key_id: Option<String>,
    /// The algorithm and the key's digest of SSE-C; the key itself is not kept.
    pub(super) customer_algorithm: Option<String>,
    pub(super) customer_key_md5: Option<String>,
    pub(super) canned_acl: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// Whose metadata it is: an object's, or that of an upload that will be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Object { bucket: String, key: String },
    Upload(String),
}

#[derive(Default)]
pub(super) struct MetadataStore(Mutex<BTreeMap<Place, ObjectMetadata>>);

impl MetadataStore {
    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<ObjectMetadata> {
        self.lock().get(&Place::object(bucket, key)).cloned()
    }

    pub(super) fn set(&self, place: Place, metadata: ObjectMetadata) {
        let mut all = self.lock();
        if metadata == ObjectMetadata::default() {
            all.remove(&place);
        } else {
            if all.len() >= MAX_ENTRIES {
                all.pop_first();
            }
            all.insert(place, metadata);
        }
    }

    pub(super) fn take(&self, place: &Place) -> Option<ObjectMetadata> {
        self.lock().remove(place)
    }

    pub(super) fn change(&self, bucket: &str, key: &str, change: impl FnOnce(&mut ObjectMetadata)) {
        let place = Place::object(bucket, key);
        let mut metadata = self.take(&place).unwrap_or_default();
        change(&mut metadata);
        self.set(place, metadata);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, ObjectMetadata>> {
        // A panic elsewhere leaves at worst one entry unwritten.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn object(bucket: &str, key: &str) -> Self {
        Place::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        }
    }
}

impl ObjectMetadata {
    pub(super) fn encryption(&self) -> Option<ServerSideEncryption> {
        self.server_side_encryption
            .clone()
            .map(ServerSideEncryption::from)
    }

    pub(super) fn kms_key(&self) -> Option<SSEKMSKeyId> {
        self.kms_key_id.clone()
    }

    pub(super) fn customer(&self) -> (Option<SSECustomerAlgorithm>, Option<SSECustomerKeyMD5>) {
        (
            self.customer_algorithm.clone(),
            self.customer_key_md5.clone(),
        )
    }

    pub(super) fn tag_set(&self) -> Vec<Tag> {
        self.tags
            .iter()
            .map(|(key, value)| Tag {
                key: Some(key.clone()),
                value: Some(value.clone()),
            })
            .collect()
    }

    /// The grants that S3 makes of a canned ACL.
    pub(super) fn grants(&self) -> Vec<Grant> {
        let group = |name: &str, permission| Grant {
            grantee: Some(Grantee {
                display_name: None,
                email_address: None,
                id: None,
                type_: Type::from_static(Type::GROUP),
                uri: Some(format!("http://acs.amazonaws.com/groups/{name}")),
            }),
            permission: Some(Permission::from_static(permission)),
        };
        let mut grants = vec![Grant {
            grantee: Some(Grantee {
                display_name: None,
                email_address: None,
                id: owner().id,
                type_: Type::from_static(Type::CANONICAL_USER),
                uri: None,
            }),
            permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
        }];
        match self.canned_acl.as_deref() {
            Some(ObjectCannedACL::PUBLIC_READ) => {
                grants.push(group("global/AllUsers", Permission::READ))
            }
            Some(ObjectCannedACL::PUBLIC_READ_WRITE) => {
                grants.push(group("global/AllUsers", Permission::READ));
                grants.push(group("global/AllUsers", Permission::WRITE));
            }
            Some(ObjectCannedACL::AUTHENTICATED_READ) => {
                grants.push(group("global/AuthenticatedUsers", Permission::READ));
            }
            _ => {}
        }
        grants
    }
}

/// Everything belongs to one owner here.
pub(super) fn owner() -> Owner {
    Owner {
        display_name: Some("millstream".to_owned()),
        id: Some("millstream".to_owned()),
    }
}

/// Reads the tagging header, which is a query string.
pub(super) fn parse_tags(header: &str) -> Vec<(String, String)> {
    header
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(key), unescape(value))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_query_string() {
        let tags = parse_tags("a=1&b+c=%C3%A9%2");
        assert_eq!(
            tags,
            [
                ("a".to_owned(), "1".to_owned()),
                ("b c".to_owned(), "é%2".to_owned())
            ]
        );
        assert!(parse_tags("").is_empty());
    }
}
