//! A simulated disk under a seed: it forgets, tears and mixes whatever was not synced when the power goes.
//!
//! What it models: per file a durable image and a journal of operations that no sync has covered yet; names likewise,
//! apart from the bytes. At [`SimDisk::crash`] each pending write is on its own lost, whole, torn at a prefix or
//! reduced to any subset of its bytes; lengths, new names, renames and removals survive or not independently of the
//! bytes; what was never written reads as zeros or as garbage. A failed sync drops writes, and the next one succeeds
//! all the same. Handles from before a crash are dead. An ordinary drop is not a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BLOCK_BYTES, Disk, DiskFile, DiskLock, OpenMode, WriteThrough};
use crate::{Random, SeededRandom};

const SECTOR_BYTES: usize = 512;

/// How often operations fail, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimFaults {
    pub sync_errors_per_mille: u64,
    pub write_errors_per_mille: u64,
    pub read_errors_per_mille: u64,
}

/// A disk that exists only in memory and loses what a real one may lose. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    random: SeededRandom,
    /// How many crashes there were: a handle works only in the life it was opened in.
    life: u64,
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    pending_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    faults: SimFaults,
    free_bytes: u64,
    operations: u64,
    power_off_at: Option<u64>,
    powered: bool,
    syncs_to_fail: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(usize),
    Dir,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link {
        path: PathBuf,
        entry: Entry,
    },
    Unlink {
        path: PathBuf,
    },
    /// A name and, if it is a directory's, all that stands below it.
    Rename {
        moved: Vec<(PathBuf, PathBuf, Entry)>,
    },
}

#[derive(Default)]
struct Node {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<Pending>,
}

enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// What becomes of the unsynced at one crash; drawn anew each time so that rare mixes do occur.
struct Fate {
    keep_per_mille: u64,
    tear: bool,
    garbage: bool,
}

impl SimDisk {
    pub fn new(seed: u64) -> SimDisk {
        let names = BTreeMap::from([(PathBuf::from("/"), Entry::Dir)]);
        let inner = Inner {
            random: SeededRandom::new(seed),
            life: 0,
            nodes: Vec::new(),
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            locks: BTreeSet::new(),
            faults: SimFaults::default(),
            free_bytes: u64::MAX,
            operations: 0,
            power_off_at: None,
            powered: true,
            syncs_to_fail: 0,
        };
        SimDisk {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes and comes back.
    pub fn crash(&self) {
        self.inner().crash();
    }

    /// The power goes at the `operations`-th change from now: that one and all after it fail, until [`SimDisk::crash`].
    pub fn power_off_after(&self, operations: u64) {
        let mut inner = self.inner();
        inner.power_off_at = Some(inner.operations + operations);
    }

    /// Whether the power is on.
    pub fn powered(&self) -> bool {
        self.inner().powered
    }

    /// Changes so far: writes, syncs, new names and so on. Equal runs count equally.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    pub fn set_faults(&self, faults: SimFaults) {
        self.inner().faults = faults;
    }

    /// The next `count` file syncs fail.
    pub fn fail_syncs(&self, count: u64) {
        self.inner().syncs_to_fail = count;
    }

    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.inner().free_bytes = free_bytes;
    }

    /// Every file's path, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let inner = self.inner();
        let files = inner.names.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// A file's bytes as a reader sees them now.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inner = self.inner();
        Ok(inner.nodes[inner.file(path)?].current.clone())
    }

    /// Damages a file behind its owner's back, durably: replaces its bytes.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut inner = self.inner();
        let node = inner.file(path)?;
        let node = &mut inner.nodes[node];
        change(&mut node.current);
        node.durable.clone_from(&node.current);
        node.pending.clear();
        Ok(())
    }

    /// An independent disk with the same content as this one has now, all of it durable.
    pub fn copy(&self, seed: u64) -> SimDisk {
        let copy = SimDisk::new(seed);
        let from = self.inner();
        let mut to = copy.inner();
        to.nodes = from
            .nodes
            .iter()
            .map(|node| Node::durable(node.current.clone()))
            .collect();
        to.names = from.names.clone();
        to.durable_names = from.names.clone();
        drop(to);
        copy
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file `{}`", path.display()))
}

