//! Compares the partitions' files with what should be there, and syncs what replay wrote.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use base::Offset;

use super::{ASIDE_DIR, PARTITIONS_DIR, Recovery, damage, failed};
use crate::api::{LogError, PartitionId};
use crate::files::{FileKey, FileKind, Files, SegmentId};
use crate::partition::SegmentMeta;
use crate::shared::Removal;

impl Recovery {
    /// Compares files with what should be there, moves strangers aside, syncs what replay wrote.
    pub(super) fn settle_files(&mut self) -> Result<(), LogError> {
        if !self.report.clean {
            self.look_for_strangers()?;
        }
        self.check_segments()?;
        #[cfg(test)]
        if self.options.planted == crate::api::Planted::NoReplaySync {
            self.touched.clear();
        }
        for (partition, segment) in &self.touched {
            let key = FileKey {
                partition: *partition,
                segment: *segment,
                kind: FileKind::Log,
            };
            let synced = self.files.existing(key).and_then(|file| file.sync_data());
            synced.map_err(failed("syncing", &self.files.path(key)))?;
        }
        let dirs: BTreeSet<PathBuf> = self
            .touched
            .iter()
            .map(|(partition, _)| self.files.dir(*partition))
            .collect();
        let partitions_dir = self.options.dir.join(PARTITIONS_DIR);
        for dir in dirs.iter().chain([&partitions_dir]) {
            self.disk().sync_dir(dir).map_err(failed("syncing", dir))?;
        }
        self.removals
            .extend(self.deleting.iter().map(|partition| Removal::Partition(*partition)));
        Ok(())
    }

    pub(super) fn check_segments(&mut self) -> Result<(), LogError> {
        let untouched = |partition, segment| !self.touched.contains(&(partition, segment));
        let segments = self.heads.iter().flat_map(|(partition, head)| {
            head.segments
                .iter()
                .map(|segment| (*partition, segment.id(), segment.bytes))
        });
        let mut segments: Vec<(PartitionId, SegmentId, u64)> = segments
            .filter(|(partition, segment, _)| untouched(*partition, *segment))
            .collect();
        segments.sort_unstable();
        segments
            .into_iter()
            .try_for_each(|(partition, segment, bytes)| self.check_segment(partition, segment, bytes))
    }

    pub(super) fn check_segment(
        &mut self,
        partition: PartitionId,
        segment: SegmentId,
        bytes: u64,
    ) -> Result<(), LogError> {
        let path = self.files.path(FileKey {
            partition,
            segment,
            kind: FileKind::Log,
        });
        let found = match self.disk().file_bytes(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        if found < bytes {
            let path = path.display();
            let line = format!("`{path}` has {found} of {bytes} bytes: what is missing is not served");
            damage(&mut self.report, line);
        }
        Ok(())
    }

    pub(super) fn look_for_strangers(&mut self) -> Result<(), LogError> {
        let partitions_dir = self.options.dir.join(PARTITIONS_DIR);
        let names = self
            .disk()
            .list(&partitions_dir)
            .map_err(failed("listing", &partitions_dir))?;
        for name in names {
            let path = partitions_dir.join(&name);
            let id = name
                .parse()
                .ok()
                .map(PartitionId)
                .filter(|id| self.files.dir(*id) == path);
            match id {
                Some(id) if self.heads.contains_key(&id) => self.look_into_partition(id)?,
                Some(id) if self.deleting.contains(&id) => {}
                _ => self.move_aside(&path, &name)?,
            }
        }
        Ok(())
    }

    pub(super) fn look_into_partition(&mut self, partition: PartitionId) -> Result<(), LogError> {
        if !self.interrupted {
            self.salvage(partition)?;
        }
        self.cut_segment(partition)?;
        let dir = self.files.dir(partition);
        let head = &self.heads[&partition];
        let live: BTreeSet<SegmentId> = head.segments.iter().map(SegmentMeta::id).collect();
        let log_end = head.log_end;
        let first_live = live.first().map_or(head.log_end, |first| first.base);
        for name in self.disk().list(&dir).map_err(failed("listing", &dir))? {
            match Files::parse_name(&name) {
                Some((segment, _)) if live.contains(&segment) => {}
                Some((segment, _)) if segment.base < first_live || left_over(&live, segment, log_end) => {
                    self.removals.push(Removal::Segment(partition, segment));
                }
                _ => self.move_aside(&dir.join(&name), &format!("{:020}-{name}", partition.0))?,
            }
        }
        Ok(())
    }

    /// Cuts what stands behind the last batch of the active segment, so that it can never be taken for data later.
    pub(super) fn cut_segment(&mut self, partition: PartitionId) -> Result<(), LogError> {
        let Some(active) = self.heads[&partition].segments.last().copied() else {
            return Ok(());
        };
        let key = FileKey {
            partition,
            segment: active.id(),
            kind: FileKind::Log,
        };
        let path = self.files.path(key);
        let surplus = match self.disk().file_bytes(&path) {
            Ok(bytes) => bytes > active.bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        if surplus {
            let cut = self.files.existing(key).and_then(|file| file.set_len(active.bytes));
            cut.map_err(failed("cutting", &path))?;
            self.touched.insert((partition, active.id()));
        }
        Ok(())
    }

    pub(super) fn move_aside(&mut self, path: &Path, name: &str) -> Result<(), LogError> {
        let aside = self.options.dir.join(ASIDE_DIR);
        let moving = failed("moving aside", path);
        let moved = || -> io::Result<PathBuf> {
            self.disk().create_dir_all(&aside)?;
            let taken = self.disk().list(&aside)?;
            let mut target = name.to_owned();
            let mut number = 1;
            while taken.contains(&target) {
                target = format!("{name}.{number}");
                number += 1;
            }
            let target = aside.join(target);
            self.disk().rename(path, &target)?;
            self.disk().sync_dir(&self.options.dir)?;
            self.disk().sync_dir(&aside)?;
            Ok(target)
        };
        let target = moved().map_err(moving)?;
        let line = format!(
            "`{}` belongs to nothing known; it was moved to `{}`",
            path.display(),
            target.display()
        );
        tracing::warn!("{line}");
        self.report.lines.push(line);
        Ok(())
    }
}

/// Whether compaction left the files behind: an attempt that came to nothing, or what it has replaced. Their names are
/// not given again: a segment that is yet to come begins at the log end or behind it.
fn left_over(live: &BTreeSet<SegmentId>, segment: SegmentId, log_end: Offset) -> bool {
    let before = live
        .range(
            ..=SegmentId {
                version: u32::MAX,
                ..segment
            },
        )
        .next_back();
    let replaced = segment.base < log_end && before.is_some_and(|before| before.version > 0);
    segment.version > 0 || replaced
}
