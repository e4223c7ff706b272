//! The registries over their topics: what others write is seen, what clients write is written together, and whatever
//! happens the state is what the topic's records amount to.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use base::{ErrorKind, OsRandom, Random, RealClock, SeededRandom};
use client::Topics;
use common::{Fault, Memory, RECORD_BYTES_MAX};
use rivulet_catalog::deks::KEYS_TOPIC;
use rivulet_catalog::registry::SCHEMAS_TOPIC;
use rivulet_catalog::{DekRegistry, Registry};
use schema::RegistryError;
use schema::subjects::{Lookup, Name, Registration, Subjects};
use serde_json::json;
use tokio::task::JoinHandle;

async fn registry(memory: &Arc<Memory>) -> Arc<Registry> {
    let topics: Arc<dyn Topics> = Arc::clone(memory) as _;
    Registry::open(topics, Arc::new(RealClock::new()), "cluster")
        .await
        .unwrap()
}

async fn dek_registry(memory: &Arc<Memory>) -> Arc<DekRegistry> {
    let topics: Arc<dyn Topics> = Arc::clone(memory) as _;
    let opened = DekRegistry::open(topics, Arc::new(RealClock::new()), Arc::new(OsRandom), None);
    opened.await.unwrap()
}

fn record(name: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#)
}

async fn register(registry: &Registry, subject: &str, text: &str) -> Result<Lookup, RegistryError> {
    let wanted = Registration {
        text: text.to_owned(),
        ..Registration::default()
    };
    registry.register_schema(subject, wanted, false, false).await
}

fn registering(registry: &Arc<Registry>, subject: &str, text: &str) -> JoinHandle<Result<Lookup, RegistryError>> {
    let (registry, subject, text) = (Arc::clone(registry), subject.to_owned(), text.to_owned());
    tokio::spawn(async move { register(&registry, &subject, &text).await })
}

/// The record of a version, as another registry writes it.
fn version(subject: &str, version: i32, id: i32, text: &str) -> (String, Option<String>) {
    let key = json!({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1});
    let value = json!({"subject": subject, "version": version, "id": id, "schema": text, "deleted": false});
    (key.to_string(), Some(value.to_string()))
}

fn write(memory: &Memory, (key, value): (String, Option<String>)) {
    memory.write(SCHEMAS_TOPIC, Some(&key), value.as_deref());
}

/// Waits until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

/// One thread runs all tasks in turns: after this each has gone as far as it can.
async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

/// Waits until the state is what another registry makes of the topic; what clients left behind may still be on its way.
async fn is_as_replayed(memory: &Arc<Memory>, registry: &Registry) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let replayed = self::registry(&Arc::new(memory.copy())).await;
            if replayed.state() == registry.state() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "the state is not what the topic says");
}

fn text_of(state: &Subjects, id: i32) -> Option<String> {
    Some(state.schema(id, &Name::top())?.schema.text.clone())
}

