//! Transactions over the wire, as scripts of raw requests: both flows, fencing, time-outs, leftovers, what readers see.
//!
//! With `RIVULET_JUDGE=host:port` the scripts marked so are played at the Apache Kafka there instead: they must hold for
//! both.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use std::time::Duration;

use rivulet_broker as broker;
use support::{Client, Running, batch_of, fetch_request, produce_request, quick_options, start_with, values_of};
use tokio::net::TcpStream;
use wire::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use wire::messages::describe_transactions_request::DescribeTransactionsRequest;
use wire::messages::end_txn_request::EndTxnRequest;
use wire::messages::find_coordinator_request::FindCoordinatorRequest;
use wire::messages::init_producer_id_request::InitProducerIdRequest;
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use wire::messages::list_transactions_request::ListTransactionsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest};
use wire::{BatchBuilder, Compression};

/// Plays requests over numbered connections, and calls producer ids A, B, ... in the order they are first seen.
struct Stage {
    running: Option<Running>,
    judge: Option<String>,
    clients: Vec<Client>,
    on: usize,
    producers: Vec<i64>,
    /// Of topics, groups and transactional ids, so that a judge's earlier runs do not matter.
    suffix: String,
}

/// Of every topic that a script uses.
const TOPIC_PARTITIONS: i32 = 3;

fn options() -> broker::BrokerOptions {
    broker::BrokerOptions {
        transaction_timeout_check_interval: Duration::from_millis(20),
        ..quick_options()
    }
}

impl Stage {
    async fn new(judged: bool) -> Stage {
        let judge = std::env::var("RIVULET_JUDGE").ok().filter(|_| judged);
        let running = match &judge {
            Some(_) => None,
            None => Some(start_with(options()).await),
        };
        let suffix = match &judge {
            Some(_) => format!("-{}", support::now_ms()),
            None => String::new(),
        };
        let mut stage = Stage {
            running,
            judge,
            clients: Vec::new(),
            on: 0,
            producers: Vec::new(),
            suffix,
        };
        stage.connect().await;
        stage.warm_up().await;
        let topic = stage.named("t");
        stage.client().create(&topic, TOPIC_PARTITIONS, &[]).await;
        stage
    }

    async fn connect(&mut self) {
        let client = match &self.judge {
            Some(address) => Client::over(TcpStream::connect(address).await.unwrap()),
            None => self.running.as_ref().unwrap().client().await,
        };
        self.clients.push(client);
        self.on = self.clients.len() - 1;
    }

    /// Kafka makes its coordinators' topics when they are first asked for.
    async fn warm_up(&mut self) {
        for (key_type, key) in [(0, "warm"), (1, "warm")] {
            let request = FindCoordinatorRequest {
                key_type,
                coordinator_keys: vec![key.to_owned()],
                ..FindCoordinatorRequest::default()
            };
            while self.client().call(4, &request).await.coordinators[0].error_code != 0 {
                tokio::task::yield_now().await;
            }
        }
        let request = InitProducerIdRequest {
            transactional_id: Some(self.named("warm")),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        while [14, 15, 16].contains(&self.client().call(4, &request).await.error_code) {
            tokio::task::yield_now().await;
        }
    }

    fn client(&mut self) -> &mut Client {
        &mut self.clients[self.on]
    }

    fn named(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn producer(&self, word: &str) -> (i64, i16) {
        let (id, epoch) = word.split_once('/').expect("a producer is `A/0`");
        let epoch = epoch.parse().unwrap();
        match id.parse::<i64>() {
            Ok(id) => (id, epoch),
            Err(_) => (self.producers[usize::from(id.as_bytes()[0] - b'A')], epoch),
        }
    }

    fn shown(&mut self, id: i64, epoch: i16) -> String {
        let at = self.producers.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.producers.push(id);
            self.producers.len() - 1
        });
        format!("{}/{epoch}", char::from(b'A' + at as u8))
    }

