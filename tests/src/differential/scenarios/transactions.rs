//! Transactions of both generations: states, fencing, retries, what readers see.

use wire::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn_request::*;
use wire::messages::describe_producers_request as producers;
use wire::messages::describe_transactions_request::DescribeTransactionsRequest;
use wire::messages::end_txn_request::EndTxnRequest;
use wire::messages::fetch_request as fetch;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::list_transactions_request::ListTransactionsRequest;
use wire::messages::offset_fetch_request::*;
use wire::messages::produce_request::ProduceRequest;
use wire::messages::txn_offset_commit_request::*;
use wire::messages::write_txn_markers_request::*;

use super::*;

const TOPIC: &str = "transacted";

struct Producer {
    id: &'static str,
    producer_id: i64,
    epoch: i16,
}

impl Producer {
    fn init(id: &'static str) -> InitProducerIdRequest {
        InitProducerIdRequest {
            transactional_id: Some(id.to_owned()),
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        }
    }

    /// Begins and waits for a coordinator that is still loading.
    fn begin(observer: &mut Observer, step: &str, version: i16, id: &'static str) -> Producer {
        let answer = observer
            .settle(step, version, &Producer::init(id), |answer| answer.error_code == 0)
            .unwrap_or_default();
        Producer {
            id,
            producer_id: answer.producer_id,
            epoch: answer.producer_epoch,
        }
    }

    fn add(&self, version: i16, topics: &[(&str, i32)]) -> AddPartitionsToTxnRequest {
        let topics = topics.iter().map(|&(name, partition)| AddPartitionsToTxnTopic {
            name: name.to_owned(),
            partitions: vec![partition],
        });
        if version >= 4 {
            return AddPartitionsToTxnRequest {
                transactions: vec![AddPartitionsToTxnTransaction {
                    transactional_id: self.id.to_owned(),
                    producer_id: self.producer_id,
                    producer_epoch: self.epoch,
                    verify_only: false,
                    topics: topics.collect(),
                }],
                ..Default::default()
            };
        }
        AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.to_owned(),
            v3_and_below_producer_id: self.producer_id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: topics.collect(),
            ..Default::default()
        }
    }

    fn end(&self, committed: bool) -> EndTxnRequest {
        EndTxnRequest {
            transactional_id: self.id.to_owned(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        }
    }

    fn produce(&self, version: i16, topic: (&str, [u8; 16]), partition: i32, sequence: i32) -> ProduceRequest {
        let records = transactional_batch((self.producer_id, self.epoch, sequence), 1);
        ProduceRequest {
            transactional_id: Some(self.id.to_owned()),
            ..to_partition(version, topic, partition, Some(records))
        }
    }

    fn offsets(&self, group: &str, offset: i64) -> TxnOffsetCommitRequest {
        TxnOffsetCommitRequest {
            transactional_id: self.id.to_owned(),
            group_id: group.to_owned(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            generation_id: -1,
            topics: vec![TxnOffsetCommitRequestTopic {
                name: TOPIC.to_owned(),
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: 0,
                    committed_offset: offset,
                    committed_leader_epoch: -1,
                    committed_metadata: Some(String::new()),
                }],
            }],
            ..Default::default()
        }
    }

    fn add_offsets(&self, group: &str) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest {
            transactional_id: self.id.to_owned(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            group_id: group.to_owned(),
        }
    }

    fn with_epoch(&self, epoch: i16) -> Producer {
        Producer {
            id: self.id,
            producer_id: self.producer_id,
            epoch,
        }
    }
}

