//! Kafka's own command-line tools, rightly and wrongly used; `tests/java/KafkaTools.java` runs them.

use super::*;
use crate::kafka::java_with_tools;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSUMER_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const SHARE_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
const STREAMS_GROUPS: &str = "org.apache.kafka.tools.streams.StreamsGroupCommand";
const GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONSOLE: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// What the tools read, by the name of the file.
const FILES: &[(&str, &str)] = &[
    (
        "delete.json",
        r#"{"partitions": [{"topic": "tools", "partition": 0, "offset": 2}], "version": 1}"#,
    ),
    (
        "delete-wrong.json",
        r#"{"partitions": [{"topic": "tools", "partition": 0, "offset": 99}], "version": 1}"#,
    ),
    (
        "delete-twice.json",
        r#"{"partitions": [{"topic": "tools", "partition": 0, "offset": 2}, {"topic": "tools", "partition": 0, "offset": 3}], "version": 1}"#,
    ),
    ("no.json", "{"),
    (
        "election.json",
        r#"{"partitions": [{"topic": "tools", "partition": 0}, {"topic": "tools", "partition": 8}]}"#,
    ),
    (
        "reassign.json",
        r#"{"version": 1, "partitions": [{"topic": "tools", "partition": 0, "replicas": [1]}]}"#,
    ),
    (
        "reassign-wrong.json",
        r#"{"version": 1, "partitions": [{"topic": "tools", "partition": 0, "replicas": [7]}]}"#,
    ),
    ("move.json", r#"{"version": 1, "topics": [{"topic": "tools"}]}"#),
    ("reset.csv", "tools,0,3\ntools,1,0\n"),
];

/// A tool and its arguments in the order they are run; `F/` is the folder of the files.
const CALLS: &[(&str, &str)] = &[
    (TOPICS, "--create --topic made --partitions 2 --replication-factor 1"),
    (TOPICS, "--create --topic made --partitions 2"),
    (TOPICS, "--create --topic made --if-not-exists"),
    (TOPICS, "--create --topic made.by_tool"),
    (TOPICS, "--create --topic made_by.tool"),
    (TOPICS, "--create --topic with:colon"),
    (TOPICS, "--create --topic replicated --replication-factor 3"),
    (TOPICS, "--create --topic assigned --replica-assignment 1,1"),
    (TOPICS, "--create --topic assigned-wrongly --replica-assignment 7"),
    (
        TOPICS,
        "--create --topic set --config retention.ms=5000 --config cleanup.policy=compact",
    ),
    (TOPICS, "--create --topic set-wrongly --config no.such.setting=1"),
    (TOPICS, "--create --topic set-wrongly --config retention.ms=soon"),
    (TOPICS, "--list --exclude-internal"),
    (TOPICS, "--describe --topic made"),
    (TOPICS, "--describe --topic set"),
    (TOPICS, "--describe --topic stranger"),
    (TOPICS, "--describe --topic stranger --if-exists"),
    (TOPICS, "--describe --exclude-internal --topics-with-overrides"),
    (TOPICS, "--describe --under-replicated-partitions"),
    (TOPICS, "--describe --under-min-isr-partitions"),
    (TOPICS, "--describe --unavailable-partitions"),
    (TOPICS, "--alter --topic made --partitions 4"),
    (TOPICS, "--alter --topic made --partitions 2"),
    (TOPICS, "--alter --topic stranger --partitions 2"),
    (TOPICS, "--alter --topic stranger --partitions 2 --if-exists"),
    (TOPICS, "--delete --topic stranger"),
    (TOPICS, "--delete --topic assigned"),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name made --add-config retention.ms=12345000,segment.bytes=2000000",
    ),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name made --add-config no.such.setting=5",
    ),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name made --add-config retention.ms=soon",
    ),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name stranger --add-config retention.ms=5",
    ),
    (CONFIGS, "--describe --entity-type topics --entity-name made"),
    (CONFIGS, "--describe --entity-type topics --entity-name made --all"),
    (CONFIGS, "--describe --entity-type topics --entity-name stranger"),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name made --delete-config segment.bytes",
    ),
    (
        CONFIGS,
        "--alter --entity-type topics --entity-name made --delete-config flush.ms",
    ),
    (CONFIGS, "--describe --topic made"),
    (
        CONFIGS,
        "--alter --entity-type brokers --entity-name 1 --add-config log.cleaner.threads=2",
    ),
    (CONFIGS, "--describe --entity-type brokers --entity-name 1"),
    (
        CONFIGS,
        "--alter --entity-type brokers --entity-name 1 --delete-config log.cleaner.threads",
    ),
    (
        CONFIGS,
        "--alter --entity-type brokers --entity-default --add-config message.max.bytes=2000000",
    ),
    (CONFIGS, "--describe --entity-type brokers --entity-default"),
    (
        CONFIGS,
        "--alter --entity-type brokers --entity-default --delete-config message.max.bytes",
    ),
    (
        CONFIGS,
        "--alter --entity-type brokers --entity-name 1 --add-config node.id=3",
    ),
    (
        CONFIGS,
        "--alter --entity-type groups --entity-name tools-group --add-config consumer.session.timeout.ms=50000",
    ),
    (
        CONFIGS,
        "--alter --entity-type groups --entity-name tools-group --add-config consumer.session.timeout.ms=5",
    ),
    (CONFIGS, "--describe --entity-type groups --entity-name tools-group"),
    (CONFIGS, "--describe --entity-type groups"),
    (
        CONFIGS,
        "--alter --entity-type users --entity-name someone --add-config producer_byte_rate=1000000000",
    ),
    (
        CONFIGS,
        "--alter --entity-type users --entity-name someone --add-config no_such_rate=1",
    ),
    (
        CONFIGS,
        "--alter --entity-type clients --entity-default --add-config request_percentage=900",
    ),
    (
        CONFIGS,
        "--alter --entity-type ips --entity-name 10.1.2.3 --add-config connection_creation_rate=500",
    ),
    (
        CONFIGS,
        "--alter --entity-type ips --entity-name nowhere.invalid --add-config connection_creation_rate=500",
    ),
    (CONFIGS, "--describe --entity-type users --entity-name someone"),
    (CONFIGS, "--describe --entity-type clients"),
    (CONFIGS, "--describe --entity-type ips"),
    (
        CONFIGS,
        "--alter --entity-type clients --entity-default --delete-config request_percentage",
    ),
    (CONFIGS, "--describe --entity-type client-metrics"),
    (GET_OFFSETS, "--topic tools"),
    (GET_OFFSETS, "--topic tools --time earliest"),
    (GET_OFFSETS, "--topic tools --time max-timestamp"),
    (GET_OFFSETS, "--topic tools --time 1700000000002"),
    (GET_OFFSETS, "--topic tools --partitions 0 --time latest"),
    (GET_OFFSETS, "--topic-partitions tools:0-1,made:1"),
    (GET_OFFSETS, "--topic stranger"),
    (GET_OFFSETS, "--topic tools --time nowadays"),
    (GET_OFFSETS, "--topic tools --time latest-tiered"),
    (DELETE_RECORDS, "--offset-json-file F/delete.json"),
    (DELETE_RECORDS, "--offset-json-file F/delete-wrong.json"),
    (DELETE_RECORDS, "--offset-json-file F/delete-twice.json"),
    (DELETE_RECORDS, "--offset-json-file F/no.json"),
    (GET_OFFSETS, "--topic tools --time -2"),
    (
        CONSOLE,
        "--topic tools --partition 0 --offset earliest --max-messages 3",
    ),
    (
        CONSOLE,
        "--topic tools --partition 0 --offset 3 --max-messages 2 --formatter-property print.key=true --formatter-property print.offset=true --formatter-property print.timestamp=true",
    ),
    (CONSUMER_GROUPS, "--list"),
    (CONSUMER_GROUPS, "--list --state"),
    (CONSUMER_GROUPS, "--list --type classic"),
    (CONSUMER_GROUPS, "--describe --group tools-group"),
    (CONSUMER_GROUPS, "--describe --group tools-group --members"),
    (CONSUMER_GROUPS, "--describe --group tools-group --state"),
    (CONSUMER_GROUPS, "--describe --group stranger"),
    (CONSUMER_GROUPS, "--describe --all-groups --offsets --verbose"),
    (
        CONSUMER_GROUPS,
        "--group tools-group --topic tools --reset-offsets --to-earliest --dry-run",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --topic tools:0 --reset-offsets --to-offset 4 --execute",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --topic tools --reset-offsets --shift-by 1 --execute",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --all-topics --reset-offsets --to-latest --execute",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --topic tools --reset-offsets --to-datetime 2023-11-14T22:13:20.002 --dry-run",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --reset-offsets --from-file F/reset.csv --execute",
    ),
    (
        CONSUMER_GROUPS,
        "--group tools-group --topic stranger --reset-offsets --to-latest --execute",
    ),
    (
        CONSUMER_GROUPS,
        "--group made-by-reset --topic tools --reset-offsets --to-earliest --execute",
    ),
    (CONSUMER_GROUPS, "--group tools-group --delete-offsets --topic tools:1"),
    (CONSUMER_GROUPS, "--group tools-group --delete-offsets --topic stranger"),
    (CONSUMER_GROUPS, "--group stranger --delete-offsets --topic tools"),
    (CONSUMER_GROUPS, "--delete --group stranger"),
    (CONSUMER_GROUPS, "--delete --group made-by-reset"),
    (SHARE_GROUPS, "--list"),
    (SHARE_GROUPS, "--describe --group stranger"),
    (SHARE_GROUPS, "--describe --group tools-group"),
    (SHARE_GROUPS, "--delete --group stranger"),
    (
        SHARE_GROUPS,
        "--group made-to-share --topic tools --reset-offsets --to-earliest --execute",
    ),
    (SHARE_GROUPS, "--group stranger --delete-offsets --topic tools"),
    (STREAMS_GROUPS, "--list"),
    (STREAMS_GROUPS, "--describe --group stranger"),
    (STREAMS_GROUPS, "--delete --group stranger"),
    (GROUPS, "--list"),
    (GROUPS, "--list --group-type classic"),
    (GROUPS, "--list --consumer"),
    (GROUPS, "--list --share"),
    (TRANSACTIONS, "list"),
    (TRANSACTIONS, "list --transactional-id-pattern tools-.*"),
    (TRANSACTIONS, "describe --transactional-id stranger"),
    (TRANSACTIONS, "describe-producers --topic tools --partition 0"),
    (TRANSACTIONS, "find-hanging --broker-id 1"),
    (TRANSACTIONS, "abort --topic tools --partition 0 --start-offset 1"),
    (TRANSACTIONS, "forceTerminateTransaction --transactionalId stranger"),
    (ELECTION, "--election-type preferred --topic tools --partition 0"),
    (ELECTION, "--election-type unclean --topic tools --partition 0"),
    (ELECTION, "--election-type preferred --topic stranger --partition 0"),
    (
        ELECTION,
        "--election-type preferred --path-to-json-file F/election.json",
    ),
    (ELECTION, "--election-type preferred --all-topic-partitions"),
    (REASSIGN, "--list"),
    (REASSIGN, "--execute --reassignment-json-file F/reassign.json"),
    (REASSIGN, "--verify --reassignment-json-file F/reassign.json"),
    (REASSIGN, "--execute --reassignment-json-file F/reassign-wrong.json"),
    (REASSIGN, "--cancel --reassignment-json-file F/reassign.json"),
    (
        REASSIGN,
        "--generate --topics-to-move-json-file F/move.json --broker-list 1",
    ),
    (
        REASSIGN,
        "--generate --topics-to-move-json-file F/move.json --broker-list 7",
    ),
    (LOG_DIRS, "--describe --topic-list stranger"),
    (LOG_DIRS, "--describe --broker-list 7"),
    (FEATURES, "describe"),
    (FEATURES, "upgrade --feature group.version=9"),
    (FEATURES, "upgrade --feature group.version=1"),
    (FEATURES, "upgrade --feature no.such.feature=1"),
    (FEATURES, "downgrade --feature streams.version=0 --dry-run"),
    (FEATURES, "disable --feature no.such.feature"),
    (QUORUM, "describe --status"),
    (CLUSTER, "cluster-id"),
    (CLUSTER, "list-endpoints"),
    (CLUSTER, "unregister --id 7"),
    (METRICS, "--list"),
    (METRICS, "--describe --name stranger"),
    (
        METRICS,
        "--alter --name made --metrics org.apache.kafka.producer. --interval 30000",
    ),
    (METRICS, "--alter --name made-wrongly --metrics a --interval 5"),
    (METRICS, "--describe"),
    (METRICS, "--delete --name made"),
    (ACLS, "--list"),
];

pub(super) fn play(observer: &mut Observer) {
    let topic = ("tools", create(observer, "tools", 2, &[]));
    fill(observer, topic, &batch(5));
    let mut commit = offsets::commit(9, "tools-group", topic, 1);
    let mut second = commit.topics[0].partitions[0].clone();
    (second.partition_index, second.committed_offset) = (1, 0);
    commit.topics[0].partitions.push(second);
    observer.wait(9, &commit, |answer| {
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.all(|partition| partition.error_code == 0)
    });
    let folder = tempfile::tempdir().expect("a folder for the tools' files");
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("the tools' files can be written");
    }
    let place = format!("{}/", folder.path().display());
    let calls: Vec<String> = CALLS
        .iter()
        .map(|(class, words)| {
            let tool = class.rsplit('.').next().unwrap_or(class);
            let arguments = words.replace("F/", &place);
            // This one's subcommand comes first.
            if *class == CLUSTER {
                format!("{tool} {words}\t{class}\t{arguments} --bootstrap-server {{address}}\n")
            } else {
                format!("{tool} {words}\t{class}\t--bootstrap-server {{address}} {arguments}\n")
            }
        })
        .collect();
    observer.note_program(&mut java_with_tools("KafkaTools"), &calls.concat());
}