    /// Plays each `request -> outcome` in turn.
    async fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (request, outcome) = line.split_once(" ->").expect("request -> outcome");
            let outcome = outcome.trim();
            let mut found = self.ask(request).await;
            if self.judge.is_some() {
                // Kafka writes markers after its answer.
                for _ in 0..30 {
                    if found == outcome || request.starts_with("end") {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if found == "51" || !request.contains('/') {
                        found = self.ask(request).await;
                    }
                }
                if request.starts_with("end") || request.starts_with("init") {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                if found != outcome {
                    eprintln!("JUDGE: `{request}` gives `{found}`, not `{outcome}`");
                }
                continue;
            }
            assert!(
                found == outcome,
                "`{request}` gives `{found}`, not `{outcome}`, in\n{script}"
            );
        }
    }

    async fn ask(&mut self, request: &str) -> String {
        let words: Vec<&str> = request.split_whitespace().collect();
        let letters = words[0].trim_end_matches(|letter: char| letter.is_ascii_digit());
        let version: i16 = words[0][letters.len()..].parse().unwrap_or(0);
        match (letters, &words[1..]) {
            ("on", [number]) => {
                let number: usize = number.parse().unwrap();
                while self.clients.len() <= number {
                    self.connect().await;
                }
                self.on = number;
                "ok".to_owned()
            }
            ("init", [id, more @ ..]) => self.init(version, id, more).await,
            ("add", [id, who, partitions]) => self.add(version, id, who, partitions, false).await,
            ("verify", [id, who, partitions]) => self.add(version, id, who, partitions, true).await,
            ("group", [id, who, group]) => {
                let (producer_id, producer_epoch) = self.producer(who);
                let request = AddOffsetsToTxnRequest {
                    transactional_id: self.named(id),
                    producer_id,
                    producer_epoch,
                    group_id: self.named(group),
                };
                self.client().call(version, &request).await.error_code.to_string()
            }
            ("produce", [id, who, partition, sequence]) => {
                self.produce(version, Some(id), who, partition, sequence, true).await
            }
            ("plain", [who, partition, sequence]) => self.produce(version, None, who, partition, sequence, false).await,
            ("mixed", [id, who, partition, sequence]) => {
                self.produce(version, Some(id), who, partition, sequence, false).await
            }
            ("offsets", [id, who, group, offset, more @ ..]) => {
                self.txn_offsets(version, id, who, group, offset, more).await
            }
            ("commit", [group, offset]) => self.commit(group, offset).await,
            ("end", [id, who, outcome]) => {
                let (producer_id, producer_epoch) = self.producer(who);
                let request = EndTxnRequest {
                    transactional_id: self.named(id),
                    producer_id,
                    producer_epoch,
                    committed: *outcome == "commit",
                };
                let response = self.client().call(version, &request).await;
                match response.error_code {
                    0 if version >= 5 => self.shown(response.producer_id, response.producer_epoch),
                    code => code.to_string(),
                }
            }
            ("read", [partition]) => self.read(partition, 1).await,
            ("read-all", [partition]) => self.read(partition, 0).await,
            ("latest", [partition]) => self.latest(partition).await,
            ("fetch-offset", [group]) => self.fetch_offset(group, false).await,
            ("fetch-stable", [group]) => self.fetch_offset(group, true).await,
            ("describe", [id]) => self.describe(id).await,
            ("list", more) => self.list(version, more).await,
            ("producers", [partition]) => self.describe_producers(partition).await,
            ("marker", [who, partition, outcome, coordinator_epoch, transaction_version]) => {
                let (producer_id, producer_epoch) = self.producer(who);
                let marker = WritableTxnMarker {
                    producer_id,
                    producer_epoch,
                    transaction_result: *outcome == "commit",
                    coordinator_epoch: coordinator_epoch.parse().unwrap(),
                    transaction_version: transaction_version.parse().unwrap(),
                    topics: vec![WritableTxnMarkerTopic {
                        name: self.named("t"),
                        partition_indexes: vec![partition.parse().unwrap()],
                    }],
                };
                let request = WriteTxnMarkersRequest { markers: vec![marker] };
                let response = self.client().call(version, &request).await;
                response.markers[0].topics[0].partitions[0].error_code.to_string()
            }
            ("delete-topic", [name]) => {
                let topic = DeleteTopicState {
                    name: Some(self.named(name)),
                    ..DeleteTopicState::default()
                };
                let request = DeleteTopicsRequest {
                    topics: vec![topic],
                    timeout_ms: 10_000,
                    ..DeleteTopicsRequest::default()
                };
                self.client().call(6, &request).await.responses[0]
                    .error_code
                    .to_string()
            }
            ("create-topic", [name]) => {
                let name = self.named(name);
                self.client().create(&name, TOPIC_PARTITIONS, &[]).await;
                "ok".to_owned()
            }
            _ => panic!("what is `{request}`?"),
        }
    }