fn no_power() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the simulated disk has no power")
}

fn injected(what: &str) -> io::Error {
    io::Error::other(format!("simulated {what} error"))
}

impl Inner {
    fn chance(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.random.below(1000) < per_mille
    }

    /// Counts a change and says whether it may happen.
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.power_off_at.is_some_and(|at| self.operations >= at) {
            self.powered = false;
        }
        self.check_power()
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(no_power()) }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Entry::File(node)) => Ok(*node),
            _ => Err(not_found(path)),
        }
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if self.names.get(parent) == Some(&Entry::Dir) => Ok(()),
            _ => Err(not_found(path)),
        }
    }

    fn link(&mut self, path: &Path, entry: Entry) {
        self.names.insert(path.to_path_buf(), entry);
        self.pending_names.push(NameChange::Link {
            path: path.to_path_buf(),
            entry,
        });
    }

    fn unlink(&mut self, path: &Path) {
        self.names.remove(path);
        self.pending_names.push(NameChange::Unlink {
            path: path.to_path_buf(),
        });
    }

    fn sync_names(&mut self, dir: &Path) {
        let pending = std::mem::take(&mut self.pending_names);
        for change in pending {
            if change.touches(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(change);
            }
        }
    }

    fn crash(&mut self) {
        self.life += 1;
        self.powered = true;
        self.power_off_at = None;
        self.syncs_to_fail = 0;
        self.locks.clear();
        let keep = [0, 100, 500, 500, 900, 1000, 1000];
        let fate = Fate {
            keep_per_mille: keep[self.random.below(keep.len() as u64) as usize],
            tear: self.chance(700),
            garbage: self.chance(400),
        };
        for change in std::mem::take(&mut self.pending_names) {
            if self.chance(fate.keep_per_mille) {
                change.apply(&mut self.durable_names);
            }
        }
        // A directory that is gone takes what was in it along.
        loop {
            let names = &self.durable_names;
            let has_parent = |path: &Path| path.parent().is_none_or(|dir| names.get(dir) == Some(&Entry::Dir));
            let lost: Vec<PathBuf> = names.keys().filter(|path| !has_parent(path)).cloned().collect();
            if lost.is_empty() {
                break;
            }
            for path in lost {
                self.durable_names.remove(&path);
            }
        }
        self.names = self.durable_names.clone();
        for node in &mut self.nodes {
            node.crash(&fate, &self.random);
        }
    }
}

impl NameChange {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.parent() == Some(dir),
            NameChange::Rename { moved } => moved
                .first()
                .is_some_and(|(from, to, _)| from.parent() == Some(dir) || to.parent() == Some(dir)),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            NameChange::Link { path, entry } => {
                names.insert(path, entry);
            }
            NameChange::Unlink { path } => {
                names.remove(&path);
            }
            NameChange::Rename { moved } => {
                for (from, to, entry) in moved {
                    names.remove(&from);
                    names.insert(to, entry);
                }
            }
        }
    }
}

impl Node {
    fn durable(bytes: Vec<u8>) -> Node {
        Node {
            durable: bytes.clone(),
            current: bytes,
            pending: Vec::new(),
        }
    }

