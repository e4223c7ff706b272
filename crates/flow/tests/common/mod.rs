//! Topics and schemas in memory, with power cuts: what an engine is tested against.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use base::{ErrorKind, ManualClock, SeededRandom};
use bytes::Bytes;
use client::{
    Bounds, Fetched, JobStart, NewTopic, Output, Position, ReadLimits, Record, RegisteredSchema, SchemaType, Schemas,
    Step, TopicId, Topics, TopicsError, Written,
};
use parking_lot::Mutex;
use rivulet_flow::{Engine, MemoryStore};
use tokio::sync::Notify;

/// The wall-clock time of every test.
pub(crate) const NOW_MS: i64 = 1_767_323_045_678;
/// No topic is ever deleted here.
const TOPIC_ID: TopicId = [7; 16];

#[derive(Default)]
struct Job {
    run: u64,
    offsets: BTreeMap<(Arc<str>, i32), i64>,
    state: BTreeMap<Bytes, Bytes>,
}

#[derive(Default)]
struct Disk {
    topics: BTreeMap<String, Vec<Vec<Record>>>,
    jobs: BTreeMap<String, Job>,
    schemas: Vec<RegisteredSchema>,
    subjects: BTreeMap<String, Vec<i32>>,
    next_partition: usize,
}

/// What outlives an engine: topics, schemas, statements.
#[derive(Clone)]
pub(crate) struct Platform {
    disk: Arc<Mutex<Disk>>,
    written: Arc<Notify>,
    /// So many commits answer that the platform is not available; every other one is durable all the same.
    pub outages: Arc<AtomicI64>,
    pub store: Arc<MemoryStore>,
}

impl Platform {
    pub(crate) fn new() -> Platform {
        Platform {
            disk: Arc::default(),
            written: Arc::default(),
            outages: Arc::default(),
            store: Arc::default(),
        }
    }

    /// An engine that lives until the test ends.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_dying_after(i64::MAX).0
    }

    /// An engine whose power goes at its commit of this number: half of the time just before it is durable, half of
    /// the time just after. Nothing it does from then on returns.
    pub(crate) fn engine_dying_after(&self, commits: i64) -> (Engine, Arc<Notify>) {
        let died = Arc::new(Notify::new());
        let power = Power {
            platform: self.clone(),
            commits_left: AtomicI64::new(commits),
            died: Arc::clone(&died),
        };
        let power = Arc::new(power);
        let engine = Engine::new(
            Arc::clone(&power) as Arc<dyn Topics>,
            power,
            Arc::new(ManualClock::at(NOW_MS)),
            Arc::new(SeededRandom::new(7)),
            Arc::clone(&self.store) as Arc<dyn rivulet_flow::StatementStore>,
        );
        (engine, died)
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: usize) {
        self.disk
            .lock()
            .topics
            .entry(name.to_owned())
            .or_insert_with(|| vec![Vec::new(); partitions]);
    }

    pub(crate) fn add_partition(&self, name: &str) {
        self.disk
            .lock()
            .topics
            .get_mut(name)
            .expect("the topic is there")
            .push(Vec::new());
        self.written.notify_waiters();
    }

    pub(crate) fn produce(&self, topic: &str, key: Option<&[u8]>, value: Option<Vec<u8>>) {
        self.write(Output {
            topic: topic.into(),
            key: key.map(Bytes::copy_from_slice),
            value: value.map(Bytes::from),
            ..Output::default()
        });
    }

    pub(crate) fn write(&self, output: Output) {
        append(&mut self.disk.lock(), output);
        self.written.notify_waiters();
    }

    /// All records of a topic, partition after partition.
    pub(crate) fn records(&self, topic: &str) -> Vec<(i32, Record)> {
        let disk = self.disk.lock();
        let Some(partitions) = disk.topics.get(topic) else {
            return Vec::new();
        };
        let numbered = partitions.iter().enumerate();
        numbered
            .flat_map(|(index, records)| records.iter().map(move |r| (index as i32, r.clone())))
            .collect()
    }

    /// Waits until the topic has so many records.
    pub(crate) async fn wait_for(&self, topic: &str, count: usize) {
        loop {
            let change = self.written.notified();
            if self.records(topic).len() >= count {
                return;
            }
            change.await;
        }
    }

    pub(crate) fn has_topic(&self, name: &str) -> bool {
        self.disk.lock().topics.contains_key(name)
    }

    pub(crate) fn partitions_of(&self, name: &str) -> usize {
        self.disk.lock().topics.get(name).map_or(0, Vec::len)
    }

    pub(crate) fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> i32 {
        register(&mut self.disk.lock(), subject, schema_type, text)
    }

    pub(crate) fn schema_text(&self, subject: &str) -> Option<String> {
        let disk = self.disk.lock();
        let id = *disk.subjects.get(subject)?.last()?;
        Some(disk.schemas[id as usize - 1].text.to_string())
    }

    /// A value in the form its subject's newest schema asks for: Avro or JSON behind the prefix, or the text itself.
    pub(crate) fn encode(&self, subject: &str, json: &str) -> Vec<u8> {
        let disk = self.disk.lock();
        let Some(id) = disk.subjects.get(subject).and_then(|ids| ids.last().copied()) else {
            return json.as_bytes().to_vec();
        };
        let registered = &disk.schemas[id as usize - 1];
        let mut out = vec![0];
        out.extend(id.to_be_bytes());
        match registered.schema_type {
            SchemaType::Avro => {
                let schema = schema::avro::Schema::parse(&registered.text, &[]).unwrap();
                out.extend(schema.encode(&serde_json::from_str(json).unwrap()).unwrap());
            }
            _ => out.extend(json.as_bytes()),
        }
        out
    }

    /// A record's bytes as JSON, whatever form they have.
    pub(crate) fn decode(&self, bytes: &[u8]) -> String {
        let disk = self.disk.lock();
        if bytes.len() > 5 && bytes[0] == 0 {
            let id = i32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
            if let Some(registered) = disk.schemas.get(id as usize - 1) {
                if registered.schema_type == SchemaType::Avro {
                    let schema = schema::avro::Schema::parse(&registered.text, &[]).unwrap();
                    return schema.decode(&bytes[5..]).unwrap().to_string();
                }
                return String::from_utf8_lossy(&bytes[5..]).into_owned();
            }
        }
        String::from_utf8_lossy(bytes).into_owned()
    }
}