    async fn init(&mut self, version: i16, id: &str, more: &[&str]) -> String {
        let (mut asked, mut timeout_ms) = ((-1, -1), 60_000);
        for word in more {
            match word.strip_prefix("timeout=") {
                Some(ms) => timeout_ms = ms.parse().unwrap(),
                None => asked = self.producer(word),
            }
        }
        let request = InitProducerIdRequest {
            transactional_id: Some(if id == "\"\"" { String::new() } else { self.named(id) }),
            transaction_timeout_ms: timeout_ms,
            producer_id: asked.0,
            producer_epoch: asked.1,
            ..InitProducerIdRequest::default()
        };
        let response = self.client().call(version, &request).await;
        match response.error_code {
            0 => self.shown(response.producer_id, response.producer_epoch),
            code => code.to_string(),
        }
    }

    async fn add(&mut self, version: i16, id: &str, who: &str, partitions: &str, verify_only: bool) -> String {
        let (producer_id, producer_epoch) = self.producer(who);
        let topics = vec![AddPartitionsToTxnTopic {
            name: self.named("t"),
            partitions: partitions.split(',').map(|index| index.parse().unwrap()).collect(),
        }];
        let request = if version < 4 {
            AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: self.named(id),
                v3_and_below_producer_id: producer_id,
                v3_and_below_producer_epoch: producer_epoch,
                v3_and_below_topics: topics,
                ..AddPartitionsToTxnRequest::default()
            }
        } else {
            AddPartitionsToTxnRequest {
                transactions: vec![AddPartitionsToTxnTransaction {
                    transactional_id: self.named(id),
                    producer_id,
                    producer_epoch,
                    verify_only,
                    topics,
                }],
                ..AddPartitionsToTxnRequest::default()
            }
        };
        let response = self.client().call(version, &request).await;
        let results = if version < 4 {
            response.results_by_topic_v3_and_below
        } else {
            response.results_by_transaction[0].topic_results.clone()
        };
        let codes = results[0].results_by_partition.iter();
        let codes: Vec<String> = codes
            .map(|partition| partition.partition_error_code.to_string())
            .collect();
        codes.join(",")
    }

    async fn produce(
        &mut self,
        version: i16,
        id: Option<&str>,
        who: &str,
        partition: &str,
        sequence: &str,
        transactional: bool,
    ) -> String {
        let (producer_id, epoch) = self.producer(who);
        let mut builder = BatchBuilder::new(Compression::None).producer(producer_id, epoch, sequence.parse().unwrap());
        if transactional {
            builder = builder.transactional();
        }
        let batch = batch_of(builder, &[(Some("k"), &format!("{who}:{sequence}"))]);
        let mut request = produce_request(&self.named("t"), partition.parse().unwrap(), Some(batch), -1);
        request.transactional_id = id.map(|id| self.named(id));
        let response = self.client().call(version, &request).await;
        match &response.responses[0].partition_responses[0] {
            done if done.error_code == 0 => format!("at {}", done.base_offset),
            refused => refused.error_code.to_string(),
        }
    }

    async fn txn_offsets(
        &mut self,
        version: i16,
        id: &str,
        who: &str,
        group: &str,
        offset: &str,
        more: &[&str],
    ) -> String {
        let (producer_id, producer_epoch) = self.producer(who);
        let (member_id, generation_id) = match more {
            [member, generation] => ((*member).to_owned(), generation.parse().unwrap()),
            _ => (String::new(), -1),
        };
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: 0,
            committed_offset: offset.parse().unwrap(),
            committed_leader_epoch: -1,
            committed_metadata: Some("m".to_owned()),
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: self.named(id),
            group_id: self.named(group),
            producer_id,
            producer_epoch,
            generation_id,
            member_id,
            topics: vec![TxnOffsetCommitRequestTopic {
                name: self.named("t"),
                partitions: vec![partition],
            }],
            ..TxnOffsetCommitRequest::default()
        };
        let response = self.client().call(version, &request).await;
        response.topics[0].partitions[0].error_code.to_string()
    }

    async fn commit(&mut self, group: &str, offset: &str) -> String {
        let request = OffsetCommitRequest {
            group_id: self.named(group),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: self.named("t"),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: 0,
                    committed_offset: offset.parse().unwrap(),
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        self.client().call(8, &request).await.topics[0].partitions[0]
            .error_code
            .to_string()
    }

    async fn fetch_offset(&mut self, group: &str, require_stable: bool) -> String {
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: self.named(group),
                topics: Some(vec![OffsetFetchRequestTopics {
                    name: self.named("t"),
                    partition_indexes: vec![0],
                    ..OffsetFetchRequestTopics::default()
                }]),
                ..OffsetFetchRequestGroup::default()
            }],
            require_stable,
            ..OffsetFetchRequest::default()
        };
        let response = self.client().call(8, &request).await;
        let partition = &response.groups[0].topics[0].partitions[0];
        match partition.error_code {
            0 => partition.committed_offset.to_string(),
            code => format!("error {code}"),
        }
    }

    /// What a reader gets from the start on: values that are not passed over, last stable offset, high watermark.
    async fn read(&mut self, partition: &str, isolation_level: i8) -> String {
        let mut request = fetch_request(&self.named("t"), partition.parse().unwrap(), 0);
        request.isolation_level = isolation_level;
        request.max_bytes = 1 << 20;
        let response = self.client().call(12, &request).await;
        let data = response.responses[0].partitions[0].clone();
        let aborted = data.aborted_transactions.clone().unwrap_or_default();
        let mut names: Vec<String> = Vec::new();
        for transaction in aborted {
            let name = self.shown(transaction.producer_id, 0);
            names.push(format!("{}@{}", &name[..1], transaction.first_offset));
        }
        let values: Vec<String> = values_of(&data)
            .into_iter()
            .filter(|value| value.contains(':'))
            .collect();
        format!(
            "{} aborted [{}] stable {} end {}",
            values.join(" "),
            names.join(" "),
            data.last_stable_offset,
            data.high_watermark
        )
        .trim()
        .to_owned()
    }

    async fn latest(&mut self, partition: &str) -> String {
        let mut found = Vec::new();
        for isolation_level in [1, 0] {
            let request = ListOffsetsRequest {
                replica_id: -1,
                isolation_level,
                topics: vec![ListOffsetsTopic {
                    name: self.named("t"),
                    partitions: vec![ListOffsetsPartition {
                        partition_index: partition.parse().unwrap(),
                        current_leader_epoch: -1,
                        timestamp: -1,
                    }],
                }],
                ..ListOffsetsRequest::default()
            };
            found.push(
                self.client().call(7, &request).await.topics[0].partitions[0]
                    .offset
                    .to_string(),
            );
        }
        found.join(" of ")
    }

    async fn describe(&mut self, id: &str) -> String {
        let request = DescribeTransactionsRequest {
            transactional_ids: vec![self.named(id)],
        };
        let response = self.client().call(0, &request).await;
        let state = response.transaction_states[0].clone();
        if state.error_code != 0 {
            return state.error_code.to_string();
        }
        let of_ours = state.topics.iter().filter(|topic| !topic.topic.starts_with("__"));
        let mut partitions: Vec<i32> = of_ours.flat_map(|topic| topic.partitions.clone()).collect();
        partitions.sort_unstable();
        let producer = self.shown(state.producer_id, state.producer_epoch);
        let started = if state.transaction_start_time_ms > 0 {
            "begun"
        } else {
            "new"
        };
        let (name, timeout_ms) = (&state.transaction_state, state.transaction_timeout_ms);
        format!("{name} {producer} {partitions:?} {started} {timeout_ms}")
    }

    async fn list(&mut self, version: i16, more: &[&str]) -> String {
        let mut request = ListTransactionsRequest {
            duration_filter: -1,
            ..ListTransactionsRequest::default()
        };
        for word in more {
            match word.split_once('=').expect("a filter is name=value") {
                ("state", value) => request.state_filters.push(value.to_owned()),
                ("producer", value) => request.producer_id_filters.push(self.producer(value).0),
                ("longer", value) => request.duration_filter = value.parse().unwrap(),
                ("like", value) => request.transactional_id_pattern = Some(value.to_owned()),
                _ => panic!("what is `{word}`?"),
            }
        }
        let response = self.client().call(version, &request).await;
        if response.error_code != 0 {
            return response.error_code.to_string();
        }
        let suffix = self.suffix.clone();
        let ours = response.transaction_states.iter().filter(|state| {
            let id = &state.transactional_id;
            id.ends_with(&suffix) && !id.starts_with("warm")
        });
        let mut found: Vec<String> = ours
            .map(|state| {
                format!(
                    "{}:{}",
                    state.transactional_id.trim_end_matches(&suffix),
                    state.transaction_state
                )
            })
            .collect();
        found.sort_unstable();
        found.extend(
            response
                .unknown_state_filters
                .iter()
                .map(|state| format!("unknown:{state}")),
        );
        found.join(" ")
    }

    async fn describe_producers(&mut self, partition: &str) -> String {
        let request = DescribeProducersRequest {
            topics: vec![TopicRequest {
                name: self.named("t"),
                partition_indexes: vec![partition.parse().unwrap()],
            }],
        };
        let response = self.client().call(0, &request).await;
        let partition = response.topics[0].partitions[0].clone();
        if partition.error_code != 0 {
            return partition.error_code.to_string();
        }
        let mut found = Vec::new();
        for producer in partition.active_producers {
            let name = self.shown(producer.producer_id, producer.producer_epoch as i16);
            found.push(format!(
                "{name} sequence {} coordinator {} since {}",
                producer.last_sequence, producer.coordinator_epoch, producer.current_txn_start_offset
            ));
        }
        found.join(", ")
    }
}

