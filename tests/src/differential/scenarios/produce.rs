//! Produce: good, odd and wrong batches, and idempotence.

use bytes::Bytes;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::produce_request::*;
use wire::{BatchBuilder, Compression, NewRecord};

use super::*;

const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_DELTA_AT: usize = 23;
const COUNT_AT: usize = 57;

pub(super) fn play(observer: &mut Observer) {
    let topic = ("produce", create(observer, "produce", 2, &[]));
    for version in 3..=13 {
        observer.ask("one batch", version, &to_partition(version, topic, 0, Some(batch(3))));
        observer.ask(
            "no records",
            version,
            &to_partition(version, topic, 0, Some(Bytes::new())),
        );
        observer.ask(
            "a partition too many",
            version,
            &to_partition(version, topic, 9, Some(batch(1))),
        );
        let stranger = ("nobody-knows", [3; 16]);
        observer.ask(
            "an unknown topic",
            version,
            &to_partition(version, stranger, 0, Some(batch(1))),
        );
        let mut acks = to_partition(version, topic, 0, Some(batch(1)));
        acks.acks = 2;
        observer.ask("acks two", version, &acks);
        acks.acks = 1;
        observer.ask("acks one", version, &acks);
        let two = Bytes::from([batch(1), batch(1)].concat());
        observer.ask("two batches", version, &to_partition(version, topic, 0, Some(two)));
        for (step, records) in spoiled() {
            observer.ask(step, version, &to_partition(version, topic, 1, Some(records)));
        }
    }
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        for version in [3, 6, 7, 10] {
            let records = batch_from(BatchBuilder::new(codec), 5);
            observer.ask(
                &format!("{codec:?}"),
                version,
                &to_partition(version, topic, 0, Some(records)),
            );
        }
    }
    several(observer, topic);
    idempotent(observer);
    settings(observer);
}

/// A batch with one thing wrong, its checksum mended so that the thing itself is judged.
fn spoiled() -> Vec<(&'static str, Bytes)> {
    let spoil = |change: &dyn Fn(&mut Vec<u8>), mend: bool| {
        let mut bytes = batch(3).to_vec();
        change(&mut bytes);
        if mend {
            let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
            bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        }
        Bytes::from(bytes)
    };
    let number =
        |at: usize, value: i32| move |bytes: &mut Vec<u8>| bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    vec![
        ("a wrong checksum", spoil(&|bytes| bytes[CRC_AT] ^= 1, false)),
        (
            "a bit flipped in a record",
            spoil(&|bytes| *bytes.last_mut().expect("not empty") ^= 1, false),
        ),
        ("magic one", spoil(&|bytes| bytes[MAGIC_AT] = 1, false)),
        ("magic three", spoil(&|bytes| bytes[MAGIC_AT] = 3, true)),
        ("a count too high", spoil(&number(COUNT_AT, 4), true)),
        ("a count of zero", spoil(&number(COUNT_AT, 0), true)),
        ("a negative count", spoil(&number(COUNT_AT, -1), true)),
        ("a last offset too high", spoil(&number(LAST_DELTA_AT, 7), true)),
        ("a negative last offset", spoil(&number(LAST_DELTA_AT, -1), true)),
        ("a length too long", spoil(&number(8, 100_000), false)),
        ("a length of zero", spoil(&number(8, 0), false)),
        ("a negative length", spoil(&number(8, -1), false)),
        ("cut short", Bytes::copy_from_slice(&batch(3)[..70])),
        ("a header alone", Bytes::copy_from_slice(&batch(3)[..61])),
        ("three bytes", Bytes::from_static(&[0, 0, 0])),
        ("codec five", spoil(&|bytes| bytes[ATTRIBUTES_AT + 1] = 5, true)),
        ("codec seven", spoil(&|bytes| bytes[ATTRIBUTES_AT + 1] = 7, true)),
        ("gzip that is none", spoil(&|bytes| bytes[ATTRIBUTES_AT + 1] = 1, true)),
        ("a control batch", spoil(&|bytes| bytes[ATTRIBUTES_AT + 1] = 0x20, true)),
        ("a transactional batch", transactional_batch((77, 0, 0), 1)),
    ]
}

/// Several topics and partitions in one request; order and omissions.
fn several(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let mut request = to_partition(9, topic, 0, Some(batch(1)));
    let data = &mut request.topic_data[0].partition_data;
    data.push(PartitionProduceData {
        index: 1,
        records: Some(batch(2)),
    });
    data.push(PartitionProduceData {
        index: 5,
        records: Some(batch(2)),
    });
    observer.ask("three partitions", 9, &request);
    request.topic_data.push(TopicProduceData {
        name: "nobody-knows".into(),
        partition_data: vec![PartitionProduceData {
            index: 0,
            records: Some(batch(1)),
        }],
        ..Default::default()
    });
    observer.ask("two topics, one unknown", 9, &request);
    let mut wrong = to_partition(9, topic, 0, Some(batch(1)));
    wrong.topic_data[0].partition_data.push(PartitionProduceData {
        index: 1,
        records: Some(spoiled()[0].1.clone()),
    });
    observer.ask("one good, one spoiled", 9, &wrong);
    let mut transactional = to_partition(9, topic, 0, Some(batch(1)));
    transactional.transactional_id = Some("nobody-began-this".into());
    observer.ask("a plain batch with a transactional id", 9, &transactional);
    let mut internal = to_partition(9, ("__consumer_offsets", [0; 16]), 0, Some(batch(1)));
    internal.acks = 1;
    observer.ask("to the offsets topic", 9, &internal);
    let mut acks = to_partition(9, topic, 0, Some(batch(1)));
    acks.timeout_ms = -1;
    observer.ask("a negative timeout", 9, &acks);
}

