//! The rows a query gives, kept until they are fetched.

use std::collections::VecDeque;

use parking_lot::Mutex;
use sql::Value;
use tokio::sync::Notify;

use crate::statement::ResultPage;

/// Rows kept at most; a query waits for its reader when there are so many.
const ROWS_KEPT_MAX: usize = 10_000;
/// Rows of one page.
const PAGE_ROWS_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct ResultBuffer {
    state: Mutex<State>,
    /// Rows were fetched, or the query was stopped.
    space: Notify,
}

#[derive(Default)]
struct State {
    rows: VecDeque<Vec<Value>>,
    /// The number of the first row kept.
    first: u64,
    complete: bool,
}

impl ResultBuffer {
    /// Adds rows; waits while too many are unread.
    pub(crate) async fn push(&self, rows: Vec<Vec<Value>>) {
        for row in rows {
            loop {
                let waiting = self.space.notified();
                {
                    let mut state = self.state.lock();
                    if state.rows.len() < ROWS_KEPT_MAX {
                        state.rows.push_back(row);
                        break;
                    }
                }
                waiting.await;
            }
        }
    }

    /// No more rows come.
    pub(crate) fn complete(&self) {
        self.state.lock().complete = true;
    }

    /// The page at the token; what lies before it is forgotten, so the same token may be asked again.
    pub(crate) fn page(&self, token: u64) -> Option<ResultPage> {
        let mut state = self.state.lock();
        if token < state.first || token > state.first + state.rows.len() as u64 {
            return None;
        }
        while state.first < token {
            state.rows.pop_front();
            state.first += 1;
        }
        self.space.notify_waiters();
        let rows: Vec<Vec<Value>> = state.rows.iter().take(PAGE_ROWS_MAX).cloned().collect();
        let next = token + rows.len() as u64;
        let all = state.complete && rows.len() == state.rows.len();
        Some(ResultPage {
            rows,
            next: (!all).then(|| next.to_string()),
        })
    }
}

impl ResultBuffer {
    /// All rows there will be.
    pub(crate) fn filled(rows: Vec<Vec<Value>>) -> ResultBuffer {
        let state = State {
            rows: rows.into(),
            first: 0,
            complete: true,
        };
        ResultBuffer {
            state: Mutex::new(state),
            space: Notify::new(),
        }
    }
}
