//! Produce: appends batches. The hot path: headers and checksums are looked at, records are not.

use std::sync::Arc;

use base::{Offset, TimestampMs};
use bytes::Bytes;
use catalog::Topic;
use log::{Appended, CommitCause, CommitError, Op, Outcome, PartitionId, Receipt};
use wire::messages::produce_request::{PartitionProduceData, ProduceRequest};
use wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use wire::{BatchError, BatchHeader, Compression, ErrorCode, RecordLimits, TimestampType, batch, records, validate};

use super::{Context, LEADER_EPOCH};
use crate::Broker;
use crate::errors::{self, Refusal};
use crate::net::{Close, Reply, Work};
use crate::partitions::TopicKey;
use crate::settings::{CompressionType, TopicSettings};
use crate::transaction::{Flow, Place, Producer};
use crate::transactions::AppendRefused;
use crate::validation::Parts;

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 13;
/// From this version on a transaction's first batch for a partition adds the partition to it (KIP-890).
const ADDS_FROM: i16 = 12;
/// The first version that knows TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;
/// The first version whose clients know zstd.
const ZSTD_FROM: i16 = 7;
/// How many records at fault are listed, so that a bad batch does not make a response of its own size.
const RECORD_ERRORS_MAX: usize = 100;

/// Why one partition's records are refused; the records at fault, when it is some and not all.
struct Refused {
    code: ErrorCode,
    message: String,
    records: Vec<i32>,
    /// Of the partition; told with what the log itself refused.
    log_start: Option<Offset>,
}

impl Refused {
    fn new(code: ErrorCode, message: impl Into<String>) -> Refused {
        Refused {
            code,
            message: message.into(),
            records: Vec::new(),
            log_start: None,
        }
    }

    /// The log never saw it, nor says where it begins.
    fn unseen(self) -> Refused {
        Refused {
            log_start: Some(-1),
            ..self
        }
    }

    /// With the partition's start where Kafka's log looks at the batch before it refuses it.
    fn by_log(mut self, log_start: Option<Offset>) -> Refused {
        let is_by_log = matches!(
            self.code,
            ErrorCode::InvalidRecord
                | ErrorCode::InvalidTimestamp
                | ErrorCode::OutOfOrderSequenceNumber
                | ErrorCode::InvalidProducerEpoch
                | ErrorCode::InvalidTxnState
        );
        if is_by_log && self.log_start.is_none() {
            self.log_start = log_start;
        }
        self
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        let message = match code {
            ErrorCode::UnknownTopicId => "this server has no topic of this id",
            ErrorCode::UnknownTopicOrPartition => "this server does not host this topic-partition",
            _ => "the request is refused",
        };
        Refused::new(code, message)
    }
}

