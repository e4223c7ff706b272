//! How a group is kept in the log's table, so that its members find it as they left it after a restart.

use bytes::Bytes;
use wire::{DecodeError, EncodeError, Reader, Source, Writer};

use super::{Group, GroupLimits, Member, Now, State};

const FORMAT: i16 = 1;

/// A stored group that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredError {
    #[error("stored group has format `{0}`, this version reads `{FORMAT}`")]
    Format(i16),
    #[error("stored group is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

impl Group {
    pub(crate) fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = Writer::new();
        out.i16(FORMAT);
        out.i32(self.generation);
        optional(&mut out, self.protocol_type.as_deref())?;
        optional(&mut out, self.protocol.as_deref())?;
        optional(&mut out, self.leader.as_deref())?;
        out.i64(self.empty_since_ms.unwrap_or(-1));
        out.array_len(false, self.members.len())?;
        for member in self.members.values() {
            out.string(false, &member.id)?;
            optional(&mut out, member.instance_id.as_deref())?;
            out.string(false, &member.client_id)?;
            out.string(false, &member.client_host)?;
            out.i64(member.session_timeout_ms);
            out.i64(member.rebalance_timeout_ms);
            out.array_len(false, member.protocols.len())?;
            for (name, metadata) in &member.protocols {
                out.string(false, name)?;
                out.bytes(false, metadata)?;
            }
            out.bytes(false, &member.assignment)?;
        }
        out.joined()
    }

    /// The group as stored. Its members have a whole session from now on to be heard from.
    pub(crate) fn restore(bytes: Bytes, limits: GroupLimits, now: Now) -> Result<Group, StoredError> {
        let mut input = Reader::new(bytes);
        let format = input.i16()?;
        if format != FORMAT {
            return Err(StoredError::Format(format));
        }
        let mut group = Group::new(limits);
        group.generation = input.i32()?;
        group.protocol_type = input.nullable_string(false)?;
        group.protocol = input.nullable_string(false)?;
        group.leader = input.nullable_string(false)?;
        group.empty_since_ms = Some(input.i64()?).filter(|since| *since >= 0);
        let members = input.array(false, 1, |input| restore_member(input, now))?;
        input.finish()?;
        for member in members {
            if let Some(instance_id) = &member.instance_id {
                group.instances.insert(instance_id.clone(), member.id.clone());
            }
            group.hint(member.session_deadline_ms);
            group.members.insert(member.id.clone(), member);
        }
        group.state = if group.members.is_empty() {
            State::Empty
        } else {
            State::Stable
        };
        Ok(group)
    }
}

fn restore_member(input: &mut Reader, now: Now) -> Result<Member, DecodeError> {
    let mut member = Member {
        id: input.string(false)?,
        instance_id: input.nullable_string(false)?,
        client_id: input.string(false)?,
        client_host: input.string(false)?,
        session_timeout_ms: input.i64()?,
        rebalance_timeout_ms: input.i64()?,
        protocols: input.array(false, 1, |input| Ok((input.string(false)?, input.bytes(false)?)))?,
        assignment: input.bytes(false)?,
        join_waiter: None,
        sync_waiter: None,
        session_deadline_ms: 0,
        is_new: false,
    };
    member.touch(now);
    Ok(member)
}

pub(super) fn optional(out: &mut Writer, text: Option<&str>) -> Result<(), EncodeError> {
    match text {
        Some(text) => out.string(false, text),
        None => {
            out.null_string(false);
            Ok(())
        }
    }
}
