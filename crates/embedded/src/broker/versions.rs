//! Which requests the broker serves, in which versions, and how those ranges look on brokers of other releases (read from the
//! `ApiVersions` answers of the real ones).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

/// A release of Kafka whose version ranges the broker shows instead of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiCap {
    V2_2,
    V2_8,
    V3_9,
    V4_3,
}

struct Api {
    key: ApiKey,
    min: i16,
    max: i16,
    /// The highest version of 2.2, 2.8, 3.9 and 4.3; -1 where the release does not know the request.
    releases: [i16; 4],
}

const fn api(key: ApiKey, min: i16, max: i16, releases: [i16; 4]) -> Api {
    Api {
        key,
        min,
        max,
        releases,
    }
}

/// Transactions stay below the versions in which producers rely on the feature `transaction.version` 2, which is not offered.
const APIS: &[Api] = &[
    api(ApiKey::Produce, 3, 13, [7, 9, 11, 13]),
    api(ApiKey::Fetch, 4, 18, [10, 12, 17, 18]),
    api(ApiKey::ListOffsets, 1, 10, [5, 6, 9, 11]),
    api(ApiKey::Metadata, 0, 13, [7, 11, 12, 13]),
    api(ApiKey::OffsetCommit, 2, 9, [6, 8, 9, 10]),
    api(ApiKey::OffsetFetch, 1, 9, [5, 7, 9, 10]),
    api(ApiKey::FindCoordinator, 0, 6, [2, 3, 6, 6]),
    api(ApiKey::JoinGroup, 0, 9, [4, 7, 9, 9]),
    api(ApiKey::Heartbeat, 0, 4, [2, 4, 4, 4]),
    api(ApiKey::LeaveGroup, 0, 5, [2, 4, 5, 5]),
    api(ApiKey::SyncGroup, 0, 5, [2, 5, 5, 5]),
    api(ApiKey::DescribeGroups, 0, 6, [2, 5, 5, 6]),
    api(ApiKey::ListGroups, 0, 5, [2, 4, 5, 5]),
    api(ApiKey::ApiVersions, 0, 4, [2, 3, 4, 4]),
    api(ApiKey::CreateTopics, 2, 7, [3, 7, 7, 7]),
    api(ApiKey::DeleteTopics, 1, 6, [3, 6, 6, 6]),
    api(ApiKey::DeleteRecords, 0, 2, [1, 2, 2, 2]),
    api(ApiKey::InitProducerId, 0, 5, [1, 4, 5, 5]),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, [2, 4, 4, 4]),
    api(ApiKey::AddPartitionsToTxn, 0, 3, [1, 3, 5, 5]),
    api(ApiKey::AddOffsetsToTxn, 0, 3, [1, 3, 4, 4]),
    api(ApiKey::EndTxn, 0, 3, [1, 3, 4, 5]),
    api(ApiKey::TxnOffsetCommit, 0, 3, [2, 3, 4, 5]),
    api(ApiKey::DescribeConfigs, 1, 4, [2, 4, 4, 4]),
    api(ApiKey::AlterConfigs, 0, 2, [1, 2, 2, 2]),
    api(ApiKey::CreatePartitions, 0, 3, [1, 3, 3, 3]),
    api(ApiKey::DeleteGroups, 0, 2, [1, 2, 2, 2]),
    api(ApiKey::IncrementalAlterConfigs, 0, 1, [-1, 1, 1, 1]),
    api(ApiKey::OffsetDelete, 0, 0, [-1, 0, 0, 0]),
    api(ApiKey::DescribeCluster, 0, 2, [-1, 0, 1, 2]),
];

/// What a listener has besides where clients have to sign in.
const SIGN_IN: &[Api] = &[
    api(ApiKey::SaslHandshake, 0, 1, [1, 1, 1, 1]),
    api(ApiKey::SaslAuthenticate, 0, 2, [1, 2, 2, 2]),
];

/// The versions of a request that are served under `cap`.
pub(crate) fn range(key: ApiKey, cap: Option<ApiCap>, has_sasl: bool) -> Option<(i16, i16)> {
    let mut apis = apis(has_sasl);
    apis.find(|api| api.key == key)
        .and_then(|api| range_of(api, cap))
}

fn apis(has_sasl: bool) -> impl Iterator<Item = &'static Api> {
    let sign_in = if has_sasl { SIGN_IN } else { &[] };
    APIS.iter().chain(sign_in)
}

fn range_of(api: &Api, cap: Option<ApiCap>) -> Option<(i16, i16)> {
    let max = cap.map_or(api.max, |cap| api.max.min(api.releases[cap as usize]));
    (api.min <= max).then_some((api.min, max))
}

/// The answer to `ApiVersions`; to a version that is too new, only the range of `ApiVersions` itself.
pub(crate) fn answer(cap: Option<ApiCap>, has_sasl: bool, is_known: bool) -> ApiVersionsResponse {
    let shown = apis(has_sasl).filter(|api| is_known || api.key == ApiKey::ApiVersions);
    let keys = shown.filter_map(|api| {
        let (min, max) = range_of(api, cap)?;
        // librdkafka takes compression for unsupported unless Produce 0 is offered, so real brokers list it without serving it.
        let min = if api.key == ApiKey::Produce { 0 } else { min };
        Some(
            ApiVersion::default()
                .with_api_key(api.key as i16)
                .with_min_version(min)
                .with_max_version(max),
        )
    });
    let error = if is_known {
        0
    } else {
        ResponseError::UnsupportedVersion.code()
    };
    ApiVersionsResponse::default()
        .with_error_code(error)
        .with_api_keys(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_ranges_of_a_release() {
        assert_eq!(
            range(ApiKey::Fetch, Some(ApiCap::V2_2), false),
            Some((4, 10))
        );
        assert_eq!(
            range(ApiKey::IncrementalAlterConfigs, Some(ApiCap::V2_2), false),
            None
        );
        assert_eq!(range(ApiKey::JoinGroup, None, false), Some((0, 9)));
        assert_eq!(answer(None, true, false).api_keys.len(), 1);
        assert_eq!(range(ApiKey::SaslHandshake, None, false), None);
        assert_eq!(range(ApiKey::SaslHandshake, None, true), Some((0, 1)));
    }
}