fn read(partition: i32, isolation_level: i8) -> fetch::FetchRequest {
    fetch::FetchRequest {
        replica_id: -1,
        max_bytes: 1 << 20,
        isolation_level,
        session_epoch: -1,
        topics: vec![fetch::FetchTopic {
            topic: TOPIC.to_owned(),
            partitions: vec![fetch::FetchPartition {
                partition,
                current_leader_epoch: -1,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 1 << 20,
                high_watermark: i64::MAX,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn latest(isolation_level: i8) -> ListOffsetsRequest {
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level,
        topics: vec![ListOffsetsTopic {
            name: TOPIC.to_owned(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 0,
                current_leader_epoch: -1,
                timestamp: -1,
            }],
        }],
        ..Default::default()
    }
}

fn group_offsets(group: &str, require_stable: bool) -> OffsetFetchRequest {
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            member_epoch: -1,
            topics: Some(vec![OffsetFetchRequestTopics {
                name: TOPIC.to_owned(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        }],
        topics: Some(Vec::new()),
        require_stable,
        ..Default::default()
    }
}

pub(super) fn play(observer: &mut Observer) {
    let topic = (TOPIC, create(observer, TOPIC, 4, &[]));
    observer.settle("of an id", 4, &coordinator("first"), |answer| {
        answer.coordinators.iter().all(|found| found.error_code == 0)
    });
    first_generation(observer, topic);
    second_generation(observer, topic);
    offsets(observer);
    fencing(observer, topic);
    markers(observer, topic);
    described(observer, topic);
}

fn coordinator(id: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest {
        key_type: 1,
        coordinator_keys: vec![id.to_owned()],
        ..Default::default()
    }
}

fn ended(observer: &mut Observer, id: &'static str) {
    let request = DescribeTransactionsRequest {
        transactional_ids: vec![id.to_owned()],
    };
    for _ in 0..500 {
        let answer = observer.quietly(0, &request).unwrap_or_default();
        let busy = answer
            .transaction_states
            .iter()
            .any(|state| state.transaction_state.starts_with("Prepare"));
        if !busy {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn first_generation(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let first = Producer::begin(observer, "first", 1, "first");
    observer.ask("commit of nothing", 1, &first.end(true));
    observer.ask("abort of nothing", 1, &first.end(false));
    observer.ask("before it was added", 9, &first.produce(9, topic, 0, 0));
    observer.ask("before it was added, abortable", 11, &first.produce(11, topic, 0, 0));
    for version in 0..=3 {
        observer.ask(
            "one unknown",
            version,
            &first.add(version, &[(TOPIC, 0), ("nobody-knows", 0)]),
        );
        observer.ask("a partition too many", version, &first.add(version, &[(TOPIC, 44)]));
        let foreign = Producer {
            id: "never-begun",
            producer_id: first.producer_id,
            epoch: 0,
        };
        observer.ask("of an id never begun", version, &foreign.add(version, &[(TOPIC, 0)]));
        let other = Producer {
            id: first.id,
            producer_id: first.producer_id + 1_000,
            epoch: first.epoch,
        };
        observer.ask(
            "with another producer's id",
            version,
            &other.add(version, &[(TOPIC, 0)]),
        );
        observer.ask(
            "with a later epoch",
            version,
            &first.with_epoch(9).add(version, &[(TOPIC, 0)]),
        );
        observer.ask("one", version, &first.add(version, &[(TOPIC, 0)]));
        observer.ask("it again", version, &first.add(version, &[(TOPIC, 0)]));
    }
    observer.ask("the first record", 9, &first.produce(9, topic, 0, 0));
    observer.ask("to one not added", 9, &first.produce(9, topic, 1, 0));
    let plain = to_partition(9, topic, 0, Some(batch_of((first.producer_id, first.epoch, 1), 1)));
    observer.ask("a plain batch in its midst", 9, &plain);
    let mut unnamed = first.produce(9, topic, 0, 1);
    unnamed.transactional_id = None;
    observer.ask("transactional without an id", 9, &unnamed);
    observer.ask("while open, committed", 11, &read(0, 1));
    observer.ask("while open, uncommitted", 11, &read(0, 0));
    observer.ask("latest committed, while open", 7, &latest(1));
    observer.ask("latest, while open", 7, &latest(0));
    observer.ask("with a wrong epoch", 1, &first.with_epoch(7).end(true));
    observer.ask(
        "of a wrong producer",
        1,
        &Producer {
            id: first.id,
            producer_id: 99,
            epoch: 0,
        }
        .end(true),
    );
    observer.ask(
        "of an unknown id",
        1,
        &Producer {
            id: "never-begun",
            producer_id: 99,
            epoch: 0,
        }
        .end(true),
    );
    observer.ask("commit", 1, &first.end(true));
    ended(observer, "first");
    observer.ask("commit again", 1, &first.end(true));
    observer.ask("abort after the commit", 1, &first.end(false));
    observer.settle("after the commit", 11, &read(0, 1), |answer| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|found| found.last_stable_offset == 2)
    });
    observer.ask("second transaction", 3, &first.add(3, &[(TOPIC, 0)]));
    observer.ask("its record", 9, &first.produce(9, topic, 0, 1));
    observer.ask("abort", 1, &first.end(false));
    ended(observer, "first");
    observer.ask("abort again", 1, &first.end(false));
    observer.ask("commit after the abort", 1, &first.end(true));
    observer.settle("after the abort, committed", 11, &read(0, 1), |answer| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|found| found.last_stable_offset == 4)
    });
    observer.ask("after the abort, uncommitted", 11, &read(0, 0));
    observer.ask("added and nothing written", 3, &first.add(3, &[(TOPIC, 3)]));
    observer.ask("commit of what was only added", 1, &first.end(true));
    ended(observer, "first");
    observer.settle("of what was only added", 11, &read(3, 1), |answer| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|found| found.high_watermark == 1)
    });
}

fn second_generation(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let mut second = Producer::begin(observer, "second", 5, "second");
    observer.ask("commit of nothing", 5, &second.end(true));
    let answer = observer
        .ask("abort of nothing", 5, &second.end(false))
        .unwrap_or_default();
    if answer.error_code == 0 {
        second = Producer {
            id: "second",
            producer_id: answer.producer_id,
            epoch: answer.producer_epoch,
        };
    }
    observer.ask("the first record of the second", 12, &second.produce(12, topic, 1, 0));
    observer.ask("by id", 13, &second.produce(13, topic, 2, 0));
    observer.ask("open in the second, committed", 11, &read(1, 1));
    let bumped = observer
        .ask("commit of the second", 5, &second.end(true))
        .unwrap_or_default();
    ended(observer, "second");
    observer.ask("commit repeated with the old epoch", 5, &second.end(true));
    observer.ask("abort repeated with the old epoch", 5, &second.end(false));
    let next = Producer {
        id: "second",
        producer_id: bumped.producer_id,
        epoch: bumped.producer_epoch,
    };
    observer.ask("a record with the old epoch", 12, &second.produce(12, topic, 1, 1));
    observer.ask("a record with the new epoch", 12, &next.produce(12, topic, 1, 0));
    observer.ask("old commit into the new transaction", 5, &second.end(true));
    observer.ask("old abort into the new transaction", 5, &second.end(false));
    observer.ask("abort of the new one", 5, &next.end(false));
    ended(observer, "second");
    observer.ask("abort of the new one again", 5, &next.end(false));
    observer.settle("both transactions", 11, &read(1, 1), |answer| {
        answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|found| found.last_stable_offset == 4)
    });
}

fn offsets(observer: &mut Observer) {
    for version in 0..=5 {
        let id: &'static str = [
            "offsets-0",
            "offsets-1",
            "offsets-2",
            "offsets-3",
            "offsets-4",
            "offsets-5",
        ][version as usize];
        let producer = Producer::begin(observer, id, 4, id);
        let end = if version >= 5 { 5 } else { 3 };
        observer.ask("before the group was added", version, &producer.offsets(id, 7));
        if version < 5 {
            observer.ask(&format!("group for {id}"), version.min(4), &producer.add_offsets(id));
            observer.ask("after the group was added", version, &producer.offsets(id, 8));
        }
        observer.ask(&format!("pending for {id}"), 9, &group_offsets(id, false));
        observer.ask(&format!("pending for {id}, stable"), 9, &group_offsets(id, true));
        let mut member = producer.offsets(id, 9);
        member.member_id = "nobody".to_owned();
        observer.ask_if_it_fits("as nobody", version, &member);
        let mut generation = producer.offsets(id, 9);
        generation.generation_id = 4;
        observer.ask_if_it_fits("in generation four", version, &generation);
        observer.ask("with a wrong epoch", version, &producer.with_epoch(8).offsets(id, 9));
        observer.ask("without a group", version, &producer.offsets("", 9));
        observer.ask(&format!("for {id}"), end, &producer.end(version % 2 == 1));
        ended(observer, id);
        observer.settle(&format!("ended for {id}"), 9, &group_offsets(id, true), |answer| {
            answer.groups.iter().all(|group| group.error_code == 0)
        });
    }
}

