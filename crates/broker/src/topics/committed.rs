//! Passes over what a reader of committed data must not see: markers, and records of aborted transactions.

use log::AbortedTransaction;
use wire::BatchHeader;

/// The aborted transactions of one read, gone through as its batches are.
#[derive(Debug)]
pub(crate) struct Aborted<'a> {
    /// By first offset.
    to_come: &'a [AbortedTransaction],
    /// Producers whose transaction is one of these, until their marker comes.
    open: Vec<i64>,
}

impl<'a> Aborted<'a> {
    pub(crate) fn new(aborted: &'a [AbortedTransaction]) -> Aborted<'a> {
        Aborted {
            to_come: aborted,
            open: Vec::new(),
        }
    }

    /// Whether the records of the next batch are to be seen.
    pub(crate) fn lets_through(&mut self, header: &BatchHeader) -> bool {
        while let Some((first, rest)) = self.to_come.split_first()
            && first.first_offset <= header.last_offset()
        {
            self.open.push(first.producer_id);
            self.to_come = rest;
        }
        if header.is_control() {
            self.open.retain(|producer_id| *producer_id != header.producer_id);
            return false;
        }
        !(header.is_transactional() && self.open.contains(&header.producer_id))
    }
}