/// Plays a script at a fresh broker, or at the judge.
async fn check(script: &str) {
    Stage::new(true).await.play(script).await;
}

#[tokio::test]
async fn the_old_flow() {
    check(
        "init4 x -> A/0
         produce9 x A/0 0 0 -> 48
         produce11 x A/0 0 0 -> 120
         add3 x A/0 0,1 -> 0,0
         add3 x A/0 0 -> 0
         describe x -> Ongoing A/0 [0, 1] begun 60000
         produce9 x A/0 0 0 -> at 0
         produce9 x A/0 2 0 -> 48
         plain9 A/0 0 1 -> 48
         mixed9 x A/0 0 1 -> 48
         read 0 -> aborted [] stable 0 end 1
         read-all 0 -> A/0:0 aborted [] stable 0 end 1
         latest 0 -> 0 of 1
         producers 0 -> A/0 sequence 0 coordinator -1 since 0
         offsets3 x A/0 g 7 -> 48
         offsets4 x A/0 g 7 -> 120
         group3 x A/0 g -> 0
         offsets3 x A/0 g 7 -> 0
         fetch-stable g -> error 88
         fetch-offset g -> -1
         end3 x A/0 commit -> 0
         read 0 -> A/0:0 aborted [] stable 2 end 2
         latest 0 -> 2 of 2
         fetch-stable g -> 7
         describe x -> CompleteCommit A/0 [] begun 60000
         producers 0 -> A/0 sequence 0 coordinator 0 since -1
         end3 x A/0 commit -> 0
         end3 x A/0 abort -> 48
         produce9 x A/0 0 1 -> 48
         add3 x A/0 0 -> 0
         produce9 x A/0 0 1 -> at 2
         end3 x A/0 abort -> 0
         read 0 -> A/0:0 A/0:1 aborted [A@2] stable 4 end 4
         end3 x A/0 abort -> 0
         end3 x A/0 commit -> 48",
    )
    .await;
}

