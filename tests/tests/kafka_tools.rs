//! Kafka's own command-line tools, as administrators type them.

use std::fs;
use std::path::Path;
use std::process::Command;

use rivulet_tests::kafka::jars;
use rivulet_tests::{Server, run};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSUMER_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const SHARE_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
const GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER: &str = "org.apache.kafka.tools.ConsumerPerformance";
const VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

/// Runs a tool with the words of `line`; `B` stands for the broker's address, `F` for the folder.
fn tool(class: &str, line: &str, server: &Server, folder: &Path) -> String {
    let classpath = format!("{}/*", jars().display());
    let mut command = Command::new("java");
    command.args([
        "-Xmx128m",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    ]);
    command.args(["-cp", &classpath, class]);
    for word in line.split(' ') {
        match word {
            "B" => command.arg(&server.kafka),
            _ => command.arg(word.replace("F/", &format!("{}/", folder.display()))),
        };
    }
    run(&mut command)
}

#[test]
fn kafkas_tools_say_what_they_say_of_kafka() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder for the tools' files");
    let offsets = r#"{"partitions": [{"topic": "tools", "partition": 0, "offset": 5}], "version": 1}"#;
    fs::write(folder.path().join("offsets.json"), offsets).expect("the offsets can be written");
    let steps: &[(&str, &str, &[&str])] = &[
        (
            TOPICS,
            "--bootstrap-server B --create --topic tools --partitions 3 --replication-factor 1",
            &["Created topic tools."],
        ),
        (TOPICS, "--bootstrap-server B --alter --topic tools --partitions 4", &[]),
        (
            TOPICS,
            "--bootstrap-server B --describe --topic tools",
            &["PartitionCount: 4", "ReplicationFactor: 1", "Isr: 1"],
        ),
        (
            CONFIGS,
            "--bootstrap-server B --alter --entity-type topics --entity-name tools --add-config retention.ms=12345000",
            &["Completed updating config for topic tools."],
        ),
        (
            CONFIGS,
            "--bootstrap-server B --describe --entity-type topics --entity-name tools",
            &["retention.ms=12345000"],
        ),
        (
            CONFIGS,
            "--bootstrap-server B --describe --entity-type brokers --entity-name 1 --all",
            &["num.partitions=1"],
        ),
        (
            PRODUCER,
            "--bootstrap-server B --topic tools --num-records 20000 --record-size 100 --throughput -1",
            &["20000 records sent"],
        ),
        (
            CONSUMER,
            "--bootstrap-server B --topic tools --num-records 20000 --group tools-group --timeout 20000",
            &["20000, "],
        ),
        (CONSUMER_GROUPS, "--bootstrap-server B --list", &["tools-group"]),
        (
            CONSUMER_GROUPS,
            "--bootstrap-server B --describe --group tools-group",
            &["tools-group", "tools", "LAG"],
        ),
        (
            CONSUMER_GROUPS,
            "--bootstrap-server B --group tools-group --topic tools --reset-offsets --to-earliest --execute",
            &["tools-group", "tools"],
        ),
        (GROUPS, "--bootstrap-server B --list", &["tools-group"]),
        (
            CONSUMER_GROUPS,
            "--bootstrap-server B --delete --group tools-group",
            &["was successful"],
        ),
        (SHARE_GROUPS, "--bootstrap-server B --list", &[]),
        (
            TRANSACTIONS,
            "--bootstrap-server B list",
            &["TransactionalId", "ProducerId"],
        ),
        (
            TRANSACTIONS,
            "--bootstrap-server B describe-producers --topic tools --partition 0",
            &["ProducerId", "LastSequence"],
        ),
        (
            TRANSACTIONS,
            "--bootstrap-server B find-hanging --broker-id 1",
            &["StartOffset"],
        ),
        (
            VERSIONS,
            "--bootstrap-server B",
            &["Produce(0): 0 to 13", "ShareFetch(78)", "ConsumerGroupHeartbeat(68)"],
        ),
        (
            LOG_DIRS,
            "--bootstrap-server B --describe --topic-list tools",
            &["\"partition\":\"tools-0\""],
        ),
        (
            FEATURES,
            "--bootstrap-server B describe",
            &["transaction.version", "FinalizedVersionLevel: 2"],
        ),
        (
            QUORUM,
            "--bootstrap-server B describe --status",
            &["LeaderId:", "CurrentVoters:"],
        ),
        (
            ELECTION,
            "--bootstrap-server B --election-type preferred --topic tools --partition 0",
            &["Valid replica already elected for partitions tools-0"],
        ),
        (
            DELETE_RECORDS,
            "--bootstrap-server B --offset-json-file F/offsets.json",
            &["partition: tools-0", "low_watermark: 5"],
        ),
        (TOPICS, "--bootstrap-server B --delete --topic tools", &[]),
        (TOPICS, "--bootstrap-server B --list --exclude-internal", &[]),
    ];
    for (class, line, wanted) in steps {
        let printed = tool(class, line, &server, folder.path());
        for words in *wanted {
            assert!(
                printed.contains(words),
                "{class} {line}: `{words}` is not in\n{printed}"
            );
        }
    }
}
