//! A disk that keeps everything in memory and forgets it with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Disk, DiskFile, DiskLock, OpenMode, WriteThrough};

/// Memory is taken in pieces, so that a growing file is never copied.
const CHUNK_BYTES: usize = 256 << 10;

/// A disk in memory; syncs cost nothing, and nothing outlives the value.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    names: Arc<Mutex<Names>>,
}

#[derive(Default)]
struct Names {
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    dirs: BTreeSet<PathBuf>,
}

impl MemoryDisk {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file `{}`", path.display()))
}

impl Disk for MemoryDisk {
    fn open_write_through(&self, _: &Path, _: bool) -> io::Result<Option<Arc<dyn WriteThrough>>> {
        Ok(None)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = self.names();
        if let Some(file) = names.files.get(path) {
            return Ok(Arc::clone(file) as Arc<dyn DiskFile>);
        }
        if mode != OpenMode::Create {
            return Err(not_found(path));
        }
        let file = Arc::new(MemoryFile::default());
        names.files.insert(path.to_path_buf(), Arc::clone(&file));
        Ok(file)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut names = self.names();
        for dir in path.ancestors() {
            names.dirs.insert(dir.to_path_buf());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = self.names();
        if !names.dirs.contains(dir) {
            return Err(not_found(dir));
        }
        let children = names.files.keys().chain(names.dirs.iter());
        let mut found: Vec<String> = children
            .filter(|path| path.parent() == Some(dir))
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    fn file_bytes(&self, path: &Path) -> io::Result<u64> {
        self.names().files.get(path).ok_or_else(|| not_found(path))?.len()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names();
        let file = names.files.remove(from).ok_or_else(|| not_found(from))?;
        names.files.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.names()
            .files
            .remove(path)
            .map(|_| ())
            .ok_or_else(|| not_found(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if self.names().dirs.remove(path) {
            Ok(())
        } else {
            Err(not_found(path))
        }
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn DiskLock>> {
        // Nobody else can reach this disk.
        Ok(Box::new(MemoryLock))
    }
}

struct MemoryLock;

impl DiskLock for MemoryLock {}

#[derive(Default)]
struct MemoryFile {
    content: RwLock<Content>,
}

#[derive(Default)]
struct Content {
    chunks: Vec<Box<[u8]>>,
    len: usize,
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let at = at as usize;
        let wanted = buffer.len().min(content.len.saturating_sub(at));
        let mut done = 0;
        while done < wanted {
            let within = (at + done) % CHUNK_BYTES;
            let piece = (wanted - done).min(CHUNK_BYTES - within);
            let chunk = &content.chunks[(at + done) / CHUNK_BYTES];
            buffer[done..done + piece].copy_from_slice(&chunk[within..within + piece]);
            done += piece;
        }
        Ok(wanted)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let at = at as usize;
        let end = at + bytes.len();
        let len = end.max(content.len);
        content.reach(len);
        let mut done = 0;
        while done < bytes.len() {
            let within = (at + done) % CHUNK_BYTES;
            let piece = (bytes.len() - done).min(CHUNK_BYTES - within);
            let chunk = &mut content.chunks[(at + done) / CHUNK_BYTES];
            chunk[within..within + piece].copy_from_slice(&bytes[done..done + piece]);
            done += piece;
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        content.reach(bytes as usize);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.read().unwrap_or_else(PoisonError::into_inner).len as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Content {
    /// Makes the file `len` bytes long; what is new reads as zeros.
    fn reach(&mut self, len: usize) {
        let chunks = len.div_ceil(CHUNK_BYTES);
        if len < self.len {
            self.chunks.truncate(chunks);
            if let Some(last) = self.chunks.last_mut() {
                let used = len - (chunks - 1) * CHUNK_BYTES;
                last[used..].fill(0);
            }
        }
        while self.chunks.len() < chunks {
            self.chunks.push(vec![0; CHUNK_BYTES].into_boxed_slice());
        }
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_span_chunks_and_cut_bytes_do_not_return() {
        let disk = MemoryDisk::default();
        let file = disk.open(Path::new("/a"), OpenMode::Create).unwrap();
        let bytes: Vec<u8> = (0..CHUNK_BYTES + 100).map(|at| at as u8 | 1).collect();
        file.write_all_at(&bytes, 50).unwrap();
        let mut read = vec![0; bytes.len() + 60];
        assert_eq!(file.read_at(&mut read, 40).unwrap(), bytes.len() + 10);
        assert_eq!(&read[10..10 + bytes.len()], &bytes[..]);
        file.set_len(60).unwrap();
        file.set_len(100).unwrap();
        let mut tail = [9; 40];
        assert_eq!(file.read_at(&mut tail, 60).unwrap(), 40);
        assert_eq!(tail, [0; 40]);
    }
}
