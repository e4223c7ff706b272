//! Fetch sessions (KIP-227): what each consumer reads, remembered, so that it need only say what changes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use wire::ErrorCode;

use crate::options::Limits;
use crate::partitions::TopicKey;

/// A session not used for this long may be given up for a new one (`max.incremental.fetch.session.cache...`: KIP-227).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// What a reader wants of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// What a reader was last told of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
}

#[derive(Debug)]
struct Entry {
    want: Want,
    told: Option<Told>,
}

type Key = (TopicKey, i32);

#[derive(Debug)]
struct Session {
    epoch: i32,
    by_id: bool,
    /// In the order to read; those that had data go to the end, so that each gets its turn.
    entries: BTreeMap<u64, Entry>,
    places: HashMap<Key, u64>,
    next_place: u64,
    last_used: Duration,
}

impl Session {
    fn new(by_id: bool, now: Duration) -> Session {
        Session {
            epoch: 1,
            by_id,
            entries: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
            last_used: now,
        }
    }

    fn put(&mut self, want: Want) {
        let key = (want.topic.clone(), want.partition);
        if let Some(entry) = self.places.get(&key).and_then(|place| self.entries.get_mut(place)) {
            entry.want = want;
            return;
        }
        self.places.insert(key, self.next_place);
        self.entries.insert(self.next_place, Entry { want, told: None });
        self.next_place += 1;
    }

    fn remove(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.entries.remove(&place);
        }
    }

    fn move_to_end(&mut self, key: &Key) {
        if let Some(place) = self.places.get_mut(key)
            && let Some(entry) = self.entries.remove(place)
        {
            *place = self.next_place;
            self.entries.insert(self.next_place, entry);
            self.next_place += 1;
        }
    }
}

/// What a request says about its session.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) session_id: i32,
    pub(crate) epoch: i32,
    pub(crate) by_id: bool,
    pub(crate) wants: Vec<Want>,
    pub(crate) forgotten: Vec<Key>,
}

/// What to read, and how the answer relates to a session.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) wants: Vec<Want>,
    pub(crate) session: Relation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    None,
    /// A session is to begin with this answer.
    New,
    /// The answer may leave out what has not changed.
    Incremental(i32),
}

impl Relation {
    /// The session that is there already; 0 if none.
    pub(crate) fn id(&self) -> i32 {
        match self {
            Relation::None | Relation::New => 0,
            Relation::Incremental(id) => *id,
        }
    }
}

/// All sessions of the broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: Mutex<Sessions>,
    sessions_max: usize,
    partitions_max: usize,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<i32, Session>,
    partitions: usize,
}

impl Sessions {
    fn remove(&mut self, id: i32) {
        if let Some(session) = self.by_id.remove(&id) {
            self.partitions -= session.entries.len();
        }
    }
}

impl FetchSessions {
    pub(crate) fn new(limits: &Limits) -> FetchSessions {
        FetchSessions {
            sessions: Mutex::default(),
            sessions_max: limits.fetch_sessions_max,
            partitions_max: limits.fetch_session_partitions_max,
        }
    }

    /// Takes in what a request changes, and gives what is to be read.
    pub(crate) fn plan(&self, asked: Asked, now: Duration) -> Result<Plan, ErrorCode> {
        let mut sessions = self.sessions.lock();
        if asked.epoch <= 0 {
            // A full request; one that names a session ends it.
            sessions.remove(asked.session_id);
            let session = if asked.epoch == 0 {
                Relation::New
            } else {
                Relation::None
            };
            return Ok(Plan {
                wants: asked.wants,
                session,
            });
        }
        let Some(session) = sessions.by_id.get_mut(&asked.session_id) else {
            return Err(ErrorCode::FetchSessionIdNotFound);
        };
        if session.epoch != asked.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != asked.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        let before = session.entries.len();
        asked.wants.into_iter().for_each(|want| session.put(want));
        asked.forgotten.iter().for_each(|key| session.remove(key));
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.last_used = now;
        let wants: Vec<Want> = session.entries.values().map(|entry| entry.want.clone()).collect();
        sessions.partitions = sessions.partitions + wants.len() - before;
        if wants.is_empty() || sessions.partitions > self.partitions_max {
            // Emptied, or grown past what all may hold together: the reader goes on without a session.
            sessions.remove(asked.session_id);
            return Ok(Plan {
                wants,
                session: Relation::None,
            });
        }
        Ok(Plan {
            wants,
            session: Relation::Incremental(asked.session_id),
        })
    }

