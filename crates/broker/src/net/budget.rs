//! A budget of bytes that many share: who wants some waits until there are some.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counted in kibibytes, so that the semaphore's counter is large enough for any machine.
const UNIT_BYTES: usize = 1024;

/// Bytes set aside; given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    total_units: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        let total_units = (bytes / UNIT_BYTES).clamp(1, u32::MAX as usize);
        Budget {
            units: Arc::new(Semaphore::new(total_units)),
            total_units,
        }
    }

    /// Sets `bytes` aside; more than the whole budget counts as the whole.
    pub(crate) async fn take(&self, bytes: usize) -> Permit {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.total_units);
        let permit = Arc::clone(&self.units).acquire_many_owned(units as u32).await;
        permit.expect("the semaphore is never closed")
    }

    /// Sets up to `bytes` aside: never more than half of what is left, so that one slow reader cannot keep the others
    /// from reading, and never less than `bytes_min`. Gives how many bytes there are.
    pub(crate) async fn take_some(&self, bytes: usize, bytes_min: usize) -> (Permit, usize) {
        let left = self.units.available_permits() * UNIT_BYTES / 2;
        let bytes = bytes.min(left.max(bytes_min));
        (self.take(bytes).await, bytes)
    }
}

/// So many things may be held at once; who finds none left does without.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        Slots {
            free: Arc::new(Semaphore::new(count)),
        }
    }

    /// Up to `count`, but not more than half of what is left.
    pub(crate) fn take_some(&self, count: usize) -> Option<Permit> {
        let count = count.min(self.free.available_permits().div_ceil(2));
        Arc::clone(&self.free).try_acquire_many_owned(count as u32).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_last_half_of_the_slots() {
        let slots = Slots::new(5);
        let count = |permit: &Option<Permit>| permit.as_ref().map(Permit::num_permits);
        let taken: Vec<_> = (0..5).map(|_| slots.take_some(100)).collect();
        assert_eq!(
            taken.iter().map(count).collect::<Vec<_>>(),
            [Some(3), Some(1), Some(1), Some(0), Some(0)]
        );
        drop(taken);
        assert_eq!(count(&slots.take_some(2)), Some(2));
    }
}
