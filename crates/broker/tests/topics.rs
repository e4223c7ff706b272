//! Topics in process: what jobs and the registry build on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use base::ErrorKind;
use bytes::Bytes;
use client::{NewTopic, Output, Position, ReadLimits, Step, Topics};
use support::{batch, quick_options, start, values_of};
use wire::ErrorCode;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::delete_topics_request::DeleteTopicsRequest;
use wire::messages::list_groups_request::ListGroupsRequest;
use wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

const LIMITS: ReadLimits = ReadLimits {
    bytes_max: 1 << 20,
    wait_max: Duration::ZERO,
};

fn output(topic: &str, key: Option<&'static str>, value: &'static str) -> Output {
    Output {
        topic: topic.into(),
        key: key.map(|key| Bytes::from_static(key.as_bytes())),
        value: Some(Bytes::from_static(value.as_bytes())),
        ..Output::default()
    }
}

fn position(topic: &str, partition: i32, offset: i64) -> Position {
    Position {
        topic: topic.into(),
        partition,
        offset,
    }
}

#[tokio::test]
async fn a_step_is_one_whole_and_a_job_goes_on_where_it_stopped() {
    let running = start().await;
    let topics = running.broker.topics();
    for name in ["in", "out"] {
        topics
            .create(NewTopic {
                name: name.to_owned(),
                partitions: 3,
                settings: Vec::new(),
            })
            .await
            .unwrap();
    }
    let start = topics.start_job("job").await.unwrap();
    assert_eq!((start.run, start.offsets.len(), start.state.len()), (1, 0, 0));
    let step = Step {
        job: "job".into(),
        run: start.run,
        outputs: vec![
            output("out", Some("a"), "1"),
            output("out", Some("b"), "2"),
            output("in", None, "3"),
        ],
        offsets: vec![position("in", 0, 5)],
        state: vec![(Bytes::from_static(b"count"), Some(Bytes::from_static(b"3")))],
    };
    topics.commit(step.clone()).await.unwrap();
    let broken = Step {
        outputs: vec![output("out", Some("a"), "4"), output("missing", None, "5")],
        ..step.clone()
    };
    assert_eq!(topics.commit(broken).await.unwrap_err().kind, ErrorKind::NotFound);
    let all: Vec<Position> = (0..3).map(|partition| position("out", partition, 0)).collect();
    let read = topics.read(&all, LIMITS).await.unwrap();
    assert_eq!(
        read.iter().map(|fetched| fetched.records.len()).sum::<usize>(),
        2,
        "nothing of the broken step is there"
    );
    let key = |partition: usize| read[partition].records.first().and_then(|record| record.key.clone());
    let expected = base::partitioner::partition_of(b"a", 3) as usize;
    assert!(
        read[expected]
            .records
            .iter()
            .any(|record| record.key.as_deref() == Some(b"a")),
        "{:?}",
        key(expected)
    );

    let running = running.restart(quick_options()).await;
    let topics = running.broker.topics();
    let again = topics.start_job("job").await.unwrap();
    assert_eq!((again.run, again.offsets), (2, vec![position("in", 0, 5)]));
    assert_eq!(again.state, [(Bytes::from_static(b"count"), Bytes::from_static(b"3"))]);
    assert_eq!(
        topics.commit(step.clone()).await.unwrap_err().kind,
        ErrorKind::Conflict,
        "the first run is over"
    );
    topics.forget_job("job").await.unwrap();
    let late = Step { run: again.run, ..step };
    assert_eq!(
        topics.commit(late).await.unwrap_err().kind,
        ErrorKind::Conflict,
        "a forgotten job writes nothing"
    );
    let fresh = topics.start_job("job").await.unwrap();
    assert_eq!((fresh.run, fresh.offsets.len(), fresh.state.len()), (4, 0, 0));
}

