//! A bounded memory of parsed schemas: what is compared again and again is parsed once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Parsed, RegistryError, SchemaType};

/// Together the texts of remembered schemas are at most about this long.
const BYTES_MAX: usize = 8 << 20;
/// At most about this many schemas are remembered.
const COUNT_MAX: usize = 4096;

/// What decides how a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) schema_type: SchemaType,
    pub(super) normalize: bool,
    /// Over the text, and names and texts of what it refers to.
    pub(super) digest: u128,
}

#[derive(Default)]
struct Generation {
    parsed: HashMap<Key, (Arc<Parsed>, usize)>,
    bytes: usize,
}

#[derive(Default)]
struct Memory {
    young: Generation,
    /// What was young before: asked for again it is young again, else it goes when the young have grown.
    old: Generation,
}

/// Remembered parses; clones share them.
#[derive(Clone, Default)]
pub(super) struct Parses(Arc<Mutex<Memory>>);

impl fmt::Debug for Parses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parses").finish_non_exhaustive()
    }
}

impl Parses {
    /// The parse under `key`, made by `parse` if it is not remembered; `bytes` is the length of its text. The memory is
    /// not held while `parse` works.
    pub(super) fn get(
        &self,
        key: Key,
        bytes: usize,
        parse: impl FnOnce() -> Result<Parsed, RegistryError>,
    ) -> Result<Arc<Parsed>, RegistryError> {
        if let Some(found) = self.locked().find(&key) {
            return Ok(found);
        }
        let parsed = Arc::new(parse()?);
        self.locked().put(key, Arc::clone(&parsed), bytes);
        Ok(parsed)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Whoever panicked left whole entries behind: the memory is as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn find(&mut self, key: &Key) -> Option<Arc<Parsed>> {
        if let Some((found, _)) = self.young.parsed.get(key) {
            return Some(Arc::clone(found));
        }
        let (found, bytes) = self.old.parsed.remove(key)?;
        self.put(*key, Arc::clone(&found), bytes);
        Some(found)
    }

    fn put(&mut self, key: Key, parsed: Arc<Parsed>, bytes: usize) {
        if self.young.bytes + bytes > BYTES_MAX / 2 || self.young.parsed.len() >= COUNT_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        if self.young.parsed.insert(key, (parsed, bytes)).is_none() {
            self.young.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT_MAX, Key, Parses};
    use crate::{Parsed, SchemaType};

    fn key(digest: u128) -> Key {
        Key {
            schema_type: SchemaType::Avro,
            normalize: false,
            digest,
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let parses = Parses::default();
        let mut count = 0;
        let mut get = |digest: u128| {
            let made = parses.get(key(digest), 8, || {
                count += 1;
                Parsed::parse(SchemaType::Avro, "\"string\"", &[], false)
            });
            made.unwrap();
            count
        };
        for digest in 1..=3 * COUNT_MAX as u128 {
            get(0);
            get(digest);
        }
        let all = 1 + 3 * COUNT_MAX;
        assert_eq!(get(0), all, "asked for all the time, parsed once");
        assert_eq!(get(1), all + 1, "long forgotten");
        let memory = parses.locked();
        assert!(memory.young.parsed.len() + memory.old.parsed.len() <= COUNT_MAX);
    }
}
