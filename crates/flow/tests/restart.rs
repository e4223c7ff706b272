//! Power cuts and restarts: whatever dies, every record goes through exactly once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use common::Platform;
use rivulet_flow::{Phase, Submission};

const SQL: &str = "
CREATE TABLE src (id INT, kind STRING) WITH ('connector' = 'kafka', 'topic' = 'src', 'format' = 'json');
CREATE TABLE evens (id INT) WITH ('connector' = 'kafka', 'topic' = 'evens', 'format' = 'json');
CREATE TABLE odds (id INT) WITH ('connector' = 'kafka', 'topic' = 'odds', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
  INSERT INTO evens SELECT id FROM src WHERE MOD(id, 2) = 0;
  INSERT INTO odds SELECT id FROM src WHERE MOD(id, 2) = 1;
END;
";

fn put(platform: &Platform, ids: std::ops::Range<i32>) {
    for id in ids {
        platform.produce("src", None, Some(format!("{{\"id\":{id}}}").into_bytes()));
    }
}

fn ids(platform: &Platform, topic: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = platform
        .records(topic)
        .into_iter()
        .map(|(_, record)| {
            serde_json::from_slice::<serde_json::Value>(&record.value.unwrap()).unwrap()["id"]
                .as_i64()
                .unwrap()
        })
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn fifty_power_cuts_lose_and_double_nothing() {
    let platform = Platform::new();
    platform.create_topic("src", 3);
    let engine = platform.engine();
    engine.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    engine.shutdown().await;
    let mut produced = 0;
    for cut in 0..50 {
        let (engine, died) = platform.engine_dying_after(1 + cut % 3);
        assert_eq!(engine.recover().await.unwrap(), 1, "the job runs again");
        // Records come while it runs, until it dies.
        let dying = died.notified();
        tokio::pin!(dying);
        loop {
            let more = 1 + (produced * 7 + cut as i32) % 5;
            put(&platform, produced..produced + more);
            produced += more;
            tokio::select! {
                biased;
                () = &mut dying => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let engine = platform.engine();
    engine.recover().await.unwrap();
    platform.wait_for("evens", (produced as usize).div_ceil(2)).await;
    platform.wait_for("odds", produced as usize / 2).await;
    let expected = |rest: i64| (0..i64::from(produced)).filter(|id| id % 2 == rest).collect::<Vec<_>>();
    assert_eq!(ids(&platform, "evens"), expected(0));
    assert_eq!(ids(&platform, "odds"), expected(1));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_commit_whose_outcome_is_unknown_is_not_done_twice() {
    let platform = Platform::new();
    platform.create_topic("src", 1);
    let engine = platform.engine();
    engine.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    platform.outages.store(5, Ordering::SeqCst);
    put(&platform, 0..20);
    platform.wait_for("evens", 10).await;
    platform.wait_for("odds", 10).await;
    put(&platform, 20..22);
    platform.wait_for("odds", 11).await;
    assert_eq!(
        ids(&platform, "odds"),
        (0..22).filter(|id| id % 2 == 1).collect::<Vec<_>>()
    );
    assert_eq!(engine.get("r-set-evens").await.unwrap().phase, Phase::Running);
    engine.shutdown().await;
    assert!(
        platform.outages.load(Ordering::SeqCst) <= 1,
        "outages were met, of both kinds"
    );
}

#[tokio::test]
async fn an_older_run_is_fenced() {
    let platform = Platform::new();
    platform.create_topic("src", 1);
    let old = platform.engine();
    old.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    put(&platform, 0..2);
    platform.wait_for("evens", 1).await;
    // A second process starts while the first still runs.
    let new = platform.engine();
    assert_eq!(new.recover().await.unwrap(), 1);
    put(&platform, 2..10);
    let ended = old.wait("r-set-evens").await.unwrap();
    assert_eq!(ended.phase, Phase::Failed);
    assert!(
        ended.detail.contains("another run of this job took over"),
        "{}",
        ended.detail
    );
    platform.wait_for("evens", 5).await;
    assert_eq!(ids(&platform, "evens"), [0, 2, 4, 6, 8]);
    new.shutdown().await;
}

#[tokio::test]
async fn values_are_inserted_once_however_often_it_restarts() {
    let platform = Platform::new();
    let engine = platform.engine();
    let sql = "CREATE TABLE t (id INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); INSERT INTO t VALUES (1), (2);";
    for _ in 0..3 {
        engine.apply_script("v", sql, &BTreeMap::new()).await.unwrap();
    }
    let again = platform.engine();
    again.recover().await.unwrap();
    again.apply_script("v", sql, &BTreeMap::new()).await.unwrap();
    assert_eq!(ids(&platform, "t"), [1, 2]);
}

#[tokio::test]
async fn a_new_partition_is_read_from_its_first_record() {
    let platform = Platform::new();
    platform.create_topic("src", 1);
    let engine = platform.engine();
    engine.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    put(&platform, 0..2);
    platform.wait_for("evens", 1).await;
    engine.stop("r-set-evens").await.unwrap();
    platform.add_partition("src");
    put(&platform, 2..8);
    engine.resume("r-set-evens").await.unwrap();
    platform.wait_for("evens", 4).await;
    platform.wait_for("odds", 4).await;
    assert_eq!(ids(&platform, "evens"), [0, 2, 4, 6]);
    engine.shutdown().await;
}

#[tokio::test]
async fn statements_live_as_they_are_told() {
    let platform = Platform::new();
    platform.create_topic("src", 1);
    let engine = platform.engine();
    let tables = SQL.split("EXECUTE").next().unwrap();
    engine.apply_script("r", tables, &BTreeMap::new()).await.unwrap();
    let submission = |name: &str, text: &str| Submission {
        name: Some(name.to_owned()),
        text: text.to_owned(),
        properties: BTreeMap::new(),
    };
    let insert = "INSERT INTO evens SELECT id FROM src WHERE id < 100";
    let statement = engine.submit(submission("route-1", insert)).await.unwrap();
    assert_eq!(
        (statement.phase, statement.kind, statement.is_bounded),
        (Phase::Running, "INSERT_INTO", false)
    );
    // Its name is taken; a name of another form is refused.
    for (name, message) in [
        ("route-1", "there is a statement `route-1` already"),
        ("Route 1", "`Route 1` is not a statement's name"),
    ] {
        let error = engine.submit(submission(name, insert)).await.unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
    put(&platform, 0..3);
    platform.wait_for("evens", 3).await;
    let stopped = engine.stop("route-1").await.unwrap();
    assert_eq!(
        (stopped.phase, stopped.counters.records_in, stopped.counters.records_out),
        (Phase::Stopped, 3, 3)
    );
    assert_eq!(stopped.latest_offsets[0].offset, 3);
    // Stopped stays stopped over a restart, and what came meanwhile is read on resume.
    put(&platform, 3..5);
    engine.shutdown().await;
    let engine = platform.engine();
    assert_eq!(engine.recover().await.unwrap(), 0);
    assert_eq!(engine.get("route-1").await.unwrap().phase, Phase::Stopped);
    engine.resume("route-1").await.unwrap();
    platform.wait_for("evens", 5).await;
    assert_eq!(ids(&platform, "evens"), [0, 1, 2, 3, 4]);
    engine.delete("route-1").await.unwrap();
    let gone = engine.get("route-1").await.unwrap_err();
    assert_eq!(gone.to_string(), "there is no statement `route-1`");
    engine.shutdown().await;
}

#[tokio::test]
async fn a_changed_script_goes_on_where_the_old_one_stood() {
    let platform = Platform::new();
    platform.create_topic("src", 1);
    let engine = platform.engine();
    engine.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    put(&platform, 0..4);
    platform.wait_for("odds", 2).await;
    platform.wait_for("evens", 2).await;
    let uid = engine.get("r-set-evens").await.unwrap().uid;
    engine.apply_script("r", SQL, &BTreeMap::new()).await.unwrap();
    assert_eq!(
        engine.get("r-set-evens").await.unwrap().uid,
        uid,
        "the same text changes nothing"
    );
    let changed = SQL.replace(
        "INSERT INTO evens SELECT id FROM",
        "INSERT INTO evens SELECT id * 100 FROM",
    );
    engine.apply_script("r", &changed, &BTreeMap::new()).await.unwrap();
    put(&platform, 4..6);
    platform.wait_for("evens", 3).await;
    assert_eq!(ids(&platform, "evens"), [0, 2, 400]);
    engine.shutdown().await;
}