impl From<BatchError> for Refused {
    fn from(error: BatchError) -> Refused {
        let refused = Refused::new(errors::of_batch(error), error.to_string());
        match error {
            BatchError::Truncated { .. } | BatchError::Magic(_) => refused.unseen(),
            _ => refused,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::new(refusal.code, refusal.message)
    }
}

/// A partition's records on their way to the disk.
struct Appending {
    receipt: Receipt,
    /// Set when the broker's clock stamped the records.
    append_time: TimestampMs,
}

type Started = (i32, Result<Appending, Refused>);

/// Appends everything now, in the order of requests; answers when it is durable.
pub(super) async fn start(broker: Arc<Broker>, context: Context, request: ProduceRequest) -> Work {
    let whole = check_whole(&request);
    let transactional_id = request.transactional_id.as_deref();
    let mut topics: Vec<(TopicKey, Vec<Started>)> = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let key = TopicKey::new(context.version >= IDS_FROM, topic.name, topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for partition in topic.partition_data {
            let index = partition.index;
            let started = match whole {
                Some(code) => Err(Refused::new(code, "the request as a whole is refused")),
                None => append(&broker, &context, transactional_id, &key, partition).await,
            };
            partitions.push((index, started));
        }
        topics.push((key, partitions));
    }
    let throttle_time_ms = broker.quotas.produce(context.client(), context.request_bytes);
    if request.acks == 0 {
        return Box::pin(std::future::ready(unacknowledged(&topics, throttle_time_ms)));
    }
    Box::pin(async move {
        let mut response = ProduceResponse {
            throttle_time_ms,
            ..ProduceResponse::default()
        };
        for (key, partitions) in topics {
            let mut answered = Vec::with_capacity(partitions.len());
            for (index, started) in partitions {
                answered.push(finish(index, started).await);
            }
            response.responses.push(TopicProduceResponse {
                name: key.name(),
                topic_id: key.id(),
                partition_responses: answered,
            });
        }
        context.reply(&broker, response)
    })
}

/// What is wrong with the request whatever its records are.
fn check_whole(request: &ProduceRequest) -> Option<ErrorCode> {
    if !(-1..=1).contains(&request.acks) {
        return Some(ErrorCode::InvalidRequiredAcks);
    }
    // Kafka looks for these before anything else: a producer may not pretend to be in a transaction.
    let is_in_transaction = request.transactional_id.is_some();
    let pretends = |records: &Bytes| {
        BatchHeader::parse(records).is_ok_and(|header| header.is_transactional() && !is_in_transaction)
    };
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let pretended = partitions.any(|partition| partition.records.as_ref().is_some_and(pretends));
    pretended.then_some(ErrorCode::TransactionalIdAuthorizationFailed)
}

/// No answer is wanted; a failure can only be shown by closing the connection.
fn unacknowledged(topics: &[(TopicKey, Vec<Started>)], throttle_ms: i32) -> Result<Reply, Close> {
    for (_, started) in topics.iter().flat_map(|(_, partitions)| partitions) {
        if let Err(refused) = started {
            return Err(Close::UnacknowledgedFailure(refused.message.clone()));
        }
    }
    Ok(Reply {
        pieces: Vec::new(),
        throttle_ms,
        _held: Vec::new(),
    })
}

async fn append(
    broker: &Broker,
    context: &Context,
    transactional_id: Option<&str>,
    key: &TopicKey,
    data: PartitionProduceData,
) -> Result<Appending, Refused> {
    let topic = key.find(&broker.catalog)?;
    let partition = topic.partition(data.index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let appended = append_to(broker, context, transactional_id, (&topic, partition), data).await;
    appended.map_err(|refused| refused.by_log(broker.log.bounds(partition).map(|bounds| bounds.log_start)))
}

async fn append_to(
    broker: &Broker,
    context: &Context,
    transactional_id: Option<&str>,
    (topic, partition): (&Topic, PartitionId),
    data: PartitionProduceData,
) -> Result<Appending, Refused> {
    let Some(records) = data.records.filter(|records| !records.is_empty()) else {
        return Err(Refused::new(
            ErrorCode::InvalidRecord,
            "the request holds no records for this partition",
        )
        .unseen());
    };
    let settings = broker.effective().of_topic(topic);
    let header = check_batch(broker, context, &settings, &records)?;
    if settings.demands_schemas() {
        check_schemas(broker, topic, &settings, &records)?;
    }
    let (records, header) = in_topics_codec(broker, &settings, records, header)?;
    let now = broker.clock.wall_ms();
    let (batch, append_time) = match settings.timestamp_type {
        TimestampType::CreateTime => {
            check_timestamps(broker, &settings, &header, &records, now)?;
            (records, -1)
        }
        TimestampType::LogAppendTime => {
            let mut stamped = records.to_vec();
            batch::stamp_append_time(&mut stamped, now);
            (Bytes::from(stamped), now)
        }
    };
    let within = transactional_id.filter(|_| header.is_transactional()).map(|id| Within {
        id,
        producer: Producer {
            id: header.producer_id,
            epoch: header.producer_epoch,
        },
        version: context.version,
        place: Place {
            topic: topic.name.to_string(),
            index: data.index,
        },
    });
    let receipt = commit(broker, partition, within, batch).await?;
    Ok(Appending { receipt, append_time })
}

fn check_batch(
    broker: &Broker,
    context: &Context,
    settings: &TopicSettings,
    records: &Bytes,
) -> Result<BatchHeader, Refused> {
    let first = BatchHeader::parse(records)?;
    if first.size_bytes() < records.len() {
        let why = "a request holds exactly one batch for a partition";
        return Err(Refused::new(ErrorCode::InvalidRecord, why).unseen());
    }
    if first.size_bytes() as i64 > settings.batch_bytes_max {
        let why = format!(
            "the batch has {} bytes, allowed are {}",
            first.size_bytes(),
            settings.batch_bytes_max
        );
        return Err(Refused::new(ErrorCode::MessageTooLarge, why));
    }
    let header = validate(records)?;
    if header.is_control() {
        let why = "a client may not write control batches";
        return Err(Refused::new(ErrorCode::InvalidRecord, why));
    }
    if header.compression()? == Compression::Zstd && context.version < ZSTD_FROM {
        return Err(Refused::new(
            ErrorCode::UnsupportedCompressionType,
            "zstd needs Produce version 7 or later",
        ));
    }
    if settings.compacted {
        check_keys(broker, records)?;
    }
    Ok(header)
}

/// Compresses a batch anew where the topic has a codec of its own and the producer chose another.
fn in_topics_codec(
    broker: &Broker,
    settings: &TopicSettings,
    records: Bytes,
    header: BatchHeader,
) -> Result<(Bytes, BatchHeader), Refused> {
    let CompressionType::Own(codec, level) = settings.compression else {
        return Ok((records, header));
    };
    if header.compression()? == codec {
        return Ok((records, header));
    }
    let bytes_max = broker.options.limits.decompressed_bytes_max;
    let batch = batch::recompress(&records, codec, level, bytes_max)?;
    let header = BatchHeader::parse(&batch)?;
    Ok((batch, header))
}

/// A compacted topic keeps the last record of each key, so there must be keys.
fn check_keys(broker: &Broker, batch: &Bytes) -> Result<(), Refused> {
    let limits = RecordLimits {
        bytes_max: broker.options.limits.decompressed_bytes_max,
    };
    let mut keyless = Vec::new();
    for (index, record) in records(batch, limits)?.enumerate() {
        if record?.key.is_none() && keyless.len() < RECORD_ERRORS_MAX {
            keyless.push(index as i32);
        }
    }
    if keyless.is_empty() {
        return Ok(());
    }
    let message = "One or more records have been rejected: Compacted topic cannot accept message without key";
    Err(Refused {
        records: keyless,
        ..Refused::new(ErrorCode::InvalidRecord, message)
    })
}

/// A topic may demand that keys and values are of schemas that are registered for them.
fn check_schemas(broker: &Broker, topic: &Topic, settings: &TopicSettings, batch: &Bytes) -> Result<(), Refused> {
    let limits = RecordLimits {
        bytes_max: broker.options.limits.decompressed_bytes_max,
    };
    let mut at_fault = Vec::new();
    let mut first = None;
    for (index, record) in records(batch, limits)?.enumerate() {
        let record = record?;
        let parts = Parts {
            key: record.key.as_ref(),
            value: record.value.as_ref(),
            headers: &record.headers,
        };
        if let Err(why) = broker.check_schemas(&topic.name, settings, &parts)
            && at_fault.len() < RECORD_ERRORS_MAX
        {
            first.get_or_insert_with(|| format!("record {index}: {why}"));
            at_fault.push(index as i32);
        }
    }
    let Some(first) = first else { return Ok(()) };
    let message = format!("One or more records have been rejected: {first}");
    Err(Refused {
        records: at_fault,
        ..Refused::new(ErrorCode::InvalidRecord, message)
    })
}

/// The header tells the latest time; for the earliest one has to look at the records, and does where that is bounded.
fn check_timestamps(
    broker: &Broker,
    settings: &TopicSettings,
    header: &BatchHeader,
    batch: &Bytes,
    now: TimestampMs,
) -> Result<(), Refused> {
    let is_late = |timestamp: TimestampMs| timestamp.saturating_sub(now) > settings.timestamp_after_max_ms;
    let is_early =
        |timestamp: TimestampMs| timestamp >= 0 && now.saturating_sub(timestamp) > settings.timestamp_before_max_ms;
    if !is_late(header.max_timestamp) && settings.timestamp_before_max_ms == i64::MAX {
        return Ok(());
    }
    let limits = RecordLimits {
        bytes_max: broker.options.limits.decompressed_bytes_max,
    };
    let mut at_fault = Vec::new();
    for (index, record) in records(batch, limits)?.enumerate() {
        let timestamp = record?.timestamp;
        if (is_late(timestamp) || is_early(timestamp)) && at_fault.len() < RECORD_ERRORS_MAX {
            at_fault.push(index as i32);
        }
    }
    if at_fault.is_empty() && !is_late(header.max_timestamp) {
        return Ok(());
    }
    let why = format!(
        "One or more records have been rejected: timestamps from {} to {} are out of range, the broker's clock says \
         {now}",
        header.base_timestamp, header.max_timestamp
    );
    Err(Refused {
        records: at_fault,
        ..Refused::new(ErrorCode::InvalidTimestamp, why)
    })
}

/// The transaction that a batch is part of.
struct Within<'a> {
    id: &'a str,
    producer: Producer,
    /// Of the request.
    version: i16,
    place: Place,
}

impl Within<'_> {
    fn flow(&self) -> Flow {
        if self.version >= ADDS_FROM { Flow::V2 } else { Flow::V1 }
    }