#[tokio::test]
async fn what_others_write_is_seen() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    assert_eq!(register(&registry, "own", &record("A")).await.unwrap().schema.id, 1);
    let (a, b) = (record("A"), record("B"));
    let (_, no_value) = version("s", 1, 3, &b);
    let key = |text: &str| Some(text.to_owned());
    let config = r#"{"keytype":"CONFIG","subject":"s","magic":0}"#;
    let gone = r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#;
    let last = Name::parse("last");
    let table: Vec<(Option<String>, Option<String>)> = vec![
        (Some(version("s", 1, 2, &b).0), version("s", 1, 2, &b).1),
        // None of these stops what follows.
        (key("no JSON"), no_value),
        (None, key("without a key")),
        (
            key(r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#),
            key("{"),
        ),
        (key(r#"{"keytype":"NEWS","magic":0}"#), key("{}")),
        (key(r#"{"keytype":"NOOP","magic":0}"#), None),
        (key(config), key(r#"{"compatibilityLevel":"NONE"}"#)),
        (Some(version("s", 2, 3, &a).0), version("s", 2, 3, &a).1),
        (key(gone), key(r#"{"subject":"s","version":2}"#)),
        (Some(version("last", 1, 4, &b).0), version("last", 1, 4, &b).1),
    ];
    for (key, value) in &table {
        memory.write(SCHEMAS_TOPIC, key.as_deref(), value.as_deref());
    }
    until("the last record is seen", || {
        registry.state().has_subjects(&last, false)
    })
    .await;
    let state = registry.state();
    assert_eq!(text_of(&state, 2), Some(b.clone()));
    assert!(!state.has_subjects(&Name::parse("s"), false), "it was deleted");
    assert!(state.has_subjects(&Name::parse("s"), true));
    // Ids go on from where others left them.
    let next = register(&registry, "own", &record("A2")).await;
    assert!(next.is_err(), "still compatible only: {next:?}");
    assert_eq!(register(&registry, "other", &record("C")).await.unwrap().schema.id, 5);
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn keys_of_others_are_seen() {
    let memory = Arc::<Memory>::default();
    let deks = dek_registry(&memory).await;
    memory.make(KEYS_TOPIC);
    let key = r#"{"tenant":"default","name":"k","type":"KEK"}"#;
    let value = r#"{"name":"k","kmsType":"local-kms","kmsKeyId":"x","shared":false,"deleted":false,"type":"KEK"}"#;
    memory.write(KEYS_TOPIC, Some(key), Some(value));
    until("the key is seen", || deks.keys().kek("k", false).is_ok()).await;
    let kek = |kms_key_id: &str| schema::dek::NewKek {
        name: Some("k".to_owned()),
        kms_type: Some("local-kms".to_owned()),
        kms_key_id: Some(kms_key_id.to_owned()),
        ..Default::default()
    };
    assert_eq!(deks.create_kek(kek("y"), false).await.unwrap_err().code, 40971);
    memory.write(KEYS_TOPIC, Some(key), None);
    until("the key is gone", || deks.keys().kek("k", false).is_err()).await;
    let made = deks.create_kek(kek("y"), false).await.unwrap();
    assert!(made.ts > 0, "it says when it was written");
    assert_eq!(deks.keys().kek("k", false).unwrap(), &made);
}

/// Others write while a registration is on its way, before its record or behind it: it stands where it was written, and
/// those that wait are decided again.
#[tokio::test]
async fn what_others_took_is_not_given_again() {
    for fault in [Fault::Others, Fault::Followed] {
        let memory = Arc::<Memory>::default();
        let registry = registry(&memory).await;
        memory.gate(false);
        let first = registering(&registry, "a", &record("A"));
        settle().await;
        let waiting: Vec<_> = ["b", "c", "d"]
            .map(|name| registering(&registry, name, &record(name)))
            .into();
        let same = registering(&registry, "same", &record("Theirs2"));
        settle().await;
        assert_eq!(memory.commits(), 1, "the others wait");
        let others = (2..=9).map(|id| version("theirs", id, id, &record(&format!("Theirs{id}"))));
        memory.fault(fault(others.collect()));
        memory.gate(true);
        assert_eq!(first.await.unwrap().unwrap().schema.id, 1);
        for (one, id) in waiting.into_iter().zip(10..) {
            assert_eq!(one.await.unwrap().unwrap().schema.id, id);
        }
        assert_eq!(same.await.unwrap().unwrap().schema.id, 2, "the content has an id now");
        assert_eq!(memory.commits(), 2, "those that were decided again go together");
        is_as_replayed(&memory, &registry).await;
    }
}

/// Others who write all the time hold nobody up.
#[tokio::test]
async fn others_who_write_without_end_hold_nobody_up() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    for round in 0..200 {
        let one = |at: i32| vec![version(":.o:s", at, at, &record(&format!("O{at}")))];
        memory.fault(if round % 2 == 0 {
            Fault::Others(one(round + 1))
        } else {
            Fault::Followed(one(round + 1))
        });
    }
    let asked: Vec<_> = (0..40)
        .map(|at| registering(&registry, &format!("s{at}"), &record(&format!("R{at}"))))
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert!(
        memory.commits() <= 10,
        "{} commits for 40 changes that came together",
        memory.commits()
    );
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn a_topic_may_be_made_anew() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    let is_empty = || !registry.state().has_subjects(&Name::top(), true);
    for round in 0..3 {
        assert_eq!(
            register(&registry, "a", &record("A")).await.unwrap().schema.id,
            1,
            "{round}"
        );
        assert_eq!(
            register(&registry, "b", &record("B")).await.unwrap().schema.id,
            2,
            "{round}"
        );
        match round {
            0 => memory.delete(SCHEMAS_TOPIC),
            // At once, shorter than it was.
            1 => memory.make(SCHEMAS_TOPIC),
            // At once, and longer.
            _ => {
                memory.make(SCHEMAS_TOPIC);
                (1..=9).for_each(|id| write(&memory, version("new", id, id, &record(&format!("N{id}")))));
                until("it is read", || text_of(&registry.state(), 9).is_some()).await;
                assert!(!registry.state().has_subjects(&Name::parse("a"), true));
                continue;
            }
        }
        until("it is empty", is_empty).await;
    }
    is_as_replayed(&memory, &registry).await;
    // Made anew, and written to by us before anybody looked.
    memory.make(SCHEMAS_TOPIC);
    assert_eq!(register(&registry, "c", &record("C")).await.unwrap().version, 1);
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn records_may_be_deleted_and_compacted() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    write(&memory, version("s", 1, 1, &record("A")));
    write(&memory, version("s", 1, 2, &record("B")));
    until("both are seen", || text_of(&registry.state(), 2).is_some()).await;
    memory.compact(SCHEMAS_TOPIC);
    register(&registry, "own", &record("C")).await.unwrap();
    write(&memory, version("s", 2, 4, &record("D")));
    until("what follows a gap is seen", || text_of(&registry.state(), 4).is_some()).await;
    is_as_replayed(&memory, &registry).await;
    let registry = self::registry(&memory).await;
    memory.trim(SCHEMAS_TOPIC);
    assert_eq!(register(&registry, "own2", &record("E")).await.unwrap().schema.id, 5);
    write(&memory, version("s", 3, 6, &record("F")));
    until("what follows a trim is seen", || {
        text_of(&registry.state(), 6).is_some()
    })
    .await;
    assert!(text_of(&registry.state(), 1).is_none() && text_of(&registry.state(), 4).is_some());
}

/// An open transaction hides what others wrote; our clients do not wait for it.
#[tokio::test]
async fn an_open_transaction_holds_nobody_up() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    register(&registry, "a", &record("A")).await.unwrap();
    memory.transaction(SCHEMAS_TOPIC, true);
    write(&memory, version("t", 1, 70, &record("T")));
    assert_eq!(register(&registry, "b", &record("B")).await.unwrap().schema.id, 2);
    assert_eq!(register(&registry, "c", &record("C")).await.unwrap().schema.id, 3);
    assert!(text_of(&registry.state(), 70).is_none());
    memory.transaction(SCHEMAS_TOPIC, false);
    until("the transaction is seen", || text_of(&registry.state(), 70).is_some()).await;
    assert_eq!(register(&registry, "d", &record("D")).await.unwrap().schema.id, 71);
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn following_ends_with_the_registry_and_costs_nothing() {
    let memory = Arc::<Memory>::default();
    let one = registry(&memory).await;
    register(&one, "a", &record("A")).await.unwrap();
    let before = memory.reads();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let reads = memory.reads() - before;
    assert!(reads <= 6, "{reads} reads while nothing happened");
    one.stop().await;
    let refused = register(&one, "b", &record("B")).await.unwrap_err();
    assert_eq!(refused.code, 50001);
    assert!(refused.message.contains("has stopped"), "{refused}");
    assert!(one.state().has_subjects(&Name::parse("a"), false), "readers go on");
    let other = registry(&memory).await;
    drop((one, other));
    until("nobody holds the topics", || Arc::strong_count(&memory) == 1).await;
}

#[tokio::test]
async fn changes_that_wait_are_written_together() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    memory.gate(false);
    let first = registering(&registry, "s0", &record("R0"));
    settle().await;
    let rest: Vec<_> = (1..=60)
        .map(|at| registering(&registry, &format!("s{at}"), &record(&format!("R{at}"))))
        .collect();
    let same: Vec<_> = (0..20)
        .map(|_| registering(&registry, "same", &record("Same")))
        .collect();
    settle().await;
    assert!(
        !registry.state().has_subjects(&Name::top(), true),
        "nothing is durable yet"
    );
    assert!(rest.iter().chain(&same).all(|one| !one.is_finished()) && !first.is_finished());
    // What is refused because of what is not durable yet waits too.
    let broken = registering(&registry, "s1", r#"{"type":"record","name":"Other","fields":[]}"#);
    settle().await;
    assert!(!broken.is_finished());
    memory.gate(true);
    assert_eq!(first.await.unwrap().unwrap().schema.id, 1);
    for (at, one) in (2..).zip(rest) {
        assert_eq!(one.await.unwrap().unwrap().schema.id, at);
    }
    for one in same {
        let found = one.await.unwrap().unwrap();
        assert_eq!((found.schema.id, found.version), (62, 1));
    }
    assert_eq!(broken.await.unwrap().unwrap_err().code, 40901);
    assert_eq!(memory.commits(), 2);
    assert_eq!(memory.records(SCHEMAS_TOPIC), 62);
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn what_builds_on_a_failed_change_fails_too() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    memory.gate(false);
    memory.fault(Fault::Refused(ErrorKind::Unavailable));
    let first = registering(&registry, "a", &record("A"));
    settle().await;
    let second = registering(&registry, "b", &record("B"));
    let known = registering(&registry, "a", &record("A"));
    settle().await;
    memory.gate(true);
    for (one, why) in [(first, "the disk is full"), (second, "builds on"), (known, "builds on")] {
        let error = one.await.unwrap().unwrap_err();
        assert_eq!(error.code, 50001, "{error}");
        assert!(
            error.message.contains(why) && error.message.contains("disk is full"),
            "{error}"
        );
    }
    assert!(!registry.state().has_subjects(&Name::top(), true));
    assert_eq!(register(&registry, "c", &record("C")).await.unwrap().schema.id, 1);
    // Written, though nobody could say so: it is seen as others' records are.
    memory.fault(Fault::Lost);
    assert_eq!(register(&registry, "d", &record("D")).await.unwrap_err().code, 50001);
    until("it is seen", || text_of(&registry.state(), 2).is_some()).await;
    assert_eq!(register(&registry, "d", &record("D")).await.unwrap().schema.id, 2);
    is_as_replayed(&memory, &registry).await;
}

/// A record that the topic refuses is its own client's trouble, in whatever company it is.
#[tokio::test]
async fn one_refused_record_fails_alone() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    let large = format!(
        r#"{{"type":"record","name":"L","doc":"{}","fields":[]}}"#,
        "x".repeat(RECORD_BYTES_MAX)
    );
    memory.gate(false);
    let first = registering(&registry, "a", &record("A"));
    settle().await;
    let before: Vec<_> = ["b", "c"]
        .map(|name| registering(&registry, name, &record(name)))
        .into();
    settle().await;
    let refused = registering(&registry, "large", &large);
    // It is looked at by another thread.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after: Vec<_> = ["d", "e", "f"]
        .map(|name| registering(&registry, name, &record(name)))
        .into();
    settle().await;
    memory.gate(true);
    let error = refused.await.unwrap().unwrap_err();
    assert!(error.message.contains("too large"), "{error}");
    let mut ids = vec![first.await.unwrap().unwrap().schema.id];
    for one in before.into_iter().chain(after) {
        ids.push(one.await.unwrap().unwrap().schema.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6], "no id is lost");
    is_as_replayed(&memory, &registry).await;
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind() {
    let memory = Arc::<Memory>::default();
    let registry = registry(&memory).await;
    memory.gate(false);
    let first = registering(&registry, "a", &record("A"));
    settle().await;
    let second = registering(&registry, "b", &record("B"));
    settle().await;
    first.abort();
    second.abort();
    let third = registering(&registry, "c", &record("C"));
    settle().await;
    memory.gate(true);
    assert_eq!(third.await.unwrap().unwrap().schema.id, 3);
    assert_eq!(text_of(&registry.state(), 1), Some(record("A")));
    assert_eq!(text_of(&registry.state(), 2), Some(record("B")));
    is_as_replayed(&memory, &registry).await;
    // More than the line has room for: they wait, and go away while they do.
    let registry = self::registry(&memory).await;
    memory.gate(false);
    let many: Vec<_> = (0..600)
        .map(|at| registering(&registry, &format!("m{at}"), &record(&format!("M{at}"))))
        .collect();
    settle().await;
    many.iter().for_each(JoinHandle::abort);
    memory.gate(true);
    let next = register(&registry, "n", &record("N")).await.unwrap();
    assert!(next.schema.id <= 3 + 256 + 1, "the line is bounded: {}", next.schema.id);
    is_as_replayed(&memory, &registry).await;
}

/// Registers one schema after another, and goes away at times.
async fn restless(registry: Arc<Registry>, seed: u64) {
    let random = SeededRandom::new(seed);
    for _ in 0..40 {
        let text = record(&format!("R{}", random.below(60)));
        let subject = format!("s{}", random.below(50));
        let patience = random.below(40);
        let gone = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
            if patience > 5 {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            found = register(&registry, &subject, &text) => {
                // Some are refused.
                if let Ok(found) = found {
                    let id = found.schema.id;
                    assert_eq!(text_of(&registry.state(), id), Some(text), "seed {seed}, id {id}");
                }
            }
            () = gone => {}
        }
    }
}

/// Whatever befalls commits, and whoever goes away: what was answered is there, each content has one id, and the state is
/// what the topic says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chance_breaks_nothing() {
    for seed in 0..20 {
        let random = SeededRandom::new(seed);
        let memory = Arc::<Memory>::default();
        let registry = registry(&memory).await;
        for _ in 0..100 {
            memory.fault(match random.below(6) {
                0 => Fault::Refused(ErrorKind::Unavailable),
                1 => Fault::Refused(ErrorKind::Invalid),
                2 => Fault::Lost,
                // In a context of its own: there it takes nobody's id.
                3 => {
                    let at = random.below(50) as i32 + 1;
                    Fault::Others(vec![version(":.o:s", at, at, &record(&format!("O{at}")))])
                }
                4 => Fault::Followed(vec![version(":.p:s", 1, 1, &record("P"))]),
                _ => Fault::Others(Vec::new()),
            });
        }
        let clients: Vec<_> = (0..8)
            .map(|client| tokio::spawn(restless(Arc::clone(&registry), seed * 8 + client)))
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        is_as_replayed(&memory, &registry).await;
        let state = registry.state();
        let ids = 1..=state.id_max(".");
        let mut texts: Vec<String> = ids.filter_map(|id| text_of(&state, id)).collect();
        let count = texts.len();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), count, "seed {seed}: a content has two ids");
        assert!(count > 0, "seed {seed}: nothing was registered");
    }
}
