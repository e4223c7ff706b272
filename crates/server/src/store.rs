//! SQL statements and tables kept as records of the catalog.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use catalog::Catalog;
use client::TopicsError;
use flow::StatementStore;

const FOLDER: &str = "sql";

/// The catalog as a place for statements.
pub(crate) struct CatalogStore {
    catalog: Arc<Catalog>,
}

impl CatalogStore {
    pub(crate) fn new(catalog: Arc<Catalog>) -> CatalogStore {
        CatalogStore { catalog }
    }

    async fn write(&self, key: &str, value: Option<Bytes>) -> Result<(), TopicsError> {
        let written = self.catalog.put_record(FOLDER, key, value).await;
        written.map_err(|error| TopicsError::new(error.kind(), error.to_string()))
    }
}

#[async_trait]
impl StatementStore for CatalogStore {
    async fn put(&self, key: &str, value: Bytes) -> Result<(), TopicsError> {
        self.write(key, Some(value)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, TopicsError> {
        Ok(self.catalog.record(FOLDER, key))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, TopicsError> {
        let all = self.catalog.records(FOLDER).into_iter();
        Ok(all.filter(|(key, _)| key.starts_with(prefix)).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), TopicsError> {
        self.write(key, None).await
    }
}
