//! Takes over the WAL behind the checkpoint: whole frames in order, to the torn end, past damage.

use std::io;
use std::sync::Arc;

use base::Offset;
use base::disk::OpenMode;

use super::{RECOVERING_FILE, Recovery, damage, failed};
use crate::aborted::{self, Aborted};
use crate::api::{LogError, PartitionId};
use crate::files::{FileKey, FileKind, SegmentId};
use crate::frame::{self, FrameHeader, FrameOp, Place};
use crate::index;
use crate::intake::walk;
use crate::partition::{Addition, Head, Sealed, SegmentMeta};
use crate::shared::Removal;
use crate::wal::WalPosition;
use crate::walk::{Found, Later, WalReader};

impl Recovery {
    pub(super) fn replay(&mut self) -> Result<(), LogError> {
        if self.report.clean {
            return Ok(());
        }
        let marker = self.options.dir.join(RECOVERING_FILE);
        self.interrupted = match self.disk().file_bytes(&marker) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("reading", &marker)(error)),
        };
        let wal_dir = self.wal_dir.clone();
        let failed_reading = || failed("reading", &wal_dir);
        let mut reader = WalReader::new(Arc::clone(&self.env.disk), &wal_dir, &self.generations);
        let mut known_durable = self.position.sequence;
        loop {
            let at = self.position;
            let next = at.sequence + 1;
            let follows = |header: &FrameHeader| header.sequence == next && header.previous == at.chain;
            let found = reader.frame(at.generation, at.offset).map_err(failed_reading())?;
            if let Found::Whole(header, payload) = &found
                && follows(header)
            {
                known_durable = known_durable.max(header.durable_through);
                self.apply(header, payload)?;
                self.position = WalPosition {
                    offset: at.offset + header.frame_bytes(),
                    sequence: next,
                    chain: header.checksum,
                    ..at
                };
                continue;
            }
            if let Found::Whole(header, _) = reader.frame(at.generation + 1, 0).map_err(failed_reading())?
                && follows(&header)
            {
                self.position = WalPosition {
                    generation: at.generation + 1,
                    offset: 0,
                    ..at
                };
                continue;
            }
            let later = reader.later(at.generation, at.offset, next).map_err(failed_reading())?;
            let durable = later
                .iter()
                .map(|frame| frame.header.durable_through)
                .fold(known_durable, u64::max);
            if next > durable {
                self.cut(&found, &later, next);
                break;
            }
            if !self.skip_damage(&found, &later, durable)? {
                break;
            }
            known_durable = durable;
        }
        let replayed = self.report.frames_replayed;
        self.report.lines.push(format!(
            "the last stop was not orderly: {replayed} commits were replayed from the WAL"
        ));
        Ok(())
    }

    /// Acknowledged frames do not hold: goes on behind them with what can be saved. Whether anything stands there.
    pub(super) fn skip_damage(&mut self, found: &Found, later: &[Later], durable: u64) -> Result<bool, LogError> {
        let at = self.position;
        let next = at.sequence + 1;
        let target = later.iter().find(|frame| frame.header.sequence <= durable + 1);
        let resumes = target.map_or(durable + 1, |frame| frame.header.sequence);
        self.report.frames_damaged += resumes - next;
        let line = format!(
            "WAL file {} is damaged at byte {}: acknowledged frames {next} to {} do not hold",
            at.generation,
            at.offset,
            resumes - 1
        );
        damage(&mut self.report, line);
        self.salvage_all()?;
        if let Found::Damaged(header, payload) = found
            && header.sequence == next
            && header.previous == at.chain
        {
            self.apply_what_holds(header, payload)?;
        }
        self.position.sequence = resumes - 1;
        if let Some(target) = target {
            self.position.generation = target.generation;
            self.position.offset = target.offset;
            self.position.chain = target.header.previous;
        }
        Ok(target.is_some())
    }

    /// The rest of the WAL was never acknowledged.
    pub(super) fn cut(&mut self, found: &Found, later: &[Later], next: u64) {
        let torn = match found {
            Found::Damaged(header, _) | Found::Whole(header, _) if header.sequence == next => header.frame_bytes(),
            _ => 0,
        };
        let bytes = torn + later.iter().map(|frame| frame.header.frame_bytes()).sum::<u64>();
        if bytes > 0 {
            self.report.tail_bytes_cut = bytes;
            let WalPosition { generation, offset, .. } = self.position;
            self.report.lines.push(format!(
                "cut {bytes} bytes of unacknowledged frames from WAL file {generation} at byte {offset}: frame {next} was not written whole"
            ));
        }
    }

    pub(super) fn apply(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), LogError> {
        let mut count = 0;
        for op in frame::ops(payload, header.op_count) {
            self.apply_op(op, header.wall_ms)?;
            count += 1;
        }
        if count != header.op_count {
            let line = format!(
                "frame {} holds operations that this program cannot read",
                header.sequence
            );
            return Err(LogError::Damaged(line));
        }
        self.report.frames_replayed += u64::from(count > 0);
        Ok(())
    }

    pub(super) fn apply_op(&mut self, op: FrameOp<'_>, wall_ms: i64) -> Result<(), LogError> {
        match op {
            FrameOp::Create { partition } => {
                self.head(partition);
            }
            FrameOp::Delete { partition } => {
                self.heads.remove(&partition);
                self.touched.retain(|(id, _)| *id != partition);
                self.deleting.insert(partition);
            }
            FrameOp::Append {
                partition,
                base,
                place,
                batches,
            } => {
                self.append(partition, base, place, batches, wall_ms)?;
            }
            FrameOp::AdvanceStart { partition, log_start } => {
                let head = self.head(partition);
                // Offsets before the start were given out, even if the frame that said so is lost.
                head.log_end = head.log_end.max(log_start);
                for segment in head.advance_start(log_start) {
                    self.touched.remove(&(partition, segment.id()));
                    self.removals.push(Removal::Segment(partition, segment.id()));
                }
            }
            FrameOp::Put { table, key, value } => self.tables.put(table, key, value),
            FrameOp::Replace {
                partition,
                base,
                end,
                added,
            } => {
                let head = self.head(partition);
                head.log_end = head.log_end.max(end);
                for segment in head.replace(base, end, added) {
                    self.touched.remove(&(partition, segment.id()));
                    self.removals.push(Removal::Segment(partition, segment.id()));
                }
            }
            FrameOp::Cleaned { partition, cleaned_to } => self.head(partition).cleaned_to = cleaned_to,
        }
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        partition: PartitionId,
        base: Offset,
        place: Place,
        batches: &[u8],
        wall_ms: i64,
    ) -> Result<(), LogError> {
        self.touch(partition, place)?;
        let key = FileKey {
            partition,
            segment: SegmentId::first(place.segment_base),
            kind: FileKind::Log,
        };
        let written = self
            .files
            .create(key)
            .and_then(|(file, _)| file.write_all_at(batches, place.position));
        written.map_err(failed("writing", &self.files.path(key)))?;
        let head = self.head(partition);
        if base < head.log_end {
            // Salvaged from the segment already, after damage to the WAL.
            return Ok(());
        }
        let lost = head.log_end..base;
        let known = head.segments.last().filter(|active| active.base == place.segment_base);
        let hole = place.position > known.map_or(0, |active| active.bytes);
        if let Some((sealed, aborted)) = adopt(head, place, batches, wall_ms) {
            self.file_aborted(partition, &sealed, &aborted);
        }
        if hole {
            let line = format!(
                "partition {}: offsets {} to {} are lost with a damaged WAL frame and are not served",
                partition.0,
                lost.start,
                lost.end - 1
            );
            damage(&mut self.report, line);
        }
        Ok(())
    }

    /// Before the first write to a segment: what its index says of bytes behind the checkpoint may be stale.
    pub(super) fn touch(&mut self, partition: PartitionId, place: Place) -> Result<(), LogError> {
        if self.touched.is_empty() {
            self.mark_recovering()?;
        }
        let segment = SegmentId::first(place.segment_base);
        if !self.touched.insert((partition, segment)) {
            return Ok(());
        }
        let known = self.heads.get(&partition).and_then(|head| head.segments.last());
        let known = known
            .filter(|active| active.base == place.segment_base)
            .map_or(0, |active| active.bytes);
        if known > 0 {
            // Replay writes behind what is missing, and would hide it.
            self.check_segment(partition, segment, known)?;
        }
        let path_of = |kind| {
            self.files.path(FileKey {
                partition,
                segment,
                kind,
            })
        };
        // Of a life of this segment that a power cut took back.
        let stale = path_of(FileKind::Aborted);
        match self.disk().remove_file(&stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("removing", &stale)(error)),
            _ => {}
        }
        let path = path_of(FileKind::Index);
        let cut = match self.disk().open(&path, OpenMode::Write) {
            Ok(file) => index::cut(file.as_ref(), place.segment_base, known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        cut.map_err(failed("cutting", &path))
    }

    /// Puts the aborted transactions of a sealed segment into its file. They can be found again in the segment: an error
    /// must not stop recovery.
    pub(super) fn file_aborted(&self, partition: PartitionId, sealed: &SegmentMeta, list: &[Aborted]) {
        if let Err(error) = aborted::write(&self.files, partition, sealed.id(), list) {
            tracing::warn!(segment = sealed.base, %error, "writing the aborted transactions failed");
        }
    }

    /// Says, before replay writes the first batch to a segment, that it will.
    pub(super) fn mark_recovering(&self) -> Result<(), LogError> {
        let (disk, path) = (self.disk(), self.options.dir.join(RECOVERING_FILE));
        let opened = disk
            .open(&path, OpenMode::Create)
            .and_then(|_| disk.sync_dir(&self.options.dir));
        opened.map_err(failed("creating", &path))
    }
}

/// Changes a head by an append that stands in its segment.
pub(super) fn adopt(head: &mut Head, place: Place, batches: &[u8], wall_ms: i64) -> Option<Sealed> {
    let sealed = head.begin(place);
    let mut addition = Addition {
        bytes: batches.len() as u64,
        next_offset: head.log_end,
        first_timestamp: i64::MIN,
        max_timestamp: i64::MIN,
    };
    for (index, (header, batch)) in walk(batches).enumerate() {
        head.note_batch(&header, batch, header.leader_epoch, wall_ms);
        addition.next_offset = header.next_offset();
        addition.max_timestamp = addition.max_timestamp.max(header.max_timestamp);
        if index == 0 {
            addition.first_timestamp = header.max_timestamp;
        }
    }
    head.append(place, &addition);
    sealed
}
