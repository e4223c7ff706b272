//! Producer ids: reserved from the catalog in blocks, so that most producers need no commit to start.

use catalog::{Catalog, CatalogError};
use tokio::sync::Mutex;

/// As many ids are lost at most when the process ends; there are 2^63.
const BLOCK: i64 = 1_000;

#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    /// The next id and the end of the block it is from.
    block: Mutex<(i64, i64)>,
}

impl ProducerIds {
    pub(crate) async fn next(&self, catalog: &Catalog) -> Result<i64, CatalogError> {
        let mut block = self.block.lock().await;
        if block.0 == block.1 {
            let first = catalog.reserve_producer_ids(BLOCK as u64).await?;
            *block = (first, first + BLOCK);
        }
        block.0 += 1;
        Ok(block.0 - 1)
    }
}
