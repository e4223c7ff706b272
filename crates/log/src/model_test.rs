//! The log against a plain model, on a disk that loses what it may: after every crash the log must hold exactly what
//! some prefix of the commits made, all acknowledged ones included.
//!
//! `RIVULET_SEED=n` runs one seed, `RIVULET_SEEDS=n` that many. A failure prints its seed.

use crate::api::*;

mod commits;
mod compare;
mod model;
mod world;

use world::World;

const SEEDS: u64 = 1000;
const CYCLES: u64 = 5;

type Check<T> = Result<T, String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

fn run(seed: u64, planted: Planted) -> Check<u64> {
    let mut world = World::new(seed, planted);
    world.open_stubbornly()?;
    for _ in 0..CYCLES {
        world.live()?;
        world.end()?;
        world.open_stubbornly()?;
        world.recovered()?;
    }
    Ok(world.disk.operations())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn acknowledged_commits_survive_every_crash_whole() {
    let seeds = match number("RIVULET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RIVULET_SEEDS").unwrap_or(SEEDS),
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let mine = seeds.filter(move |seed| seed % workers == worker);
                    let failed = mine.filter_map(|seed| {
                        let result = std::panic::catch_unwind(|| run(seed, Planted::Nothing));
                        match result {
                            Ok(Ok(_)) => None,
                            Ok(Err(error)) => Some(format!("RIVULET_SEED={seed}: {error}")),
                            Err(_) => Some(format!("RIVULET_SEED={seed}: panicked")),
                        }
                    });
                    failed.take(3).collect::<Vec<String>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn equal_seeds_make_equal_runs() {
    for seed in 0..20 {
        assert_eq!(run(seed, Planted::Nothing), run(seed, Planted::Nothing), "seed {seed}");
    }
}

#[test]
fn planted_faults_are_found() {
    for planted in [
        Planted::NoSync,
        Planted::NoFence,
        Planted::NoNameSync,
        Planted::NoReplaySync,
        Planted::CheckpointBeforeSegments,
        Planted::NoProducers,
        Planted::ReadBeforeSync,
        Planted::EarlyAck,
        Planted::ShortWindow,
        Planted::StaleLastStable,
        Planted::NoAborted,
        Planted::CompactionNotSynced,
        Planted::LiveKeyDropped,
        Planted::HorizonIgnored,
        Planted::ReachForgotten,
    ] {
        let found = (0..SEEDS * 2).find(|seed| run(*seed, planted).is_err());
        assert!(found.is_some(), "no seed finds {planted:?}");
    }
}
