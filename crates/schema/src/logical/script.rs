//! Schemas as scripts that define the types of tables.

use std::collections::HashSet;

use crate::json::deeper;

use super::ddl::{identifier, kind, qualified, scalar_words};
use super::literals::quoted;
use super::{Check, Converted, Default, Document, Field, Logical, Said, Symbol, Ty};

/// A definition longer than this is given up.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A schema as a script that defines its types.
pub(super) fn script(document: &Document) -> Converted<String> {
    let mut writer = Writer {
        document,
        out: String::new(),
    };
    writer.script()?;
    Ok(writer.out)
}

struct Writer<'a> {
    document: &'a Document,
    out: String,
}

impl<'a> Writer<'a> {
    fn script(&mut self) -> Converted<()> {
        let document = self.document;
        if let Some(namespace) = &document.namespace {
            self.add(&format!("NAMESPACE {};\n", qualified(namespace)?));
        }
        let used = self.used();
        for (name, text) in document
            .bindings
            .iter()
            .filter(|(name, _)| used.contains(name.as_str()))
        {
            self.add(&format!("USING TYPE {} FOR {};\n", qualified(name)?, quoted(text)));
        }
        for name in self.ordered() {
            if let Some(body) = document.named.get(name) {
                self.named(name, body)?;
            }
        }
        if !self.root_follows() {
            self.add("TYPE ");
            self.ty(&document.root)?;
            self.add(";\n");
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn is_own(&self, name: &str) -> bool {
        !self.document.external.contains(name)
    }

    /// The names of other files that the schema's own types use.
    fn used(&self) -> HashSet<&'a str> {
        let own = self.document.named.iter().filter(|(name, _)| self.is_own(name));
        let mut names = HashSet::new();
        for body in own.map(|(_, body)| body).chain([&self.document.root]) {
            names.extend(body.names());
        }
        names.retain(|name| !self.is_own(name));
        names
    }

    /// The named types of the schema itself, those that hold others by their names before these.
    fn ordered(&self) -> Vec<&'a str> {
        let named = &self.document.named;
        let mut names: Vec<(usize, &str)> = Vec::with_capacity(named.len());
        for name in named.keys() {
            let mut depth = 0;
            let mut current = name.as_str();
            while let Some(outer) = outer(current, |name| named.contains_key(name)) {
                (depth, current) = (depth + 1, outer);
            }
            names.push((depth, name));
        }
        names.sort_by_key(|(depth, _)| *depth);
        let names = names.into_iter().map(|(_, name)| name);
        names.filter(|name| self.is_own(name)).collect()
    }

    /// Whether the root is what a reader takes it for without being told.
    fn root_follows(&self) -> bool {
        let own: Vec<&str> = self.document.named.keys().map(String::as_str).collect();
        let own: Vec<&str> = own.into_iter().filter(|name| self.is_own(name)).collect();
        let known: HashSet<&str> = own.iter().copied().collect();
        let mut used: HashSet<&str> = HashSet::new();
        for name in &own {
            let mut names = HashSet::new();
            if let Some(body) = self.document.named.get(*name) {
                names.extend(body.names());
            }
            names.remove(name);
            used.extend(names);
        }
        let is_root = |name: &&str| !used.contains(name) && outer(name, |name| known.contains(name)).is_none();
        let roots: Vec<&str> = own.into_iter().filter(is_root).collect();
        let root = &self.document.root;
        match (&root.ty, roots.as_slice()) {
            _ if root.nullable => false,
            (Ty::Ref(name), [only]) => name == only,
            (Ty::Union(branches), [_, _, ..]) => {
                let follows = |(branch, name): (&Field, &&str)| {
                    let is_named = matches!(&branch.schema.ty, Ty::Ref(full) if full == name);
                    let simple = name.rsplit('.').next().unwrap_or(name);
                    is_named && !branch.schema.nullable && branch.name == simple
                };
                branches.len() == roots.len() && branches.iter().zip(&roots).all(follows)
            }
            _ => false,
        }
    }

    fn named(&mut self, name: &str, body: &Logical) -> Converted<()> {
        match &body.ty {
            Ty::Struct(fields) => {
                self.add(&format!("STRUCT {} ", qualified(name)?));
                let checks = body.said.as_deref().map_or(&[][..], |said| &said.checks);
                self.body(fields, checks)?;
            }
            Ty::Enum(symbols) => {
                self.add(&format!("ENUM {} ", qualified(name)?));
                self.symbols(symbols);
            }
            other => {
                return Err(format!(
                    "Named-type body must be STRUCT or ENUM, got {} for '{name}'",
                    kind(other)
                ));
            }
        }
        if let Some(said) = &body.said {
            self.words(said);
        }
        self.add(";\n");
        Ok(())
    }