#[tokio::test]
async fn the_new_flow() {
    check(
        "init5 x -> A/0
         produce12 x A/0 0 0 -> at 0
         produce12 x A/0 1 0 -> at 0
         produce12 x A/0 0 1 -> at 1
         offsets5 x A/0 g 3 -> 0
         describe x -> Ongoing A/0 [0, 1] begun 60000
         read 0 -> aborted [] stable 0 end 2
         end5 x A/0 commit -> A/1
         read 0 -> A/0:0 A/0:1 aborted [] stable 3 end 3
         fetch-stable g -> 3
         producers 0 -> A/1 sequence -1 coordinator 0 since -1
         end5 x A/0 commit -> A/1
         end5 x A/0 abort -> 48
         end5 x A/1 commit -> 48
         produce12 x A/0 0 2 -> 47
         offsets5 x A/0 g 9 -> 47
         produce12 x A/1 0 1 -> 45
         produce12 x A/1 0 0 -> at 3
         end5 x A/0 commit -> 90
         end5 x A/1 abort -> A/2
         read 0 -> A/0:0 A/0:1 A/1:0 aborted [A@3] stable 5 end 5
         end5 x A/1 abort -> A/2
         end5 x A/1 commit -> 48
         end5 x A/2 abort -> A/3
         describe x -> CompleteAbort A/3 [] begun 60000
         read 0 -> A/0:0 A/0:1 A/1:0 aborted [A@3] stable 5 end 5",
    )
    .await;
}

