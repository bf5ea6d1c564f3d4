//! Which version of each request to speak: the newest that both sides know.

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, VersionRange};
use std::collections::HashMap;

/// The newest versions in which this client's requests say what they mean: later ones name topics by id,
/// batch several keys or groups, or need newer semantics.
fn newest_of_ours(key: i16) -> i16 {
    match ApiKey::try_from(key) {
        Ok(ApiKey::Fetch | ApiKey::Metadata | ApiKey::Produce) => 12,
        Ok(ApiKey::FindCoordinator) => 3,
        Ok(ApiKey::OffsetFetch) => 7,
        Ok(ApiKey::OffsetCommit) => 8,
        Ok(ApiKey::ListOffsets) => 7,
        Ok(ApiKey::InitProducerId | ApiKey::EndTxn) => 4,
        Ok(ApiKey::AddPartitionsToTxn) => 3,
        Ok(ApiKey::DeleteTopics) => 5,
        Ok(_) | Err(_) => i16::MAX,
    }
}

/// What a broker offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(HashMap<i16, VersionRange>);

impl Versions {
    pub(crate) fn new(response: &ApiVersionsResponse) -> Self {
        Versions(
            response
                .api_keys
                .iter()
                .map(|api| {
                    let range = VersionRange {
                        min: api.min_version,
                        max: api.max_version,
                    };
                    (api.api_key, range)
                })
                .collect(),
        )
    }

    /// The version to speak, if there is one.
    pub(crate) fn choose<R: Request>(&self) -> Option<i16> {
        let ours = VersionRange {
            min: R::VERSIONS.min,
            max: R::VERSIONS.max.min(newest_of_ours(R::KEY)),
        };
        let both = ours.intersect(self.0.get(&R::KEY)?);
        (!both.is_empty()).then_some(both.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::{FetchRequest, JoinGroupRequest};

    #[test]
    fn speaks_the_newest_that_both_know() {
        let api = |key: ApiKey, min, max| {
            ApiVersion::default()
                .with_api_key(key as i16)
                .with_min_version(min)
                .with_max_version(max)
        };
        let offered = ApiVersionsResponse::default().with_api_keys(vec![
            api(ApiKey::Fetch, 4, 17),
            api(ApiKey::JoinGroup, 0, 4),
        ]);
        let versions = Versions::new(&offered);
        assert_eq!(versions.choose::<FetchRequest>(), Some(12));
        assert_eq!(versions.choose::<JoinGroupRequest>(), Some(4));
        let ancient = ApiVersionsResponse::default().with_api_keys(vec![api(ApiKey::Fetch, 0, 3)]);
        assert_eq!(Versions::new(&ancient).choose::<FetchRequest>(), None);
    }
}
