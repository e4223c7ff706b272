//! The broker's keyed tables in the log: their numbers, keys and values.

use base::{Offset, PartitionIndex, TimestampMs};
use bytes::{BufMut, Bytes, BytesMut};
use log::{Log, Op, TableId};
use wire::{DecodeError, Reader, Source};

/// Group id to the group as stored by `group::stored`. Tables 1 to 15 are the catalog's.
pub(crate) const GROUPS: TableId = TableId(16);
/// Group, topic and partition to [`Committed`].
pub(crate) const OFFSETS: TableId = TableId(17);
/// Job to the number of its latest run.
pub(crate) const JOB_RUNS: TableId = TableId(18);
/// Job and the job's own key to the job's own value.
pub(crate) const JOB_STATE: TableId = TableId(19);
/// Transactional id to the id as stored by `transaction::stored`.
pub(crate) const TRANSACTIONS: TableId = TableId(20);
/// Group, topic, partition and transactional id to the [`Committed`] that the group has once the transaction commits.
pub(crate) const PENDING_OFFSETS: TableId = TableId(21);

/// Group and member to the member, or to the group with no member, as stored by `group::consumer::stored`.
pub(crate) const CONSUMER_GROUPS: TableId = TableId(22);
/// Group, topic id and partition to what is left of it, as written by `share::partition`.
pub(crate) const SHARE_PARTITIONS: TableId = TableId(23);
/// As [`CONSUMER_GROUPS`], for share groups.
pub(crate) const SHARE_GROUPS: TableId = TableId(24);
/// As [`CONSUMER_GROUPS`], for streams groups.
pub(crate) const STREAMS_GROUPS: TableId = TableId(25);

const FORMAT: i8 = 1;

/// An offset a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) committed_ms: TimestampMs,
    /// Set by old clients that name a time of their own; otherwise the broker's retention holds.
    pub(crate) expires_ms: Option<TimestampMs>,
}

impl Committed {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i8(FORMAT);
        out.put_i64(self.offset);
        out.put_i32(self.leader_epoch);
        out.put_i64(self.committed_ms);
        out.put_i64(self.expires_ms.unwrap_or(-1));
        out.put_slice(self.metadata.as_bytes());
        out.freeze()
    }

    pub(crate) fn decode(bytes: &Bytes) -> Result<Committed, DecodeError> {
        const FIXED_BYTES: usize = 29;
        let mut input = Reader::new(bytes.clone());
        input.i8()?;
        Ok(Committed {
            offset: input.i64()?,
            leader_epoch: input.i32()?,
            committed_ms: input.i64()?,
            expires_ms: Some(input.i64()?).filter(|expires| *expires >= 0),
            metadata: String::from_utf8_lossy(&bytes[FIXED_BYTES..]).into_owned(),
        })
    }
}

/// The latest run of a job, and whether the job is still about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) number: u64,
    /// A forgotten job's number stays, so that a run of it that is still about cannot come back to life.
    pub(crate) forgotten: bool,
}

impl Run {
    pub(crate) fn put(self, job: &str) -> Op {
        let mut value = self.number.to_be_bytes().to_vec();
        value.push(u8::from(self.forgotten));
        Op::Put {
            table: JOB_RUNS,
            key: Bytes::from(job.to_owned()),
            value: Some(value.into()),
        }
    }

    /// What the log keeps of a job; number 0 for one never started.
    pub(crate) fn of(log: &Log, job: &str) -> Run {
        let stored = log.get(JOB_RUNS, job.as_bytes());
        let read = stored.as_deref().and_then(<[u8]>::split_first_chunk::<8>);
        let run = read.map(|(number, rest)| Run {
            number: u64::from_be_bytes(*number),
            forgotten: rest != [0],
        });
        run.unwrap_or(Run {
            number: 0,
            forgotten: true,
        })
    }
}

/// Whether a group's offsets are those of a job.
pub(crate) fn is_job(log: &Log, id: &str) -> bool {
    !Run::of(log, id).forgotten
}

/// A name in front of a key: its length first, so that no name is the beginning of another's keys.
pub(crate) fn prefix(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + name.len());
    key.extend_from_slice(&(name.len() as u32).to_be_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

/// Reads a name as [`prefix`] wrote it, and what follows.
pub(crate) fn split_prefix(key: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

pub(crate) fn offset_key(group: &str, topic: &str, partition: PartitionIndex) -> Bytes {
    let mut key = prefix(group);
    key.extend_from_slice(&prefix(topic));
    key.extend_from_slice(&partition.to_be_bytes());
    Bytes::from(key)
}

/// Group, topic and partition of a key.
pub(crate) fn split_offset_key(key: &[u8]) -> Option<(&str, &str, PartitionIndex)> {
    match split_pending_key(key)? {
        (group, topic, partition, "") => Some((group, topic, partition)),
        _ => None,
    }
}

/// Begins with the offset's own key, so that the pending offsets of a partition are found by it.
pub(crate) fn pending_key(group: &str, topic: &str, partition: PartitionIndex, transactional_id: &str) -> Bytes {
    let mut key = offset_key(group, topic, partition).to_vec();
    key.extend_from_slice(transactional_id.as_bytes());
    Bytes::from(key)
}

/// Group, topic, partition and transactional id of a key.
pub(crate) fn split_pending_key(key: &[u8]) -> Option<(&str, &str, PartitionIndex, &str)> {
    let (group, rest) = split_prefix(key)?;
    let (topic, rest) = split_prefix(rest)?;
    let (partition, id) = rest.split_first_chunk::<4>()?;
    let partition = PartitionIndex::from_be_bytes(*partition);
    Some((group, topic, partition, std::str::from_utf8(id).ok()?))
}

pub(crate) fn share_key(group: &str, (topic, partition): ([u8; 16], PartitionIndex)) -> Bytes {
    let mut key = prefix(group);
    key.extend_from_slice(&topic);
    key.extend_from_slice(&partition.to_be_bytes());
    Bytes::from(key)
}

/// Group, topic and partition of a key.
pub(crate) fn split_share_key(key: &[u8]) -> Option<(&str, ([u8; 16], PartitionIndex))> {
    let (group, rest) = split_prefix(key)?;
    let (topic, rest) = rest.split_first_chunk::<16>()?;
    Some((group, (*topic, PartitionIndex::from_be_bytes(rest.try_into().ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_their_keys_read_back() {
        for (metadata, expires_ms) in [("", None), ("how far I got", Some(7))] {
            let committed = Committed {
                offset: 5,
                leader_epoch: -1,
                metadata: metadata.to_owned(),
                committed_ms: 9,
                expires_ms,
            };
            assert_eq!(Committed::decode(&committed.encode()).unwrap(), committed);
        }
        assert_eq!(split_offset_key(&offset_key("g", "t.1", 12)), Some(("g", "t.1", 12)));
        assert!(
            !offset_key("ab", "t", 0).starts_with(&prefix("a")),
            "no group is the beginning of another"
        );
        assert!(Committed::decode(&Bytes::from_static(&[1, 0])).is_err());
    }
}
