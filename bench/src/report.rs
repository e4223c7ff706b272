//! The table, as Markdown.

use std::path::Path;

use base::Clock;
use hdrhistogram::Histogram;

use crate::measure;
use crate::peer::Kind;

/// What one run of a case at one peer gave. What a case does not measure stays `None`.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) records_per_second: Option<f64>,
    pub(crate) bytes_per_second: Option<f64>,
    pub(crate) latency_us: Option<Histogram<u64>>,
    pub(crate) server_us_per_record: Option<f64>,
    pub(crate) generator_us_per_record: Option<f64>,
    pub(crate) resident_mib: Option<f64>,
    /// What the row says in words.
    pub(crate) note: String,
}

pub(crate) fn print_head() {
    println!(
        "| case | round | peer | class | records/s | MB/s | p50 ms | p99 ms | p99.9 ms | server CPU-s per million | \
         generator CPU-s per million | resident MiB | note |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
}

pub(crate) fn print_row(case: &str, kind: Kind, round: usize, row: &Row) {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let quantile = |at: f64| {
        let value = row
            .latency_us
            .as_ref()
            .map(|seen| seen.value_at_quantile(at) as f64 / 1000.0);
        number(value, 2)
    };
    println!(
        "| {case} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        round + 1,
        kind.name(),
        kind.class(),
        number(row.records_per_second, 0),
        number(row.bytes_per_second.map(|bytes| bytes / 1e6), 0),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        number(row.server_us_per_record, 3),
        number(row.generator_us_per_record, 3),
        number(row.resident_mib, 0),
        row.note,
    );
}

/// The machine in a line.
pub(crate) fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = file("/proc/cpuinfo");
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown CPU");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = file("/proc/meminfo");
    let kib = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0);
    let kernel = file("/proc/sys/kernel/osrelease");
    format!(
        "{}, {cores} cores, {} GiB, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kib >> 20,
        kernel.trim(),
    )
}

/// What its disk and its memory give to anybody just now, in a line: no server can do better.
pub(crate) fn probes(folder: &Path, clock: &dyn Clock) -> String {
    let sync = measure::disk_sync_us(folder, clock);
    let quantile = |at: f64| sync.value_at_quantile(at) as f64 / 1000.0;
    format!(
        "4 KiB fdatasync at 100/s p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms; first use of a 4 KiB page {:.2} us",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        measure::first_touch_us(clock),
    )
}
