//! Plans and expressions in words.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;

use crate::cast::to_text;
use crate::eval::{Call, Expr, Node};
use crate::plan::{Input, Op, Pipeline, Plan, Sink};
use crate::table::string;
use crate::types::TypeKind;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Column(_, name) => f.write_str(name),
            Node::Literal(value) => match &self.ty.kind {
                _ if value.is_null() => f.write_str("NULL"),
                kind if kind.is_string() => f.write_str(&string(&to_text(value, kind, &TimeZone::UTC))),
                kind if kind.is_temporal() || kind.is_interval() => {
                    write!(f, "{} {}", kind, string(&to_text(value, kind, &TimeZone::UTC)))
                }
                TypeKind::Binary(_) | TypeKind::VarBinary(_) => write!(f, "{value:?}"),
                kind => f.write_str(&to_text(value, kind, &TimeZone::UTC)),
            },
            Node::Field(inner, _, name) => write!(f, "{inner}.{name}"),
            Node::And(terms) => joined(f, terms, " AND "),
            Node::Or(terms) => {
                f.write_char('(')?;
                joined(f, terms, " OR ")?;
                f.write_char(')')
            }
            Node::Compare(op, left, right) => write!(f, "({left} {} {right})", op.as_str()),
            Node::Case(branches, otherwise) => {
                f.write_str("CASE")?;
                for (when, then) in branches {
                    write!(f, " WHEN {when} THEN {then}")?;
                }
                write!(f, " ELSE {otherwise} END")
            }
            Node::Coalesce(terms) => {
                f.write_str("COALESCE(")?;
                joined(f, terms, ", ")?;
                f.write_char(')')
            }
            Node::Call(call) => show_call(f, call, &self.ty.kind),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, terms: &[Expr], between: &str) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write!(f, "{term}")?;
    }
    Ok(())
}

fn show_call(f: &mut fmt::Formatter<'_>, call: &Call, kind: &TypeKind) -> fmt::Result {
    match (call.name, call.args.as_slice()) {
        ("CAST" | "TRY_CAST", [arg]) => write!(f, "{}({arg} AS {kind})", call.name),
        ("ITEM", [container, index]) => write!(f, "{container}[{index}]"),
        ("NOT" | "-", [arg]) => write!(f, "{} {arg}", call.name),
        (name, [arg]) if name.starts_with("IS ") => write!(f, "({arg} {name})"),
        (name, [left, right])
            if name.starts_with("IS ")
                || !name.starts_with(char::is_alphabetic)
                || name.ends_with("LIKE")
                || name.ends_with("TO") =>
        {
            write!(f, "({left} {name} {right})")
        }
        ("IN" | "NOT IN", [first, rest @ ..]) => {
            write!(f, "({first} {} (", call.name)?;
            joined(f, rest, ", ")?;
            f.write_str("))")
        }
        ("ARRAY" | "MAP", args) => {
            write!(f, "{}[", call.name)?;
            joined(f, args, ", ")?;
            f.write_char(']')
        }
        (name, args) => {
            write!(f, "{name}(")?;
            joined(f, args, ", ")?;
            f.write_char(')')
        }
    }
}

impl Plan {
    /// The plan as `EXPLAIN` shows it: sinks on top, what feeds them below.
    pub fn explain(&self) -> String {
        let mut out = String::new();
        for (index, sink) in self.sinks.iter().enumerate() {
            let feeding: Vec<&Pipeline> = self
                .pipelines
                .iter()
                .filter(|pipeline| pipeline.sink == index)
                .collect();
            out.push_str(&sink_line(sink));
            let mut indent = "+- ".to_owned();
            if let Some(limit) = self.limit {
                out.push_str(&format!("{indent}Limit({limit})\n"));
                indent.insert_str(0, "   ");
            }
            if feeding.len() > 1 {
                out.push_str(&format!("{indent}UnionAll({} inputs)\n", feeding.len()));
                indent.insert_str(0, "   ");
            }
            for pipeline in feeding {
                self.explain_pipeline(pipeline, &indent, sink, &mut out);
            }
        }
        let shared = self.scans.iter().enumerate().filter(|(index, _)| {
            self.pipelines
                .iter()
                .filter(|p| matches!(p.input, Input::Scan(scan) if scan == *index))
                .count()
                > 1
        });
        for (_, scan) in shared {
            out.push_str(&format!("Shared: {} is read once\n", scan.table.name));
        }
        out
    }

    fn explain_pipeline(&self, pipeline: &Pipeline, indent: &str, sink: &Sink, out: &mut String) {
        let names: Vec<&str> = match sink {
            Sink::Table { table, columns } => columns.iter().map(|c| table.columns[*c].name.as_str()).collect(),
            Sink::Result { columns } => columns.iter().map(|(name, _)| name.as_str()).collect(),
        };
        let shown: Vec<String> = pipeline
            .outputs
            .iter()
            .zip(names)
            .map(|(expr, name)| {
                let text = expr.to_string();
                if text == name {
                    text
                } else {
                    format!("{text} AS {name}")
                }
            })
            .collect();
        let filters: Vec<String> = pipeline
            .ops
            .iter()
            .filter_map(|op| {
                if let Op::Filter(expr) = op {
                    Some(expr.to_string())
                } else {
                    None
                }
            })
            .collect();
        let filter = if filters.is_empty() {
            String::new()
        } else {
            format!(", where=[{}]", filters.join(" AND "))
        };
        out.push_str(&format!("{indent}Calc(select=[{}]{filter})\n", shown.join(", ")));
        let mut indent = format!("   {indent}");
        for op in pipeline.ops.iter().rev() {
            let line = match op {
                Op::Filter(_) => continue,
                Op::Extend(expr) => format!("Extend({expr})"),
                Op::Unnest { array, outer, .. } => format!("Unnest({array}{})", if *outer { ", outer" } else { "" }),
            };
            out.push_str(&format!("{indent}{line}\n"));
            indent.insert_str(0, "   ");
        }
        match &pipeline.input {
            Input::Rows(rows) => out.push_str(&format!("{indent}Values({} rows)\n", rows.len())),
            Input::Scan(index) => {
                let scan = &self.scans[*index];
                let columns: Vec<&str> = scan
                    .columns
                    .iter()
                    .map(|c| scan.table.columns[*c].name.as_str())
                    .collect();
                out.push_str(&format!(
                    "{indent}Scan(table=[{}], columns=[{}])\n",
                    scan.table.name,
                    columns.join(", ")
                ));
            }
        }
    }
}

fn sink_line(sink: &Sink) -> String {
    match sink {
        Sink::Table { table, columns } => {
            let names: Vec<&str> = columns
                .iter()
                .map(|column| table.columns[*column].name.as_str())
                .collect();
            format!(
                "Sink(table=[{}], columns=[{}], changelog=[I])\n",
                table.name,
                names.join(", ")
            )
        }
        Sink::Result { columns } => {
            let names: Vec<String> = columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
            format!("Result(columns=[{}], changelog=[I])\n", names.join(", "))
        }
    }
}