#[tokio::test]
async fn what_is_refused() {
    check(
        "init4 \"\" -> 42
         init4 x timeout=0 -> 50
         init4 x timeout=900001 -> 50
         describe x -> 105
         add3 x 5/0 0 -> 49
         end3 x 5/0 commit -> 49
         group3 x 5/0 g -> 49
         produce9 x 5/0 0 0 -> 49
         produce12 x 5/0 0 0 -> 49
         offsets3 x 5/0 g 1 -> 49
         offsets5 x 5/0 g 1 -> 49
         init3 x 50/3 -> A/0
         init4 x 50/3 -> 90
         init3 x 50/3 -> 47
         init4 x A/0 -> A/1
         init4 x A/0 -> A/1
         init4 x A/1 -> A/2
         init4 x A/0 -> 90
         add3 x A/0 0 -> 90
         add1 x A/0 0 -> 47
         group3 x A/0 g -> 90
         group1 x A/0 g -> 47
         end3 x A/0 commit -> 90
         end1 x A/0 commit -> 47
         end5 x A/0 commit -> 90
         end5 x A/3 commit -> 90
         end3 x A/2 commit -> 48
         end3 x A/2 abort -> 48
         end5 x A/2 commit -> 48
         offsets3 x A/0 g 1 -> 47
         produce9 x A/0 0 0 -> 47
         produce12 x A/0 0 0 -> 47
         add3 x A/2 0,9 -> 55,3
         describe x -> Empty A/2 [] new 60000
         verify4 x A/2 0 -> 120
         verify5 x A/2 0 -> 120
         verify5 x A/0 0 -> 90
         add5 x A/2 0 -> 0
         verify5 x A/2 1 -> 120
         offsets3 x A/2 g 1 member 5 -> 48
         offsets5 x A/2 g 1 member 5 -> 22
         init4 x 1/-1 -> 42",
    )
    .await;
}

#[tokio::test]
async fn a_new_producer_fences_the_old_one() {
    check(
        "init4 x -> A/0
         add3 x A/0 0 -> 0
         produce9 x A/0 0 0 -> at 0
         init4 x -> 51
         init4 x -> A/2
         read 0 -> A/0:0 aborted [A@0] stable 2 end 2
         produce9 x A/0 0 1 -> 47
         end3 x A/0 commit -> 90
         end3 x A/2 commit -> 48
         producers 0 -> A/1 sequence -1 coordinator 0 since -1",
    )
    .await;
    check(
        "init5 x -> A/0
         produce12 x A/0 0 0 -> at 0
         init5 x A/0 -> 51
         init5 x A/0 -> A/1
         init5 x -> A/2
         end5 x A/0 abort -> 90
         init5 x A/1 -> 90
         init5 x A/0 -> 90",
    )
    .await;
}