    /// In the words that the client's version knows.
    fn refused(&self, code: ErrorCode) -> Refused {
        self.worded(code).unseen()
    }

    fn worded(&self, code: ErrorCode) -> Refused {
        match code {
            ErrorCode::ProducerFenced => {
                let why = "the producer's epoch is not the one its transactional id has now";
                Refused::new(ErrorCode::InvalidProducerEpoch, why)
            }
            ErrorCode::TransactionAbortable => {
                let code = match self.version {
                    ABORTABLE_FROM.. => ErrorCode::TransactionAbortable,
                    _ => ErrorCode::InvalidTxnState,
                };
                Refused::new(code, "the partition was not added to the transaction")
            }
            ErrorCode::InvalidProducerIdMapping => {
                Refused::new(code, "the producer id is not the one its transactional id has now")
            }
            code => code.into(),
        }
    }
}

/// Queues the append; while too much is queued already, lets the connection wait.
async fn commit(
    broker: &Broker,
    partition: PartitionId,
    within: Option<Within<'_>>,
    batch: Bytes,
) -> Result<Receipt, Refused> {
    loop {
        let op = Op::Append {
            partition,
            batch: batch.clone(),
            leader_epoch: LEADER_EPOCH,
        };
        let queued = match &within {
            None => broker.log.commit(vec![op]),
            Some(within) => {
                let (producer, flow) = (within.producer, within.flow());
                let transactions = &broker.transactions;
                match transactions.append(within.id, producer, flow, &within.place, partition, op) {
                    Ok(receipt) => Ok(receipt),
                    Err(AppendRefused::ByLog(error)) => Err(error),
                    Err(AppendRefused::With(code)) => return Err(within.refused(code)),
                }
            }
        };
        match queued {
            Ok(receipt) => return Ok(receipt),
            Err(CommitError {
                cause: CommitCause::Busy,
                ..
            }) => broker.log.wait_for_room().await,
            Err(error) => return Err(Refused::new(errors::of_append(&error.cause), error.cause.to_string())),
        }
    }
}

