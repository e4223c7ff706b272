//! What a process has used, what latencies came to, what the disk can do.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use base::Clock;
use hdrhistogram::Histogram;

const LATENCY_MAX_US: u64 = 60_000_000;
/// As many writes as a client that sends 100 a second makes in five seconds.
const SYNCS: usize = 500;
const SYNC_EVERY: Duration = Duration::from_millis(10);
const TOUCHED_BYTES: usize = 256 << 20;
const PAGE_BYTES: usize = 4096;

/// CPU time of a process so far, of all its threads, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; what follows it are numbers.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second())
}

/// Resident memory of a process in MiB, and the most it ever was.
pub(crate) fn resident_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (kib("VmRSS:") / 1024.0, kib("VmHWM:") / 1024.0)
}

pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX_US, 3).expect("three digits up to a minute")
}

/// What a 4 KiB write and fdatasync into a file that is all there takes, 100 times a second, in microseconds.
pub(crate) fn disk_sync_us(folder: &Path, clock: &dyn Clock) -> Histogram<u64> {
    let path = folder.join("sync-probe");
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .expect("a file to probe");
    file.write_all_at(&vec![0; SYNCS * 4096], 0)
        .expect("the probe is written");
    file.sync_all().expect("the probe is synced");
    let mut seen = latencies();
    for at in 0..SYNCS {
        let before = clock.monotonic();
        file.write_all_at(&[7; 4096], at as u64 * 4096)
            .expect("the probe is written");
        file.sync_data().expect("the probe is synced");
        let took = clock.monotonic() - before;
        seen.saturating_record(took.as_micros() as u64);
        std::thread::sleep(SYNC_EVERY.saturating_sub(took));
    }
    std::fs::remove_file(&path).expect("the probe is removed");
    seen
}

/// What it takes to use a page of memory for the first time, in microseconds. The page cache grows by such pages; on a
/// virtual machine the host may have to find them first.
pub(crate) fn first_touch_us(clock: &dyn Clock) -> f64 {
    let before = clock.monotonic();
    let mut memory = vec![0_u8; TOUCHED_BYTES];
    for page in memory.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    std::hint::black_box(&memory);
    (clock.monotonic() - before).as_secs_f64() * 1e6 / (TOUCHED_BYTES / PAGE_BYTES) as f64
}

/// Forgets what the page cache holds of clean files; whether that is allowed here.
pub(crate) fn drop_page_cache() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}
