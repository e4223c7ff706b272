//! Where a table's columns lie in a record: key, value, metadata.

use sql::{Column, ColumnKind, Table, TypeKind};

use crate::format::{Format, Wanted};
use crate::options::{OptionError, TableOptions};

/// What a metadata column shows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Topic,
    Partition,
    Offset,
    Timestamp,
    TimestampType,
    Headers,
    LeaderEpoch,
}

const METADATA: &[(&str, Meta)] = &[
    ("topic", Meta::Topic),
    ("partition", Meta::Partition),
    ("offset", Meta::Offset),
    ("timestamp", Meta::Timestamp),
    ("timestamp-type", Meta::TimestampType),
    ("headers", Meta::Headers),
    ("leader-epoch", Meta::LeaderEpoch),
];

impl Meta {
    fn of(column: &Column, key: &str, is_virtual: bool) -> Result<Meta, OptionError> {
        let error = |message: String, hint: String| OptionError {
            key: Some(column.name.clone()),
            message,
            hint,
        };
        let Some((_, meta)) = METADATA.iter().find(|(name, _)| *name == key) else {
            let names: Vec<&str> = METADATA.iter().map(|(name, _)| *name).collect();
            return Err(error(
                format!("there is no metadata '{key}'"),
                format!("there is {}", names.join(", ")),
            ));
        };
        let kind = &column.ty.kind;
        let fits = match meta {
            Meta::Topic | Meta::TimestampType => kind.is_string(),
            Meta::Partition | Meta::LeaderEpoch => matches!(kind, TypeKind::Int | TypeKind::BigInt),
            Meta::Offset => *kind == TypeKind::BigInt,
            Meta::Timestamp => matches!(
                kind,
                TypeKind::TimestampLtz(_) | TypeKind::Timestamp(_) | TypeKind::BigInt
            ),
            Meta::Headers => {
                matches!(kind, TypeKind::Map(key, value) if key.kind.is_string() && (value.kind.is_binary() || value.kind.is_string()))
            }
        };
        if !fits {
            let wanted = match meta {
                Meta::Topic | Meta::TimestampType => "STRING",
                Meta::Partition | Meta::LeaderEpoch => "INT",
                Meta::Offset => "BIGINT",
                Meta::Timestamp => "TIMESTAMP_LTZ(3)",
                Meta::Headers => "MAP<STRING, BYTES>",
            };
            return Err(error(
                format!("the metadata '{key}' is not {kind}"),
                format!("declare the column {wanted}"),
            ));
        }
        if !is_virtual && !matches!(meta, Meta::Timestamp | Meta::Headers) {
            let message = format!("the metadata '{key}' can be read only");
            let hint = "add VIRTUAL, or leave the column out of a sink".to_owned();
            // As in Flink this only matters for a sink; a source reads it all the same.
            tracing::debug!(column = %column.name, "{message}; {hint}");
        }
        Ok(*meta)
    }
}

/// The columns asked for, by where they lie. `slot` counts in the order asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub key: Vec<Wanted>,
    pub value: Vec<Wanted>,
    pub meta: Vec<(Meta, TypeKind, usize)>,
}

impl Layout {
    /// Places the table's columns of these numbers. Reading takes each from one side; writing puts a key column that
    /// the value has too on both.
    pub(crate) fn new(
        table: &Table,
        options: &TableOptions,
        columns: &[usize],
        for_writing: bool,
    ) -> Result<Layout, OptionError> {
        let mut layout = Layout::default();
        for (slot, index) in columns.iter().enumerate() {
            let column = &table.columns[*index];
            match &column.kind {
                ColumnKind::Metadata { key, is_virtual } => {
                    let meta = Meta::of(column, key, *is_virtual)?;
                    layout.meta.push((meta, column.ty.kind.clone(), slot));
                }
                ColumnKind::Physical => {
                    let in_key = options.in_key(&column.name);
                    let in_value = !in_key || options.value_has_key;
                    if in_key && (for_writing || !in_value) {
                        let field = column.name.strip_prefix(&options.key_prefix).unwrap_or(&column.name);
                        layout.key.push(wanted(column, field, slot));
                    }
                    if in_value {
                        layout.value.push(wanted(column, &column.name, slot));
                    }
                }
                ColumnKind::Computed { .. } => {}
            }
        }
        // A key of several columns is written in the order the table names them.
        layout
            .key
            .sort_by_key(|wanted| options.key_fields.iter().position(|field| *field == wanted.column));
        Ok(layout)
    }

    /// Checks that each metadata column names something there is.
    pub(crate) fn check(table: &Table, options: &TableOptions) -> Result<(), OptionError> {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        Layout::new(table, options, &all, false).map(drop)
    }
}

fn wanted(column: &Column, field: &str, slot: usize) -> Wanted {
    Wanted {
        field: field.to_owned(),
        column: column.name.clone(),
        ty: column.ty.clone(),
        slot,
    }
}

/// The format of one side, if anything of it is looked at.
pub(crate) fn side_format(options: &TableOptions, is_key: bool) -> Option<Format> {
    if is_key {
        options.key_format
    } else {
        Some(options.value_format)
    }
}
