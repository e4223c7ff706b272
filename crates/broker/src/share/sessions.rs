//! Share sessions: what each member of a share group reads, so that it need not say it with every fetch.

use std::collections::HashMap;

use base::PartitionIndex;
use wire::ErrorCode;

use crate::group::TopicId;

/// The epoch that opens a session.
pub(crate) const OPENS: i32 = 0;
/// The epoch that closes it.
pub(crate) const CLOSES: i32 = -1;

/// Group and member.
pub(crate) type SessionKey = (String, String);
pub(crate) type Place = (TopicId, PartitionIndex);

#[derive(Debug)]
struct Session {
    /// What the next request has to name.
    epoch: i32,
    places: Vec<Place>,
    /// Ends with this connection.
    connection: u64,
}

/// All sessions of the broker.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_key: HashMap<SessionKey, Session>,
}

impl Sessions {
    /// Takes a request's epoch and what it adds and forgets; gives what the member reads now, nothing if it closes.
    pub(crate) fn fetch(
        &mut self,
        key: &SessionKey,
        epoch: i32,
        connection: u64,
        sessions_max: usize,
        added: &[Place],
        forgotten: &[Place],
    ) -> Result<Vec<Place>, ErrorCode> {
        if epoch == OPENS {
            if self.by_key.len() >= sessions_max && !self.by_key.contains_key(key) {
                return Err(ErrorCode::ShareSessionLimitReached);
            }
            let session = Session {
                epoch: 1,
                places: added.to_vec(),
                connection,
            };
            self.by_key.insert(key.clone(), session);
            return Ok(added.to_vec());
        }
        self.advance(key, epoch)?;
        let Some(session) = self.by_key.get_mut(key).filter(|_| epoch != CLOSES) else {
            return Ok(Vec::new());
        };
        session.connection = connection;
        session.places.retain(|place| !forgotten.contains(place));
        let known = &mut session.places;
        for place in added {
            if !known.contains(place) {
                known.push(*place);
            }
        }
        // Whoever was first last time is last this time, so that none starves.
        let by = usize::from(session.places.len() > 1);
        session.places.rotate_left(by);
        Ok(session.places.clone())
    }

    /// Takes the epoch of a request that only acknowledges. A closing one leaves the session to [`Sessions::close`].
    pub(crate) fn advance(&mut self, key: &SessionKey, epoch: i32) -> Result<(), ErrorCode> {
        let session = self.by_key.get_mut(key).ok_or(ErrorCode::ShareSessionNotFound)?;
        if epoch == CLOSES {
            return Ok(());
        }
        if epoch != session.epoch || epoch == OPENS {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        Ok(())
    }

    pub(crate) fn close(&mut self, key: &SessionKey) {
        self.by_key.remove(key);
    }

    /// Ends the sessions of a connection that is no more.
    pub(crate) fn disconnect(&mut self, connection: u64) -> Vec<SessionKey> {
        let gone = self
            .by_key
            .iter()
            .filter(|(_, session)| session.connection == connection);
        let gone: Vec<SessionKey> = gone.map(|(key, _)| key.clone()).collect();
        for key in &gone {
            self.by_key.remove(key);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_count_up_and_sessions_remember() {
        let mut sessions = Sessions::default();
        let key = ("g".to_owned(), "m".to_owned());
        let places: Vec<Place> = (0..3).map(|partition| ([1; 16], partition)).collect();
        let mut fetch = |epoch, connection, added: &[Place], forgotten: &[Place]| {
            sessions.fetch(&key, epoch, connection, 1, added, forgotten)
        };
        assert_eq!(fetch(1, 7, &[], &[]), Err(ErrorCode::ShareSessionNotFound));
        assert_eq!(fetch(CLOSES, 7, &[], &[]), Err(ErrorCode::ShareSessionNotFound));
        assert_eq!(fetch(OPENS, 7, &places[..2], &[]), Ok(places[..2].to_vec()));
        assert_eq!(
            fetch(1, 7, &[], &[]),
            Ok(vec![places[1], places[0]]),
            "nobody is always first"
        );
        assert_eq!(fetch(1, 7, &[], &[]), Err(ErrorCode::InvalidShareSessionEpoch));
        assert_eq!(fetch(2, 7, &places[2..], &places[..1]), Ok(vec![places[2], places[1]]));
        assert_eq!(fetch(CLOSES, 7, &[], &[]), Ok(vec![]));
        let other = ("g".to_owned(), "n".to_owned());
        assert_eq!(
            sessions.fetch(&other, OPENS, 8, 1, &[], &[]),
            Err(ErrorCode::ShareSessionLimitReached)
        );
        assert_eq!(sessions.disconnect(8), []);
        assert_eq!(sessions.disconnect(7), std::slice::from_ref(&key));
        assert_eq!(sessions.advance(&key, 3), Err(ErrorCode::ShareSessionNotFound));
    }
}