#[tokio::test]
async fn an_open_transaction_times_out() {
    let mut stage = Stage::new(false).await;
    stage
        .play(
            "init5 x timeout=1000 -> A/0
             produce12 x A/0 0 0 -> at 0
             offsets5 x A/0 g 1 -> 0",
        )
        .await;
    while stage.ask("describe x").await.starts_with("Ongoing") {
        tokio::task::yield_now().await;
    }
    stage
        .play(
            "describe x -> CompleteAbort A/1 [] begun 1000
             read 0 -> A/0:0 aborted [A@0] stable 2 end 2
             fetch-stable g -> -1
             produce12 x A/0 0 1 -> 47
             end5 x A/0 commit -> 48
             end5 x A/0 abort -> A/1
             produce12 x A/1 0 0 -> at 2
             end5 x A/1 commit -> A/2
             read 0 -> A/0:0 A/1:0 aborted [A@0] stable 4 end 4",
        )
        .await;
}

/// In the new flow the epoch gives a leftover away, in the old one its connection.
#[tokio::test]
async fn what_was_left_behind_never_touches_a_later_transaction() {
    check(
        "init5 x -> A/0
         produce12 x A/0 0 0 -> at 0
         offsets5 x A/0 g 1 -> 0
         end5 x A/0 commit -> A/1
         produce12 x A/1 0 0 -> at 2
         end5 x A/0 commit -> 90
         end5 x A/0 abort -> 90
         offsets5 x A/0 g 9 -> 47
         produce12 x A/0 1 0 -> 47
         describe x -> Ongoing A/1 [0] begun 60000
         end5 x A/1 abort -> A/2
         fetch-stable g -> 1",
    )
    .await;
    let mut stage = Stage::new(false).await;
    stage
        .play(
            "on 1 -> ok
             on 2 -> ok
             on 1 -> ok
             init4 x -> A/0
             add3 x A/0 0 -> 0
             produce9 x A/0 0 0 -> at 0
             on 2 -> ok
             group3 x A/0 g -> 0
             offsets3 x A/0 g 1 -> 0
             end3 x A/0 commit -> 0
             add3 x A/0 0 -> 0
             produce9 x A/0 0 1 -> at 2
             group3 x A/0 g -> 0
             on 1 -> ok
             end3 x A/0 commit -> 90
             end1 x A/0 abort -> 47
             add3 x A/0 1 -> 90
             group3 x A/0 h -> 90
             offsets3 x A/0 g 99 -> 47
             describe x -> Ongoing A/0 [0] begun 60000
             on 2 -> ok
             end3 x A/0 abort -> 0
             fetch-stable g -> 1
             read 0 -> A/0:0 A/0:1 aborted [A@2] stable 4 end 4",
        )
        .await;
}

#[tokio::test]
async fn a_deleted_topic_does_not_hold_up_a_transaction() {
    check(
        "init5 x -> A/0
         produce12 x A/0 0 0 -> at 0
         offsets5 x A/0 g 5 -> 0
         delete-topic t -> 0
         end5 x A/0 commit -> A/1
         describe x -> CompleteCommit A/1 [] begun 60000
         create-topic t -> ok
         read 0 -> aborted [] stable 0 end 0
         fetch-stable g -> -1
         produce12 x A/1 0 0 -> at 0
         end5 x A/1 commit -> A/2
         read 0 -> A/1:0 aborted [] stable 2 end 2",
    )
    .await;
}

#[tokio::test]
async fn administrators_end_what_hangs() {
    check(
        "init4 x -> A/0
         add3 x A/0 0 -> 0
         produce9 x A/0 0 0 -> at 0
         marker1 A/0 7 abort 0 0 -> 3
         marker2 A/0 0 abort 0 2 -> 47
         marker1 A/0 0 abort 0 0 -> 0
         read 0 -> A/0:0 aborted [A@0] stable 2 end 2
         end3 x A/0 commit -> 0
         read 0 -> A/0:0 aborted [A@0] stable 3 end 3
         marker1 A/0 0 abort 5 0 -> 0
         marker1 A/0 0 abort 4 0 -> 52
         marker2 A/3 0 abort 5 2 -> 0
         producers 0 -> A/3 sequence -1 coordinator 5 since -1",
    )
    .await;
}