    /// Begins a session over what was just read; 0 if there is no room. `fresh_id` must be above 0.
    pub(crate) fn begin(&self, fresh_id: i32, by_id: bool, told: Vec<(Want, Option<Told>)>, now: Duration) -> i32 {
        let mut sessions = self.sessions.lock();
        if sessions.by_id.contains_key(&fresh_id) {
            return 0;
        }
        if sessions.by_id.len() >= self.sessions_max {
            let stale = |session: &Session| now.saturating_sub(session.last_used) > EVICTABLE_AFTER;
            let oldest = sessions
                .by_id
                .iter()
                .filter(|(_, session)| stale(session))
                .min_by_key(|(_, s)| s.last_used);
            let Some(id) = oldest.map(|(id, _)| *id) else { return 0 };
            sessions.remove(id);
        }
        if sessions.partitions + told.len() > self.partitions_max {
            return 0;
        }
        let mut session = Session::new(by_id, now);
        for (want, told) in told {
            let place = session.next_place;
            session.put(want);
            if let Some(entry) = session.entries.get_mut(&place) {
                entry.told = told;
            }
        }
        sessions.partitions += session.entries.len();
        sessions.by_id.insert(fresh_id, session);
        fresh_id
    }

    /// Whether the reader must be told of a partition: it has data or an error (`told` is `None`), or something the
    /// reader knows has changed. Remembers what it is told.
    pub(crate) fn tell(&self, id: i32, key: &Key, told: Option<Told>, has_records: bool) -> bool {
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions.by_id.get_mut(&id) else {
            return true;
        };
        let Some(entry) = session.places.get(key).and_then(|place| session.entries.get_mut(place)) else {
            return true;
        };
        let must = has_records || told.is_none() || entry.told != told;
        entry.told = told;
        if has_records {
            session.move_to_end(key);
        }
        must
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(partition: i32, offset: i64) -> Want {
        Want {
            topic: TopicKey::Name("t".to_owned()),
            partition,
            offset,
            bytes_max: 1,
            leader_epoch: -1,
            last_fetched_epoch: -1,
        }
    }

    fn asked(session_id: i32, epoch: i32, wants: Vec<Want>, forgotten: &[i32]) -> Asked {
        let forgotten = forgotten
            .iter()
            .map(|partition| (TopicKey::Name("t".to_owned()), *partition))
            .collect();
        Asked {
            session_id,
            epoch,
            by_id: false,
            wants,
            forgotten,
        }
    }

    fn sessions(sessions_max: usize) -> FetchSessions {
        FetchSessions::new(&Limits {
            fetch_sessions_max: sessions_max,
            ..Limits::default()
        })
    }

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn a_session_remembers_and_leaves_out_what_has_not_changed() {
        let sessions = sessions(10);
        let plan = sessions
            .plan(asked(0, 0, vec![want(0, 5), want(1, 6)], &[]), NOW)
            .unwrap();
        assert_eq!(plan.session, Relation::New);
        let told = Told {
            high_watermark: 5,
            log_start: 0,
        };
        let id = sessions.begin(
            7,
            false,
            plan.wants.into_iter().map(|want| (want, Some(told))).collect(),
            NOW,
        );
        assert_eq!(id, 7);
        let plan = sessions.plan(asked(7, 1, vec![want(1, 8)], &[]), NOW).unwrap();
        assert_eq!(
            (plan.wants, plan.session),
            (vec![want(0, 5), want(1, 8)], Relation::Incremental(7))
        );
        let key = |partition| (TopicKey::Name("t".to_owned()), partition);
        assert!(!sessions.tell(7, &key(0), Some(told), false), "nothing new");
        assert!(sessions.tell(7, &key(0), Some(told), true), "records are always told");
        assert!(sessions.tell(7, &key(1), None, false), "errors are always told");
        assert!(sessions.tell(7, &key(1), Some(told), false), "and that they are over");
        let plan = sessions.plan(asked(7, 2, vec![], &[]), NOW).unwrap();
        assert_eq!(
            plan.wants,
            [want(1, 8), want(0, 5)],
            "who had data waits for the others"
        );
        let plan = sessions.plan(asked(7, 3, vec![], &[0, 1]), NOW).unwrap();
        assert_eq!(plan.session, Relation::None, "an emptied session is closed");
        assert_eq!(
            sessions.plan(asked(7, 4, vec![], &[]), NOW).unwrap_err(),
            ErrorCode::FetchSessionIdNotFound
        );
    }

    #[test]
    fn wrong_epochs_and_kinds_are_refused_and_slots_are_bounded() {
        let sessions = sessions(1);
        assert_eq!(sessions.begin(7, false, vec![(want(0, 0), None)], NOW), 7);
        assert_eq!(
            sessions.plan(asked(7, 9, vec![], &[]), NOW).unwrap_err(),
            ErrorCode::InvalidFetchSessionEpoch
        );
        let mixed = Asked {
            by_id: true,
            ..asked(7, 1, vec![], &[])
        };
        assert_eq!(
            sessions.plan(mixed, NOW).unwrap_err(),
            ErrorCode::FetchSessionTopicIdError
        );
        assert_eq!(
            sessions.begin(8, false, vec![(want(0, 0), None)], NOW),
            0,
            "no slot is free"
        );
        assert_eq!(
            sessions.begin(8, false, vec![(want(0, 0), None)], NOW + EVICTABLE_AFTER * 2),
            8,
            "a stale one goes"
        );
        assert_eq!(
            sessions.plan(asked(8, -1, vec![], &[]), NOW).unwrap().session,
            Relation::None
        );
        assert_eq!(sessions.sessions.lock().partitions, 0, "closing gives the room back");
    }
}