    fn write(&mut self, bytes: &[u8], at: usize) {
        put(&mut self.current, bytes, at);
        let bytes = bytes.to_vec();
        self.pending.push(Pending::Write { at, bytes });
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Pending::Write { at, bytes } => put(&mut self.durable, &bytes, at),
                Pending::SetLen(len) => self.durable.resize(len, 0),
            }
        }
    }

    /// A sync that failed: some of the writes will never reach the disk, though readers go on seeing them.
    fn sync_badly(&mut self, random: &SeededRandom) {
        self.pending.retain(|_| random.below(2) == 0);
    }

    fn crash(&mut self, fate: &Fate, random: &SeededRandom) {
        if !self.pending.is_empty() {
            let mut image = std::mem::take(&mut self.durable);
            let mut len = image.len();
            let mut lens = vec![len];
            for change in self.pending.drain(..) {
                match change {
                    Pending::Write { at, bytes } => {
                        len = len.max(at + bytes.len());
                        grow(&mut image, len, fate, random);
                        survive(&mut image[at..at + bytes.len()], &bytes, fate, random);
                    }
                    Pending::SetLen(bytes) => {
                        len = bytes;
                        if bytes < image.len() && random.below(1000) < fate.keep_per_mille {
                            image.truncate(bytes);
                        }
                    }
                }
                lens.push(len);
            }
            let kept = if fate.keep_per_mille == 1000 {
                len
            } else {
                lens[random.below(lens.len() as u64) as usize]
            };
            grow(&mut image, kept, fate, random);
            image.truncate(kept);
            self.durable = image;
        }
        self.current.clone_from(&self.durable);
    }
}

fn put(image: &mut Vec<u8>, bytes: &[u8], at: usize) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn grow(image: &mut Vec<u8>, len: usize, fate: &Fate, random: &SeededRandom) {
    while image.len() < len {
        let filler = if fate.garbage { random.next_u64() as u8 } else { 0 };
        image.push(filler);
    }
}

