//! Where each key was written last, within bounded memory: a hash of 128 bits stands for a key.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use base::Offset;

/// The last offset of every key of a range of the log.
#[derive(Debug, Default)]
pub(super) struct Keys {
    latest: HashMap<[u64; 2], Offset, BuildHasherDefault<First>>,
    /// One past the last offset that was looked at.
    pub(super) end: Offset,
}

/// Two hashes of the key under different prefixes: as with Kafka's MD5, two keys of a log do not meet by chance.
fn hash(key: &[u8]) -> [u64; 2] {
    [0_u8, 1].map(|prefix| {
        let mut hasher = DefaultHasher::new();
        prefix.hash(&mut hasher);
        hasher.write(key);
        hasher.finish()
    })
}

/// The keys are hashes already.
#[derive(Default)]
struct First(u64);

impl Hasher for First {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.latest.len()
    }

    /// Offsets come in rising order.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) {
        self.latest.insert(hash(key), offset);
    }

    /// Whether no later record with the key is known.
    pub(super) fn is_latest(&self, key: &[u8], offset: Offset) -> bool {
        self.latest.get(&hash(key)).is_none_or(|latest| offset >= *latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_counts() {
        let mut keys = Keys::default();
        for offset in 0..10_000_i64 {
            keys.put(format!("key{}", offset % 1000).as_bytes(), offset);
        }
        assert_eq!(keys.len(), 1000);
        assert!(keys.is_latest(b"key7", 9007) && !keys.is_latest(b"key7", 9006));
        assert!(keys.is_latest(b"other", 0));
    }
}
