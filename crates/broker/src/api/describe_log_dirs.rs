//! DescribeLogDirs: the directory, and what each partition takes of it.

use std::path::Path;
use std::sync::Arc;

use catalog::Topic;
use wire::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    context: Context,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let topics: Vec<DescribeLogDirsTopic> = match request.topics {
        None => {
            let all = broker.catalog.topics();
            all.iter()
                .map(|topic| describe(&broker, &context, topic, 0..topic.partitions.len() as i32))
                .collect()
        }
        Some(asked) => asked
            .into_iter()
            .filter_map(|asked| {
                let topic = broker.catalog.topic(&asked.topic)?;
                Some(describe(&broker, &context, &topic, asked.partitions))
            })
            .collect(),
    };
    let space = (broker.options.disk_space)(Path::new(&broker.options.log_dir));
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (total_bytes, usable_bytes) = space.map_or((-1, -1), |(total, free)| (bytes(total), bytes(free)));
    let dir = DescribeLogDirsResult {
        total_bytes,
        usable_bytes,
        log_dir: broker.options.log_dir.clone(),
        topics: topics
            .into_iter()
            .filter(|topic| !topic.partitions.is_empty())
            .collect(),
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse {
        results: vec![dir],
        ..DescribeLogDirsResponse::default()
    }
}

/// Of those partitions that the broker asked has.
fn describe(
    broker: &Broker,
    context: &Context,
    topic: &Topic,
    indexes: impl IntoIterator<Item = i32>,
) -> DescribeLogDirsTopic {
    let one = |index: i32| {
        let partition = topic.partition(index)?;
        let is_here = broker.replicas_of(topic, index as usize).contains(&context.node);
        is_here.then(|| DescribeLogDirsPartition {
            partition_index: index,
            partition_size: broker.log.size_bytes(partition).unwrap_or(0) as i64,
            offset_lag: 0,
            is_future_key: false,
        })
    };
    DescribeLogDirsTopic {
        name: topic.name.to_string(),
        partitions: indexes.into_iter().filter_map(one).collect(),
    }
}