/// Lets one pending write reach `place` as far as its fate allows.
fn survive(place: &mut [u8], bytes: &[u8], fate: &Fate, random: &SeededRandom) {
    let kept = random.below(1000) < fate.keep_per_mille;
    if !fate.tear || fate.keep_per_mille == 1000 || random.below(4) == 0 {
        if kept {
            place.copy_from_slice(bytes);
        }
        return;
    }
    match random.below(4) {
        0 => {}
        1 => place.copy_from_slice(bytes),
        2 => {
            let torn_at = random.below(bytes.len() as u64 + 1) as usize;
            place[..torn_at].copy_from_slice(&bytes[..torn_at]);
        }
        _ => {
            let unit = if random.below(2) == 0 { SECTOR_BYTES } else { 1 };
            for (old, new) in place.chunks_mut(unit).zip(bytes.chunks(unit)) {
                match random.below(8) {
                    0..4 => old.copy_from_slice(new),
                    4 if fate.garbage => old.fill_with(|| random.next_u64() as u8),
                    _ => {}
                }
            }
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.check_power()?;
        let node = match inner.names.get(path) {
            Some(Entry::File(node)) => *node,
            Some(Entry::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None if mode == OpenMode::Create => {
                inner.parent_exists(path)?;
                inner.change()?;
                inner.nodes.push(Node::default());
                let node = inner.nodes.len() - 1;
                inner.link(path, Entry::File(node));
                node
            }
            None => return Err(not_found(path)),
        };
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            node,
            life: inner.life,
        }))
    }

    /// Some files have it and some have not, so that both ways are tried.
    fn open_write_through(&self, path: &Path, durable: bool) -> io::Result<Option<Arc<dyn WriteThrough>>> {
        let inner = self.inner();
        inner.check_power()?;
        let node = match inner.names.get(path) {
            Some(Entry::File(node)) => *node,
            _ => return Err(not_found(path)),
        };
        if inner.random.below(2) == 0 {
            return Ok(None);
        }
        let file = SimFile {
            disk: self.clone(),
            node,
            life: inner.life,
        };
        Ok(Some(Arc::new(SimThrough { file, durable })))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_power()?;
        let mut missing: Vec<&Path> = path.ancestors().filter(|dir| !inner.names.contains_key(*dir)).collect();
        missing.reverse();
        for dir in missing {
            inner.change()?;
            inner.link(dir, Entry::Dir);
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        inner.check_power()?;
        if inner.names.get(dir) != Some(&Entry::Dir) {
            return Err(not_found(dir));
        }
        let children = inner.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(children
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn file_bytes(&self, path: &Path) -> io::Result<u64> {
        let inner = self.inner();
        inner.check_power()?;
        Ok(inner.nodes[inner.file(path)?].current.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_power()?;
        inner.names.get(from).ok_or_else(|| not_found(from))?;
        inner.parent_exists(to)?;
        inner.change()?;
        // Paths sort a directory before what is in it.
        let below = inner.names.iter().filter(|(path, _)| path.starts_with(from));
        let moved: Vec<(PathBuf, PathBuf, Entry)> = below
            .map(|(path, entry)| {
                let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
                let target = if rest.as_os_str().is_empty() {
                    to.to_path_buf()
                } else {
                    to.join(rest)
                };
                (path.clone(), target, *entry)
            })
            .collect();
        let change = NameChange::Rename { moved };
        change.clone().apply(&mut inner.names);
        inner.pending_names.push(change);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_power()?;
        inner.file(path)?;
        inner.change()?;
        inner.unlink(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.check_power()?;
        if inner.names.get(path) != Some(&Entry::Dir) {
            return Err(not_found(path));
        }
        if inner.names.keys().any(|name| name.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        inner.change()?;
        inner.unlink(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.change()?;
        if inner.chance(inner.faults.sync_errors_per_mille) {
            return Err(injected("directory sync"));
        }
        inner.sync_names(dir);
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.inner().free_bytes)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut inner = self.inner();
        inner.check_power()?;
        if !inner.locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path: path.to_path_buf(),
            life: inner.life,
        }))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inner = self.disk.inner();
        if inner.life == self.life {
            inner.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    node: usize,
    life: u64,
}

impl SimFile {
    fn inner(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.disk.inner();
        inner.check_power()?;
        if inner.life == self.life {
            Ok(inner)
        } else {
            Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "this handle is from before the crash",
            ))
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let inner = self.inner()?;
        if inner.chance(inner.faults.read_errors_per_mille) {
            return Err(injected("read"));
        }
        let content = &inner.nodes[self.node].current;
        let rest = content.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut inner = self.inner()?;
        let powered = inner.change();
        let failed = powered.is_err() || inner.chance(inner.faults.write_errors_per_mille);
        // A write that fails may still have reached the disk in part.
        let reached = if failed {
            inner.random.below(bytes.len() as u64 + 1) as usize
        } else {
            bytes.len()
        };
        if reached > 0 {
            inner.nodes[self.node].write(&bytes[..reached], at as usize);
        }
        powered?;
        if failed { Err(injected("write")) } else { Ok(()) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut inner = self.inner()?;
        inner.change()?;
        let node = &mut inner.nodes[self.node];
        node.current.resize(bytes as usize, 0);
        node.pending.push(Pending::SetLen(bytes as usize));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inner()?.nodes[self.node].current.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.inner()?;
        let inner = &mut *guard;
        inner.change()?;
        let failed = inner.syncs_to_fail > 0 || inner.chance(inner.faults.sync_errors_per_mille);
        inner.syncs_to_fail = inner.syncs_to_fail.saturating_sub(1);
        if failed {
            inner.nodes[self.node].sync_badly(&inner.random);
            return Err(injected("sync"));
        }
        inner.nodes[self.node].sync();
        Ok(())
    }
}

struct SimThrough {
    file: SimFile,
    durable: bool,
}

impl WriteThrough for SimThrough {
    fn write_blocks(&self, blocks: &[u8], at: u64) -> io::Result<()> {
        let address = blocks.as_ptr().addr();
        for (what, value) in [("address", address), ("length", blocks.len()), ("place", at as usize)] {
            if value % BLOCK_BYTES != 0 {
                return Err(io::Error::other(format!(
                    "the {what} of blocks is {value}: not a multiple"
                )));
            }
        }
        // The power may fail before all blocks are there, and in what order they get there nobody knows.
        self.file.write_all_at(blocks, at)?;
        if self.durable { self.file.sync_data() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(seed: u64, synced: bool) -> (SimDisk, Arc<dyn DiskFile>) {
        let disk = SimDisk::new(seed);
        disk.create_dir_all(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = disk.open(Path::new("/d/f"), OpenMode::Create).unwrap();
        file.write_all_at(&[7; 2000], 0).unwrap();
        if synced {
            file.sync_data().unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
        }
        (disk, file)
    }

    #[test]
    fn the_synced_survives_every_crash() {
        for seed in 0..200 {
            let (disk, file) = disk_with(seed, true);
            file.write_all_at(&[8; 1000], 2000).unwrap();
            disk.crash();
            assert!(file.read_at(&mut [0], 0).is_err(), "handles die with the power");
            assert_eq!(
                disk.content(Path::new("/d/f")).unwrap()[..2000],
                [7; 2000],
                "seed {seed}"
            );
        }
    }

    #[test]
    fn the_unsynced_meets_every_fate() {
        let (mut gone, mut whole, mut empty, mut mixed) = (0, 0, 0, 0);
        for seed in 0..400 {
            let (disk, _file) = disk_with(seed, false);
            disk.crash();
            match disk.content(Path::new("/d/f")) {
                Err(_) => gone += 1,
                Ok(content) if content == [7; 2000] => whole += 1,
                Ok(content) if content.is_empty() || content == [0; 2000] => empty += 1,
                Ok(_) => mixed += 1,
            }
        }
        assert!(
            gone > 20 && whole > 20 && empty > 20 && mixed > 20,
            "{gone} {whole} {empty} {mixed}"
        );
    }

    #[test]
    fn renames_and_removals_need_a_directory_sync() {
        let (mut old, mut new) = (0, 0);
        for seed in 0..100 {
            let (disk, _file) = disk_with(seed, true);
            disk.rename(Path::new("/d/f"), Path::new("/d/g")).unwrap();
            disk.crash();
            match (disk.content(Path::new("/d/f")), disk.content(Path::new("/d/g"))) {
                (Ok(_), Err(_)) => old += 1,
                (Err(_), Ok(_)) => new += 1,
                both => panic!("seed {seed}: {both:?}"),
            }
        }
        assert!(old > 10 && new > 10, "{old} {new}");
    }

    #[test]
    fn a_failed_sync_loses_bytes_though_the_next_succeeds() {
        let mut lost = 0;
        for seed in 0..50 {
            let (disk, file) = disk_with(seed, true);
            file.write_all_at(&[9; 10], 0).unwrap();
            disk.fail_syncs(1);
            assert!(file.sync_data().is_err());
            file.sync_data().unwrap();
            disk.crash();
            lost += u64::from(disk.content(Path::new("/d/f")).unwrap()[0] != 9);
        }
        assert!(lost > 10, "{lost}");
    }

    #[test]
    fn equal_seeds_give_equal_disks() {
        let run = |seed| {
            let (disk, _file) = disk_with(seed, false);
            disk.crash();
            (disk.content(Path::new("/d/f")).ok(), disk.operations())
        };
        for seed in 0..50 {
            assert_eq!(run(seed), run(seed));
        }
    }

    #[test]
    fn without_power_nothing_works_until_the_crash() {
        let (disk, file) = disk_with(1, true);
        disk.power_off_after(2);
        file.write_all_at(b"x", 0).unwrap();
        assert!(file.sync_data().is_err());
        assert!(file.read_at(&mut [0], 0).is_err() && !disk.powered());
        disk.crash();
        assert!(disk.open(Path::new("/d/f"), OpenMode::Read).is_ok());
    }
}
