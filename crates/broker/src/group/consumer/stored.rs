//! How a KIP-848 group is kept in the log's table: a row for the group and one for each member, so that a member's step
//! writes only its own. Members find themselves as they were after a restart.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::{DecodeError, EncodeError, Reader, Source, Writer};

use super::member::{Classic, Held, Info, Member, Progress, Standing};
use super::{ConsumerGroup, GroupLimits};
use crate::group::stored::{StoredError, optional};
use crate::group::topics::Parts;
use crate::group::{Now, Row};

const FORMAT: i16 = 1;

impl ConsumerGroup {
    /// What has to be written for the group to be on disk as it is; keys are relative to the group.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, EncodeError> {
        let mut out = Writer::new();
        out.i16(FORMAT);
        out.i32(self.epoch);
        out.i32(self.assignment_epoch);
        out.i64(self.assigned_ms);
        out.i64(self.seen_hash.cast_signed());
        let mut rows = vec![(Bytes::new(), Some(out.joined()?))];
        for id in &self.unstored {
            let value = self.members.get(id).map(encode).transpose()?;
            rows.push((Bytes::from(id.clone()), value));
        }
        Ok(rows)
    }

    /// Every key that may be on disk.
    pub(crate) fn keys(&self) -> Vec<Bytes> {
        let ids: BTreeSet<&String> = self.members.keys().chain(&self.unstored).collect();
        let ids = ids.into_iter().map(|id| Bytes::from(id.clone()));
        std::iter::once(Bytes::new()).chain(ids).collect()
    }

    pub(crate) fn is_written(&mut self) {
        self.unstored.clear();
    }

    /// The group from its rows, the group's own first. Members have a whole session from now on to be heard from.
    pub(crate) fn restore(
        rows: Vec<(Bytes, Bytes)>,
        limits: GroupLimits,
        now: Now,
    ) -> Result<ConsumerGroup, StoredError> {
        let mut group = ConsumerGroup::new(limits);
        for (key, value) in rows {
            let mut input = Reader::new(value);
            let format = input.i16()?;
            if format != FORMAT {
                return Err(StoredError::Format(format));
            }
            if key.is_empty() {
                group.epoch = input.i32()?;
                group.assignment_epoch = input.i32()?;
                group.assigned_ms = input.i64()?;
                group.seen_hash = input.i64()?.cast_unsigned();
            } else {
                let id = String::from_utf8_lossy(&key).into_owned();
                let mut member = decode(id, &mut input)?;
                member.touch(now, group.limits.consumer.session_timeout_ms);
                if member.standing.progress == Progress::Revoking && member.info.classic.is_none() {
                    let deadline_ms = now.monotonic_ms + member.info.rebalance_timeout_ms;
                    member.timers.rebalance_ms = Some((member.standing.epoch, deadline_ms));
                }
                group.hint(member.timers.earliest_ms());
                group.put(member);
            }
            input.finish()?;
        }
        group.unstored.clear();
        Ok(group)
    }
}

fn encode(member: &Member) -> Result<Bytes, EncodeError> {
    let (info, standing) = (&member.info, &member.standing);
    let mut out = Writer::new();
    out.i16(FORMAT);
    optional(&mut out, info.instance_id.as_deref())?;
    optional(&mut out, info.rack_id.as_deref())?;
    out.string(false, &info.client_id)?;
    out.string(false, &info.client_host)?;
    out.i64(info.rebalance_timeout_ms);
    out.array_len(false, info.names.len())?;
    for name in &info.names {
        out.string(false, name)?;
    }
    optional(&mut out, info.pattern.as_deref())?;
    optional(&mut out, info.assignor.as_deref())?;
    out.bool(info.classic.is_some());
    if let Some(classic) = &info.classic {
        out.i64(classic.session_timeout_ms);
        out.array_len(false, classic.protocols.len())?;
        for (name, metadata) in &classic.protocols {
            out.string(false, name)?;
            out.bytes(false, metadata)?;
        }
    }
    out.i32(standing.epoch);
    out.i32(standing.previous_epoch);
    out.i8(match standing.progress {
        Progress::Stable => 0,
        Progress::Revoking => 1,
        Progress::Waiting => 2,
    });
    write_held(&mut out, &standing.assigned)?;
    write_held(&mut out, &standing.revoking)?;
    out.array_len(false, member.target.len())?;
    for (topic, partitions) in &member.target {
        out.uuid(topic);
        out.array_len(false, partitions.len())?;
        partitions.iter().for_each(|partition| out.i32(*partition));
    }
    out.joined()
}

fn decode(id: String, input: &mut Reader) -> Result<Member, DecodeError> {
    let mut member = Member::new(id);
    member.info = Info {
        instance_id: input.nullable_string(false)?,
        rack_id: input.nullable_string(false)?,
        client_id: input.string(false)?,
        client_host: input.string(false)?,
        rebalance_timeout_ms: input.i64()?,
        names: input
            .array(false, 1, |input| input.string(false))?
            .into_iter()
            .collect(),
        pattern: input.nullable_string(false)?,
        assignor: input.nullable_string(false)?,
        classic: None,
    };
    if input.bool()? {
        member.info.classic = Some(Classic {
            session_timeout_ms: input.i64()?,
            protocols: input.array(false, 1, |input| Ok((input.string(false)?, input.bytes(false)?)))?,
        });
    }
    member.standing = Standing {
        epoch: input.i32()?,
        previous_epoch: input.i32()?,
        progress: match input.i8()? {
            1 => Progress::Revoking,
            2 => Progress::Waiting,
            _ => Progress::Stable,
        },
        assigned: read_held(input)?,
        revoking: read_held(input)?,
    };
    let targets = input.array(false, 1, |input| {
        let topic = input.uuid()?;
        Ok((topic, input.array(false, 1, Reader::i32)?.into_iter().collect()))
    })?;
    member.target = targets.into_iter().collect::<Parts>();
    Ok(member)
}

fn write_held(out: &mut Writer, held: &Held) -> Result<(), EncodeError> {
    out.array_len(false, held.len())?;
    for (topic, partitions) in held {
        out.uuid(topic);
        out.array_len(false, partitions.len())?;
        for (partition, since) in partitions {
            out.i32(*partition);
            out.i32(*since);
        }
    }
    Ok(())
}

fn read_held(input: &mut Reader) -> Result<Held, DecodeError> {
    let topics = input.array(false, 1, |input| {
        let topic = input.uuid()?;
        let partitions = input.array(false, 1, |input| Ok((input.i32()?, input.i32()?)))?;
        Ok((topic, partitions.into_iter().collect::<BTreeMap<i32, i32>>()))
    })?;
    Ok(topics.into_iter().collect())
}
