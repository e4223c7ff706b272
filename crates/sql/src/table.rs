//! Tables and views as the binder knows them, and how a caller names them to it.

use std::sync::Arc;

use crate::ast::Query;
use crate::eval::Expr;
use crate::types::DataType;

/// A table: its columns and what its `WITH` says.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    /// The watermark's column and expression, as written.
    pub watermark: Option<(String, String)>,
    pub comment: Option<String>,
    /// `DISTRIBUTED BY (…)`: the columns of the record's key.
    pub distributed_by: Vec<String>,
    pub buckets: Option<u32>,
    pub options: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: DataType,
    pub kind: ColumnKind,
    pub comment: Option<String>,
    /// Left out of `SELECT *` and `DESCRIBE`, such as `$rowtime`.
    pub hidden: bool,
}

#[derive(Clone, Debug)]
pub enum ColumnKind {
    Physical,
    Metadata {
        key: String,
        is_virtual: bool,
    },
    /// Computed from the table's other columns, by their number.
    Computed {
        expr: Expr,
        text: String,
    },
}

impl Column {
    pub fn physical(name: impl Into<String>, ty: DataType) -> Column {
        Column {
            name: name.into(),
            ty,
            kind: ColumnKind::Physical,
            comment: None,
            hidden: false,
        }
    }

    /// An INSERT may give it a value.
    pub fn is_writable(&self) -> bool {
        !self.hidden
            && matches!(
                self.kind,
                ColumnKind::Physical | ColumnKind::Metadata { is_virtual: false, .. }
            )
    }
}

impl Table {
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }

    /// The `CREATE TABLE` that makes this table.
    pub fn create_sql(&self) -> String {
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .filter(|column| !column.hidden)
            .map(column_sql)
            .collect();
        if let Some((column, expr)) = &self.watermark {
            lines.push(format!("WATERMARK FOR {} AS {expr}", quote_path(column)));
        }
        if !self.primary_key.is_empty() {
            let names: Vec<String> = self.primary_key.iter().map(|name| quote(name)).collect();
            lines.push(format!("PRIMARY KEY ({}) NOT ENFORCED", names.join(", ")));
        }
        let mut sql = format!("CREATE TABLE {} (\n  {}\n)", quote(&self.name), lines.join(",\n  "));
        if let Some(comment) = &self.comment {
            sql.push_str(&format!("\nCOMMENT {}", string(comment)));
        }
        if !self.distributed_by.is_empty() {
            let names: Vec<String> = self.distributed_by.iter().map(|name| quote(name)).collect();
            sql.push_str(&format!("\nDISTRIBUTED BY ({})", names.join(", ")));
            if let Some(buckets) = self.buckets {
                sql.push_str(&format!(" INTO {buckets} BUCKETS"));
            }
        }
        if !self.options.is_empty() {
            let options = self
                .options
                .iter()
                .map(|(key, value)| format!("{} = {}", string(key), string(value)));
            sql.push_str(&format!("\nWITH (\n  {}\n)", options.collect::<Vec<_>>().join(",\n  ")));
        }
        sql
    }
}

fn column_sql(column: &Column) -> String {
    let comment = column
        .comment
        .as_ref()
        .map_or(String::new(), |comment| format!(" COMMENT {}", string(comment)));
    let name = quote(&column.name);
    match &column.kind {
        ColumnKind::Physical => format!("{name} {}{comment}", column.ty),
        ColumnKind::Metadata { key, is_virtual } => {
            let from = if *key == column.name {
                String::new()
            } else {
                format!(" FROM {}", string(key))
            };
            let suffix = if *is_virtual { " VIRTUAL" } else { "" };
            format!("{name} {} METADATA{from}{suffix}{comment}", column.ty)
        }
        ColumnKind::Computed { text, .. } => format!("{name} AS {text}{comment}"),
    }
}

/// A name in backquotes.
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn quote_path(path: &str) -> String {
    path.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// A text as a SQL string.
pub fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A named query.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub columns: Vec<String>,
    pub query: Query,
    /// The text its spans point into.
    pub source: Arc<str>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Relation {
    Table(Arc<Table>),
    View(Arc<View>),
    /// It was to be defined, but its definition has mistakes: naming it is not one more.
    Broken,
}

/// Where the binder finds tables and views.
pub trait Tables {
    fn resolve(&self, name: &str) -> Option<Relation>;
    /// Every name there is, to suggest one from.
    fn names(&self) -> Vec<String>;
}
