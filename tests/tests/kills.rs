//! SIGKILL in the middle of acknowledged produces: nothing acknowledged is lost, nothing is there twice.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Output;
use client::kafka::{Connection, Next, Producer, Reader, Start};
use rivulet_tests::Server;

const KILLS: u32 = 50;
const WRITERS: u64 = 4;
const PARTITIONS: i32 = 3;

/// Where each acknowledged record is: its name to partition and offset.
type Acknowledged = Arc<Mutex<HashMap<String, (i32, i64)>>>;

#[test]
fn fifty_kills_lose_nothing() {
    let mut server = Server::start();
    server.rivulet_ok(&["topic", "create", "torn", "--partitions", "3"]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let connection = Connection::new(server.kafka.clone());
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let acknowledged = Acknowledged::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (stop, count, acknowledged) = (Arc::clone(&stop), Arc::clone(&count), Arc::clone(&acknowledged));
            let producer = Producer::new(&connection).unwrap();
            runtime.spawn(write(writer, producer, stop, count, acknowledged))
        })
        .collect();
    for kill in 0..KILLS {
        // At least so many further acknowledgements between two kills, so that each falls into work under way.
        let wanted = count.load(Ordering::SeqCst) + 20 + u64::from(kill * 7 % 50);
        let mut waited = 0;
        while count.load(Ordering::SeqCst) < wanted {
            std::thread::sleep(Duration::from_millis(1));
            waited += 1;
            assert!(waited < 60_000, "no acknowledgements after kill {kill}");
        }
        server.kill();
        server.restart();
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        runtime.block_on(writer).unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap();
    let found = read_all(&connection);
    for (name, place) in acknowledged.iter() {
        let places = found
            .get(name)
            .unwrap_or_else(|| panic!("`{name}`, acknowledged at {place:?}, is lost"));
        assert_eq!(
            places.as_slice(),
            [*place],
            "`{name}` is once, and where the acknowledgement said"
        );
    }
    let twice: Vec<_> = found.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(twice.is_empty(), "written once, found more often: {twice:?}");
    assert!(
        acknowledged.len() > 1_000,
        "{} records are too few to show anything",
        acknowledged.len()
    );
    println!(
        "{KILLS} kills, {} acknowledged records, none lost, none twice",
        acknowledged.len()
    );
}

/// Sends records, 16 at a time, until told to stop; every one must be acknowledged in the end.
async fn write(
    writer: u64,
    producer: Producer,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    acknowledged: Acknowledged,
) {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let names: Vec<String> = (0..16).map(|step| format!("w{writer}-{}", number + step)).collect();
        number += 16;
        let sending = names.iter().map(|name| {
            let output = Output {
                topic: "torn".into(),
                key: Some(name.clone().into()),
                value: Some(vec![b'x'; 200].into()),
                ..Output::default()
            };
            let producer = producer.clone();
            tokio::spawn(async move { producer.send(&output).await })
        });
        for (name, sent) in names.iter().zip(sending.collect::<Vec<_>>()) {
            let place = sent.await.unwrap().unwrap();
            acknowledged.lock().unwrap().insert(name.clone(), place);
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Every record's places in the topic.
fn read_all(connection: &Connection) -> HashMap<String, Vec<(i32, i64)>> {
    let reader = Reader::new(connection, "torn", 0..PARTITIONS, Start::Beginning).unwrap();
    let (mut found, mut ended, mut silent) = (HashMap::<String, Vec<_>>::new(), 0, 0);
    while ended < PARTITIONS {
        match reader.next(Duration::from_millis(500)).unwrap() {
            Some(Next::End(_)) => ended += 1,
            Some(Next::Record(consumed)) => {
                silent = 0;
                let name = String::from_utf8(consumed.record.key.unwrap().to_vec()).unwrap();
                found
                    .entry(name)
                    .or_default()
                    .push((consumed.partition, consumed.record.offset));
            }
            None => {
                silent += 1;
                assert!(silent < 60, "the topic cannot be read to its end");
            }
        }
    }
    found
}
