//! Clients that push, and when each may: a pure state machine, with the rules of Kafka's own.

use std::collections::HashMap;

use wire::ErrorCode;

use super::InstanceId;
use super::subscriptions::Wanted;

/// How long an instance is remembered at least; longer where it pushes seldom.
const REMEMBERED_MS: i64 = 60_000;
/// So many intervals without a word, and it is forgotten.
const REMEMBERED_INTERVALS: i64 = 3;

#[derive(Debug)]
struct Instance {
    /// It is forgotten with the connection it came over.
    connection: u64,
    /// Of the subscriptions, when it was last heard of.
    version: u64,
    wanted_id: i32,
    interval_ms: i64,
    asked_ms: Option<i64>,
    pushed_ms: Option<i64>,
    /// It has said that its last push was its last.
    ended: bool,
    error: ErrorCode,
    heard_ms: i64,
}

impl Instance {
    fn is_forgotten(&self, now_ms: i64) -> bool {
        let remembered_ms = REMEMBERED_MS.max(REMEMBERED_INTERVALS * self.interval_ms);
        now_ms - self.heard_ms > remembered_ms
    }

    /// Whether an interval has passed since `then`.
    fn is_due(&self, then: Option<i64>, now_ms: i64) -> bool {
        then.is_none_or(|then| now_ms - then >= self.interval_ms)
    }

    fn may_ask(&mut self, now_ms: i64) -> bool {
        // Who was told that its subscription is another, or the codec wrong, asks at once.
        let is_sent = matches!(
            self.error,
            ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType
        );
        let is_due = self.is_due(self.asked_ms.max(self.pushed_ms), now_ms);
        if is_due {
            self.asked_ms = Some(now_ms);
        }
        is_due || is_sent
    }

    /// The first push after asking may come at any time: clients spread it over the interval.
    fn may_push(&mut self, now_ms: i64) -> bool {
        let may = self.asked_ms > self.pushed_ms || self.is_due(self.pushed_ms, now_ms);
        if may {
            self.pushed_ms = Some(now_ms);
        }
        may
    }
}

/// Who speaks, when, and what is wanted of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker<'a> {
    pub(super) id: InstanceId,
    pub(super) connection: u64,
    pub(super) now_ms: i64,
    /// Grows with every change of the subscriptions.
    pub(super) version: u64,
    pub(super) wanted: &'a Wanted,
}

/// What a push says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Push {
    pub(super) wanted_id: i32,
    pub(super) is_last: bool,
    /// Whether its codec is known.
    pub(super) is_readable: bool,
    pub(super) fits: bool,
}

/// Everybody who is remembered.
#[derive(Debug)]
pub(super) struct Instances {
    all: HashMap<InstanceId, Instance>,
    max: usize,
}

impl Instances {
    pub(super) fn new(max: usize) -> Instances {
        Instances {
            all: HashMap::new(),
            max,
        }
    }

    pub(super) fn knows(&self, id: &InstanceId) -> bool {
        self.all.contains_key(id)
    }