fn append(disk: &mut Disk, output: Output) -> Written {
    let next = disk.next_partition;
    disk.next_partition += 1;
    let partitions = disk.topics.get_mut(&*output.topic).expect("the topic is there");
    let count = partitions.len() as i32;
    let index = match (output.partition, &output.key) {
        (Some(index), _) => index,
        (None, Some(key)) => base::partitioner::partition_of(key, count),
        (None, None) => next as i32 % count,
    };
    let records = &mut partitions[index as usize];
    let offset = records.len() as i64;
    records.push(Record {
        offset,
        timestamp: output.timestamp.unwrap_or(NOW_MS),
        key: output.key,
        value: output.value,
        headers: output.headers,
    });
    Written {
        topic: output.topic,
        topic_id: TOPIC_ID,
        partition: index,
        first_offset: offset,
        last_offset: offset,
    }
}

fn register(disk: &mut Disk, subject: &str, schema_type: SchemaType, text: &str) -> i32 {
    let known = disk
        .schemas
        .iter()
        .find(|schema| &*schema.text == text && schema.schema_type == schema_type);
    let id = match known.map(|schema| schema.id) {
        Some(id) => id,
        None => {
            let id = disk.schemas.len() as i32 + 1;
            disk.schemas.push(RegisteredSchema {
                id,
                schema_type,
                text: text.into(),
                references: Vec::new(),
            });
            id
        }
    };
    let versions = disk.subjects.entry(subject.to_owned()).or_default();
    if !versions.contains(&id) {
        versions.push(id);
    }
    id
}

/// One process's doors to the platform.
struct Power {
    platform: Platform,
    commits_left: AtomicI64,
    died: Arc<Notify>,
}

fn missing(topic: &str) -> TopicsError {
    TopicsError::new(ErrorKind::NotFound, format!("there is no topic `{topic}`"))
}

