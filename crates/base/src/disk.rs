//! The door to files: what the storage needs of a disk, and nothing a simulated disk could not also do.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

mod memory;
mod real;
pub mod sim;

pub use memory::MemoryDisk;
pub use real::{RealDisk, space_bytes};
pub use sim::SimDisk;

/// What [`WriteThrough::write_blocks`] takes are multiples of this, in length, place and address.
pub const BLOCK_BYTES: usize = 4096;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; it is only read.
    Read,
    /// The file must exist; it is read and written.
    Write,
    /// The file is made if it does not exist; it is read and written.
    Create,
}

/// A file system. Every call is synchronous; nothing survives a power cut before the sync that covers it: a file's
/// bytes and length before [`DiskFile::sync_data`], a name (created, renamed, removed) before [`Disk::sync_dir`].
pub trait Disk: Send + Sync + 'static {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// A second door to a file that exists, past the page cache; `None` where the file system has no such. If `durable`,
    /// what is written there is durable when the write returns and needs no sync.
    fn open_write_through(&self, path: &Path, durable: bool) -> io::Result<Option<Arc<dyn WriteThrough>>>;
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    fn file_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Replaces `to` if it exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// What can still be written to the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Takes the lock named by a file, until the guard drops; [`io::ErrorKind::WouldBlock`] if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// Writes that pass by the page cache.
pub trait WriteThrough: Send + Sync + 'static {
    /// Writes whole blocks. Address, length and place are multiples of [`BLOCK_BYTES`].
    fn write_blocks(&self, blocks: &[u8], at: u64) -> io::Result<()>;
}

/// Holds a lock until dropped.
pub trait DiskLock: Send + Sync {}

/// An open file. Positions are the caller's; any number of threads may read and write at once.
pub trait DiskFile: Send + Sync + 'static {
    /// Fills as much of `buffer` as the file holds from `at` on; fewer bytes than asked only at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Writes one after another.
    fn write_parts_at(&self, parts: &[&[u8]], mut at: u64) -> io::Result<()> {
        for part in parts {
            self.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Sets blocks aside for what will be written up to `end`, from `start` on, without changing the length: writes that
    /// find their blocks there cost less. Where that cannot be had, they find them as they come.
    fn set_aside(&self, _start: u64, _end: u64) {}
    /// Gives back what was set aside and not written.
    fn give_back(&self) {}
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Makes bytes and length durable. After an error nothing is known about any write since the last success.
    fn sync_data(&self) -> io::Result<()>;
    /// Says that these bytes will be read soon.
    fn will_read(&self, _at: u64, _bytes: u64) {}
    /// What the operating system knows the file by, where it does.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A stretch of a file that nobody writes to any more.
#[derive(Clone)]
pub struct FileSlice {
    pub file: Arc<dyn DiskFile>,
    pub at: u64,
    pub bytes: usize,
}

impl FileSlice {
    /// Reads on after the first `done` bytes, as much as `buffer` takes.
    pub fn read(&self, done: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = (self.bytes - done).min(buffer.len());
        self.file.read_at(&mut buffer[..bytes], self.at + done as u64)
    }

    /// Hands on what follows the first `done` bytes from the page cache to a socket; how much it took.
    pub fn send(&self, done: usize, file: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut at = self.at + done as u64;
        Ok(rustix::fs::sendfile(socket, file, Some(&mut at), self.bytes - done)?)
    }
}

impl PartialEq for FileSlice {
    fn eq(&self, other: &FileSlice) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.at, self.bytes) == (other.at, other.bytes)
    }
}

impl fmt::Debug for FileSlice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes at {}", self.bytes, self.at)
    }
}
