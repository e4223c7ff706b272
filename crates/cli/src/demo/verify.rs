//! Reads both topics back from their beginning and counts what is lost or double.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use client::kafka::{Admin, Connection, Next, Reader, Start};
use schema::avro;

use super::grocery::{ORDERS, PICKLISTS, field};
use crate::error::CliError;

const POLL: Duration = Duration::from_millis(200);
/// A topic that gives nothing for this long cannot be read.
const SILENCE_MAX: u32 = 150;

/// What reading both topics back showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub orders: u64,
    pub picklists: u64,
    /// Acknowledged orders that are not in the topic, and orders without a pick list.
    pub lost: u64,
    /// Orders and pick lists beyond the first of an order's id, and pick lists of no order.
    pub duplicates: u64,
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        self.lost == 0 && self.duplicates == 0 && self.orders == self.picklists
    }
}

/// Reads both topics and compares them with the ids whose orders were acknowledged.
pub(super) fn verify(
    connection: &Connection,
    order_schema: &avro::Schema,
    picklist_schema: &avro::Schema,
    acknowledged: &HashSet<String>,
) -> Result<Verdict, CliError> {
    let orders = ids_in(connection, ORDERS, order_schema)?;
    let picklists = ids_in(connection, PICKLISTS, picklist_schema)?;
    Ok(judge(&orders, &picklists, acknowledged))
}

fn judge(orders: &HashMap<String, u64>, picklists: &HashMap<String, u64>, acknowledged: &HashSet<String>) -> Verdict {
    let beyond_first = |counts: &HashMap<String, u64>| counts.values().map(|count| count - 1).sum::<u64>();
    let missing_orders = acknowledged.iter().filter(|id| !orders.contains_key(*id)).count() as u64;
    let without_picklist = orders.keys().filter(|id| !picklists.contains_key(*id)).count() as u64;
    let of_no_order = picklists.keys().filter(|id| !orders.contains_key(*id)).count() as u64;
    Verdict {
        orders: orders.values().sum(),
        picklists: picklists.values().sum(),
        lost: missing_orders + without_picklist,
        duplicates: beyond_first(orders) + beyond_first(picklists) + of_no_order,
    }
}

/// How often each order id occurs in a topic.
fn ids_in(connection: &Connection, topic: &str, schema: &avro::Schema) -> Result<HashMap<String, u64>, CliError> {
    let partitions = Admin::new(connection)?.topic(topic)?.partitions;
    let reader = Reader::new(connection, topic, 0..partitions, Start::Beginning)?;
    let (mut counts, mut ended, mut silence) = (HashMap::new(), HashSet::new(), 0);
    while ended.len() < partitions as usize {
        match reader.next(POLL)? {
            None if silence > SILENCE_MAX => {
                return Err(CliError::internal(format!("`{topic}` could not be read to its end")));
            }
            None => silence += 1,
            Some(Next::End(partition)) => {
                ended.insert(partition);
            }
            Some(Next::Record(consumed)) => {
                silence = 0;
                let id = field(schema, consumed.record.value.as_deref(), "order_id")?;
                *counts.entry(id).or_insert(0) += 1;
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};

    #[test]
    fn every_kind_of_damage_is_counted() {
        let counts = |ids: &[(&str, u64)]| ids.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        let acknowledged = ["a", "b"].map(str::to_owned).into();
        let check = |orders: &[(&str, u64)], picklists: &[(&str, u64)], lost, duplicates| {
            let verdict = judge(&counts(orders), &counts(picklists), &acknowledged);
            assert_eq!(
                (verdict.lost, verdict.duplicates),
                (lost, duplicates),
                "{orders:?} {picklists:?}"
            );
            assert_eq!(verdict.is_good(), lost == 0 && duplicates == 0);
        };
        check(&[("a", 1), ("b", 1)], &[("a", 1), ("b", 1)], 0, 0);
        check(&[("a", 1)], &[("a", 1)], 1, 0);
        check(&[("a", 1), ("b", 1)], &[("a", 1)], 1, 0);
        check(&[("a", 2), ("b", 1)], &[("a", 1), ("b", 1)], 0, 1);
        check(&[("a", 1), ("b", 1)], &[("a", 3), ("b", 1)], 0, 2);
        check(&[("a", 1), ("b", 1)], &[("a", 1), ("b", 1), ("z", 1)], 0, 1);
        assert!(
            !Verdict {
                orders: 2,
                picklists: 1,
                ..Verdict::default()
            }
            .is_good()
        );
    }
}