    /// Fields and conditions: each in a line of its own if there are many, or any conditions.
    fn body(&mut self, fields: &[Field], checks: &[Check]) -> Converted<()> {
        let in_lines = fields.len() > 2 || !checks.is_empty();
        let (start, between, end) = if in_lines {
            ("\n  ", ",\n  ", "\n")
        } else {
            ("", ", ", "")
        };
        self.add("(");
        if in_lines {
            self.add(start);
        }
        for (at, field) in fields.iter().enumerate() {
            self.add(if at > 0 { between } else { "" });
            self.field(field)?;
        }
        for (at, check) in checks.iter().enumerate() {
            self.add(if at + fields.len() > 0 { between } else { "" });
            self.check(check);
        }
        self.add(end);
        self.add(")");
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Converted<()> {
        self.add(&identifier(&field.name));
        self.add(" ");
        self.ty(&field.schema)?;
        match &field.default {
            Default::Absent | Default::Empty => {}
            Default::Null => self.add(" DEFAULT NULL"),
            Default::Literal(literal) => self.add(&format!(" DEFAULT {literal}")),
        }
        for check in &field.said.checks {
            self.add(" ");
            self.check(check);
        }
        self.words(&field.said);
        Ok(())
    }

    fn check(&mut self, check: &Check) {
        if let Some(name) = &check.name {
            self.add(&format!("CONSTRAINT {} ", identifier(name)));
        }
        self.add(&format!("CHECK ({})", check.sql));
        if let Some(doc) = &check.doc {
            self.add(&format!(" MESSAGE {}", quoted(doc)));
        }
    }

    fn symbols(&mut self, symbols: &[Symbol]) {
        self.add("(");
        for (at, symbol) in symbols.iter().enumerate() {
            self.add(if at > 0 { ", " } else { "" });
            self.add(&quoted(&symbol.name));
            self.comment(symbol.doc.as_ref());
            self.params(&symbol.params);
        }
        self.add(")");
    }

    fn words(&mut self, said: &Said) {
        self.comment(said.doc.as_ref());
        if !said.tags.is_empty() {
            let tags: Vec<String> = said.tags.iter().map(|tag| quoted(tag)).collect();
            self.add(&format!(" TAGS({})", tags.join(", ")));
        }
        self.params(&said.params);
    }

    fn comment(&mut self, doc: Option<&String>) {
        if let Some(doc) = doc {
            self.add(&format!(" COMMENT {}", quoted(doc)));
        }
    }

    fn params(&mut self, params: &[(String, String)]) {
        if params.is_empty() {
            return;
        }
        let param = |(key, value): &(String, String)| format!("{} = {}", quoted(key), quoted(value));
        let params: Vec<String> = params.iter().map(param).collect();
        self.add(&format!(" WITH({})", params.join(", ")));
    }

    fn ty(&mut self, schema: &Logical) -> Converted<()> {
        if self.out.len() > BYTES_MAX {
            return Err(format!("its data definition is longer than {BYTES_MAX} bytes"));
        }
        deeper(|| self.shape(&schema.ty))?;
        if !schema.nullable {
            self.add(" NOT NULL");
        }
        Ok(())
    }

    fn shape(&mut self, ty: &Ty) -> Converted<()> {
        match ty {
            Ty::Struct(fields) => {
                self.add("STRUCT(");
                for (at, field) in fields.iter().enumerate() {
                    self.add(if at > 0 { ", " } else { "" });
                    self.field(field)?;
                }
                self.add(")");
            }
            Ty::Union(branches) => {
                self.add("UNION(");
                for (at, branch) in branches.iter().enumerate() {
                    self.add(if at > 0 { ", " } else { "" });
                    self.add(&identifier(&branch.name));
                    self.add(" ");
                    self.ty(&branch.schema)?;
                    self.comment(branch.said.doc.as_ref());
                    self.params(&branch.said.params);
                }
                self.add(")");
            }
            Ty::Array(inner) => self.inside("ARRAY<", &[inner])?,
            Ty::Multiset(inner) => self.inside("MULTISET<", &[inner])?,
            Ty::Map(key, value) => self.inside("MAP<", &[key, value])?,
            Ty::Ref(name) => self.add(&qualified(name)?),
            scalar => self.add(&scalar_words(scalar)),
        }
        Ok(())
    }

    fn inside(&mut self, start: &str, parts: &[&Logical]) -> Converted<()> {
        self.add(start);
        for (at, part) in parts.iter().enumerate() {
            self.add(if at > 0 { ", " } else { "" });
            self.ty(part)?;
        }
        self.add(">");
        Ok(())
    }
}

/// The name that a name stands inside of: the longest that it begins with, up to a dot.
fn outer(name: &str, is_known: impl Fn(&str) -> bool) -> Option<&str> {
    let mut rest = name;
    while let Some((shorter, _)) = rest.rsplit_once('.').filter(|(shorter, _)| !shorter.is_empty()) {
        if is_known(shorter) {
            return Some(shorter);
        }
        rest = shorter;
    }
    None
}