#[tokio::test]
async fn transactions_are_listed_by_what_is_asked() {
    check(
        "init4 x-one -> A/0
         init4 x-two -> B/0
         add3 x-two B/0 0 -> 0
         list -> x-one:Empty x-two:Ongoing
         list state=Ongoing -> x-two:Ongoing
         list state=Empty state=Nonsense -> x-one:Empty unknown:Nonsense
         list state=PrepareCommit -> 
         list producer=A/0 -> x-one:Empty
         list1 longer=60000 -> x-one:Empty
         list2 like=x-o.* -> x-one:Empty
         list2 like=x-o -> 
         list2 like=( -> 128
         end3 x-two B/0 commit -> 0
         list -> x-one:Empty x-two:CompleteCommit",
    )
    .await;
}

#[tokio::test]
async fn a_plain_commit_made_later_stands() {
    check(
        "init5 x -> A/0
         offsets5 x A/0 g 5 -> 0
         commit g 9 -> 0
         fetch-stable g -> error 88
         fetch-offset g -> 9
         end5 x A/0 abort -> A/1
         fetch-stable g -> 9
         offsets5 x A/1 g 11 -> 0
         end5 x A/1 commit -> A/2
         fetch-stable g -> 11",
    )
    .await;
}

#[tokio::test]
async fn everything_outlives_a_restart() {
    let mut stage = Stage::new(false).await;
    stage
        .play(
            "init5 x -> A/0
             produce12 x A/0 0 0 -> at 0
             offsets5 x A/0 g 5 -> 0
             init4 y -> B/0
             add3 y B/0 1 -> 0
             produce9 y B/0 1 0 -> at 0
             end3 y B/0 abort -> 0",
        )
        .await;
    stage.clients.clear();
    let running = stage.running.take().unwrap().restart(options()).await;
    stage.running = Some(running);
    stage.connect().await;
    stage
        .play(
            "describe x -> Ongoing A/0 [0] begun 60000
             describe y -> CompleteAbort B/0 [] begun 60000
             fetch-stable g -> error 88
             read 0 -> aborted [] stable 0 end 1
             read 1 -> B/0:0 aborted [B@0] stable 2 end 2
             produce12 x A/0 0 1 -> at 1
             end5 x A/0 commit -> A/1
             fetch-stable g -> 5
             read 0 -> A/0:0 A/0:1 aborted [] stable 3 end 3",
        )
        .await;
}

#[tokio::test]
async fn unused_ids_expire() {
    let running = start_with(broker::BrokerOptions {
        transactional_id_expiration_ms: 0,
        transactional_id_check_interval: Duration::from_millis(10),
        ..options()
    })
    .await;
    let mut client = running.client().await;
    let request = InitProducerIdRequest {
        transactional_id: Some("x".to_owned()),
        transaction_timeout_ms: 1_000,
        ..InitProducerIdRequest::default()
    };
    let first = client.call(4, &request).await;
    let describe = DescribeTransactionsRequest {
        transactional_ids: vec!["x".to_owned()],
    };
    while client.call(0, &describe).await.transaction_states[0].error_code == 0 {
        tokio::task::yield_now().await;
    }
    let next = client.call(4, &request).await;
    assert_ne!(first.producer_id, next.producer_id, "the id was forgotten");
}

/// A reader of committed data waits for the commit, however much lies in open transactions.
#[tokio::test]
async fn readers_of_committed_data_wake_when_a_transaction_commits() {
    let mut stage = Stage::new(false).await;
    stage
        .play(
            "init5 x -> A/0
             produce12 x A/0 0 0 -> at 0
             on 1 -> ok",
        )
        .await;
    let mut request = fetch_request("t", 0, 0);
    request.isolation_level = 1;
    request.max_wait_ms = 20_000;
    request.max_bytes = 1 << 20;
    stage.client().send(12, &request).await;
    stage
        .play(
            "on 0 -> ok
             produce12 x A/0 0 1 -> at 1
             end5 x A/0 commit -> A/1
             on 1 -> ok",
        )
        .await;
    let response = stage
        .client()
        .receive::<wire::messages::fetch_request::FetchRequest>(12)
        .await;
    let data = &response.responses[0].partitions[0];
    assert_eq!(
        (data.last_stable_offset, data.high_watermark),
        (3, 3),
        "it was not answered before the commit"
    );
    assert_eq!(values_of(data).len(), 3, "two records and the marker");
}