    /// A client asks what to push.
    pub(super) fn ask(&mut self, speaker: Speaker<'_>) -> Result<(), ErrorCode> {
        let instance = self.instance(speaker);
        if !instance.may_ask(speaker.now_ms) {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        instance.error = ErrorCode::None;
        Ok(())
    }

    /// A client pushes.
    pub(super) fn push(&mut self, speaker: Speaker<'_>, push: Push) -> Result<(), ErrorCode> {
        let instance = self.instance(speaker);
        let judged = if instance.ended {
            Err(ErrorCode::InvalidRequest)
        } else if !instance.may_push(speaker.now_ms) && !push.is_last {
            Err(ErrorCode::ThrottlingQuotaExceeded)
        } else if push.wanted_id != instance.wanted_id {
            Err(ErrorCode::UnknownSubscriptionId)
        } else if !push.is_readable {
            Err(ErrorCode::UnsupportedCompressionType)
        } else if !push.fits {
            Err(ErrorCode::TelemetryTooLarge)
        } else {
            Ok(())
        };
        instance.ended = push.is_last;
        instance.error = judged.err().unwrap_or(ErrorCode::None);
        judged
    }

    /// What it pushed could not be taken after all.
    pub(super) fn failed(&mut self, id: &InstanceId, error: ErrorCode) {
        if let Some(instance) = self.all.get_mut(id) {
            instance.error = error;
        }
    }

    /// A connection is gone, and with it who came over it.
    pub(super) fn disconnected(&mut self, id: &InstanceId, connection: u64) {
        if self
            .all
            .get(id)
            .is_some_and(|instance| instance.connection == connection)
        {
            self.all.remove(id);
        }
    }

    /// The instance, begun anew if it was forgotten or something else may be wanted of it now.
    fn instance(&mut self, speaker: Speaker<'_>) -> &mut Instance {
        let now_ms = speaker.now_ms;
        let known = self.all.get(&speaker.id);
        if known.is_none_or(|known| known.version != speaker.version || known.is_forgotten(now_ms)) {
            if known.is_none() {
                self.make_room(now_ms);
            }
            let new = Instance {
                connection: speaker.connection,
                version: speaker.version,
                wanted_id: speaker.wanted.id,
                interval_ms: speaker.wanted.interval_ms,
                asked_ms: None,
                pushed_ms: None,
                ended: false,
                error: ErrorCode::None,
                heard_ms: now_ms,
            };
            self.all.insert(speaker.id, new);
        }
        let instance = self.all.get_mut(&speaker.id).expect("known or just put in");
        instance.heard_ms = now_ms;
        instance
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.all.len() < self.max {
            return;
        }
        self.all.retain(|_, instance| !instance.is_forgotten(now_ms));
        if self.all.len() >= self.max {
            let longest = self.all.iter().min_by_key(|(_, instance)| instance.heard_ms);
            let longest = longest.map(|(id, _)| *id);
            longest.and_then(|id| self.all.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Says {
        Asks,
        Pushes(Push),
    }

    const GOOD: Push = Push {
        wanted_id: 5,
        is_last: false,
        is_readable: true,
        fits: true,
    };

    /// Says one after the other, each at its time, by one client of interval 1000.
    fn check(said: &[(i64, u64, Says, ErrorCode)]) {
        let mut instances = Instances::new(2);
        let wanted = Wanted {
            id: 5,
            metrics: Vec::new(),
            interval_ms: 1_000,
        };
        for (step, (now_ms, version, says, expected)) in said.iter().enumerate() {
            let speaker = Speaker {
                id: [1; 16],
                connection: 1,
                now_ms: *now_ms,
                version: *version,
                wanted: &wanted,
            };
            let found = match says {
                Says::Asks => instances.ask(speaker),
                Says::Pushes(push) => instances.push(speaker, *push),
            };
            assert_eq!(found.err().unwrap_or(ErrorCode::None), *expected, "step {step}");
        }
    }

    #[test]
    fn clients_push_when_it_is_time() {
        use ErrorCode::{
            InvalidRequest, None, TelemetryTooLarge, ThrottlingQuotaExceeded as Early, UnknownSubscriptionId,
            UnsupportedCompressionType,
        };
        use Says::{Asks, Pushes};
        let last = Push { is_last: true, ..GOOD };
        let other = Push { wanted_id: 6, ..GOOD };
        let strange = Push {
            is_readable: false,
            ..GOOD
        };
        let large = Push { fits: false, ..GOOD };
        check(&[
            (0, 1, Asks, None),
            (10, 1, Asks, Early),
            (20, 1, Pushes(GOOD), None),
            (1_019, 1, Pushes(GOOD), Early),
            (1_020, 1, Pushes(GOOD), None),
            (1_030, 1, Asks, Early),
            (1_040, 2, Asks, None),
            (1_050, 2, Pushes(GOOD), None),
            (1_060, 2, Pushes(last), None),
            (9_000, 2, Pushes(GOOD), InvalidRequest),
        ]);
        // An instance that another broker, or this one before a restart, has told what to push.
        check(&[(0, 1, Pushes(GOOD), None), (5, 1, Pushes(GOOD), Early)]);
        check(&[
            (0, 1, Pushes(other), UnknownSubscriptionId),
            (1, 1, Asks, None),
            (2, 1, Asks, Early),
            (1_000, 1, Pushes(strange), UnsupportedCompressionType),
            (1_001, 1, Asks, None),
            (2_000, 1, Pushes(large), TelemetryTooLarge),
            (2_001, 1, Asks, Early),
        ]);
        // Silent for so long, it is somebody new.
        check(&[
            (0, 1, Pushes(last), None),
            (60_000, 1, Pushes(GOOD), InvalidRequest),
            (120_001, 1, Pushes(GOOD), None),
        ]);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut instances = Instances::new(2);
        let wanted = Wanted {
            id: 5,
            metrics: Vec::new(),
            interval_ms: 1_000,
        };
        let speaker = |id: u8, now_ms: i64| Speaker {
            id: [id; 16],
            connection: u64::from(id),
            now_ms,
            version: 1,
            wanted: &wanted,
        };
        for (id, now_ms) in [(1, 0), (2, 10), (1, 2_000), (3, 2_020)] {
            instances.ask(speaker(id, now_ms)).unwrap();
        }
        let known: Vec<bool> = (1..=3).map(|id| instances.knows(&[id; 16])).collect();
        assert_eq!(known, [true, false, true], "who was silent longest had to go");
        instances.disconnected(&[1; 16], 3);
        assert!(instances.knows(&[1; 16]), "it came over another connection");
        instances.disconnected(&[1; 16], 1);
        assert!(!instances.knows(&[1; 16]));
    }
}
