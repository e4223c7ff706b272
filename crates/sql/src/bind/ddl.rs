//! Binds CREATE TABLE and CREATE VIEW.

use std::sync::Arc;

use super::scope::{Scope, ScopeColumn};
use super::{Binder, Bound};
use crate::ast::{self, CreateView, Insert};
use crate::eval::Expr;
use crate::parser::nearest;
use crate::plan::{Branch, assemble};
use crate::table::{Column, ColumnKind, Relation, Table, View};
use crate::types::TypeKind;

impl Binder<'_> {
    pub(super) fn create_table(&mut self, ast: &ast::CreateTable) -> Option<Bound> {
        let mut table = Table {
            name: ast.name.table().to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            watermark: None,
            comment: ast.comment.clone(),
            distributed_by: ast.partitioned_by.iter().map(|ident| ident.value.clone()).collect(),
            buckets: ast.distributed_into.map(|(buckets, _)| buckets),
            options: ast
                .options
                .iter()
                .map(|pair| (pair.key.clone(), pair.value.clone()))
                .collect(),
        };
        if let Some((0, span)) = ast.distributed_into {
            self.error(span, "a table needs at least one bucket", "INTO 6 BUCKETS");
        }
        if let Some(like) = &ast.like {
            self.copy_like(&mut table, like)?;
        }
        let branches = match &ast.as_query {
            Some(query) => {
                let branches = self.query(query, true)?;
                if table.columns.is_empty() && ast.columns.is_empty() {
                    let outputs = &branches.first()?.outputs;
                    table.columns = outputs
                        .iter()
                        .map(|(name, expr)| Column::physical(name, of_table(&expr.ty)))
                        .collect();
                }
                Some(branches)
            }
            None => None,
        };
        let before = self.errors.len();
        self.stored_columns(&mut table, ast);
        self.computed_columns(&mut table, ast);
        self.keys(&mut table, ast);
        self.watermark(&mut table, ast);
        if self.errors.len() > before {
            return None;
        }
        let insert = match branches {
            Some(branches) => Some(self.fill(&table, ast, branches)?),
            None => None,
        };
        Some(Bound::CreateTable {
            table,
            if_not_exists: ast.if_not_exists,
            insert,
        })
    }

    fn fill(&mut self, table: &Table, ast: &ast::CreateTable, branches: Vec<Branch>) -> Option<crate::plan::Plan> {
        let query = ast.as_query.clone()?;
        let limit = query.limit;
        let insert = Insert {
            table: ast.name.clone(),
            columns: Vec::new(),
            span: query.span,
            query,
        };
        let (sink, branches) = self.insert_into(&Arc::new(table.clone()), &insert, branches)?;
        Some(assemble(
            branches.into_iter().map(|branch| (branch, 0)).collect(),
            vec![sink],
            limit,
        ))
    }

    fn copy_like(&mut self, table: &mut Table, like: &ast::ObjectName) -> Option<()> {
        let Relation::Table(base) = self.relation(like.table(), like.span())? else {
            self.error(like.span(), "LIKE takes a table, not a view", "name a table");
            return None;
        };
        table.columns = base.columns.iter().filter(|column| !column.hidden).cloned().collect();
        table.primary_key.clone_from(&base.primary_key);
        table.watermark.clone_from(&base.watermark);
        for (key, value) in &base.options {
            if table.option(key).is_none() {
                table.options.push((key.clone(), value.clone()));
            }
        }
        Some(())
    }

    fn stored_columns(&mut self, table: &mut Table, ast: &ast::CreateTable) {
        for def in &ast.columns {
            if table.column(&def.name.value).is_some() {
                self.error(
                    def.name.span,
                    format!("the table has two columns `{}`", def.name.value),
                    "rename one",
                );
                continue;
            }
            let kind = match &def.kind {
                ast::ColumnKind::Physical(ty) => {
                    table.columns.push(Column {
                        name: def.name.value.clone(),
                        ty: ty.clone(),
                        kind: ColumnKind::Physical,
                        comment: def.comment.clone(),
                        hidden: false,
                    });
                    continue;
                }
                ast::ColumnKind::Metadata { ty, from, is_virtual } => {
                    let key = from.clone().unwrap_or_else(|| def.name.value.clone());
                    (
                        ty.clone(),
                        ColumnKind::Metadata {
                            key,
                            is_virtual: *is_virtual,
                        },
                    )
                }
                // Bound when all others are known; the place is kept.
                ast::ColumnKind::Computed(_) => (
                    crate::DataType::new(TypeKind::Null),
                    ColumnKind::Computed {
                        expr: Expr::literal(crate::Value::Null, crate::DataType::new(TypeKind::Null)),
                        text: String::new(),
                    },
                ),
            };
            table.columns.push(Column {
                name: def.name.value.clone(),
                ty: kind.0,
                kind: kind.1,
                comment: def.comment.clone(),
                hidden: false,
            });
        }
    }

    fn computed_columns(&mut self, table: &mut Table, ast: &ast::CreateTable) {
        let scope = stored_scope(table);
        for def in &ast.columns {
            let ast::ColumnKind::Computed(source) = &def.kind else {
                continue;
            };
            let Some(expr) = self.expr(source, &scope) else {
                continue;
            };
            let text = self.source[source.span.start..source.span.end].to_owned();
            if let Some(column) = table.columns.iter_mut().find(|column| column.name == def.name.value) {
                column.ty = expr.ty.clone();
                column.kind = ColumnKind::Computed { expr, text };
            }
        }
    }

    fn keys(&mut self, table: &mut Table, ast: &ast::CreateTable) {
        let Some(key) = &ast.primary_key else { return };
        table.primary_key = key.columns.iter().map(|ident| ident.value.clone()).collect();
        for ident in &key.columns {
            match table.columns.iter_mut().find(|column| column.name == ident.value) {
                // A key column never holds NULL.
                Some(column) if matches!(column.kind, ColumnKind::Physical) => column.ty.nullable = false,
                Some(_) => {
                    let message = format!(
                        "`{}` is not a physical column: it cannot be part of the primary key",
                        ident.value
                    );
                    self.error(ident.span, message, "name columns that are stored in the record");
                }
                None => {
                    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
                    let hint = match nearest(&ident.value, names.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its columns are {}", names.join(", ")),
                    };
                    self.error(
                        ident.span,
                        format!("the primary key names `{}`, which is no column", ident.value),
                        hint,
                    );
                }
            }
        }
    }

    fn watermark(&mut self, table: &mut Table, ast: &ast::CreateTable) {
        let Some(watermark) = &ast.watermark else { return };
        let scope = full_scope(table);
        let name = ast::Expr {
            kind: ast::ExprKind::Name(watermark.column.clone()),
            span: watermark.column[0].span,
        };
        let (column, expr) = (self.expr(&name, &scope), self.expr(&watermark.expr, &scope));
        if let Some(column) = column
            && !matches!(column.ty.kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_))
        {
            let message = format!("a watermark's column must be a TIMESTAMP, not {}", column.ty.kind);
            self.error(
                name.span,
                message,
                "add a computed column: ts AS TO_TIMESTAMP_LTZ(millis, 3)",
            );
        }
        if let Some(expr) = expr
            && !matches!(expr.ty.kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_))
        {
            let message = format!("a watermark must be a TIMESTAMP, not {}", expr.ty.kind);
            self.error(watermark.expr.span, message, "write ts - INTERVAL '5' SECOND");
        }
        let path: Vec<&str> = watermark.column.iter().map(|ident| ident.value.as_str()).collect();
        let text = self.source[watermark.expr.span.start..watermark.expr.span.end].to_owned();
        table.watermark = Some((path.join("."), text));
    }

    pub(super) fn create_view(&mut self, ast: &CreateView) -> Option<Bound> {
        let mut branches = self.query(&ast.query, false)?;
        self.rename(&mut branches, &ast.columns, ast.name.span());
        let columns = branches.first()?.outputs.iter().map(|(name, _)| name.clone()).collect();
        let view = View {
            name: ast.name.table().to_owned(),
            columns,
            query: ast.query.clone(),
            source: self.source.into(),
        };
        Some(Bound::CreateView {
            view,
            if_not_exists: ast.if_not_exists,
        })
    }
}

