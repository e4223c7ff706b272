//! Buffers of large requests, used again: fresh memory costs a fault for each of its pages.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Requests from this size on are read into such a buffer.
pub(super) const FROM_BYTES: usize = 32 << 10;
/// Buffers have a multiple of this, so that requests of about one size share them.
const STEP_BYTES: usize = 64 << 10;
/// Larger ones are not kept.
const KEPT_EACH_BYTES_MAX: usize = 2 << 20;
/// So much is kept of what nobody uses just now.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The buffers that nobody uses just now.
#[derive(Clone, Default)]
pub(crate) struct Buffers {
    free: Arc<Mutex<Free>>,
}

#[derive(Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// An empty buffer with room for `bytes`.
    pub(super) fn take(&self, bytes: usize) -> Buffer {
        let mut free = self.free.lock();
        let fitting = free.buffers.iter().rposition(|buffer| buffer.capacity() >= bytes);
        let content = match fitting {
            Some(at) => {
                let buffer = free.buffers.swap_remove(at);
                free.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(bytes.next_multiple_of(STEP_BYTES)),
        };
        drop(free);
        Buffer {
            content,
            home: self.clone(),
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let mut free = self.free.lock();
        if bytes <= KEPT_EACH_BYTES_MAX && free.bytes + bytes <= KEPT_BYTES_MAX {
            buffer.clear();
            free.bytes += bytes;
            free.buffers.push(buffer);
        }
    }
}

/// A buffer that goes back when the last who reads it lets it go.
pub(super) struct Buffer {
    pub(super) content: Vec<u8>,
    home: Buffers,
}

impl Buffer {
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_its_last_reader_and_only_so_many_are_kept() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(FROM_BYTES);
        buffer.content.extend_from_slice(b"abc");
        let place = buffer.content.as_ptr();
        let all = buffer.freeze();
        let part = all.slice(1..);
        drop(all);
        assert_ne!(buffers.take(FROM_BYTES).content.as_ptr(), place, "still read");
        assert_eq!(part, "bc");
        drop(part);
        let taken: Vec<Buffer> = (0..20).map(|_| buffers.take(1 << 20)).collect();
        let again = buffers.take(FROM_BYTES);
        assert_eq!((again.content.as_ptr(), again.content.len()), (place, 0));
        drop((taken, again));
        assert!(buffers.free.lock().bytes <= KEPT_BYTES_MAX);
        drop(buffers.take(64 << 20));
        assert!(
            buffers
                .free
                .lock()
                .buffers
                .iter()
                .all(|buffer| buffer.capacity() <= KEPT_EACH_BYTES_MAX)
        );
    }
}
