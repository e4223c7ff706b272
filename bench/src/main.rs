//! Rivulet and Apache Kafka on the same disk under the same generator, one after the other, round by round.
//!
//! Every row says which durability class it was measured in: `fsync` (acknowledged means on the disk), `os`
//! (acknowledged means in the page cache, Kafka's default). Rows of different classes are not comparable.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

mod cases;
mod generate;
mod measure;
mod peer;
mod registry;
mod report;

use std::time::Duration;

use base::RealClock;
use clap::Parser;

use cases::CASES;
use peer::{Kind, Peer};
use registry::RegistryArguments;

/// Measures Rivulet and Apache Kafka side by side.
#[derive(Parser)]
struct Arguments {
    /// Only cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Only Rivulet
    #[arg(long)]
    no_kafka: bool,
    /// Seconds that a steady case runs in each round
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Rounds; in each, all peers take their turn in every case
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Leave out what takes minutes: the 5 GiB restart and the 10,000 partitions
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    registry: RegistryArguments,
}

fn main() {
    let arguments = Arguments::parse();
    let clock = RealClock::new();
    let folder = tempfile::tempdir().expect("a folder for the data");
    println!("{}; {}\n", report::machine(), report::probes(folder.path(), &clock));
    if arguments.registry.registry {
        registry::run(&arguments.registry, arguments.seconds, &clock);
        return;
    }
    let kinds: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| !arguments.no_kafka || !kind.is_kafka())
        .collect();
    let steady = Duration::from_secs(arguments.seconds);
    report::print_head();
    let loaded = CASES
        .iter()
        .filter(|case| case.name.contains(&arguments.only) && case.is_steady());
    let loaded: Vec<_> = loaded.collect();
    if !loaded.is_empty() {
        let mut peers: Vec<Peer> = kinds
            .iter()
            .map(|kind| Peer::start(*kind, &folder.path().join(kind.folder())))
            .collect();
        for round in 0..arguments.rounds {
            for case in &loaded {
                for peer in &mut peers {
                    report::print_row(case.name, peer.kind, round, &case.run(peer, steady, &clock));
                }
            }
        }
    }
    let alone = CASES
        .iter()
        .filter(|case| case.name.contains(&arguments.only) && !case.is_steady());
    for case in alone.filter(|case| !(arguments.quick && case.is_long())) {
        for kind in &kinds {
            let folder = tempfile::tempdir_in(folder.path()).expect("a folder for the data");
            for (round, row) in case.run_alone(*kind, folder.path(), &clock).iter().enumerate() {
                report::print_row(case.name, *kind, round, row);
            }
        }
    }
    println!("\nat the end: {}", report::probes(folder.path(), &clock));
}
