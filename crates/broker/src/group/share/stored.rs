//! How a share group's members are kept in the log's table: a row for the group and one for each member.

use bytes::Bytes;
use wire::{DecodeError, EncodeError, Reader, Source, Writer};

use super::{GroupLimits, ShareGroup, ShareMember};
use crate::group::stored::{StoredError, optional};
use crate::group::topics::Parts;
use crate::group::{Now, Row};

const FORMAT: i16 = 1;

impl ShareGroup {
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
    pub(crate) fn restore(rows: Vec<(Bytes, Bytes)>, limits: GroupLimits, now: Now) -> Result<ShareGroup, StoredError> {
        let deadline_ms = now.monotonic_ms + limits.share.session_timeout_ms;
        let mut group = ShareGroup::new(limits);
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
                group.members.insert(id.clone(), decode(id.clone(), &mut input)?);
                group.sessions.insert(id, deadline_ms);
                group.deadline_hint_ms = deadline_ms;
            }
            input.finish()?;
        }
        Ok(group)
    }
}

fn encode(member: &ShareMember) -> Result<Bytes, EncodeError> {
    let mut out = Writer::new();
    out.i16(FORMAT);
    optional(&mut out, member.rack_id.as_deref())?;
    out.string(false, &member.client_id)?;
    out.string(false, &member.client_host)?;
    out.array_len(false, member.names.len())?;
    for name in &member.names {
        out.string(false, name)?;
    }
    out.i32(member.epoch);
    out.i32(member.previous_epoch);
    for parts in [&member.assigned, &member.target] {
        out.array_len(false, parts.len())?;
        for (topic, partitions) in parts {
            out.uuid(topic);
            out.array_len(false, partitions.len())?;
            partitions.iter().for_each(|partition| out.i32(*partition));
        }
    }
    out.joined()
}

fn decode(id: String, input: &mut Reader) -> Result<ShareMember, DecodeError> {
    Ok(ShareMember {
        id,
        rack_id: input.nullable_string(false)?,
        client_id: input.string(false)?,
        client_host: input.string(false)?,
        names: input
            .array(false, 1, |input| input.string(false))?
            .into_iter()
            .collect(),
        epoch: input.i32()?,
        previous_epoch: input.i32()?,
        assigned: decode_parts(input)?,
        target: decode_parts(input)?,
    })
}

fn decode_parts(input: &mut Reader) -> Result<Parts, DecodeError> {
    let topics = input.array(false, 1, |input| {
        let topic = input.uuid()?;
        Ok((topic, input.array(false, 1, Reader::i32)?.into_iter().collect()))
    })?;
    Ok(topics.into_iter().collect())
}
