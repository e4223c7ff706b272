//! The door to where statements and tables are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use client::TopicsError;
use parking_lot::Mutex;

/// Named byte records: `table/<name>` and `statement/<name>`. A put is durable when it returns.
#[async_trait]
pub trait StatementStore: Send + Sync + 'static {
    async fn put(&self, key: &str, value: Bytes) -> Result<(), TopicsError>;
    async fn get(&self, key: &str) -> Result<Option<Bytes>, TopicsError>;
    /// All whose key begins so, in the key's order.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, TopicsError>;
    async fn delete(&self, key: &str) -> Result<(), TopicsError>;
}

/// A store that is forgotten with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<BTreeMap<String, Bytes>>,
}

#[async_trait]
impl StatementStore for MemoryStore {
    async fn put(&self, key: &str, value: Bytes) -> Result<(), TopicsError> {
        self.records.lock().insert(key.to_owned(), value);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, TopicsError> {
        Ok(self.records.lock().get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, TopicsError> {
        let records = self.records.lock();
        let from_prefix = records.range(prefix.to_owned()..);
        Ok(from_prefix
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn delete(&self, key: &str) -> Result<(), TopicsError> {
        self.records.lock().remove(key);
        Ok(())
    }
}
