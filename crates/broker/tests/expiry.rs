//! What goes when its time is over: offsets, groups, old segments.

mod support;

use std::time::Duration;

use client::{Position, Step, Topics};
use rivulet_broker::BrokerOptions;
use support::{batch, quick_options, start_with};
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

const SOON: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until the answer is yes.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(SOON).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it happens in time");
}

#[tokio::test]
async fn offsets_nobody_needs_expire_with_their_group_and_those_of_jobs_do_not() {
    let options = BrokerOptions {
        offsets_retention_ms: 1,
        offsets_retention_check_interval: SOON,
        ..quick_options()
    };
    let running = start_with(options).await;
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    let topics = running.broker.topics();
    let run = topics.start_job("job").await.expect("the job starts").run;
    let offsets = vec![Position {
        topic: "t".into(),
        partition: 0,
        offset: 7,
    }];
    topics
        .commit(Step {
            job: "job".into(),
            run,
            offsets,
            ..Step::default()
        })
        .await
        .expect("the step is committed");
    let request = OffsetCommitRequest {
        group_id: "tool".to_owned(),
        generation_id_or_member_epoch: -1,
        group_instance_id: None,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 3,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(client.call(9, &request).await.topics[0].partitions[0].error_code, 0);
    let listed = async || {
        let mut client = running.client().await;
        let groups = client.call(5, &ListGroupsRequest::default()).await.groups;
        groups.into_iter().map(|group| group.group_id).collect::<Vec<_>>()
    };
    until(async || listed().await == ["job"]).await;
    let kept = topics.start_job("job").await.expect("the job starts again").offsets;
    assert_eq!(kept.first().map(|position| position.offset), Some(7));
}

#[tokio::test]
async fn old_segments_go_and_compacted_topics_keep_theirs() {
    let options = BrokerOptions {
        retention_check_interval: SOON,
        ..quick_options()
    };
    let running = start_with(options).await;
    let mut client = running.client().await;
    client.create("brief", 1, &[("retention.ms", "1")]).await;
    client
        .create("kept", 1, &[("retention.ms", "1"), ("cleanup.policy", "compact")])
        .await;
    for topic in ["brief", "kept"] {
        client.produce(topic, 0, batch(&["a", "b"])).await;
    }
    let start_of = |topic: &str| {
        let partition = running.catalog.topic(topic).expect("the topic exists").partitions[0];
        running.log.bounds(partition).expect("the partition exists").log_start
    };
    until(async || start_of("brief") == 2).await;
    assert_eq!(start_of("kept"), 0);
    assert_eq!(
        client.produce("brief", 0, batch(&["c"])).await.base_offset,
        2,
        "offsets are never used twice"
    );
}
