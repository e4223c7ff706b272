//! Binds queries: FROM, WHERE, SELECT, UNION ALL, UNNEST, VALUES.

use std::sync::Arc;

use super::Binder;
use super::scope::{Scope, ScopeColumn};
use crate::ast::{Expr as AstExpr, ExprKind, Ident, Insert, Query, Select, SelectItem, SetExpr, TableAlias, TableRef};
use crate::cast::{common_type, is_implicit};
use crate::error::Span;
use crate::eval::Expr;
use crate::functions::cast_expr;
use crate::parser::nearest;
use crate::plan::{Branch, BranchSource, Op};
use crate::table::{ColumnKind, Relation, Table, View};
use crate::types::{DataType, TypeKind};
use crate::value::Value;

/// How deep views may stand on views.
const VIEW_DEPTH_MAX: u32 = 32;

/// A pipeline under construction and what can be named over it.
#[derive(Clone)]
struct Working {
    source: BranchSource,
    ops: Vec<Op>,
    width: usize,
    scope: Scope,
}

impl Binder<'_> {
    /// The branches of a query; `outermost` queries may have a LIMIT.
    pub(crate) fn query(&mut self, query: &Query, outermost: bool) -> Option<Vec<Branch>> {
        if query.limit.is_some() && !outermost {
            self.error(
                query.span,
                "LIMIT in a subquery is not there yet",
                "put LIMIT at the end of the whole query",
            );
        }
        let known = self.ctes.len();
        for cte in &query.ctes {
            if let Some(mut branches) = self.query(&cte.query, false) {
                self.rename(&mut branches, &cte.columns, cte.name.span);
                self.ctes.push((cte.name.value.clone(), branches));
            } else {
                // Known but broken: naming it is no further mistake.
                self.ctes.push((cte.name.value.clone(), Vec::new()));
            }
        }
        let branches = self.body(&query.body);
        self.ctes.truncate(known);
        branches
    }

    fn body(&mut self, body: &SetExpr) -> Option<Vec<Branch>> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Nested(query) => self.query(query, false),
            SetExpr::Values(rows) => self.values(rows),
            SetExpr::UnionAll(left, right) => {
                let (left_branches, right_branches) = (self.body(left), self.body(right));
                let (mut left_branches, right_branches) = (left_branches?, right_branches?);
                let span = body_span(right);
                left_branches.extend(right_branches);
                self.unify(left_branches, span)
            }
        }
    }

    /// Brings the branches of a union to the same types.
    fn unify(&mut self, mut branches: Vec<Branch>, span: Span) -> Option<Vec<Branch>> {
        let count = branches[0].outputs.len();
        if let Some(other) = branches.iter().find(|branch| branch.outputs.len() != count) {
            let message = format!("UNION ALL joins {count} columns with {}", other.outputs.len());
            self.error(span, message, "give both sides the same columns");
            return None;
        }
        for column in 0..count {
            let mut ty = branches[0].outputs[column].1.ty.clone();
            for branch in &branches[1..] {
                let other = &branch.outputs[column].1.ty;
                match common_type(&ty, other) {
                    Some(common) => ty = common,
                    None => {
                        let name = branches[0].outputs[column].0.clone();
                        let message = format!(
                            "column `{name}` of UNION ALL is {} on one side and {} on the other",
                            ty.kind, other.kind
                        );
                        self.error(span, message, format!("write CAST(… AS {})", ty.kind));
                        return None;
                    }
                }
            }
            let name = branches[0].outputs[column].0.clone();
            for branch in &mut branches {
                let slot = &mut branch.outputs[column];
                slot.0.clone_from(&name);
                slot.1 = cast_expr(slot.1.clone(), &ty.kind, false);
            }
        }
        Some(branches)
    }

    fn values(&mut self, rows: &[Vec<AstExpr>]) -> Option<Vec<Branch>> {
        let width = rows.first()?.len();
        let mut bound_rows = Vec::new();
        let empty = Scope::default();
        for row in rows {
            if row.len() != width {
                let span = row.first()?.span.to(row.last()?.span);
                self.error(
                    span,
                    format!("this row has {} values, the first has {width}", row.len()),
                    "give all rows the same columns",
                );
                return None;
            }
            let bound: Vec<Option<Expr>> = row.iter().map(|item| self.expr(item, &empty)).collect();
            bound_rows.push(bound.into_iter().collect::<Option<Vec<_>>>()?);
        }
        let mut outputs = Vec::new();
        for column in 0..width {
            let mut ty: DataType = bound_rows[0][column].ty.clone();
            for (row, source) in bound_rows.iter().zip(rows).skip(1) {
                match common_type(&ty, &row[column].ty) {
                    Some(common) => ty = common,
                    None => {
                        let message = format!("this value is {}, those above are {}", row[column].ty.kind, ty.kind);
                        self.error(source[column].span, message, format!("write CAST(… AS {})", ty.kind));
                        return None;
                    }
                }
            }
            for row in &mut bound_rows {
                row[column] = cast_expr(row[column].clone(), &ty.kind, false);
            }
            let name = format!("EXPR${column}");
            outputs.push((name.clone(), Expr::column(column, &name, ty)));
        }
        Some(vec![Branch {
            source: BranchSource::Rows {
                rows: bound_rows,
                width,
            },
            ops: Vec::new(),
            outputs,
        }])
    }

    fn select(&mut self, select: &Select) -> Option<Vec<Branch>> {
        let inputs = match &select.from {
            Some(from) => self.from(from)?,
            None => vec![Working {
                source: BranchSource::Rows {
                    rows: vec![Vec::new()],
                    width: 0,
                },
                ops: Vec::new(),
                width: 0,
                scope: Scope::default(),
            }],
        };
        let mut branches = Vec::new();
        let mut complete = true;
        for mut working in inputs {
            if let Some(filter) = &select.filter {
                match self.condition(filter, &working.scope) {
                    Some(expr) => working.ops.push(Op::Filter(expr)),
                    None => complete = false,
                }
            }
            let outputs = self.select_items(&select.items, &working.scope);
            match outputs {
                Some(outputs) => branches.push(Branch {
                    source: working.source,
                    ops: working.ops,
                    outputs,
                }),
                None => complete = false,
            }
        }
        complete.then_some(branches)
    }

    fn condition(&mut self, filter: &AstExpr, scope: &Scope) -> Option<Expr> {
        let expr = self.expr(filter, scope)?;
        if !matches!(expr.ty.kind, TypeKind::Boolean | TypeKind::Null) {
            let message = format!("WHERE needs BOOLEAN, not {}", expr.ty.kind);
            self.error(filter.span, message, "write a comparison, such as x = 'a'");
            return None;
        }
        Some(expr)
    }

    fn select_items(&mut self, items: &[SelectItem], scope: &Scope) -> Option<Vec<(String, Expr)>> {
        let mut outputs = Vec::new();
        let mut complete = true;
        for item in items {
            match item {
                SelectItem::Wildcard { qualifier, span } => {
                    let wanted = qualifier.as_ref().map(|ident| ident.value.as_str());
                    if wanted.is_some_and(|name| !scope.has_qualifier(name)) {
                        let name = wanted.unwrap_or_default();
                        self.error(
                            *span,
                            format!("there is no table `{name}` in FROM"),
                            "name the table or its alias",
                        );
                        complete = false;
                        continue;
                    }
                    if scope.columns.is_empty() {
                        self.error(*span, "`*` needs a FROM", "write SELECT * FROM t");
                        complete = false;
                    }
                    let visible = scope.columns.iter().filter(|column| !column.hidden);
                    let matching = visible.filter(|column| wanted.is_none() || column.qualifier.as_deref() == wanted);
                    outputs.extend(matching.map(|column| (column.name.clone(), column.expr.clone())));
                }
                SelectItem::Expr { expr, alias } => match self.expr(expr, scope) {
                    Some(bound) => {
                        let name = match alias {
                            Some(alias) => alias.value.clone(),
                            None => implied_name(expr).unwrap_or_else(|| format!("EXPR${}", outputs.len())),
                        };
                        outputs.push((name, bound));
                    }
                    None => complete = false,
                },
            }
        }
        complete.then_some(outputs)
    }

    fn from(&mut self, from: &TableRef) -> Option<Vec<Working>> {
        match from {
            TableRef::Table { name, alias, options } => {
                let table_name = name.table();
                let options = options
                    .iter()
                    .map(|pair| (pair.key.clone(), pair.value.clone()))
                    .collect();
                if let Some((_, branches)) = self.ctes.iter().rev().find(|(cte, _)| cte == table_name).cloned() {
                    if branches.is_empty() {
                        return None;
                    }
                    return Some(self.derived(branches, alias.as_ref(), Some(table_name)));
                }
                match self.relation(table_name, name.span())? {
                    Relation::Table(table) => Some(vec![self.scan(&table, options, alias.as_ref())]),
                    Relation::View(view) => {
                        let branches = self.view(&view, name.span())?;
                        Some(self.derived(branches, alias.as_ref(), Some(table_name)))
                    }
                    Relation::Broken => None,
                }
            }
            TableRef::Derived { query, alias, .. } => {
                let branches = self.query(query, false)?;
                Some(self.derived(branches, alias.as_ref(), None))
            }
            TableRef::Unnest {
                left,
                expr,
                alias,
                ordinality,
                outer,
                span,
            } => {
                let inputs = match left {
                    Some(left) => self.from(left)?,
                    None => vec![Working {
                        source: BranchSource::Rows {
                            rows: vec![Vec::new()],
                            width: 0,
                        },
                        ops: Vec::new(),
                        width: 0,
                        scope: Scope::default(),
                    }],
                };
                let mut done = Vec::new();
                for working in inputs {
                    done.push(self.unnest(working, expr, alias.as_ref(), *ordinality, *outer, *span)?);
                }
                Some(done)
            }
        }
    }

    fn scan(&mut self, table: &Arc<Table>, options: Vec<(String, String)>, alias: Option<&TableAlias>) -> Working {
        let qualifier = alias.map_or(table.name.clone(), |alias| alias.name.value.clone());
        let column = |(index, column): (usize, &crate::table::Column)| {
            let expr = match &column.kind {
                ColumnKind::Computed { expr, .. } => expr.clone(),
                _ => Expr::column(index, &column.name, column.ty.clone()),
            };
            ScopeColumn {
                qualifier: Some(qualifier.clone()),
                name: column.name.clone(),
                expr,
                hidden: column.hidden,
            }
        };
        let columns = table.columns.iter().enumerate().map(column).collect();
        let mut scope = Scope { columns };
        if let Some(alias) = alias {
            self.rename_scope(&mut scope, alias);
        }
        let width = table.columns.len();
        Working {
            source: BranchSource::Table {
                table: Arc::clone(table),
                options,
            },
            ops: Vec::new(),
            width,
            scope,
        }
    }

    fn view(&mut self, view: &Arc<View>, span: Span) -> Option<Vec<Branch>> {
        if self.view_depth >= VIEW_DEPTH_MAX {
            self.error(
                span,
                "views stand on views too deeply",
                format!("at most {VIEW_DEPTH_MAX} levels"),
            );
            return None;
        }
        let mut inner = Binder {
            source: &view.source,
            tables: self.tables,
            errors: Vec::new(),
            ctes: Vec::new(),
            view_depth: self.view_depth + 1,
        };
        let branches = inner.query(&view.query, false);
        let errors = inner.errors;
        match branches {
            Some(mut branches) if errors.is_empty() => {
                for branch in &mut branches {
                    for (slot, name) in branch.outputs.iter_mut().zip(&view.columns) {
                        slot.0.clone_from(name);
                    }
                }
                Some(branches)
            }
            _ => {
                let cause = errors
                    .first()
                    .map_or(String::new(), |error| format!(": {}", error.message));
                self.error(
                    span,
                    format!("the view `{}` no longer fits{cause}", view.name),
                    "drop it and create it again",
                );
                None
            }
        }
    }

    /// Branches as inputs of an outer query.
    fn derived(&mut self, branches: Vec<Branch>, alias: Option<&TableAlias>, name: Option<&str>) -> Vec<Working> {
        let qualifier = alias.map(|alias| alias.name.value.clone()).or(name.map(str::to_owned));
        let mut inputs = Vec::new();
        for branch in branches {
            let mut ops = branch.ops;
            let mut width = branch.source.width() + ops.iter().map(Op::width).sum::<usize>();
            let mut scope = Scope::default();
            for (name, expr) in branch.outputs {
                // What differs each time it is computed is computed once and kept in the row.
                let expr = if expr.is_deterministic() {
                    expr
                } else {
                    let kept = Expr::column(width, &name, expr.ty.clone());
                    ops.push(Op::Extend(expr));
                    width += 1;
                    kept
                };
                scope.columns.push(ScopeColumn {
                    qualifier: qualifier.clone(),
                    name,
                    expr,
                    hidden: false,
                });
            }
            if let Some(alias) = alias {
                self.rename_scope(&mut scope, alias);
            }
            inputs.push(Working {
                source: branch.source,
                ops,
                width,
                scope,
            });
        }
        inputs
    }

    fn unnest(
        &mut self,
        mut working: Working,
        expr: &AstExpr,
        alias: Option<&TableAlias>,
        ordinality: bool,
        outer: bool,
        span: Span,
    ) -> Option<Working> {
        let array = self.expr(expr, &working.scope)?;
        let element = match &array.ty.kind {
            TypeKind::Array(element) | TypeKind::Multiset(element) => (**element).clone(),
            TypeKind::Map(key, value) => DataType::not_null(TypeKind::Row(vec![
                crate::Field {
                    name: "KEY".to_owned(),
                    ty: (**key).clone(),
                },
                crate::Field {
                    name: "VALUE".to_owned(),
                    ty: (**value).clone(),
                },
            ])),
            other => {
                let hint = if other.is_string() {
                    "JSON text: write JSON_QUERY(x, '$.a' RETURNING ARRAY<STRING>)"
                } else {
                    "only an ARRAY, MAP or MULTISET has elements"
                };
                self.error(expr.span, format!("UNNEST takes an ARRAY, not {other}"), hint);
                return None;
            }
        };
        let qualifier = alias.map(|alias| alias.name.value.clone());
        let mut added: Vec<(String, DataType)> = match &element.kind {
            TypeKind::Row(fields) => {
                let nullable = element.nullable || outer;
                fields
                    .iter()
                    .map(|f| (f.name.clone(), f.ty.clone().with_nullable(f.ty.nullable || nullable)))
                    .collect()
            }
            _ => {
                let name = qualifier.clone().unwrap_or_else(|| "EXPR$0".to_owned());
                vec![(name, element.clone().with_nullable(element.nullable || outer))]
            }
        };
        let fields = matches!(element.kind, TypeKind::Row(_)).then_some(added.len());
        if ordinality {
            added.push((
                "ORDINALITY".to_owned(),
                DataType {
                    kind: TypeKind::Int,
                    nullable: outer,
                },
            ));
        }
        let names = alias.map_or(&[][..], |alias| alias.columns.as_slice());
        if !names.is_empty() && names.len() != added.len() {
            let message = format!("the alias names {} columns, UNNEST gives {}", names.len(), added.len());
            self.error(
                span,
                message,
                format!(
                    "they are {}",
                    added
                        .iter()
                        .map(|(name, ty)| format!("{name} {}", ty.kind))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            );
            return None;
        }
        for (index, (name, ty)) in added.into_iter().enumerate() {
            let name = names.get(index).map_or(name, |ident| ident.value.clone());
            let expr = Expr::column(working.width + index, &name, ty);
            working.scope.columns.push(ScopeColumn {
                qualifier: qualifier.clone(),
                name,
                expr,
                hidden: false,
            });
        }
        let op = Op::Unnest {
            array,
            fields,
            ordinality,
            outer,
        };
        working.width += op.width();
        working.ops.push(op);
        Some(working)
    }

    fn rename_scope(&mut self, scope: &mut Scope, alias: &TableAlias) {
        if alias.columns.is_empty() {
            return;
        }
        let visible: Vec<&mut ScopeColumn> = scope.columns.iter_mut().filter(|column| !column.hidden).collect();
        if visible.len() != alias.columns.len() {
            let message = format!(
                "the alias names {} columns, the table has {}",
                alias.columns.len(),
                visible.len()
            );
            self.error(alias.name.span, message, "name all of them, or none");
            return;
        }
        for (column, ident) in visible.into_iter().zip(&alias.columns) {
            column.name.clone_from(&ident.value);
        }
    }

    pub(super) fn rename(&mut self, branches: &mut [Branch], columns: &[Ident], span: Span) {
        if columns.is_empty() {
            return;
        }
        for branch in branches {
            if branch.outputs.len() != columns.len() {
                let message = format!(
                    "{} columns are named, the query has {}",
                    columns.len(),
                    branch.outputs.len()
                );
                self.error(span, message, "name all of them, or none");
                return;
            }
            for (slot, ident) in branch.outputs.iter_mut().zip(columns) {
                slot.0.clone_from(&ident.value);
            }
        }
    }

    /// The sink's columns that an INSERT gives values, all those it can.
    pub(super) fn target_columns(&mut self, table: &Table, insert: &Insert) -> Option<Vec<usize>> {
        let mut complete = true;
        for ident in &insert.columns {
            match table.column(&ident.value) {
                Some((_, column)) if column.is_writable() => {}
                Some(_) => {
                    let message = format!("`{}` of `{}` is computed or read-only", ident.value, table.name);
                    self.error(ident.span, message, "leave it out of the column list");
                    complete = false;
                }
                None => {
                    let names = table
                        .columns
                        .iter()
                        .filter(|c| c.is_writable())
                        .map(|c| c.name.as_str());
                    let hint = match nearest(&ident.value, names.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its columns are {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    self.error(
                        ident.span,
                        format!("`{}` has no column `{}`", table.name, ident.value),
                        hint,
                    );
                    complete = false;
                }
            }
        }
        // A NOT NULL column that is not named is left to the format: a registered schema may have a default for it.
        let named = |column: &crate::table::Column| {
            insert.columns.is_empty() || insert.columns.iter().any(|ident| ident.value == column.name)
        };
        let given = |column: &crate::table::Column| column.is_writable() && (column.ty.nullable || named(column));
        let targets = table.columns.iter().enumerate().filter(|(_, column)| given(column));
        complete.then(|| targets.map(|(index, _)| index).collect())
    }

    /// A branch's outputs in the order of the sink's columns, cast as Flink does unasked.
    pub(super) fn arrange(
        &mut self,
        table: &Table,
        columns: &[usize],
        insert: &Insert,
        branch: Branch,
    ) -> Option<Branch> {
        let named: Vec<usize> = if insert.columns.is_empty() {
            columns.to_vec()
        } else {
            insert
                .columns
                .iter()
                .filter_map(|ident| table.column(&ident.value).map(|(index, _)| index))
                .collect()
        };
        let spans = output_spans(&insert.query.body, branch.outputs.len());
        if named.len() != branch.outputs.len() {
            let wanted: Vec<String> = named
                .iter()
                .map(|index| format!("{} {}", table.columns[*index].name, table.columns[*index].ty.kind))
                .collect();
            let given: Vec<String> = branch
                .outputs
                .iter()
                .map(|(name, expr)| format!("{name} {}", expr.ty.kind))
                .collect();
            let message = format!(
                "the query gives {} columns ({}), `{}` takes {} ({})",
                given.len(),
                given.join(", "),
                table.name,
                wanted.len(),
                wanted.join(", ")
            );
            self.error(
                insert.query.span,
                message,
                "name the columns: INSERT INTO t (a, b) SELECT …",
            );
            return None;
        }
        let mut complete = true;
        let mut by_column: Vec<(String, Expr)> = columns
            .iter()
            .map(|index| {
                let column = &table.columns[*index];
                (
                    column.name.clone(),
                    Expr::literal(Value::Null, DataType::new(column.ty.kind.clone())),
                )
            })
            .collect();
        for (position, (target, (_, expr))) in named.iter().zip(branch.outputs).enumerate() {
            let column = &table.columns[*target];
            let fits = is_implicit(&expr.ty.kind, &column.ty.kind) || literal_fits(&expr, &column.ty.kind);
            if !fits {
                let span = spans.get(position).copied().flatten().unwrap_or(insert.query.span);
                let message = format!(
                    "column `{}` of `{}` is {}, the query gives {}",
                    column.name, table.name, column.ty.kind, expr.ty.kind
                );
                self.error(span, message, format!("write CAST(… AS {})", column.ty.kind));
                complete = false;
                continue;
            }
            if !column.ty.nullable && expr.as_literal().is_some_and(Value::is_null) {
                let span = spans.get(position).copied().flatten().unwrap_or(insert.query.span);
                self.error(
                    span,
                    format!("column `{}` of `{}` is NOT NULL", column.name, table.name),
                    "give it a value",
                );
                complete = false;
            }
            if let Some(slot) = columns.iter().position(|index| index == target) {
                by_column[slot].1 = cast_expr(expr, &column.ty.kind, false);
            }
        }
        complete.then_some(Branch {
            source: branch.source,
            ops: branch.ops,
            outputs: by_column,
        })
    }
}

/// A whole number written out goes into a narrower integer if it fits.
fn literal_fits(expr: &Expr, kind: &TypeKind) -> bool {
    match (expr.as_literal(), kind) {
        (Some(Value::Int(value)), TypeKind::TinyInt) => i8::try_from(*value).is_ok(),
        (Some(Value::Int(value)), TypeKind::SmallInt) => i16::try_from(*value).is_ok(),
        (Some(Value::Decimal(_)), TypeKind::Decimal { .. }) => true,
        _ => false,
    }
}

/// Where each output is written, if the query is a plain SELECT or VALUES.
fn output_spans(body: &SetExpr, count: usize) -> Vec<Option<Span>> {
    match body {
        SetExpr::Select(select) if select.items.len() == count => select
            .items
            .iter()
            .map(|item| match item {
                SelectItem::Expr { expr, .. } => Some(expr.span),
                SelectItem::Wildcard { span, .. } => Some(*span),
            })
            .collect(),
        SetExpr::Values(rows) => rows
            .first()
            .map_or(Vec::new(), |row| row.iter().map(|expr| Some(expr.span)).collect()),
        _ => Vec::new(),
    }
}

fn body_span(body: &SetExpr) -> Span {
    match body {
        SetExpr::Select(select) => select.span,
        SetExpr::Nested(query) => query.span,
        SetExpr::UnionAll(left, right) => body_span(left).to(body_span(right)),
        SetExpr::Values(rows) => {
            let first = rows
                .first()
                .and_then(|row| row.first())
                .map(|expr| expr.span)
                .unwrap_or_default();
            let last = rows.last().and_then(|row| row.last()).map_or(first, |expr| expr.span);
            first.to(last)
        }
    }
}

/// The name a column has without an alias: its own, or its last field's.
fn implied_name(expr: &AstExpr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(parts) => parts.last().map(|part| part.value.clone()),
        ExprKind::Field(_, name) => Some(name.value.clone()),
        _ => None,
    }
}