fn idempotent(observer: &mut Observer) {
    let topic = ("sequences", create(observer, "sequences", 1, &[]));
    let answer = observer.ask(
        "for idempotence",
        4,
        &InitProducerIdRequest {
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        },
    );
    let id = answer.map_or(-1, |answer| answer.producer_id);
    let mut say = |step: &str, sequence: Sequence, count: usize| {
        let request = to_partition(9, topic, 0, Some(batch_of(sequence, count)));
        observer.ask(step, 9, &request);
    };
    say("the first", (id, 0, 0), 1);
    say("the first again", (id, 0, 0), 1);
    for sequence in 1..=6 {
        say(&format!("sequence {sequence}"), (id, 0, sequence), 1);
    }
    for sequence in (0..=6).rev() {
        say(&format!("repeat of {sequence}"), (id, 0, sequence), 1);
    }
    say("a gap", (id, 0, 9), 1);
    say("two of an old one", (id, 0, 5), 2);
    say("a batch of three", (id, 0, 7), 3);
    say("a part of it", (id, 0, 8), 1);
    say("all of it", (id, 0, 7), 3);
    say("a new epoch in the middle", (id, 1, 10), 1);
    say("a new epoch from zero", (id, 1, 0), 1);
    say("the old epoch", (id, 0, 10), 1);
    say("an unknown producer in the middle", (id + 5_000, 0, 44), 1);
    say("and on", (id + 5_000, 0, 45), 1);
    say("and back", (id + 5_000, 0, 44), 1);
    say("a negative sequence", (id, 1, -5), 1);
    say("a negative epoch", (id, -1, 1), 1);
    say("up to the last sequence", (id + 6_000, 0, i32::MAX - 1), 2);
    say("past the last sequence", (id + 6_000, 0, 0), 1);
    for version in 0..=5 {
        let init = |transactional_id: Option<&str>, timeout: i32, producer_id: i64, producer_epoch: i16| {
            InitProducerIdRequest {
                transactional_id: transactional_id.map(str::to_owned),
                transaction_timeout_ms: timeout,
                producer_id,
                producer_epoch,
                ..Default::default()
            }
        };
        observer.ask_if_it_fits("without anything", version, &init(None, 60_000, -1, -1));
        observer.ask_if_it_fits("with an empty id", version, &init(Some(""), 60_000, -1, -1));
        observer.ask_if_it_fits("with timeout zero", version, &init(Some("timeout"), 0, -1, -1));
        observer.ask_if_it_fits(
            "with a timeout of an hour",
            version,
            &init(Some("timeout"), 3_600_000, -1, -1),
        );
        observer.ask_if_it_fits("with an id of its own", version, &init(None, 60_000, 12, 3));
    }
}

/// What a topic's settings refuse.
fn settings(observer: &mut Observer) {
    let limits: &[(&str, &str, &str, Bytes)] = &[
        ("too-large", "max.message.bytes", "100", batch(3)),
        ("too-old", "message.timestamp.before.max.ms", "1000", batch(1)),
        ("compacted", "cleanup.policy", "compact", keyless()),
        ("append-time", "message.timestamp.type", "LogAppendTime", batch(2)),
        ("recompressed", "compression.type", "gzip", batch(9)),
        (
            "uncompressed",
            "compression.type",
            "uncompressed",
            batch_from(BatchBuilder::new(Compression::Lz4), 9),
        ),
    ];
    for (name, setting, value, records) in limits {
        let id = create(observer, name, 1, &[(setting, value)]);
        for version in [7, 8, 9, 13] {
            observer.ask(
                &format!("to {name}"),
                version,
                &to_partition(version, (name, id), 0, Some(records.clone())),
            );
        }
        let keyed = to_partition(9, (name, id), 0, Some(batch(1)));
        observer.ask(&format!("to {name}, one keyed record"), 9, &keyed);
    }
    let id = create(observer, "too-new", 1, &[("message.timestamp.after.max.ms", "1000")]);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NewRecord {
        timestamp: 4_000_000_000_000,
        key: Some(b"k"),
        value: None,
        headers: &[],
    });
    let future = builder.build().expect("a batch of one record");
    observer.ask("to too-new", 9, &to_partition(9, ("too-new", id), 0, Some(future)));
}

fn keyless() -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for key in [Some(&b"k"[..]), None] {
        builder.push(NewRecord {
            timestamp: TIME,
            key,
            value: Some(b"v"),
            headers: &[],
        });
    }
    builder.build().expect("a batch of two records")
}
