//! Which names a statement uses, and which columns an expression may.

use crate::ast::{Query, SetExpr, StatementKind, TableRef};
use crate::eval::Expr;

/// A column in sight.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    pub qualifier: Option<String>,
    pub name: String,
    /// Over the pipeline's row.
    pub expr: Expr,
    pub hidden: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub columns: Vec<ScopeColumn>,
}

impl Scope {
    pub(crate) fn has_qualifier(&self, name: &str) -> bool {
        self.columns
            .iter()
            .any(|column| column.qualifier.as_deref() == Some(name))
    }

    /// All columns of this name (and qualifier).
    pub(crate) fn find<'a>(
        &'a self,
        qualifier: Option<&'a str>,
        name: &'a str,
    ) -> impl Iterator<Item = &'a ScopeColumn> {
        self.columns.iter().filter(move |column| {
            column.name == name && qualifier.is_none_or(|qualifier| column.qualifier.as_deref() == Some(qualifier))
        })
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.columns
            .iter()
            .filter(|column| !column.hidden)
            .map(|column| column.name.as_str())
            .collect()
    }
}

pub(super) fn collect_statement(kind: &StatementKind, names: &mut Vec<String>) {
    match kind {
        StatementKind::CreateTable(table) => {
            names.extend(table.like.as_ref().map(|name| name.table().to_owned()));
            if let Some(query) = &table.as_query {
                collect_query(query, names);
            }
        }
        StatementKind::CreateView(view) => collect_query(&view.query, names),
        StatementKind::Drop(drop) => names.push(drop.name.table().to_owned()),
        StatementKind::Insert(insert) => {
            names.push(insert.table.table().to_owned());
            collect_query(&insert.query, names);
        }
        StatementKind::StatementSet(inserts) => {
            for insert in inserts {
                names.push(insert.table.table().to_owned());
                collect_query(&insert.query, names);
            }
        }
        StatementKind::Query(query) => collect_query(query, names),
        StatementKind::Explain(inner) => collect_statement(&inner.kind, names),
        StatementKind::ShowCreateTable(name) | StatementKind::Describe(name) => names.push(name.table().to_owned()),
        StatementKind::ShowTables | StatementKind::Set(_) | StatementKind::Reset(_) => {}
    }
}

pub(super) fn collect_query(query: &Query, names: &mut Vec<String>) {
    let before = names.len();
    query.ctes.iter().for_each(|cte| collect_query(&cte.query, names));
    collect_body(&query.body, names);
    let mut at = 0;
    names.retain(|name| {
        at += 1;
        at <= before || !query.ctes.iter().any(|cte| cte.name.value == *name)
    });
}

fn collect_body(body: &SetExpr, names: &mut Vec<String>) {
    match body {
        SetExpr::Select(select) => {
            if let Some(from) = &select.from {
                collect_table(from, names);
            }
        }
        SetExpr::UnionAll(left, right) => {
            collect_body(left, names);
            collect_body(right, names);
        }
        SetExpr::Nested(query) => collect_query(query, names),
        SetExpr::Values(_) => {}
    }
}

fn collect_table(from: &TableRef, names: &mut Vec<String>) {
    match from {
        TableRef::Table { name, .. } => names.push(name.table().to_owned()),
        TableRef::Derived { query, .. } => collect_query(query, names),
        TableRef::Unnest { left, .. } => {
            if let Some(left) = left {
                collect_table(left, names);
            }
        }
    }
}
