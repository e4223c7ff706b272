//! Giving records to members: reading where a share-partition has something free, and handing out what is there.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use log::ReadResult;
use wire::ErrorCode;

use super::partition::{Batch, SharePartition};
use super::{Acquired, Place, SessionKey, SharePartitions, Wish};
use crate::errors;
use crate::topics::committed::Aborted;

/// What a member is given of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Whole batches that hold all of it.
    pub(crate) records: Bytes,
    pub(crate) lines: Vec<Acquired>,
}

impl Given {
    pub(crate) fn count(&self) -> i64 {
        self.lines.iter().map(|line| line.last + 1 - line.first).sum()
    }
}

impl SharePartitions {
    /// Gives a member what is free of one partition, within its wish.
    pub(crate) async fn give(
        &self,
        (group, member): &SessionKey,
        place: Place,
        wish: &Wish,
        bytes_max: usize,
    ) -> Result<Given, ErrorCode> {
        let partition = self.find(place)?;
        let rules = self.rules(group);
        let committed = self.settings(group).share_reads_committed();
        let member: Arc<str> = Arc::from(member.as_str());
        let (given, queued) = {
            let mut partitions = self.partitions.lock();
            let (shared, is_new) = self.open(&mut partitions, group, place, partition)?;
            shared.expire(self.now_ms(), &rules);
            let from = shared.next_offset();
            let read = if committed {
                self.log.read_committed(partition, from, bytes_max, true)
            } else {
                self.log.read(partition, from, bytes_max, true)
            };
            let given = match read {
                Ok(read) => self.hand_out(shared, &member, &rules, wish, &read),
                Err(error) => return Err(errors::of_read(&error)),
            };
            (given, is_new.then(|| self.store(group, place, shared)))
        };
        if let Some(queued) = queued {
            // Where it begins must not change once somebody has read from it.
            let stored = self.finish(group, place, queued).await;
            stored.map_err(|error| errors::of_commit(&error))?;
        }
        Ok(given)
    }

    fn hand_out(
        &self,
        shared: &mut SharePartition,
        member: &Arc<str>,
        rules: &super::Rules,
        wish: &Wish,
        read: &ReadResult,
    ) -> Given {
        let mut aborted = Aborted::new(&read.aborted);
        let mut batches = Vec::new();
        let mut places = Vec::new();
        let mut at = 0;
        for batch in wire::batches(&read.records) {
            let Ok((header, _)) = batch else { break };
            let is_seen = aborted.lets_through(&header);
            batches.push(Batch {
                first: header.base_offset,
                last: header.last_offset(),
                is_void: !is_seen,
            });
            places.push((at, at + header.size_bytes()));
            at += header.size_bytes();
        }
        let lines = shared.acquire(member, self.now_ms(), rules, wish, &batches);
        let holds = |batch: &Batch| {
            lines
                .iter()
                .any(|line| line.first <= batch.last && batch.first <= line.last)
        };
        let needed: Vec<(usize, usize)> = batches
            .iter()
            .zip(places)
            .filter(|(batch, _)| holds(batch))
            .map(|(_, place)| place)
            .collect();
        Given {
            records: cut(&read.records, &needed),
            lines,
        }
    }
}

/// The parts of `bytes`, copied only if they do not follow each other.
fn cut(bytes: &Bytes, parts: &[(usize, usize)]) -> Bytes {
    let (Some((from, _)), Some((_, to))) = (parts.first(), parts.last()) else {
        return Bytes::new();
    };
    if parts.windows(2).all(|pair| pair[0].1 == pair[1].0) {
        return bytes.slice(*from..*to);
    }
    let mut joined = BytesMut::new();
    for (from, to) in parts {
        joined.extend_from_slice(&bytes[*from..*to]);
    }
    joined.freeze()
}