fn fencing(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let old = Producer::begin(observer, "fenced", 4, "fenced");
    observer.ask("its partition", 3, &old.add(3, &[(TOPIC, 0)]));
    observer.ask("its record", 9, &old.produce(9, topic, 0, 0));
    observer.ask("while a transaction is open", 4, &Producer::init("fenced"));
    let new = Producer::begin(observer, "after it was fenced", 4, "fenced");
    for version in 0..=3 {
        observer.ask("by the fenced one", version, &old.add(version, &[(TOPIC, 0)]));
    }
    for version in 0..=5 {
        observer.ask("by the fenced one", version, &old.end(true));
    }
    for version in 0..=4 {
        observer.ask("by the fenced one", version, &old.add_offsets("fenced-group"));
    }
    for version in 0..=5 {
        observer.ask("by the fenced one", version, &old.offsets("fenced-group", 3));
    }
    for version in [9, 11, 12] {
        observer.ask("by the fenced one", version, &old.produce(version, topic, 0, 1));
    }
    let with = |producer_id: i64, producer_epoch: i16| InitProducerIdRequest {
        producer_id,
        producer_epoch,
        ..Producer::init("fenced")
    };
    observer.ask("with the fenced epoch", 4, &with(old.producer_id, old.epoch));
    observer.ask("with the present epoch", 4, &with(new.producer_id, new.epoch));
    observer.ask("with a later epoch", 4, &with(new.producer_id, new.epoch + 9));
    observer.ask("with a foreign producer id", 4, &with(new.producer_id + 500, 0));
    let foreign = InitProducerIdRequest {
        producer_id: 70_000,
        producer_epoch: 5,
        ..Producer::init("foreign")
    };
    observer.ask("never used, with a foreign producer id", 4, &foreign);
}

