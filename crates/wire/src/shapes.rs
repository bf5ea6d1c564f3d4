//! The shapes of the messages that brokers, clients and group members send each other, over all versions that
//! `kafka-protocol` reads, after Kafka's own definitions (`common/message/*.json` of its client). How a line reads
//! stands at `shape::Line`. A test generates messages from each and has the decoder read them.

use crate::shape::Shape;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;
use std::sync::LazyLock;

/// A message whose shape is known, so that it can be read.
pub trait Shaped: Decodable {
    fn shape() -> &'static Shape;
}

macro_rules! shapes {
    ($($message:ident, $flexible:expr => $line:literal;)*) => {
        $(impl Shaped for $message {
            fn shape() -> &'static Shape {
                static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
                    Shape::parse($flexible, $line).expect("a test reads each line of the table")
                });
                &SHAPE
            }
        })*

        #[cfg(test)]
        pub(crate) fn visit(mut visitor: impl crate::tests::Visitor) {
            $(visitor.visit::<$message>(stringify!($message));)*
        }
    };
}

/// For messages that have no such version.
const NEVER: i16 = i16::MAX;

shapes! {
    ConsumerProtocolAssignment, NEVER => "[s *4] b";
    ConsumerProtocolSubscription, NEVER => "*s b [s@1+ *4@1+]@1+ 4@2+ s@3+";
    AddPartitionsToTxnResponse, 3 => "4 2@4+ [s@4+ [s [4 2]]@4+]@4+ [s [4 2]]@-3";
    AlterShareGroupOffsetsResponse, 0 => "4 2 s [s 16 [4 2 s]]";
    AlterConfigsResponse, 2 => "4 [2 s 1 s]";
    ApiVersionsResponse, 3 => "2 [2 2 2] 4@1+ ~0 [s@3+ 2@3+ 2@3+]@3+ ~1 8@3+ ~2 [s@3+ 2@3+ 2@3+]@3+ ~3 1@3+";
    ConsumerGroupDescribeResponse, 0 => "4 [2 s s s 4 4 s [s s s 4 s s *s s ([16 s *4]) ([16 s *4]) 1@1+] 4]";
    CreatePartitionsResponse, 2 => "4 [s 2 s]";
    CreateTopicsResponse, 5 => "4 [s 16@7+ 2 s 4@5+ 2@5+ [s@5+ s@5+ 1@5+ 1@5+ 1@5+]@5+ ~0 2@5+]";
    DeleteGroupsResponse, 2 => "4 [s 2]";
    DeleteTopicsResponse, 4 => "4 [s 16@6+ 2 s@5+]";
    DescribeConfigsResponse, 4 => "4 [2 s 1 s [s s 1 1@1+ 1 [s s 1]@1+ 1@3+ s@3+]]";
    DescribeGroupsResponse, 5 => "4@1+ [2 s@6+ s s s s [s s@4+ s s b b] 4@3+]";
    DescribeShareGroupOffsetsResponse, 0 => "4 [s [s 16 [4 8 4 2 s]] 2 s]";
    DescribeTopicPartitionsResponse, 0 => "4 [2 s 16 1 [2 4 4 4 *4 *4 *4 *4 *4] 4] ?(s 4)";
    EndTxnResponse, 3 => "4 2 8@5+ 2@5+";
    FetchResponse, 12 => "4 2@7+ 4@7+ [s@-12 16@13+ [4 2 8 8 8@5+ [8 8] 4@11+ b ~0 (4@12+ 8@12+)@12+ ~1 (4@12+ 4@12+)@12+ ~2 (8 4)@12+]] ~0 [4@16+ s@16+ 4@16+ s@16+]@16+";
    FindCoordinatorResponse, 3 => "4@1+ 2@-3 s@1-3 4@-3 s@-3 4@-3 [s@4+ 4@4+ s@4+ 4@4+ 2@4+ s@4+]@4+";
    HeartbeatResponse, 4 => "4@1+ 2";
    IncrementalAlterConfigsResponse, 1 => "4 [2 s 1 s]";
    InitProducerIdResponse, 2 => "4 2 8 2 8@6+ 2@6+";
    JoinGroupResponse, 6 => "4@2+ 2 4 s@7+ s s 1@9+ s [s s@5+ b]";
    LeaveGroupResponse, 4 => "4@1+ 2 [s@3+ s@3+ 2@3+]@3+";
    ListGroupsResponse, 3 => "4@1+ 2 [s s s@4+ s@5+]";
    ListOffsetsResponse, 6 => "4@2+ [s [4 2 8 8 4@4+]]";
    MetadataResponse, 9 => "4@3+ [4 s 4 s@1+] s@2+ 4@1+ [2 s 16@10+ 1@1+ [2 4 4 4@7+ *4 *4 *4@5+] 4@8+] 4@8-10 2@13+";
    OffsetCommitResponse, 8 => "4@3+ [s@-9 16@10+ [4 2]]";
    OffsetDeleteResponse, NEVER => "2 4 [s [4 2]]";
    OffsetFetchResponse, 6 => "4@3+ [s@-7 [4@-7 8@-7 4@5-7 s@-7 2@-7]@-7]@-7 2@2-7 [s@8+ [s@8-9 16@10+ [4@8+ 8@8+ 4@8+ s@8+ 2@8+]@8+]@8+ 2@8+]@8+";
    OffsetForLeaderEpochResponse, 4 => "4 [s [2 4 4 8]]";
    ProduceResponse, 9 => "[s@-12 16@13+ [4 2 8 8 8@5+ [4@8+ s@8+]@8+ s@8+ ~0 (4@10+ 4@10+)@10+]] 4 ~0 [4@10+ s@10+ 4@10+ s@10+]@10+";
    SaslAuthenticateResponse, 2 => "2 s b 8@1+";
    SaslHandshakeResponse, NEVER => "2 *s";
    ShareGroupDescribeResponse, 0 => "4 [2 s s s 4 4 s [s s 4 s s *s ([16 s *4])] 4]";
    SyncGroupResponse, 4 => "4@1+ 2 s@5+ s@5+ b";
    AddOffsetsToTxnRequest, 3 => "s 8 2 s";
    AddPartitionsToTxnRequest, 3 => "[s@4+ 8@4+ 2@4+ 1@4+ [s *4]@4+]@4+ s@-3 8@-3 2@-3 [s *4]@-3";
    AlterConfigsRequest, 2 => "[1 s [s s]] 1";
    CreatePartitionsRequest, 2 => "[s 4 [*4]] 4 1";
    CreateTopicsRequest, 5 => "[s 4 2 [4 *4] [s s]] 4 1";
    DeleteGroupsRequest, 2 => "*s";
    DeleteRecordsRequest, 2 => "[s [4 8]] 4";
    DeleteTopicsRequest, 4 => "[s@6+ 16@6+]@6+ *s@-5 4";
    DescribeClusterRequest, 0 => "1 1@1+ 1@2+";
    DescribeConfigsRequest, 4 => "[1 s *s] 1 1@3+";
    DescribeGroupsRequest, 5 => "*s 1@3+";
    EndTxnRequest, 3 => "s 8 2 1";
    FetchRequest, 12 => "4@-14 4 4 4 1 4@7+ 4@7+ [s@-12 16@13+ [4 4@9+ 8 4@12+ 8@5+ 4 ~0 16@17+ ~1 8@18+]] [s@7-12 16@13+ *4@7+]@7+ s@11+ ~0 s@12+ ~1 (4@15+ 8@15+)@15+";
    FindCoordinatorRequest, 3 => "s@-3 1@1+ *s@4+";
    HeartbeatRequest, 4 => "s 4 s s@3+";
    IncrementalAlterConfigsRequest, 1 => "[1 s [s 1 s]] 1";
    InitProducerIdRequest, 2 => "s 4 8@3+ 2@3+";
    JoinGroupRequest, 6 => "s 4 4@1+ s s@5+ s [s b] s@8+";
    LeaveGroupRequest, 4 => "s s@-2 [s@3+ s@3+ s@5+]@3+";
    ListGroupsRequest, 3 => "*s@4+ *s@5+";
    ListOffsetsRequest, 6 => "4 1@2+ [s [4 4@4+ 8]] 4@10+";
    MetadataRequest, 9 => "[16@10+ s] 1@4+ 1@8-10 1@8+";
    OffsetCommitRequest, 8 => "s 4 s s@7+ 8@-4 [s [4 8 4@6+ s]]";
    OffsetDeleteRequest, NEVER => "s [s [4]]";
    OffsetFetchRequest, 6 => "s@-7 [s@-7 *4@-7]@-7 [s@8+ s@9+ 4@9+ [s@8+ *4@8+]@8+]@8+ 1@7+";
    OffsetForLeaderEpochRequest, 4 => "4@3+ [s [4 4 4]]";
    ProduceRequest, 9 => "s 2 4 [s@-12 16@13+ [4 b]]";
    SaslAuthenticateRequest, 2 => "b";
    SaslHandshakeRequest, NEVER => "s";
    SyncGroupRequest, 4 => "s 4 s s@3+ s@5+ s@5+ [s b]";
    TxnOffsetCommitRequest, 3 => "s s 8 2 4@3+ s@3+ s@3+ [s [4 8 4@2+ s]]";
}
