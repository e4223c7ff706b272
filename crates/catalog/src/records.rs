//! Small named records of other crates (statements, SQL tables), kept durable beside the topics.

use bytes::Bytes;
use log::{Op, TableId};

use crate::topics::Catalog;
use crate::{CatalogError, topics};

/// Where named records live: key = folder, a zero byte, name.
const RECORDS: TableId = TableId(3);

fn key_of(folder: &str, name: &str) -> Bytes {
    [folder.as_bytes(), &[0], name.as_bytes()].concat().into()
}

impl Catalog {
    pub fn record(&self, folder: &str, name: &str) -> Option<Bytes> {
        self.log().get(RECORDS, &key_of(folder, name))
    }

    /// Every record of a folder with its name, sorted by name.
    pub fn records(&self, folder: &str) -> Vec<(String, Bytes)> {
        let prefix = key_of(folder, "");
        let named = |(key, value): (Bytes, Bytes)| (String::from_utf8_lossy(&key[prefix.len()..]).into_owned(), value);
        self.log().scan(RECORDS, &prefix).into_iter().map(named).collect()
    }

    /// Puts a record, or deletes it when `value` is `None`; done when durable.
    pub async fn put_record(&self, folder: &str, name: &str, value: Option<Bytes>) -> Result<(), CatalogError> {
        let put = Op::Put {
            table: RECORDS,
            key: key_of(folder, name),
            value,
        };
        topics::commit(self.log(), vec![put]).await
    }
}