impl Power {
    async fn on(&self) {
        if self.commits_left.load(Ordering::SeqCst) <= 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Topics for Power {
    async fn list(&self) -> Result<Vec<Arc<str>>, TopicsError> {
        self.on().await;
        Ok(self
            .platform
            .disk
            .lock()
            .topics
            .keys()
            .map(|name| name.as_str().into())
            .collect())
    }

    async fn partitions(&self, topic: &str) -> Result<i32, TopicsError> {
        self.on().await;
        let disk = self.platform.disk.lock();
        disk.topics
            .get(topic)
            .map(|partitions| partitions.len() as i32)
            .ok_or_else(|| missing(topic))
    }

    async fn create(&self, topic: NewTopic) -> Result<(), TopicsError> {
        self.on().await;
        let mut disk = self.platform.disk.lock();
        if disk.topics.contains_key(&topic.name) {
            return Err(TopicsError::new(
                ErrorKind::Conflict,
                format!("there is a topic `{}`", topic.name),
            ));
        }
        disk.topics
            .insert(topic.name, vec![Vec::new(); topic.partitions as usize]);
        Ok(())
    }

    async fn bounds(&self, topic: &str, partition: i32) -> Result<Bounds, TopicsError> {
        self.on().await;
        let disk = self.platform.disk.lock();
        let records = disk
            .topics
            .get(topic)
            .and_then(|all| all.get(partition as usize))
            .ok_or_else(|| missing(topic))?;
        Ok(Bounds {
            start: 0,
            end: records.len() as i64,
        })
    }

    async fn offset_for_time(&self, topic: &str, partition: i32, timestamp: i64) -> Result<i64, TopicsError> {
        self.on().await;
        let disk = self.platform.disk.lock();
        let records = disk
            .topics
            .get(topic)
            .and_then(|all| all.get(partition as usize))
            .ok_or_else(|| missing(topic))?;
        let found = records.iter().find(|record| record.timestamp >= timestamp);
        Ok(found.map_or(records.len() as i64, |record| record.offset))
    }

    async fn read(&self, from: &[Position], limits: ReadLimits) -> Result<Vec<Fetched>, TopicsError> {
        self.on().await;
        let deadline = tokio::time::sleep(limits.wait_max);
        tokio::pin!(deadline);
        loop {
            let change = self.platform.written.notified();
            let fetched = fetch(&self.platform.disk.lock(), from, limits.bytes_max)?;
            if fetched.iter().any(|batch| !batch.records.is_empty()) {
                return Ok(fetched);
            }
            tokio::select! {
                () = change => {}
                () = &mut deadline => return Ok(fetched),
            }
        }
    }

    async fn start_job(&self, job: &str) -> Result<JobStart, TopicsError> {
        self.on().await;
        let mut disk = self.platform.disk.lock();
        let job = disk.jobs.entry(job.to_owned()).or_default();
        job.run += 1;
        let position = |((topic, partition), offset): (&(Arc<str>, i32), &i64)| Position {
            topic: Arc::clone(topic),
            partition: *partition,
            offset: *offset,
        };
        Ok(JobStart {
            run: job.run,
            offsets: job.offsets.iter().map(position).collect(),
            state: job
                .state
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }

    async fn commit(&self, step: Step) -> Result<Vec<Written>, TopicsError> {
        self.on().await;
        let left = self.commits_left.fetch_sub(1, Ordering::SeqCst);
        let dies = left == 1;
        let outage = self.platform.outages.fetch_sub(1, Ordering::SeqCst);
        // The seed of whether the last step survives: how much it holds.
        let mut written = Vec::new();
        let survives = (!dies || step.outputs.len().is_multiple_of(2)) && (outage <= 0 || outage % 2 == 0);
        if survives {
            let mut disk = self.platform.disk.lock();
            let job = disk.jobs.entry(step.job.to_string()).or_default();
            if job.run != step.run {
                return Err(TopicsError::new(ErrorKind::Conflict, "a newer run has begun"));
            }
            for position in step.offsets {
                job.offsets
                    .insert((position.topic, position.partition), position.offset);
            }
            for (key, value) in step.state {
                match value {
                    Some(value) => drop(job.state.insert(key, value)),
                    None => drop(job.state.remove(&key)),
                }
            }
            written.extend(step.outputs.into_iter().map(|output| append(&mut disk, output)));
        }
        self.platform.written.notify_waiters();
        if dies {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        if outage > 0 {
            return Err(TopicsError::new(ErrorKind::Unavailable, "the log answers late"));
        }
        Ok(written)
    }

    async fn forget_job(&self, job: &str) -> Result<(), TopicsError> {
        self.on().await;
        self.platform.disk.lock().jobs.remove(job);
        Ok(())
    }
}

fn fetch(disk: &Disk, from: &[Position], bytes_max: usize) -> Result<Vec<Fetched>, TopicsError> {
    let mut left = bytes_max as i64;
    let mut fetched = Vec::new();
    for position in from {
        let partitions = disk
            .topics
            .get(&*position.topic)
            .ok_or_else(|| missing(&position.topic))?;
        let all = &partitions[position.partition as usize];
        let mut records = Vec::new();
        for record in all.iter().skip(position.offset as usize) {
            if left <= 0 {
                break;
            }
            left -= record.value.as_ref().map_or(1, |value| value.len() as i64 + 1);
            records.push(record.clone());
        }
        let next_offset = position.offset + records.len() as i64;
        fetched.push(Fetched {
            topic: Arc::clone(&position.topic),
            partition: position.partition,
            records,
            next_offset,
            end_offset: all.len() as i64,
            topic_id: TOPIC_ID,
        });
    }
    Ok(fetched)
}

#[async_trait]
impl Schemas for Power {
    async fn by_id(&self, id: i32) -> Result<RegisteredSchema, TopicsError> {
        self.on().await;
        let disk = self.platform.disk.lock();
        let found = usize::try_from(id)
            .ok()
            .filter(|id| *id > 0)
            .and_then(|id| disk.schemas.get(id - 1));
        found
            .cloned()
            .ok_or_else(|| TopicsError::new(ErrorKind::NotFound, format!("there is no schema {id}")))
    }

    async fn latest(&self, subject: &str) -> Result<Option<RegisteredSchema>, TopicsError> {
        self.on().await;
        let disk = self.platform.disk.lock();
        let id = disk.subjects.get(subject).and_then(|ids| ids.last().copied());
        Ok(id.map(|id| disk.schemas[id as usize - 1].clone()))
    }

    async fn register(&self, subject: &str, schema_type: SchemaType, text: &str) -> Result<i32, TopicsError> {
        self.on().await;
        Ok(register(&mut self.platform.disk.lock(), subject, schema_type, text))
    }
}
