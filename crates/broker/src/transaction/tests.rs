//! What each request comes to, told as short scripts: a request, an arrow, what became of it.

use super::*;

const TIMEOUT_MS: i32 = 60_000;

/// One id, the time, and producer ids to give out.
struct Bench {
    transaction: Transaction,
    now_ms: i64,
    next_id: i64,
}

fn producer(word: &str) -> Producer {
    let (id, epoch) = word.split_once('/').expect("a producer is id/epoch");
    Producer {
        id: id.parse().unwrap(),
        epoch: epoch.parse().unwrap(),
    }
}

fn shown(producer: Producer) -> String {
    format!("{}/{}", producer.id, producer.epoch)
}

fn offset(group: &str) -> (OffsetKey, Committed) {
    let committed = Committed {
        offset: 7,
        leader_epoch: -1,
        metadata: String::new(),
        committed_ms: 0,
        expires_ms: None,
    };
    ((group.to_owned(), "t".to_owned(), 0), committed)
}

fn place(word: &str) -> (PartitionId, Place) {
    let index: i32 = word
        .strip_prefix('p')
        .expect("partitions are p1, p2 ...")
        .parse()
        .unwrap();
    let place = Place {
        topic: "t".to_owned(),
        index,
    };
    (PartitionId(index as u64), place)
}

impl Bench {
    fn fresh<T>(
        &mut self,
        mut ask: impl FnMut(&Transaction, Option<i64>, i64) -> Result<T, Refused>,
    ) -> Result<T, ErrorCode> {
        match ask(&self.transaction, None, self.now_ms) {
            Err(Refused::NeedsProducerId) => {
                self.next_id += 1;
                ask(&self.transaction, Some(self.next_id), self.now_ms).map_err(|refused| match refused {
                    Refused::With(code) => code,
                    Refused::NeedsProducerId => panic!("it has one"),
                })
            }
            Err(Refused::With(code)) => Err(code),
            Ok(done) => Ok(done),
        }
    }

    fn finish(&mut self, ending: Ending) -> String {
        let marked: Vec<String> = ending
            .partitions
            .values()
            .map(|place| format!("p{}", place.index))
            .collect();
        let word = if ending.commit { "commit" } else { "abort" };
        let offsets = if ending.commit { ending.offsets.len() } else { 0 };
        self.transaction = ending.next;
        format!(
            "{word} [{}] as {}, {offsets} offsets",
            marked.join(" "),
            shown(ending.producer)
        )
    }

    fn play(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = match words[..] {
            ["init", ref asked @ ..] => {
                let asked = asked.first().map(|word| producer(word));
                match self.fresh(|transaction, id, now| transaction.init(asked, TIMEOUT_MS, id, now)) {
                    Ok(Initialised::Ready(next)) => {
                        self.transaction = next;
                        Ok(shown(self.transaction.producer))
                    }
                    Ok(Initialised::Fences(ending)) => Ok(self.finish(ending)),
                    Err(code) => Err(code),
                }
            }
            ["add", who, ref partitions @ ..] => {
                let places: Vec<_> = partitions.iter().map(|word| place(word)).collect();
                self.change(|transaction, now| transaction.add_partitions(producer(who), &places, now))
            }
            ["add-group", who, group] => {
                self.change(|transaction, now| transaction.add_group(producer(who), group, now))
            }
            ["write", who, partition] => self
                .transaction
                .check_partition(producer(who), place(partition).0)
                .map(|()| "ok".to_owned()),
            [flow @ ("offsets1" | "offsets2"), who, group] => {
                let flow = if flow == "offsets1" { Flow::V1 } else { Flow::V2 };
                let offsets = [offset(group)];
                self.change(|transaction, now| {
                    transaction
                        .commit_offsets(producer(who), flow, group, &offsets, now)
                        .map(Some)
                })
            }
            [flow @ ("end1" | "end2"), who, result] => {
                let flow = if flow == "end1" { Flow::V1 } else { Flow::V2 };
                let commit = result == "commit";
                match self.fresh(|transaction, id, now| transaction.end(producer(who), commit, flow, id, now)) {
                    Ok(Ended::Already) => Ok(format!("already, now {}", shown(self.transaction.producer))),
                    Ok(Ended::Now(ending)) => {
                        let done = self.finish(ending);
                        Ok(format!("{done}, now {}", shown(self.transaction.producer)))
                    }
                    Err(code) => Err(code),
                }
            }
            ["wait", ms] => {
                self.now_ms += ms.parse::<i64>().unwrap();
                match self.transaction.time_out(self.now_ms) {
                    Some(ending) => Ok(self.finish(ending)),
                    None => Ok("ok".to_owned()),
                }
            }
            ["epoch", epoch] => {
                self.transaction.producer.epoch = epoch.parse().unwrap();
                Ok("ok".to_owned())
            }
            ["state"] => Ok(self.transaction.state.name().to_owned()),
            _ => panic!("what is `{line}`?"),
        };
        // Whatever is in force must come back from the disk as it is, but for the offsets, which lie elsewhere.
        let mut kept = self.transaction.clone();
        kept.offsets.clear();
        assert_eq!(Transaction::decode(kept.encode().unwrap()).unwrap(), kept);
        done.unwrap_or_else(|code| code.code().to_string())
    }

