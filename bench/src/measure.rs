//! What a process has used, what latencies came to, what the disk can do.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use base::Clock;
use hdrhistogram::Histogram;

const LATENCY_MAX_US: u64 = 60_000_000;
const SYNCS: usize = 200;

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

/// p50 and p99 of a 4 KiB write and fdatasync into a preallocated file, in microseconds.
pub(crate) fn disk_sync_us(folder: &Path, clock: &dyn Clock) -> (u64, u64) {
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
        seen.saturating_record((clock.monotonic() - before).as_micros() as u64);
    }
    std::fs::remove_file(&path).expect("the probe is removed");
    (seen.value_at_quantile(0.5), seen.value_at_quantile(0.99))
}

/// Forgets what the page cache holds of clean files; whether that is allowed here.
pub(crate) fn drop_page_cache() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}
