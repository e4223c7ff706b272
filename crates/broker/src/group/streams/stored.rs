//! How a streams group is kept in the log's table: a row for the group, with its topology in the shape it came in, and
//! one for each member.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::messages::streams_group_heartbeat_request::StreamsGroupHeartbeatRequest;
use wire::{DecodeError, EncodeError, Message, Reader, Source, Writer};

use super::member::{Endpoint, HeldTasks, Role, StreamsInfo, StreamsMember, Task, Tasks};
use super::{GroupLimits, StreamsGroup};
use crate::group::reconcile::{Progress, Standing};
use crate::group::stored::{StoredError, optional};
use crate::group::{Now, Row};

const FORMAT: i16 = 1;
/// The version of the heartbeat's shape that a topology is kept in.
const TOPOLOGY_VERSION: i16 = 0;

impl StreamsGroup {
    /// What has to be written for the group to be on disk as it is; keys are relative to the group.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, EncodeError> {
        let mut out = Writer::new();
        out.i16(FORMAT);
        out.i32(self.epoch);
        out.i32(self.assignment_epoch);
        out.i64(self.assigned_ms);
        out.i64(self.configured_hash.cast_signed());
        out.i32(self.endpoint_epoch);
        let topology = StreamsGroupHeartbeatRequest {
            topology: self.topology.clone(),
            ..StreamsGroupHeartbeatRequest::default()
        };
        out.bytes(false, &topology.to_bytes(TOPOLOGY_VERSION)?)?;
        let mut rows = vec![(Bytes::new(), Some(out.joined()?))];
        for id in &self.unstored {
            let value = self.members.get(id).map(encode).transpose()?;
            rows.push((Bytes::from(id.clone()), value));
        }
        Ok(rows)
    }

    /// Every key that may be on disk.
    pub(crate) fn keys(&self) -> Vec<Bytes> {
        let ids = self
            .members
            .keys()
            .chain(&self.unstored)
            .map(|id| Bytes::from(id.clone()));
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
    ) -> Result<StreamsGroup, StoredError> {
        let mut group = StreamsGroup::new(limits);
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
                group.configured_hash = input.i64()?.cast_unsigned();
                group.endpoint_epoch = input.i32()?;
                let topology = StreamsGroupHeartbeatRequest::from_bytes(&input.bytes(false)?, TOPOLOGY_VERSION)?;
                group.topology = topology.topology;
            } else {
                let id = String::from_utf8_lossy(&key).into_owned();
                let mut member = decode(id, &mut input)?;
                member.session_ms = now.monotonic_ms + group.limits.streams.session_timeout_ms;
                if member.standing.progress == Progress::Revoking {
                    let deadline_ms = now.monotonic_ms + member.info.rebalance_timeout_ms;
                    member.rebalance_ms = Some((member.standing.epoch, deadline_ms));
                }
                group.deadline_hint_ms = group.deadline_hint_ms.min(member.earliest_ms());
                group.put(member);
            }
            input.finish()?;
        }
        group.unstored.clear();
        Ok(group)
    }
}

fn encode(member: &StreamsMember) -> Result<Bytes, EncodeError> {
    let (info, standing) = (&member.info, &member.standing);
    let mut out = Writer::new();
    out.i16(FORMAT);
    optional(&mut out, info.rack_id.as_deref())?;
    out.string(false, &info.client_id)?;
    out.string(false, &info.client_host)?;
    out.i64(info.rebalance_timeout_ms);
    out.i32(info.topology_epoch);
    out.string(false, &info.process_id)?;
    optional(&mut out, info.endpoint.as_ref().map(|endpoint| endpoint.host.as_str()))?;
    out.u16(info.endpoint.as_ref().map_or(0, |endpoint| endpoint.port));
    out.array_len(false, info.tags.len())?;
    for (key, value) in &info.tags {
        out.string(false, key)?;
        out.string(false, value)?;
    }
    out.i32(standing.epoch);
    out.i32(standing.previous_epoch);
    out.i8(match standing.progress {
        Progress::Stable => 0,
        Progress::Revoking => 1,
        Progress::Waiting => 2,
    });
    for held in [&standing.assigned, &standing.revoking] {
        out.array_len(false, held.len())?;
        for (task, partitions) in held {
            write_task(&mut out, task)?;
            out.array_len(false, partitions.len())?;
            for (partition, since) in partitions {
                out.i32(*partition);
                out.i32(*since);
            }
        }
    }
    out.array_len(false, member.target.len())?;
    for (task, partitions) in &member.target {
        write_task(&mut out, task)?;
        out.array_len(false, partitions.len())?;
        partitions.iter().for_each(|partition| out.i32(*partition));
    }
    out.joined()
}

fn decode(id: String, input: &mut Reader) -> Result<StreamsMember, DecodeError> {
    let mut member = StreamsMember::new(id);
    member.info = StreamsInfo {
        rack_id: input.nullable_string(false)?,
        client_id: input.string(false)?,
        client_host: input.string(false)?,
        rebalance_timeout_ms: input.i64()?,
        topology_epoch: input.i32()?,
        process_id: input.string(false)?,
        ..StreamsInfo::default()
    };
    let (host, port) = (input.nullable_string(false)?, input.u16()?);
    member.info.endpoint = host.map(|host| Endpoint { host, port });
    let tags = input.array(false, 1, |input| Ok((input.string(false)?, input.string(false)?)))?;
    member.info.tags = tags.into_iter().collect();
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
        let task = read_task(input)?;
        Ok((task, input.array(false, 1, Reader::i32)?.into_iter().collect()))
    })?;
    member.target = targets.into_iter().collect::<Tasks>();
    Ok(member)
}

fn write_task(out: &mut Writer, (role, subtopology): &Task) -> Result<(), EncodeError> {
    out.bool(*role == Role::Standby);
    out.string(false, subtopology)
}

fn read_task(input: &mut Reader) -> Result<Task, DecodeError> {
    let role = if input.bool()? { Role::Standby } else { Role::Active };
    Ok((role, input.string(false)?))
}

fn read_held(input: &mut Reader) -> Result<HeldTasks, DecodeError> {
    let tasks = input.array(false, 1, |input| {
        let task = read_task(input)?;
        let partitions = input.array(false, 1, |input| Ok((input.i32()?, input.i32()?)))?;
        Ok((task, partitions.into_iter().collect::<BTreeMap<i32, i32>>()))
    })?;
    Ok(tasks.into_iter().collect())
}
