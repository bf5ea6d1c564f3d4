//! One request: what is known about it, and the way from its bytes to the handler and back to bytes.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterConfigsRequest, ApiKey,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    RequestHeader, SaslAuthenticateRequest, SaslHandshakeRequest, SyncGroupRequest,
    TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use millstream_wire::Shaped;
use tokio::sync::Notify;

use super::Shared;
use super::faults::ApiAction;
use super::sasl::{Admission, SignIn};
use super::versions;

/// What goes back to the client.
pub(crate) enum Outcome {
    Answer(Vec<Bytes>),
    /// The last answer of the connection.
    LastAnswer(Vec<Bytes>),
    /// The client asked for no answer.
    Silence,
    Close,
}

/// A request in the hands of its handler.
pub(crate) struct Call<'a> {
    pub(crate) broker: &'a Shared,
    /// The node whose listener it came to.
    pub(crate) node: i32,
    pub(crate) version: i16,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: &'a str,
    /// Woken when a partition that the connection waits for has grown.
    pub(crate) waiter: &'a Arc<Notify>,
    fault: Option<(i16, Option<String>)>,
}

impl Call<'_> {
    /// The error that an injected fault wants for this topic.
    pub(crate) fn forced(&self, topic: &str) -> Option<ResponseError> {
        let (code, only) = self.fault.as_ref()?;
        if only.as_ref().is_none_or(|only| only == topic) {
            code.err()
        } else {
            None
        }
    }

    /// The error that an injected fault wants for the whole request.
    pub(crate) fn forced_whole(&self) -> Option<ResponseError> {
        self.fault.as_ref().and_then(|(code, _)| code.err())
    }

    /// Whether this node coordinates a group or a transaction.
    pub(crate) fn check_coordinator(&self, key: &str) -> Result<(), ResponseError> {
        if let Some(forced) = self.forced_whole() {
            return Err(forced);
        }
        if key.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if self.broker.nodes.coordinator(key) == Some(self.node) {
            Ok(())
        } else {
            Err(ResponseError::NotCoordinator)
        }
    }

    /// Plays a fault's delay or end; `Some` decides the request, the flag says whether its answer gets lost.
    async fn apply_fault(
        &mut self,
        api: ApiKey,
        topics: impl FnOnce() -> Vec<String>,
    ) -> Option<bool> {
        match self.broker.faults.take(api, topics) {
            None => Some(false),
            Some((ApiAction::Disconnect, _)) => None,
            Some((ApiAction::LoseAnswer, _)) => Some(true),
            Some((ApiAction::Delay(time), _)) => {
                tokio::time::sleep(time).await;
                Some(false)
            }
            Some((ApiAction::Error(code), topic)) => {
                self.fault = Some((code, topic));
                Some(false)
            }
        }
    }
}

pub(crate) fn code(result: Result<(), ResponseError>) -> i16 {
    result.map_or_else(|error| error.code(), |()| 0)
}

/// Serves the request in `frame`.
pub(crate) async fn serve(
    broker: &Shared,
    node: i32,
    client_host: &str,
    waiter: &Arc<Notify>,
    sign_in: &mut SignIn,
    mut frame: Bytes,
) -> Outcome {
    if frame.len() < 8 {
        return Outcome::Close;
    }
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let Ok(api) = ApiKey::try_from(i16::from_be_bytes([frame[0], frame[1]])) else {
        return Outcome::Close;
    };
    let correlation = (&frame[4..8]).get_i32();
    let Some((min, max)) = versions::range(api, broker.cap, broker.sasl.is_some()) else {
        return Outcome::Close;
    };
    if let Some(sasl) = &broker.sasl
        && matches!(sasl.admit(sign_in, api), Admission::Refused)
    {
        return Outcome::Close;
    }
    if api == ApiKey::ApiVersions && version > max {
        return respond(
            correlation,
            api,
            0,
            encode(
                &versions::answer(broker.cap, broker.sasl.is_some(), false),
                0,
            ),
        );
    }
    if version < min || version > max {
        tracing::debug!(?api, version, "unsupported version of a request");
        return Outcome::Close;
    }
    let Ok(header) = RequestHeader::decode(&mut frame, api.request_header_version(version)) else {
        return Outcome::Close;
    };
    let client_id = header.client_id.unwrap_or_default();
    let call = Call {
        broker,
        node,
        version,
        client_id,
        client_host,
        waiter,
        fault: None,
    };
    if let Some(sasl) = &broker.sasl {
        let decoded = match api {
            ApiKey::SaslHandshake => decode::<SaslHandshakeRequest>(&mut frame, version)
                .map(|request| encode(&sasl.handshake(sign_in, &request), version)),
            ApiKey::SaslAuthenticate => {
                let request = decode::<SaslAuthenticateRequest>(&mut frame, version);
                let answer = request.map(|request| sasl.authenticate(sign_in, &request));
                if let Some((answer, true)) = answer {
                    let answer = respond(correlation, api, version, encode(&answer, version));
                    return match answer {
                        Outcome::Answer(pieces) => Outcome::LastAnswer(pieces),
                        other => other,
                    };
                }
                answer.map(|(answer, _)| encode(&answer, version))
            }
            _ => return served(call, api, correlation, frame).await,
        };
        return match decoded {
            Some(body) => respond(correlation, api, version, body),
            None => Outcome::Close,
        };
    }
    served(call, api, correlation, frame).await
}

