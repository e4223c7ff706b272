//! From tree to plan: names to columns, expressions to types, mistakes to messages.

mod ddl;
mod expr;
mod query;
mod scope;

use std::sync::Arc;

use crate::ast::{Insert, Statement, StatementKind};
use crate::error::{Span, SqlError};
use crate::functions::Problem;
use crate::parser::nearest;
use crate::plan::{Branch, Plan, Sink, assemble};
use crate::table::{Relation, Table, Tables, View};

/// A statement that has been checked.
#[derive(Clone, Debug)]
pub enum Bound {
    CreateTable {
        table: Table,
        if_not_exists: bool,
        /// Of `CREATE TABLE … AS`: fills the new table.
        insert: Option<Plan>,
    },
    CreateView {
        view: View,
        if_not_exists: bool,
    },
    Drop {
        name: String,
        if_exists: bool,
        is_view: bool,
    },
    Insert(Plan),
    StatementSet(Plan),
    Query(Plan),
    Explain(Plan),
    ShowTables,
    ShowCreateTable(String),
    Describe(String),
    Set(Option<(String, String)>),
    Reset(Option<String>),
}

impl Bound {
    /// Confluent's `sql_kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Bound::CreateTable { insert: Some(_), .. } => "CREATE_TABLE_AS",
            Bound::CreateTable { .. } => "CREATE_TABLE",
            Bound::CreateView { .. } => "CREATE_VIEW",
            Bound::Drop { is_view: true, .. } => "DROP_VIEW",
            Bound::Drop { .. } => "DROP_TABLE",
            Bound::Insert(_) => "INSERT_INTO",
            Bound::StatementSet(_) => "STATEMENT_SET",
            Bound::Query(_) => "SELECT",
            Bound::Explain(_) => "EXPLAIN",
            Bound::ShowTables => "SHOW_TABLES",
            Bound::ShowCreateTable(_) => "SHOW_CREATE_TABLE",
            Bound::Describe(_) => "DESCRIBE",
            Bound::Set(_) => "SET",
            Bound::Reset(_) => "RESET",
        }
    }

    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Bound::Insert(plan) | Bound::StatementSet(plan) | Bound::Query(plan) | Bound::Explain(plan) => Some(plan),
            Bound::CreateTable { insert, .. } => insert.as_ref(),
            _ => None,
        }
    }
}

/// Checks a statement of `source` against the tables there are.
pub fn bind(source: &str, statement: &Statement, tables: &dyn Tables) -> Result<Bound, Vec<SqlError>> {
    let mut binder = Binder {
        source,
        tables,
        errors: Vec::new(),
        ctes: Vec::new(),
        view_depth: 0,
    };
    let bound = binder.statement(&statement.kind);
    let mut errors = binder.errors;
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    errors.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    match bound {
        Some(bound) if errors.is_empty() => Ok(bound),
        _ => Err(errors),
    }
}

/// The tables and views a statement names, each once; those its CTEs define are not among them.
pub fn referenced_tables(statement: &Statement) -> Vec<String> {
    let mut names = Vec::new();
    scope::collect_statement(&statement.kind, &mut names);
    names.sort();
    names.dedup();
    names
}

pub(crate) struct Binder<'a> {
    pub source: &'a str,
    pub tables: &'a dyn Tables,
    pub errors: Vec<SqlError>,
    /// Names that WITH defined, innermost last.
    pub ctes: Vec<(String, Vec<Branch>)>,
    pub view_depth: u32,
}

