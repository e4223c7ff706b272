//! From a script to statements that can be run: names resolved, plans bound, options and schemas checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use sql::ast::{Insert, StatementKind};
use sql::{Bound, Plan, Relation, Script, Sink, Span, SqlError, Table};

use crate::error::FlowError;
use crate::layout::Layout;
use crate::manager::Inner;
use crate::options::{OptionError, TableOptions, unknown};
use crate::sink::{RowWriter, SinkError};
use crate::source::RowReader;
use crate::tables::{Sight, complete, infer};

/// One statement of a script, checked.
pub(crate) struct Ready {
    pub bound: Bound,
    /// Its own text.
    pub text: String,
    pub line: u32,
    pub warnings: Vec<String>,
    pub properties: BTreeMap<String, String>,
    /// The definitions it was planned with, to see whether a later plan would differ.
    pub definitions: String,
}

impl Inner {
    /// Checks a whole script; statements see what earlier ones would make.
    pub(crate) async fn ready(
        &self,
        source: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Vec<Ready>, FlowError> {
        let Script { items, mut errors } = sql::parse_script(source);
        let mut sight = Sight {
            names: self.known_names().await?,
            ..Sight::default()
        };
        let mut properties = properties.clone();
        let mut ready = Vec::new();
        for item in &items {
            let broken = |sight: &mut Sight| {
                if let Some(name) = &item.defines {
                    sight.relations.insert(name.clone(), Relation::Broken);
                }
            };
            let Some(statement) = &item.statement else {
                broken(&mut sight);
                continue;
            };
            let names = sql::referenced_tables(statement);
            for name in &names {
                self.look_up(name, &mut sight).await?;
            }
            let bound = match sql::bind(source, statement, &sight) {
                Ok(bound) => bound,
                Err(found) => {
                    errors.extend(found);
                    broken(&mut sight);
                    continue;
                }
            };
            let (found, warnings) = self.check_bound(source, &statement.kind, &bound, item.span).await?;
            if !found.is_empty() {
                errors.extend(found);
                broken(&mut sight);
                continue;
            }
            remember(&bound, &mut sight);
            match &bound {
                Bound::Set(Some((key, value))) => drop(properties.insert(key.clone(), value.clone())),
                Bound::Reset(Some(key)) => drop(properties.remove(key)),
                Bound::Reset(None) => properties.clear(),
                _ => {}
            }
            ready.push(Ready {
                definitions: definitions(&names, &sight),
                bound,
                text: source[item.span.start..item.span.end].to_owned(),
                line: source[..item.span.start].matches('\n').count() as u32 + 1,
                warnings,
                properties: properties.clone(),
            });
        }
        if errors.is_empty() {
            return Ok(ready);
        }
        errors.sort_by_key(|error| (error.span.start, error.span.end));
        Err(FlowError::Sql(errors))
    }

    async fn known_names(&self) -> Result<Vec<String>, FlowError> {
        let mut names: Vec<String> = self.definition_names();
        names.extend(self.doors.topics.list().await?.iter().map(ToString::to_string));
        Ok(names)
    }

    /// Brings a name into sight: what DDL defined, or else what a topic implies. Views bring what they name.
    async fn look_up(&self, name: &str, sight: &mut Sight) -> Result<(), FlowError> {
        let mut wanted = vec![name.to_owned()];
        while let Some(name) = wanted.pop() {
            if sight.relations.contains_key(&name) {
                continue;
            }
            let relation = match self.definition(&name) {
                Some(relation) => Some(relation),
                None => infer(&*self.doors.topics, &*self.doors.schemas, &name)
                    .await?
                    .map(|table| Relation::Table(Arc::new(table))),
            };
            let Some(relation) = relation else { continue };
            if let Relation::View(view) = &relation {
                let query = sql::ast::Statement {
                    kind: StatementKind::Query(view.query.clone()),
                    span: Span::default(),
                };
                wanted.extend(sql::referenced_tables(&query));
            }
            sight.relations.insert(name, relation);
        }
        Ok(())
    }

    /// What the binder cannot know: options, formats, registered schemas. Mistakes and warnings.
    async fn check_bound(
        &self,
        source: &str,
        kind: &StatementKind,
        bound: &Bound,
        span: Span,
    ) -> Result<(Vec<SqlError>, Vec<String>), FlowError> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        if let Bound::CreateTable { table, .. } = bound {
            check_table(source, kind, table, span, &mut errors, &mut warnings);
        }
        if let Some(plan) = bound.plan()
            && errors.is_empty()
        {
            self.check_plan(source, kind, plan, span, &mut errors, &mut warnings)
                .await?;
        }
        Ok((errors, warnings))
    }