async fn served(call: Call<'_>, api: ApiKey, correlation: i32, frame: Bytes) -> Outcome {
    let version = call.version;
    match handle(call, api, frame).await {
        Some((lost, body)) if lost || body.is_none() => {
            if lost {
                Outcome::Close
            } else {
                Outcome::Silence
            }
        }
        Some((_, Some(body))) => respond(correlation, api, version, Some(body)),
        _ => Outcome::Close,
    }
}

fn respond(correlation: i32, api: ApiKey, version: i16, body: Option<Vec<Bytes>>) -> Outcome {
    let Some(body) = body else {
        return Outcome::Close;
    };
    let is_flexible = api.response_header_version(version) >= 1;
    let size = 4 + usize::from(is_flexible) + body.iter().map(Bytes::len).sum::<usize>();
    let mut head = BytesMut::with_capacity(16);
    head.put_i32(size as i32);
    head.put_i32(correlation);
    if is_flexible {
        head.put_u8(0);
    }
    let mut pieces = Vec::with_capacity(body.len() + 1);
    pieces.push(head.freeze());
    pieces.extend(body);
    Outcome::Answer(pieces)
}

fn encode(response: &impl Encodable, version: i16) -> Option<Vec<Bytes>> {
    let mut out = BytesMut::with_capacity(response.compute_size(version).unwrap_or(0));
    match response.encode(&mut out, version) {
        Ok(()) => Some(vec![out.freeze()]),
        Err(error) => {
            tracing::error!(%error, "cannot encode an answer of the embedded broker");
            None
        }
    }
}

fn decode<R: Shaped>(frame: &mut Bytes, version: i16) -> Option<R> {
    millstream_wire::decode(frame, version)
        .inspect_err(|error| tracing::debug!(%error, "a request does not parse"))
        .ok()
}

/// Decodes, meets the faults, handles and encodes: the same four steps for every request.
macro_rules! answer {
    ($call:ident, $api:ident, $frame:ident, $request:ty, |$r:ident| $handle:expr) => {
        answer!($call, $api, $frame, $request, |_| Vec::new(), |$r| $handle)
    };
    ($call:ident, $api:ident, $frame:ident, $request:ty, $topics:expr, |$r:ident| $handle:expr) => {{
        let $r: $request = decode(&mut $frame, $call.version)?;
        let topics: fn(&$request) -> Vec<String> = $topics;
        let lost = $call.apply_fault($api, || topics(&$r)).await?;
        let version = $call.version;
        (lost, Some(encode(&$handle, version)?))
    }};
}