    fn change(
        &mut self,
        ask: impl Fn(&Transaction, i64) -> Result<Option<Transaction>, ErrorCode>,
    ) -> Result<String, ErrorCode> {
        Ok(match ask(&self.transaction, self.now_ms)? {
            Some(next) => {
                self.transaction = next;
                "ok".to_owned()
            }
            None => "same".to_owned(),
        })
    }
}

/// Plays each line of `request -> outcome` in turn, with producer id 1 at the start.
fn check(script: &str) {
    let mut bench = Bench {
        transaction: Transaction::new(1, 0),
        now_ms: 1_000,
        next_id: 1,
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (request, outcome) = line.split_once(" -> ").expect("request -> outcome");
        assert_eq!(bench.play(request), outcome, "`{request}` in\n{script}");
    }
}

#[test]
fn a_transaction_in_the_old_flow() {
    check(
        "init -> 1/0
         write 1/0 p1 -> 120
         add 1/0 p1 p2 -> ok
         add 1/0 p1 -> same
         write 1/0 p1 -> ok
         write 1/0 p3 -> 120
         offsets1 1/0 g -> 120
         add-group 1/0 g -> ok
         offsets1 1/0 g -> ok
         end1 1/0 commit -> commit [p1 p2] as 1/0, 1 offsets, now 1/0
         state -> CompleteCommit
         end1 1/0 commit -> already, now 1/0
         end1 1/0 abort -> 48
         write 1/0 p1 -> 120
         offsets1 1/0 g -> 120
         add 1/0 p2 -> ok
         end1 1/0 abort -> abort [p2] as 1/0, 0 offsets, now 1/0
         end1 1/0 abort -> already, now 1/0
         end1 1/0 commit -> 48",
    );
}

#[test]
fn a_transaction_in_the_new_flow() {
    check(
        "init -> 1/0
         add 1/0 p1 -> ok
         offsets2 1/0 g -> ok
         end2 1/0 commit -> commit [p1] as 1/1, 1 offsets, now 1/1
         end2 1/0 commit -> already, now 1/1
         end2 1/0 abort -> 48
         add 1/0 p1 -> 90
         offsets2 1/0 g -> 90
         add 1/1 p2 -> ok
         end2 1/0 commit -> 90
         end2 1/0 abort -> 90
         end2 1/1 abort -> abort [p2] as 1/2, 0 offsets, now 1/2
         end2 1/1 abort -> already, now 1/2
         end2 1/1 commit -> 48",
    );
}