impl Binder<'_> {
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.errors
            .push(SqlError::new(self.source, span, message).with_hint(hint));
    }

    /// Records a function's refusal; `args` are the spans of its arguments.
    pub(crate) fn problem(&mut self, problem: Problem, span: Span, args: &[Span]) {
        let span = problem.arg.and_then(|index| args.get(index).copied()).unwrap_or(span);
        self.error(span, problem.message, problem.hint);
    }

    fn statement(&mut self, kind: &StatementKind) -> Option<Bound> {
        Some(match kind {
            StatementKind::CreateTable(table) => return self.create_table(table),
            StatementKind::CreateView(view) => return self.create_view(view),
            StatementKind::Drop(drop) => Bound::Drop {
                name: drop.name.table().to_owned(),
                if_exists: drop.if_exists,
                is_view: drop.is_view,
            },
            StatementKind::Insert(insert) => Bound::Insert(self.inserts(std::slice::from_ref(insert))?),
            StatementKind::StatementSet(inserts) => Bound::StatementSet(self.inserts(inserts)?),
            StatementKind::Query(query) => Bound::Query(self.query_plan(query)?),
            StatementKind::Explain(inner) => {
                let bound = self.statement(&inner.kind)?;
                Bound::Explain(bound.plan()?.clone())
            }
            StatementKind::ShowTables => Bound::ShowTables,
            StatementKind::ShowCreateTable(name) => {
                self.relation(name.table(), name.span())?;
                Bound::ShowCreateTable(name.table().to_owned())
            }
            StatementKind::Describe(name) => {
                self.relation(name.table(), name.span())?;
                Bound::Describe(name.table().to_owned())
            }
            StatementKind::Set(pair) => Bound::Set(pair.clone()),
            StatementKind::Reset(key) => Bound::Reset(key.clone()),
        })
    }

    /// The table or view of this name; says so if there is none.
    pub(crate) fn relation(&mut self, name: &str, span: Span) -> Option<Relation> {
        match self.tables.resolve(name) {
            Some(Relation::Broken) => None,
            Some(relation) => Some(relation),
            None => {
                let names = self.tables.names();
                let hint = match names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                    Some(known) => format!("names are case-sensitive: did you mean `{known}`?"),
                    None => match nearest(name, names.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "create it with CREATE TABLE, or create the topic of this name".to_owned(),
                    },
                };
                self.error(span, format!("there is no table or topic `{name}`"), hint);
                None
            }
        }
    }

    fn query_plan(&mut self, query: &crate::ast::Query) -> Option<Plan> {
        let branches = self.query(query, true)?;
        let first = branches.first()?;
        let columns = first
            .outputs
            .iter()
            .map(|(name, expr)| (name.clone(), expr.ty.clone()))
            .collect();
        let branches = branches.into_iter().map(|branch| (branch, 0)).collect();
        Some(assemble(branches, vec![Sink::Result { columns }], query.limit))
    }

    fn inserts(&mut self, inserts: &[Insert]) -> Option<Plan> {
        let mut branches = Vec::new();
        let mut sinks = Vec::new();
        let mut complete = true;
        let mut limit = None;
        for insert in inserts {
            match self.insert(insert) {
                Some((sink, feeding)) => {
                    sinks.push(sink);
                    let index = sinks.len() - 1;
                    branches.extend(feeding.into_iter().map(|branch| (branch, index)));
                }
                None => complete = false,
            }
            if let Some(rows) = insert.query.limit {
                if inserts.len() > 1 {
                    self.error(
                        insert.query.span,
                        "LIMIT cannot stand in a statement set",
                        "leave it out, or INSERT on its own",
                    );
                }
                limit = Some(rows);
            }
        }
        complete.then(|| assemble(branches, sinks, limit))
    }

    fn insert(&mut self, insert: &Insert) -> Option<(Sink, Vec<Branch>)> {
        let relation = self.relation(insert.table.table(), insert.table.span());
        let branches = self.query(&insert.query, true);
        let table = match relation? {
            Relation::Table(table) => table,
            _ => {
                let message = format!("`{}` is a view: rows cannot go into it", insert.table.table());
                self.error(insert.table.span(), message, "INSERT INTO a table");
                return None;
            }
        };
        self.insert_into(&table, insert, branches?)
    }

    /// The branches' outputs, arranged and cast as the table wants them.
    pub(crate) fn insert_into(
        &mut self,
        table: &Arc<Table>,
        insert: &Insert,
        branches: Vec<Branch>,
    ) -> Option<(Sink, Vec<Branch>)> {
        let columns = self.target_columns(table, insert)?;
        let mut complete = true;
        let mut arranged = Vec::new();
        for branch in branches {
            match self.arrange(table, &columns, insert, branch) {
                Some(branch) => arranged.push(branch),
                None => complete = false,
            }
        }
        complete.then(|| {
            (
                Sink::Table {
                    table: Arc::clone(table),
                    columns,
                },
                arranged,
            )
        })
    }
}