/// Whether the answer gets lost, and its body; no body where the client wants none; `None` closes the connection.
async fn handle(
    mut call: Call<'_>,
    api: ApiKey,
    mut frame: Bytes,
) -> Option<(bool, Option<Vec<Bytes>>)> {
    Some(match api {
        ApiKey::ApiVersions => {
            let lost = call.apply_fault(api, Vec::new).await?;
            let has_sasl = call.broker.sasl.is_some();
            let mut answer = versions::answer(call.broker.cap, has_sasl, true);
            if let Some(forced) = call.forced_whole() {
                answer.error_code = forced.code();
            }
            (lost, Some(encode(&answer, call.version)?))
        }
        ApiKey::Produce => {
            let request: ProduceRequest = decode(&mut frame, call.version)?;
            let names = || {
                request
                    .topic_data
                    .iter()
                    .map(|topic| call.broker.topic_name(&topic.name, topic.topic_id))
                    .collect()
            };
            let fault = names();
            let lost = call.apply_fault(api, || fault).await?;
            let quiet = request.acks == 0;
            let response = call.produce(request)?;
            (
                lost,
                if quiet {
                    None
                } else {
                    Some(encode(&response, call.version)?)
                },
            )
        }
        ApiKey::Fetch => {
            let request: FetchRequest = decode(&mut frame, call.version)?;
            let broker = call.broker;
            let names = || {
                // A session's topics were named by an earlier request.
                let kept = broker.sessions.topics(request.session_id);
                let asked = request
                    .topics
                    .iter()
                    .map(|topic| (topic.topic.to_string(), topic.topic_id));
                asked
                    .chain(kept)
                    .map(|(name, id)| broker.topic_name(&name, id))
                    .collect()
            };
            let lost = call.apply_fault(api, names).await?;
            (lost, Some(call.fetch(request).await))
        }
        ApiKey::ListOffsets => {
            answer!(
                call,
                api,
                frame,
                ListOffsetsRequest,
                |r| r.topics.iter().map(|t| t.name.to_string()).collect(),
                |r| { call.list_offsets(r) }
            )
        }
        ApiKey::Metadata => answer!(
            call,
            api,
            frame,
            MetadataRequest,
            |r| r
                .topics
                .iter()
                .flatten()
                .flat_map(|t| &t.name)
                .map(|name| name.to_string())
                .collect(),
            |r| call.metadata(r)
        ),
        ApiKey::OffsetCommit => {
            answer!(
                call,
                api,
                frame,
                OffsetCommitRequest,
                |r| r.topics.iter().map(|t| t.name.to_string()).collect(),
                |r| { call.offset_commit(r) }
            )
        }
        ApiKey::OffsetFetch => answer!(call, api, frame, OffsetFetchRequest, |r| call
            .offset_fetch(r)),
        ApiKey::OffsetDelete => answer!(call, api, frame, OffsetDeleteRequest, |r| call
            .offset_delete(r)),
        ApiKey::FindCoordinator => answer!(call, api, frame, FindCoordinatorRequest, |r| call
            .find_coordinator(r)),
        ApiKey::JoinGroup => answer!(call, api, frame, JoinGroupRequest, |r| call
            .join_group(r)
            .await),
        ApiKey::SyncGroup => answer!(call, api, frame, SyncGroupRequest, |r| call
            .sync_group(r)
            .await),
        ApiKey::Heartbeat => answer!(call, api, frame, HeartbeatRequest, |r| call.heartbeat(r)),
        ApiKey::LeaveGroup => answer!(call, api, frame, LeaveGroupRequest, |r| call.leave_group(r)),
        ApiKey::DescribeGroups => answer!(call, api, frame, DescribeGroupsRequest, |r| call
            .describe_groups(r)),
        ApiKey::ListGroups => answer!(call, api, frame, ListGroupsRequest, |r| call.list_groups(r)),
        ApiKey::DeleteGroups => answer!(call, api, frame, DeleteGroupsRequest, |r| call
            .delete_groups(r)),
        ApiKey::CreateTopics => {
            answer!(
                call,
                api,
                frame,
                CreateTopicsRequest,
                |r| r.topics.iter().map(|t| t.name.to_string()).collect(),
                |r| { call.create_topics(r) }
            )
        }
        ApiKey::DeleteTopics => answer!(call, api, frame, DeleteTopicsRequest, |r| call
            .delete_topics(r)),
        ApiKey::CreatePartitions => answer!(call, api, frame, CreatePartitionsRequest, |r| call
            .create_partitions(r)),
        ApiKey::DeleteRecords => answer!(call, api, frame, DeleteRecordsRequest, |r| call
            .delete_records(r)),
        ApiKey::OffsetForLeaderEpoch => {
            answer!(call, api, frame, OffsetForLeaderEpochRequest, |r| call
                .leader_epochs(r))
        }
        ApiKey::DescribeConfigs => answer!(call, api, frame, DescribeConfigsRequest, |r| call
            .describe_configs(r)),
        ApiKey::AlterConfigs => answer!(call, api, frame, AlterConfigsRequest, |r| call
            .alter_configs(r)),
        ApiKey::IncrementalAlterConfigs => {
            answer!(call, api, frame, IncrementalAlterConfigsRequest, |r| call
                .incremental_alter_configs(r))
        }
        ApiKey::DescribeCluster => answer!(call, api, frame, DescribeClusterRequest, |r| call
            .describe_cluster(r)),
        ApiKey::InitProducerId => answer!(call, api, frame, InitProducerIdRequest, |r| call
            .init_producer_id(r)),
        ApiKey::AddPartitionsToTxn => {
            answer!(call, api, frame, AddPartitionsToTxnRequest, |r| call
                .add_partitions(r))
        }
        ApiKey::AddOffsetsToTxn => answer!(call, api, frame, AddOffsetsToTxnRequest, |r| call
            .add_offsets(r)),
        ApiKey::TxnOffsetCommit => answer!(call, api, frame, TxnOffsetCommitRequest, |r| call
            .txn_offset_commit(r)),
        ApiKey::EndTxn => answer!(call, api, frame, EndTxnRequest, |r| call.end_txn(r)),
        _ => return None,
    })
}