/// The type a derived column has in a table: CHAR of a literal becomes STRING.
fn of_table(ty: &crate::DataType) -> crate::DataType {
    let kind = match &ty.kind {
        kind if kind.is_string() => TypeKind::STRING,
        TypeKind::Null => TypeKind::STRING,
        other => other.clone(),
    };
    crate::DataType {
        kind,
        nullable: ty.nullable,
    }
}

/// What a computed column may name: all that is stored.
fn stored_scope(table: &Table) -> Scope {
    let stored = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !matches!(column.kind, ColumnKind::Computed { .. }));
    Scope {
        columns: stored
            .map(|(index, column)| ScopeColumn {
                qualifier: Some(table.name.clone()),
                name: column.name.clone(),
                expr: Expr::column(index, &column.name, column.ty.clone()),
                hidden: false,
            })
            .collect(),
    }
}

/// All columns, as a watermark may name them.
fn full_scope(table: &Table) -> Scope {
    let column = |(index, column): (usize, &Column)| {
        let expr = match &column.kind {
            ColumnKind::Computed { expr, .. } => expr.clone(),
            _ => Expr::column(index, &column.name, column.ty.clone()),
        };
        ScopeColumn {
            qualifier: Some(table.name.clone()),
            name: column.name.clone(),
            expr,
            hidden: false,
        }
    };
    Scope {
        columns: table.columns.iter().enumerate().map(column).collect(),
    }
}