    async fn check_plan(
        &self,
        source: &str,
        kind: &StatementKind,
        plan: &Plan,
        span: Span,
        errors: &mut Vec<SqlError>,
        warnings: &mut Vec<String>,
    ) -> Result<(), FlowError> {
        let at_start = Span::new(span.start, span.start + 1);
        for scan in &plan.scans {
            let error = match RowReader::new(scan) {
                Ok(mut reader) => {
                    warnings.append(&mut reader.options.warnings);
                    warnings.extend(reader.options.upsert_warning(&scan.table));
                    reader
                        .prepare(&*self.doors.schemas)
                        .await
                        .err()
                        .map(|why| (why, String::new()))
                }
                Err(error) => Some((error.message, error.hint)),
            };
            if let Some((message, hint)) = error {
                errors.push(located(
                    source,
                    at_start,
                    format!("table `{}`: {message}", scan.table.name),
                    hint,
                ));
            }
        }
        let inserts = inserts(kind);
        for (index, sink) in plan.sinks.iter().enumerate() {
            let Sink::Table { table, columns } = sink else { continue };
            let at = inserts.get(index).map_or(at_start, |insert| insert.table.span());
            match RowWriter::prepare(table, columns, &*self.doors.schemas, true).await {
                Ok(mut writer) => warnings.append(&mut writer.options.warnings),
                Err(SinkError::Option(error)) => {
                    errors.push(located(
                        source,
                        at,
                        format!("table `{}`: {}", table.name, error.message),
                        error.hint,
                    ));
                }
                Err(SinkError::Schema(why)) => {
                    let hint = "change the table's columns, or register a schema that fits".to_owned();
                    errors.push(located(
                        source,
                        at,
                        format!("rows for `{}` cannot be written: {why}", table.name),
                        hint,
                    ));
                }
                Err(SinkError::Registry(error)) => return Err(error),
            }
        }
        if plan.limit.is_some() && !plan.scans.is_empty() && plan.result_columns().is_none() {
            let hint = "leave it out, or SELECT … LIMIT to look at rows".to_owned();
            errors.push(located(
                source,
                at_start,
                "LIMIT in an INSERT is not there yet".to_owned(),
                hint,
            ));
        }
        Ok(())
    }
}

fn located(source: &str, span: Span, message: String, hint: String) -> SqlError {
    let error = SqlError::new(source, span, message);
    if hint.is_empty() { error } else { error.with_hint(hint) }
}

fn inserts(kind: &StatementKind) -> Vec<&Insert> {
    match kind {
        StatementKind::Insert(insert) => vec![insert],
        StatementKind::StatementSet(all) => all.iter().collect(),
        StatementKind::Explain(inner) => inserts(&inner.kind),
        _ => Vec::new(),
    }
}

/// A `CREATE TABLE`'s options, each mistake at its option.
fn check_table(
    source: &str,
    kind: &StatementKind,
    table: &Table,
    span: Span,
    errors: &mut Vec<SqlError>,
    warnings: &mut Vec<String>,
) {
    let StatementKind::CreateTable(ast) = kind else { return };
    let place = |error: &OptionError| {
        let key = error.key.as_deref().unwrap_or_default();
        let option = ast
            .options
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| pair.key_span.to(pair.value_span));
        let column = ast
            .columns
            .iter()
            .find(|column| column.name.value == key)
            .map(|column| column.span);
        option.or(column).unwrap_or(if ast.name.parts.is_empty() {
            span
        } else {
            ast.name.span()
        })
    };
    let unknown = unknown(&table.options);
    for error in &unknown {
        let at = ast
            .options
            .iter()
            .find(|pair| Some(&pair.key) == error.key.as_ref())
            .map_or(span, |pair| pair.key_span);
        errors.push(located(source, at, error.message.clone(), error.hint.clone()));
    }
    match TableOptions::of(table, &[]) {
        Ok(options) => {
            warnings.extend(options.warnings.iter().cloned());
            if let Err(error) = Layout::check(table, &options) {
                errors.push(located(
                    source,
                    place(&error),
                    error.message.clone(),
                    error.hint.clone(),
                ));
            }
        }
        // What is missing is probably what was misspelt.
        Err(error) if error.key.is_none() && !unknown.is_empty() => {}
        Err(error) => errors.push(located(
            source,
            place(&error),
            error.message.clone(),
            error.hint.clone(),
        )),
    }
}

/// What a statement would define, so that those behind it see it.
fn remember(bound: &Bound, sight: &mut Sight) {
    match bound {
        // IF NOT EXISTS changes nothing about a table that is there.
        Bound::CreateTable {
            table,
            if_not_exists: true,
            ..
        } if sight.relations.contains_key(&table.name) => {}
        Bound::CreateTable { table, .. } => {
            sight
                .relations
                .insert(table.name.clone(), Relation::Table(complete(table.clone())));
        }
        Bound::CreateView { view, .. } => {
            sight
                .relations
                .insert(view.name.clone(), Relation::View(Arc::new(view.clone())));
        }
        Bound::Drop { name, .. } => drop(sight.relations.remove(name)),
        _ => {}
    }
}

fn definitions(names: &[String], sight: &Sight) -> String {
    let one = |name: &String| match sight.relations.get(name) {
        Some(Relation::Table(table)) => table.create_sql(),
        Some(Relation::View(view)) => view.source.to_string(),
        _ => String::new(),
    };
    names.iter().map(one).collect::<Vec<_>>().join(";\n")
}