fn markers(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let hanging = Producer::begin(observer, "hanging", 4, "hanging");
    observer.ask("the hanging one's partition", 3, &hanging.add(3, &[(TOPIC, 2)]));
    observer.ask("the hanging one's record", 9, &hanging.produce(9, topic, 2, 0));
    let marker = |epoch: i16, name: &str, partition: i32, coordinator_epoch: i32| WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: hanging.producer_id,
            producer_epoch: epoch,
            transaction_result: false,
            topics: vec![WritableTxnMarkerTopic {
                name: name.to_owned(),
                partition_indexes: vec![partition],
            }],
            coordinator_epoch,
            ..Default::default()
        }],
    };
    observer.ask("for an unknown topic", 1, &marker(hanging.epoch, "nobody-knows", 0, 0));
    observer.ask("abort by hand", 1, &marker(hanging.epoch, TOPIC, 2, 0));
    observer.ask("abort by hand again", 1, &marker(hanging.epoch, TOPIC, 2, 0));
    observer.ask("after the abort by hand", 11, &read(2, 1));
}

fn described(observer: &mut Observer, topic: (&str, [u8; 16])) {
    let shown = Producer::begin(observer, "shown", 5, "shown");
    observer.ask("to be shown", 12, &shown.produce(12, topic, 3, 0));
    let describe = |ids: &[&str]| DescribeTransactionsRequest {
        transactional_ids: ids.iter().map(|&id| id.to_owned()).collect(),
    };
    observer.ask("open", 0, &describe(&["shown"]));
    observer.ask("committed and unknown", 0, &describe(&["first", "never-begun", ""]));
    observer.ask("none", 0, &describe(&[]));
    for version in 0..=2 {
        let all = ListTransactionsRequest {
            duration_filter: -1,
            ..Default::default()
        };
        observer.ask("all", version, &all);
        let ongoing = ListTransactionsRequest {
            state_filters: vec!["Ongoing".into()],
            ..all.clone()
        };
        observer.ask("ongoing", version, &ongoing);
        let strange = ListTransactionsRequest {
            state_filters: vec!["Strange".into()],
            ..all.clone()
        };
        observer.ask("in a strange state", version, &strange);
        let of = ListTransactionsRequest {
            producer_id_filters: vec![shown.producer_id],
            ..all.clone()
        };
        observer.ask("of a producer", version, &of);
        let long = ListTransactionsRequest {
            duration_filter: 3_600_000,
            ..all.clone()
        };
        observer.ask_if_it_fits("of an hour", version, &long);
        let pattern = ListTransactionsRequest {
            transactional_id_pattern: Some("off.*-[12]".into()),
            ..all.clone()
        };
        observer.ask_if_it_fits("by pattern", version, &pattern);
        let bad = ListTransactionsRequest {
            transactional_id_pattern: Some("(".into()),
            ..all
        };
        observer.ask_if_it_fits("by a bad pattern", version, &bad);
    }
    let ask = |name: &str, partitions: &[i32]| producers::DescribeProducersRequest {
        topics: vec![producers::TopicRequest {
            name: name.to_owned(),
            partition_indexes: partitions.to_vec(),
        }],
    };
    observer.ask("of a partition", 0, &ask(TOPIC, &[3]));
    observer.ask("of strangers", 0, &ask("nobody-knows", &[0]));
    observer.ask("of a partition too many", 0, &ask(TOPIC, &[12]));
    observer.ask("after it was shown", 5, &shown.end(true));
}