#[tokio::test]
async fn clients_and_jobs_see_each_others_records_and_offsets() {
    let running = start().await;
    let topics = running.broker.topics();
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    let read = topics.read(&[position("t", 0, 1)], LIMITS).await.unwrap();
    let offsets: Vec<_> = read[0].records.iter().map(|record| record.offset).collect();
    assert_eq!(
        (offsets, read[0].next_offset, read[0].end_offset),
        (vec![1, 2], 3, 3),
        "from the middle of a batch"
    );
    let run = topics.start_job("job").await.unwrap().run;
    let step = Step {
        job: "job".into(),
        run,
        outputs: vec![output("t", None, "d")],
        offsets: vec![position("t", 0, 3)],
        ..Step::default()
    };
    topics.commit(step).await.unwrap();
    assert_eq!(values_of(&client.fetch("t", 0, 3).await), ["d"]);
    let listed = client.call(5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups[0].group_id, "job", "a job shows as a group of its name");
    let delete = DeleteGroupsRequest {
        groups_names: vec!["job".to_owned()],
    };
    let refused = client.call(2, &delete).await.results[0].error_code;
    assert_eq!(
        refused,
        ErrorCode::NonEmptyGroup.code(),
        "nobody deletes the offsets of a job"
    );
    let tool = OffsetCommitRequest {
        group_id: "job".to_owned(),
        generation_id_or_member_epoch: -1,
        group_instance_id: None,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let refused = client.call(9, &tool).await.topics[0].partitions[0].error_code;
    assert_eq!(refused, ErrorCode::UnknownMemberId.code(), "nor moves them");
    assert_eq!(topics.offset_for_time("t", 0, i64::MAX).await.unwrap(), 4);
    assert_eq!(topics.offset_for_time("t", 0, 0).await.unwrap(), 0);
    topics.forget_job("job").await.unwrap();
    let listed = client.call(5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups.len(), 0, "a forgotten job's group is gone");
}

#[tokio::test]
async fn a_read_waits_for_the_first_record() {
    let running = start().await;
    let topics: Arc<dyn Topics> = running.broker.topics();
    topics
        .create(NewTopic {
            name: "t".to_owned(),
            partitions: 2,
            settings: Vec::new(),
        })
        .await
        .unwrap();
    let waiting = Arc::clone(&topics);
    let reader = tokio::spawn(async move {
        let limits = ReadLimits {
            wait_max: Duration::from_secs(15),
            ..LIMITS
        };
        waiting.read(&[position("t", 0, 0), position("t", 1, 0)], limits).await
    });
    let run = topics.start_job("job").await.unwrap().run;
    let late = Output {
        partition: Some(1),
        ..output("t", None, "late")
    };
    topics
        .commit(Step {
            job: "job".into(),
            run,
            outputs: vec![late],
            ..Step::default()
        })
        .await
        .unwrap();
    let read = reader.await.unwrap().unwrap();
    assert_eq!((read[0].records.len(), read[1].records.len()), (0, 1));
    assert_eq!(topics.partitions("none").await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(
        topics.read(&[position("t", 7, 0)], LIMITS).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn large_steps_are_split_into_batches_that_the_topic_takes() {
    let running = start().await;
    let topics = running.broker.topics();
    let settings = vec![("max.message.bytes".to_owned(), "2000".to_owned())];
    topics
        .create(NewTopic {
            name: "t".to_owned(),
            partitions: 1,
            settings,
        })
        .await
        .unwrap();
    let run = topics.start_job("job").await.unwrap().run;
    let value = Bytes::from(vec![b'x'; 600]);
    let many = vec![
        Output {
            topic: "t".into(),
            value: Some(value),
            ..Output::default()
        };
        10
    ];
    let written = topics
        .commit(Step {
            job: "job".into(),
            run,
            outputs: many,
            ..Step::default()
        })
        .await
        .unwrap();
    let follow = written
        .windows(2)
        .all(|two| two[0].last_offset + 1 == two[1].first_offset);
    let ends = (written[0].first_offset, written[written.len() - 1].last_offset);
    assert!(written.len() > 3 && follow && ends == (0, 9), "{written:?}");
    let mut client = running.client().await;
    let data = client.fetch("t", 0, 0).await;
    assert_eq!(values_of(&data).len(), 10);
    let sizes: Vec<_> = wire::batches(&support::fetched(&data))
        .map(|batch| batch.unwrap().1.len())
        .collect();
    assert!(sizes.len() > 3 && sizes.iter().all(|size| *size <= 2000), "{sizes:?}");
    let huge = Output {
        topic: "t".into(),
        value: Some(Bytes::from(vec![0; 3000])),
        ..Output::default()
    };
    let refused = topics
        .commit(Step {
            job: "job".into(),
            run,
            outputs: vec![huge],
            ..Step::default()
        })
        .await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);
}

/// Whoever keeps a place in a topic learns that it is another topic's now.
#[tokio::test]
async fn a_topic_made_anew_is_another() {
    let running = start().await;
    let topics: Arc<dyn Topics> = running.broker.topics();
    let mut client = running.client().await;
    client.create("t", 1, &[]).await;
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    let run = topics.start_job("job").await.unwrap().run;
    let step = Step {
        job: "job".into(),
        run,
        outputs: vec![output("t", None, "d"), output("t", None, "e")],
        ..Step::default()
    };
    let written = topics.commit(step.clone()).await.unwrap();
    let places: Vec<_> = written
        .iter()
        .map(|one| (&*one.topic, one.partition, one.first_offset, one.last_offset))
        .collect();
    assert_eq!(places, [("t", 0, 3, 4)]);
    let read = topics.read(&[position("t", 0, 4)], LIMITS).await.unwrap();
    assert_eq!(read[0].topic_id, written[0].topic_id);

    let waiting = Arc::clone(&topics);
    let reader = tokio::spawn(async move {
        let limits = ReadLimits {
            wait_max: Duration::from_secs(60),
            ..LIMITS
        };
        waiting.read(&[position("t", 0, 5)], limits).await
    });
    tokio::task::yield_now().await;
    let delete = DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 10_000,
        ..DeleteTopicsRequest::default()
    };
    let deleted = client.call(5, &delete).await.responses[0].error_code;
    assert_eq!(deleted, ErrorCode::None.code());
    assert_eq!(reader.await.unwrap().unwrap_err().kind, ErrorKind::NotFound, "at once");
    client.create("t", 1, &[]).await;
    let out_of_range = topics.read(&[position("t", 0, 5)], LIMITS).await.unwrap_err();
    assert_eq!(out_of_range.kind, ErrorKind::Invalid);
    let again = topics.commit(step).await.unwrap();
    assert_ne!(again[0].topic_id, written[0].topic_id);
    assert_eq!((again[0].first_offset, again[0].last_offset), (0, 1));
}
