//! The error codes of the protocol, by Kafka's own names.

macro_rules! error_codes {
    ($($code:literal $name:ident,)*) => {
        /// What a response says went wrong; [`ErrorCode::None`] when nothing did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $($name = $code,)*
        }

        impl ErrorCode {
            /// The code of this number, if it is known here.
            pub fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    $($code => Some(ErrorCode::$name),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    -1 UnknownServerError,
    0 None,
    1 OffsetOutOfRange,
    2 CorruptMessage,
    3 UnknownTopicOrPartition,
    4 InvalidFetchSize,
    5 LeaderNotAvailable,
    6 NotLeaderOrFollower,
    7 RequestTimedOut,
    8 BrokerNotAvailable,
    9 ReplicaNotAvailable,
    10 MessageTooLarge,
    12 OffsetMetadataTooLarge,
    13 NetworkException,
    14 CoordinatorLoadInProgress,
    15 CoordinatorNotAvailable,
    16 NotCoordinator,
    17 InvalidTopicException,
    18 RecordListTooLarge,
    19 NotEnoughReplicas,
    20 NotEnoughReplicasAfterAppend,
    21 InvalidRequiredAcks,
    22 IllegalGeneration,
    23 InconsistentGroupProtocol,
    24 InvalidGroupId,
    25 UnknownMemberId,
    26 InvalidSessionTimeout,
    27 RebalanceInProgress,
    28 InvalidCommitOffsetSize,
    29 TopicAuthorizationFailed,
    30 GroupAuthorizationFailed,
    31 ClusterAuthorizationFailed,
    32 InvalidTimestamp,
    33 UnsupportedSaslMechanism,
    34 IllegalSaslState,
    35 UnsupportedVersion,
    36 TopicAlreadyExists,
    37 InvalidPartitions,
    38 InvalidReplicationFactor,
    39 InvalidReplicaAssignment,
    40 InvalidConfig,
    41 NotController,
    42 InvalidRequest,
    43 UnsupportedForMessageFormat,
    44 PolicyViolation,
    45 OutOfOrderSequenceNumber,
    46 DuplicateSequenceNumber,
    47 InvalidProducerEpoch,
    48 InvalidTxnState,
    49 InvalidProducerIdMapping,
    50 InvalidTransactionTimeout,
    51 ConcurrentTransactions,
    52 TransactionCoordinatorFenced,
    53 TransactionalIdAuthorizationFailed,
    54 SecurityDisabled,
    55 OperationNotAttempted,
    56 KafkaStorageError,
    57 LogDirNotFound,
    58 SaslAuthenticationFailed,
    59 UnknownProducerId,
    60 ReassignmentInProgress,
    68 NonEmptyGroup,
    69 GroupIdNotFound,
    70 FetchSessionIdNotFound,
    71 InvalidFetchSessionEpoch,
    72 ListenerNotFound,
    73 TopicDeletionDisabled,
    74 FencedLeaderEpoch,
    75 UnknownLeaderEpoch,
    76 UnsupportedCompressionType,
    78 OffsetNotAvailable,
    79 MemberIdRequired,
    80 PreferredLeaderNotAvailable,
    81 GroupMaxSizeReached,
    82 FencedInstanceId,
    83 EligibleLeadersNotAvailable,
    84 ElectionNotNeeded,
    85 NoReassignmentInProgress,
    86 GroupSubscribedToTopic,
    87 InvalidRecord,
    88 UnstableOffsetCommit,
    89 ThrottlingQuotaExceeded,
    90 ProducerFenced,
    91 ResourceNotFound,
    92 DuplicateResource,
    93 UnacceptableCredential,
    95 InvalidUpdateVersion,
    96 FeatureUpdateFailed,
    100 UnknownTopicId,
    102 BrokerIdNotRegistered,
    103 InconsistentTopicId,
    105 TransactionalIdNotFound,
    106 FetchSessionTopicIdError,
    110 FencedMemberEpoch,
    111 UnreleasedInstanceId,
    112 UnsupportedAssignor,
    113 StaleMemberEpoch,
    114 MismatchedEndpointType,
    115 UnsupportedEndpointType,
    117 UnknownSubscriptionId,
    118 TelemetryTooLarge,
    120 TransactionAbortable,
    121 InvalidRecordState,
    122 ShareSessionNotFound,
    123 InvalidShareSessionEpoch,
    128 InvalidRegularExpression,
    130 StreamsInvalidTopology,
    131 StreamsInvalidTopologyEpoch,
    132 StreamsTopologyFenced,
    133 ShareSessionLimitReached,
}

impl ErrorCode {
    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn is_none(self) -> bool {
        self == ErrorCode::None
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.code()
    }
}
