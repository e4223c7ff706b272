//! Topics and numbers as the broker relies on them, on a real log that is opened again.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base::{ErrorKind, SeededRandom};
use log::{Env, Log, LogOptions};
use rivulet_catalog::{Catalog, NewTopic};

async fn open(dir: &Path) -> (Log, Arc<Catalog>) {
    let options = LogOptions {
        dir: dir.to_owned(),
        ..LogOptions::default()
    };
    let (log, _) = Log::open(options, Env::real()).unwrap();
    let catalog = Catalog::open(log.clone(), Arc::new(SeededRandom::new(7)))
        .await
        .unwrap();
    (log, Arc::new(catalog))
}

fn topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        assignments: BTreeMap::new(),
        settings: BTreeMap::from([("retention.ms".into(), "5".into())]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_numbers_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (log, catalog) = open(dir.path()).await;
    let cluster_id = catalog.cluster_id().to_owned();
    assert_eq!(cluster_id.len(), 22);
    catalog.create_topic(topic("orders", 3)).await.unwrap();
    catalog.create_topic(topic("gone", 1)).await.unwrap();
    let grown = catalog.add_partitions("orders", 5).await.unwrap();
    catalog.delete_topic("gone").await.unwrap();
    let producers = catalog.reserve_producer_ids(100).await.unwrap();
    catalog.put_record("notes", "a", Some("1".into())).await.unwrap();
    catalog.put_record("notes", "b", Some("2".into())).await.unwrap();
    catalog.put_record("notes", "a", None).await.unwrap();
    drop(catalog);
    log.close().unwrap();
    drop(log);

    let (_log, catalog) = open(dir.path()).await;
    assert_eq!(catalog.cluster_id(), cluster_id);
    let names: Vec<String> = catalog.topics().iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(names, ["orders"]);
    assert_eq!(*catalog.topic("orders").unwrap(), *grown);
    assert_eq!(catalog.topic_by_id(grown.id).unwrap().name, grown.name);
    assert_eq!(
        catalog.reserve_producer_ids(1).await.unwrap(),
        producers + 100,
        "no producer id is given twice"
    );
    assert_eq!(catalog.records("notes"), [("b".to_owned(), "2".into())]);
    let again = catalog.create_topic(topic("gone", 1)).await.unwrap();
    assert!(
        !grown.partitions.contains(&again.partitions[0]),
        "no log is given twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, catalog) = open(dir.path()).await;
    catalog.create_topic(topic("a.b", 1)).await.unwrap();
    for (new, kind, words) in [
        (topic("a.b", 1), ErrorKind::Conflict, "already exists"),
        (topic("a_b", 1), ErrorKind::Invalid, "collides with `a.b`"),
        (topic("a b", 1), ErrorKind::Invalid, "not allowed"),
        (topic("c", 0), ErrorKind::Invalid, "1 to 10000 partitions"),
    ] {
        let error = catalog.create_topic(new).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(catalog.delete_topic("c").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        catalog.add_partitions("a.b", 1).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(catalog.topics().len(), 1);
}

/// One of many wins; whoever goes away half-way leaves nothing half-done.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_and_abandoned_changes_stay_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, catalog) = open(dir.path()).await;
    let racing = (0..20).map(|_| {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move { catalog.create_topic(topic("raced", 2)).await.is_ok() })
    });
    let mut won = 0;
    for task in racing.collect::<Vec<_>>() {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
    for number in 0..50 {
        let catalog = Arc::clone(&catalog);
        let task = tokio::spawn(async move { catalog.create_topic(topic(&format!("t{number}"), 1)).await.map(drop) });
        tokio::task::yield_now().await;
        task.abort();
        // Aborted, or done already: both are fine.
        drop(task.await);
    }
    // The next change waits for all that are still on their way.
    catalog.create_topic(topic("last", 1)).await.unwrap();
    let logs: BTreeSet<_> = catalog
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions.clone())
        .collect();
    let count: usize = catalog.topics().iter().map(|topic| topic.partitions.len()).sum();
    assert_eq!(logs.len(), count, "no two partitions share a log");
}