#[test]
fn ends_of_nothing() {
    check(
        "init -> 1/0
         end1 1/0 commit -> 48
         end1 1/0 abort -> 48
         end2 1/0 commit -> 48
         end2 1/0 abort -> abort [] as 1/1, 0 offsets, now 1/1
         end2 1/0 abort -> already, now 1/1
         end2 1/1 abort -> abort [] as 1/2, 0 offsets, now 1/2
         end2 1/2 commit -> 48
         end2 9/2 abort -> 49
         end2 1/7 abort -> 90",
    );
}

#[test]
fn a_new_producer_fences_the_old_one() {
    check(
        "init -> 1/0
         add 1/0 p1 -> ok
         init -> abort [p1] as 1/1, 0 offsets
         state -> CompleteAbort
         init 1/0 -> 1/1
         init -> 1/2
         init 1/1 -> 90
         add 1/0 p1 -> 90
         end1 1/0 commit -> 90
         end2 1/0 commit -> 90
         add 9/2 p1 -> 49
         init -> 1/3",
    );
}

#[test]
fn a_producer_goes_on_after_an_error() {
    check(
        "init 50/3 -> 1/0
         init 1/0 -> 1/1
         init 1/0 -> 1/1
         init 1/1 -> 1/2
         init 1/0 -> 90
         init 8/2 -> 90
         init -> 1/3
         init 1/2 -> 90
         add 1/3 p1 -> ok
         init 1/2 -> 90
         state -> Ongoing
         init 1/3 -> abort [p1] as 1/4, 0 offsets
         init 1/3 -> 1/4",
    );
}

#[test]
fn an_open_transaction_times_out() {
    check(
        "init -> 1/0
         add 1/0 p1 -> ok
         wait 60000 -> ok
         add 1/0 p2 -> ok
         wait 1 -> abort [p1 p2] as 1/1, 0 offsets
         wait 100000 -> ok
         add 1/0 p1 -> 90
         end2 1/0 commit -> 48
         end2 1/0 abort -> already, now 1/1
         add 1/1 p1 -> ok",
    );
}

#[test]
fn epochs_run_out() {
    check(
        "init -> 1/0
         epoch 32765 -> ok
         init -> 1/32766
         init -> 2/0
         init -> 2/1",
    );
    check(
        "init -> 1/0
         epoch 32766 -> ok
         init 1/32766 -> 2/0
         init 1/32766 -> 2/0
         init 1/5 -> 90",
    );
    check(
        "init -> 1/0
         epoch 32766 -> ok
         add 1/32766 p1 -> ok
         end2 1/32766 commit -> commit [p1] as 1/32767, 0 offsets, now 2/0
         end2 1/32766 commit -> already, now 2/0
         end2 1/32766 abort -> 48
         init 1/32766 -> 2/0
         add 2/0 p1 -> ok
         end2 1/32766 commit -> 90",
    );
    check(
        "init -> 1/0
         epoch 32766 -> ok
         add 1/32766 p1 -> ok
         init -> abort [p1] as 1/32767, 0 offsets
         init 1/32766 -> 2/0
         init 1/32766 -> 2/0
         init -> 2/1",
    );
}

#[test]
fn ids_nobody_uses_expire() {
    let mut bench = Bench {
        transaction: Transaction::new(1, 0),
        now_ms: 0,
        next_id: 1,
    };
    bench.play("init");
    assert!(!bench.transaction.is_expired(99, 100));
    assert!(bench.transaction.is_expired(100, 100));
    bench.play("add 1/0 p1");
    assert!(
        !bench.transaction.is_expired(1_000, 100),
        "an open transaction never expires"
    );
}

#[test]
fn offsets_of_what_is_gone_are_dropped() {
    let mut bench = Bench {
        transaction: Transaction::new(1, 0),
        now_ms: 0,
        next_id: 1,
    };
    bench.play("init");
    bench.play("offsets2 1/0 g");
    bench.play("offsets2 1/0 h");
    assert!(
        bench
            .transaction
            .without_offsets(|(group, ..)| group == "other")
            .is_none()
    );
    let rest = bench.transaction.without_offsets(|(group, ..)| group == "g").unwrap();
    assert_eq!(rest.offsets.len(), 1);
}
