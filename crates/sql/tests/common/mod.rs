//! What the tests share: a few tables, and one expression's or script's way through the crate.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use base::SeededRandom;
use rivulet_sql::{Bound, EvalContext, Moment, Relation, Table, Tables, bind, parse_script, to_text};

/// Tables made from DDL.
#[derive(Default)]
pub(crate) struct Known {
    relations: Vec<(String, Relation)>,
}

impl Known {
    /// Adds what the script's CREATE statements define.
    pub(crate) fn with(mut self, ddl: &str) -> Known {
        let script = parse_script(ddl);
        assert!(script.errors.is_empty(), "{:?}", script.errors);
        for item in script.items {
            let statement = item.statement.expect("the statement is complete");
            match bind(ddl, &statement, &self).unwrap_or_else(|errors| panic!("{errors:?}")) {
                Bound::CreateTable { table, .. } => self.add_table(table),
                Bound::CreateView { view, .. } => {
                    self.relations.push((view.name.clone(), Relation::View(Arc::new(view))))
                }
                other => panic!("not DDL: {}", other.kind()),
            }
        }
        self
    }

    pub(crate) fn add_table(&mut self, table: Table) {
        self.relations
            .push((table.name.clone(), Relation::Table(Arc::new(table))));
    }
}

impl Tables for Known {
    fn resolve(&self, name: &str) -> Option<Relation> {
        self.relations
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, relation)| relation.clone())
    }

    fn names(&self) -> Vec<String> {
        self.relations.iter().map(|(name, _)| name.clone()).collect()
    }
}

pub(crate) fn context() -> EvalContext {
    let now = Moment::from_millis(1_767_323_045_678);
    EvalContext::new(now, jiff::tz::TimeZone::UTC, Arc::new(SeededRandom::new(1)))
}

/// `TYPE = value`, or what went wrong, of one constant expression.
pub(crate) fn evaluate(expr: &str) -> String {
    let source = format!("SELECT {expr}");
    let script = parse_script(&source);
    if let Some(error) = script.errors.first() {
        return format!("error: {}", error.message);
    }
    let Some(statement) = script.items.into_iter().next().and_then(|item| item.statement) else {
        return "error: nothing".to_owned();
    };
    match bind(&source, &statement, &Known::default()) {
        Err(errors) => format!("error: {}", errors[0].message),
        Ok(bound) => {
            let output = &bound.plan().expect("a query has a plan").pipelines[0].outputs[0];
            match output.eval(&[], &context()) {
                Ok(value) => format!(
                    "{} = {}",
                    output.ty,
                    to_text(&value, &output.ty.kind, &jiff::tz::TimeZone::UTC)
                ),
                Err(error) => format!("{} fails: {error}", output.ty),
            }
        }
    }
}

/// All mistakes of a script, bound against tables and what the script itself makes, as rendered.
pub(crate) fn mistakes(source: &str, known: Known) -> String {
    let script = parse_script(source);
    let mut errors = script.errors.clone();
    let mut known = known;
    for item in &script.items {
        let Some(statement) = &item.statement else {
            if let Some(name) = &item.defines {
                known.relations.push((name.clone(), Relation::Broken));
            }
            continue;
        };
        match bind(source, statement, &known) {
            Ok(Bound::CreateTable { table, .. }) => known.add_table(table),
            Ok(Bound::CreateView { view, .. }) => known
                .relations
                .push((view.name.clone(), Relation::View(Arc::new(view)))),
            Ok(_) => {}
            Err(found) => {
                errors.extend(found);
                if let Some(name) = &item.defines {
                    known.relations.push((name.clone(), Relation::Broken));
                }
            }
        }
    }
    errors.sort_by_key(|error| error.span.start);
    errors
        .iter()
        .map(|error| error.render(source))
        .collect::<Vec<_>>()
        .join("\n")
}
