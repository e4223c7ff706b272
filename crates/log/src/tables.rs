//! Keyed tables: small state held in memory, changed with appends in one frame, kept by checkpoints.

use std::collections::{BTreeMap, HashMap};

use bytes::{BufMut, Bytes};

use crate::api::TableId;
use crate::codec::Fields;

/// All tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    by_id: HashMap<TableId, BTreeMap<Bytes, Bytes>>,
}

impl Tables {
    /// Copies what it keeps: a slice of a network frame would hold the whole frame.
    pub(crate) fn put(&mut self, table: TableId, key: &[u8], value: Option<&[u8]>) {
        let rows = self.by_id.entry(table).or_default();
        match value {
            Some(value) => {
                let value = Bytes::copy_from_slice(value);
                if let Some(place) = rows.get_mut(key) {
                    *place = value;
                } else {
                    rows.insert(Bytes::copy_from_slice(key), value);
                }
            }
            None => {
                rows.remove(key);
            }
        }
    }

    pub(crate) fn get(&self, table: TableId, key: &[u8]) -> Option<Bytes> {
        self.by_id.get(&table)?.get(key).cloned()
    }

    pub(crate) fn scan(&self, table: TableId, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let Some(rows) = self.by_id.get(&table) else {
            return Vec::new();
        };
        rows.range(Bytes::copy_from_slice(prefix)..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut ids: Vec<TableId> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        out.put_u32_le(ids.len() as u32);
        for id in ids {
            let rows = &self.by_id[&id];
            out.put_u16_le(id.0);
            out.put_u64_le(rows.len() as u64);
            for (key, value) in rows {
                out.put_u32_le(key.len() as u32);
                out.extend_from_slice(key);
                out.put_u32_le(value.len() as u32);
                out.extend_from_slice(value);
            }
        }
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Tables> {
        let mut tables = Tables::default();
        for _ in 0..fields.u32()? {
            let id = TableId(fields.u16()?);
            for _ in 0..fields.u64()? {
                let key_bytes = fields.u32()? as usize;
                let key = fields.bytes(key_bytes)?;
                let value_bytes = fields.u32()? as usize;
                tables.put(id, key, Some(fields.bytes(value_bytes)?));
            }
        }
        Some(tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scanned_by_prefix_and_survive_encoding() {
        let mut tables = Tables::default();
        for key in ["a", "ab", "abc", "b"] {
            tables.put(TableId(1), key.as_bytes(), Some(key.as_bytes()));
        }
        tables.put(TableId(1), b"ab", Some(b"new"));
        tables.put(TableId(1), b"a", None);
        tables.put(TableId(2), b"", Some(b""));
        let mut encoded = Vec::new();
        tables.encode(&mut encoded);
        let read = Tables::decode(&mut Fields::new(&encoded)).unwrap();
        assert_eq!(read, tables);
        let rows = read.scan(TableId(1), b"a");
        assert_eq!(
            rows,
            [
                (Bytes::from("ab"), Bytes::from("new")),
                (Bytes::from("abc"), Bytes::from("abc"))
            ]
        );
        assert_eq!(read.get(TableId(2), b""), Some(Bytes::new()));
        assert_eq!(read.get(TableId(3), b""), None);
        assert!(Tables::decode(&mut Fields::new(&encoded[..encoded.len() - 1])).is_none());
    }
}