async fn finish(index: i32, started: Result<Appending, Refused>) -> PartitionProduceResponse {
    let finished = match started {
        Err(refused) => Err(refused),
        Ok(Appending { receipt, append_time }) => match receipt.await {
            Ok(outcomes) => match outcomes.first() {
                Some(Outcome::Appended(appended)) => Ok((*appended, append_time)),
                _ => Err(Refused::new(ErrorCode::KafkaStorageError, "the log did not append")),
            },
            Err(error) => Err(Refused::new(ErrorCode::KafkaStorageError, error.to_string())),
        },
    };
    match finished {
        Ok((appended, append_time)) => appended_response(index, appended, append_time),
        Err(refused) => refused_response(index, refused),
    }
}

fn appended_response(index: i32, appended: Appended, append_time: TimestampMs) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.base_offset,
        log_append_time_ms: append_time,
        log_start_offset: appended.log_start,
        ..PartitionProduceResponse::default()
    }
}

fn refused_response(index: i32, refused: Refused) -> PartitionProduceResponse {
    let at_fault = |batch_index: i32| BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(refused.message.clone()),
    };
    PartitionProduceResponse {
        index,
        error_code: refused.code.code(),
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: refused.log_start.unwrap_or(-1),
        record_errors: refused.records.iter().copied().map(at_fault).collect(),
        error_message: Some(refused.message),
        ..PartitionProduceResponse::default()
    }
}
