//! What a stranger's bytes can make us allocate: an amount in proportion to them, whatever they claim.
#![allow(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Random, SeededRandom};
use bytes::Bytes;
use rivulet_wire as wire;
use wire::codec::Visitor;
use wire::messages::visit_all;
use wire::{Message, RecordLimits, batches, records};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Room for the first elements of arrays within arrays, before any of them turned out to be there.
const FIXED_BYTES: usize = 256 * 1024;
/// The smallest struct on the wire has a byte or three, in memory some hundred, and a vector doubles.
const BYTES_PER_BYTE: usize = 400;

/// An lz4 frame may ask for two of its largest blocks, beside what the cap allows.
const DECOMPRESSION_BYTES: usize = 16 << 20;

/// What `work` held at most beyond what was held before.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

struct Claims {
    random: SeededRandom,
}

impl Claims {
    /// Bytes that say large numbers wherever they are read as lengths.
    fn bytes(&self) -> Bytes {
        let mut bytes = Vec::new();
        for _ in 0..self.random.below(60) {
            match self.random.below(6) {
                0 => bytes.extend_from_slice(&i32::MAX.to_be_bytes()),
                1 => bytes.extend_from_slice(&i16::MAX.to_be_bytes()),
                2 => bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x07]),
                3 => bytes.extend_from_slice(&[0, 0, 0, self.random.below(64) as u8]),
                4 => bytes.push(self.random.below(12) as u8),
                _ => bytes.push(self.random.next_u64() as u8),
            }
        }
        Bytes::from(bytes)
    }
}

impl Visitor for Claims {
    fn visit<M: Message>(&mut self) {
        for version in M::VERSION_MIN..=M::VERSION_MAX {
            for _ in 0..60 {
                let bytes = self.bytes();
                let peak = peak_of(|| drop(M::from_bytes(&bytes, version)));
                let allowed = FIXED_BYTES + BYTES_PER_BYTE * bytes.len();
                assert!(
                    peak <= allowed,
                    "{} {version}: {peak} bytes held for {}",
                    M::NAME,
                    bytes.len()
                );
            }
            // As many smallest elements as fit.
            let many = Bytes::from(vec![1; 100_000]);
            let peak = peak_of(|| drop(M::from_bytes(&many, version)));
            assert!(
                peak <= FIXED_BYTES + BYTES_PER_BYTE * many.len(),
                "{} {version}: {peak}",
                M::NAME
            );
        }
    }
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_is_bounded_by_the_input_and_by_the_limits() {
    visit_all(&mut Claims {
        random: SeededRandom::new(3),
    });
    let random = SeededRandom::new(4);
    let limits = RecordLimits { bytes_max: 1 << 20 };
    for round in 0..4_000 {
        let mut bytes: Vec<u8> = (0..65 + random.below(200)).map(|_| random.next_u64() as u8).collect();
        bytes[16] = 2;
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[21..23].copy_from_slice(&[0, (round % 5) as u8]);
        if round % 5 == 2 {
            bytes[61..65].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
        }
        let bytes = Bytes::from(bytes);
        let peak = peak_of(|| {
            for (_, batch) in batches(&bytes).flatten() {
                if let Ok(records) = records(&batch, limits) {
                    records.for_each(drop);
                }
            }
        });
        assert!(peak <= DECOMPRESSION_BYTES, "{peak} bytes held");
    }
}
