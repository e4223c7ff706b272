//! Whether data written with one schema can be read with another, by Avro's resolution rules.

use std::collections::HashSet;

use crate::difference::{Difference, Policy, Reader};

use super::{Enum, Fixed, Kind, Name, NodeId, Record, Schema};

/// All reasons why `reader` cannot read what `writer` wrote; none if it can.
pub fn compare(reader: &Schema, writer: &Schema, is: Reader, _policy: Policy) -> Vec<Difference> {
    let mut check = Check {
        reader,
        writer,
        is,
        under_way: HashSet::new(),
        found: Vec::new(),
    };
    check.pair(reader.root(), writer.root(), "");
    check.found
}

struct Check<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    is: Reader,
    /// Pairs being compared: a recursive type is compatible unless something else in it is not.
    under_way: HashSet<(NodeId, NodeId)>,
    found: Vec<Difference>,
}

impl<'a> Check<'a> {
    fn report(&mut self, rule: &'static str, path: &str, detail: String) {
        let path = if path.is_empty() { "/" } else { path };
        self.found.push(Difference {
            rule,
            path: path.to_owned(),
            description: describe(rule, path, &detail, self.is),
            additional: Some(detail),
            reader: None,
            writer: None,
        });
    }

    fn fits(&mut self, reader: NodeId, writer: NodeId) -> bool {
        let mark = self.found.len();
        self.pair(reader, writer, "");
        let fits = self.found.len() == mark;
        self.found.truncate(mark);
        fits
    }

    fn pair(&mut self, reader: NodeId, writer: NodeId, path: &str) {
        if !self.under_way.insert((reader, writer)) {
            return;
        }
        self.compare(reader, writer, path);
        self.under_way.remove(&(reader, writer));
    }

    fn compare(&mut self, reader: NodeId, writer: NodeId, path: &str) {
        let (old, new) = (self.writer, self.reader);
        let (read, written) = (&new.node(reader).kind, &old.node(writer).kind);
        match (read, written) {
            // A writer's union must be readable branch by branch.
            (Kind::Union(_), Kind::Union(branches)) => {
                for branch in branches {
                    self.branch_in_reader(reader, *branch, path);
                }
            }
            (Kind::Union(_), _) => self.branch_in_reader(reader, writer, path),
            (_, Kind::Union(branches)) => {
                for branch in branches {
                    self.pair(reader, *branch, path);
                }
            }
            (Kind::Record(read), Kind::Record(written)) => self.records(read, written, path),
            (Kind::Enum(read), Kind::Enum(written)) => self.enums(read, written, path),
            (Kind::Fixed(read), Kind::Fixed(written)) => self.fixeds(read, written, path),
            (Kind::Array(read), Kind::Array(written)) => self.pair(*read, *written, &format!("{path}/items")),
            (Kind::Map(read), Kind::Map(written)) => self.pair(*read, *written, &format!("{path}/values")),
            (read, written) if promotes(read, written) => {}
            (read, written) => {
                let (read, written) = (read.word().to_uppercase(), written.word().to_uppercase());
                let detail = format!("reader type: {read} not compatible with writer type: {written}");
                self.report("TYPE_MISMATCH", path, detail);
            }
        }
    }

    fn branch_in_reader(&mut self, union: NodeId, written: NodeId, path: &str) {
        let new = self.reader;
        let Kind::Union(branches) = &new.node(union).kind else {
            return;
        };
        if branches.iter().any(|branch| self.fits(*branch, written)) {
            return;
        }
        let word = self.writer.node(written).kind.word().to_uppercase();
        self.report(
            "MISSING_UNION_BRANCH",
            path,
            format!("reader union lacking writer type: {word}"),
        );
    }

    fn records(&mut self, read: &'a Record, written: &'a Record, path: &str) {
        self.names(&read.name, &read.aliases, &written.name, path);
        for (index, field) in read.fields.iter().enumerate() {
            let same = |other: &&super::Field| other.name == field.name || field.aliases.contains(&other.name);
            match written.fields.iter().find(same) {
                Some(other) => self.pair(field.ty, other.ty, &format!("{path}/fields/{index}/type")),
                None if field.default.is_none() => {
                    let place = format!("{path}/fields/{index}");
                    self.report("READER_FIELD_MISSING_DEFAULT_VALUE", &place, field.name.clone());
                }
                None => {}
            }
        }
    }

    fn enums(&mut self, read: &Enum, written: &Enum, path: &str) {
        self.names(&read.name, &read.aliases, &written.name, path);
        if read.default.is_some() {
            return;
        }
        let missing: Vec<&str> = written
            .symbols
            .iter()
            .filter(|symbol| !read.symbols.contains(symbol))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            self.report(
                "MISSING_ENUM_SYMBOLS",
                &format!("{path}/symbols"),
                format!("[{}]", missing.join(", ")),
            );
        }
    }

    fn fixeds(&mut self, read: &Fixed, written: &Fixed, path: &str) {
        self.names(&read.name, &read.aliases, &written.name, path);
        if read.size != written.size {
            let detail = format!("expected: {}, found: {}", written.size, read.size);
            self.report("FIXED_SIZE_MISMATCH", &format!("{path}/size"), detail);
        }
    }

    /// Only the unqualified name counts, or an alias that gives the writer's full name.
    fn names(&mut self, read: &Name, aliases: &[Name], written: &Name, path: &str) {
        if read.name != written.name && !aliases.contains(written) {
            self.report(
                "NAME_MISMATCH",
                &format!("{path}/name"),
                format!("expected: {}", written.full()),
            );
        }
    }
}

/// Whether a primitive of the writer may be read as one of the reader's.
fn promotes(read: &Kind, written: &Kind) -> bool {
    use Kind::{Boolean, Bytes, Double, Float, Int, Long, Null, String};
    matches!(
        (read, written),
        (Null, Null)
            | (Boolean, Boolean)
            | (Int, Int)
            | (Long, Int | Long)
            | (Float, Int | Long | Float)
            | (Double, Int | Long | Float | Double)
            | (String | Bytes, String | Bytes)
    )
}

/// The sentence of a rule in a registry's message.
fn describe(rule: &str, path: &str, detail: &str, is: Reader) -> String {
    let (reader, writer) = (is.word(), is.writer_word());
    match rule {
        "READER_FIELD_MISSING_DEFAULT_VALUE" => format!(
            "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema"
        ),
        "NAME_MISMATCH" => format!("The name of the schema has changed (path '{path}')"),
        "FIXED_SIZE_MISMATCH" => {
            format!(
                "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
            )
        }
        "MISSING_ENUM_SYMBOLS" => {
            format!("The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema")
        }
        "MISSING_UNION_BRANCH" => {
            format!(
                "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
            )
        }
        _ => format!(
            "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
        ),
    }
}
