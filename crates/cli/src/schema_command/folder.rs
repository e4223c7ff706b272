//! A folder of schema files: which subject each is for, what each refers to, in an order in which they can be registered.
//!
//! A file's subject is its path without the ending. An Avro file of several documents is as many schemas; each is for the
//! subject of its full name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::ErrorKind;
use schema::{Parsed, SchemaType};
use serde_json::Value as Json;

use super::register::{language_of, read};
use crate::error::CliError;

/// What `export` writes beside the schemas.
pub(super) const INDEX: &str = "index.json";

/// One schema of a folder.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Within the folder.
    pub path: PathBuf,
    pub subject: String,
    pub schema_type: SchemaType,
    pub text: String,
    /// Which document of its file it is, and of how many, if the file holds several.
    pub document: Option<(usize, usize)>,
    pub references: Vec<Reference>,
}

/// A file's mention of another of the same folder.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// As the text says it.
    pub name: String,
    pub subject: String,
}

/// The schemas of a folder, dependencies first; of a file, it and what it refers to beside it, itself last.
pub(super) fn load(place: &Path) -> Result<Vec<File>, CliError> {
    if !place.is_file() {
        return ordered(files_of(place)?);
    }
    let folder = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = place.file_name().map(PathBuf::from).unwrap_or_default();
    let all = ordered(files_of(folder)?)?;
    let mut wanted: BTreeSet<String> = all
        .iter()
        .filter(|file| file.path == name)
        .map(|file| file.subject.clone())
        .collect();
    // Dependencies stand before who refers to them.
    for file in all.iter().rev() {
        if wanted.contains(&file.subject) {
            wanted.extend(file.references.iter().map(|reference| reference.subject.clone()));
        }
    }
    Ok(all.into_iter().filter(|file| wanted.contains(&file.subject)).collect())
}

/// Parses a file with what it refers to.
pub(super) fn parse(file: &File, all: &[File]) -> Result<Parsed, CliError> {
    let mut texts = Vec::new();
    collect(file, all, &mut texts);
    Parsed::parse(file.schema_type, &file.text, &texts, false)
        .and_then(|parsed| parsed.check_new().map(|()| parsed))
        .map_err(|error| {
            CliError::new(
                ErrorKind::Invalid,
                format!("`{}`: {}", file.path.display(), error.message),
            )
        })
}

fn collect(file: &File, all: &[File], texts: &mut Vec<(String, String)>) {
    for reference in &file.references {
        let target = all.iter().find(|other| other.subject == reference.subject);
        let is_new = texts.iter().all(|(name, _)| *name != reference.name);
        if let Some(target) = target.filter(|_| is_new) {
            collect(target, all, texts);
            texts.push((reference.name.clone(), target.text.clone()));
        }
    }
}

fn files_of(folder: &Path) -> Result<Vec<File>, CliError> {
    let mut paths = Vec::new();
    walk(folder, Path::new(""), &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let Some(schema_type) = language_of(&path) else {
            continue;
        };
        let text = read(&folder.join(&path))?;
        files.extend(schemas_of(&path, schema_type, text));
    }
    if files.is_empty() {
        let message = format!("`{}` holds no .avsc, .json or .proto files", folder.display());
        return Err(CliError::new(ErrorKind::NotFound, message));
    }
    for (at, file) in files.iter().enumerate() {
        if let Some(other) = files[..at].iter().find(|other| other.subject == file.subject) {
            let (one, two) = (other.path.display(), file.path.display());
            let message = format!("`{one}` and `{two}` are both for subject `{}`", file.subject);
            return Err(
                CliError::new(ErrorKind::Invalid, message).hint("a file's subject is its path without the ending")
            );
        }
    }
    refer(&mut files)?;
    Ok(files)
}

fn walk(folder: &Path, within: &Path, into: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let at = folder.join(within);
    let entries = std::fs::read_dir(&at).map_err(|error| {
        CliError::new(
            ErrorKind::NotFound,
            format!("`{}` cannot be read: {error}", at.display()),
        )
    })?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let path = within.join(&name);
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(folder, &path, into)?;
        } else if path != Path::new(INDEX) {
            into.push(path);
        }
    }
    Ok(())
}

fn schemas_of(path: &Path, schema_type: SchemaType, text: String) -> Vec<File> {
    let subject = path.with_extension("").to_string_lossy().replace('\\', "/");
    let file = |subject: String, text: String, document| File {
        path: path.to_owned(),
        subject,
        schema_type,
        text,
        document,
        references: Vec::new(),
    };
    let documents = match schema_type {
        // What is wrong with the text is said when it is parsed.
        SchemaType::Avro => schema::avro::split(&text).unwrap_or_default(),
        SchemaType::Json | SchemaType::Protobuf => Vec::new(),
    };
    if documents.len() < 2 {
        return vec![file(subject, text, None)];
    }
    let count = documents.len();
    let each = documents.into_iter().enumerate().map(|(at, document)| {
        let mut names = Names::default();
        let json: Json = serde_json::from_str(&document).unwrap_or_default();
        let name = names.walk(&json, "").unwrap_or_else(|| format!("{subject}-{}", at + 1));
        file(name, document, Some((at + 1, count)))
    });
    each.collect()
}

/// Finds what each file refers to among the others.
fn refer(files: &mut [File]) -> Result<(), CliError> {
    let mut defined: BTreeMap<String, usize> = BTreeMap::new();
    let mut mentioned: Vec<BTreeSet<String>> = Vec::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        let json = || serde_json::from_str::<Json>(&file.text).unwrap_or_default();
        let mut names = Names::default();
        match file.schema_type {
            SchemaType::Avro => {
                names.walk(&json(), "");
            }
            SchemaType::Json => {
                let json = json();
                names.defined.insert(slashed(&file.path));
                names
                    .defined
                    .extend(json.get("$id").and_then(Json::as_str).map(str::to_owned));
                references(&json, &mut names.mentioned);
            }
            SchemaType::Protobuf => {
                names.defined.insert(slashed(&file.path));
                // What is wrong with the text is said when it is parsed.
                names
                    .mentioned
                    .extend(schema::protobuf::imports(&file.text).unwrap_or_default());
            }
        }
        for name in &names.defined {
            if let Some(other) = defined.insert(name.clone(), at).filter(|other| *other != at) {
                let (one, two) = (files[other].path.display(), file.path.display());
                let message = format!("`{name}` is defined twice: in `{one}` and in `{two}`");
                return Err(CliError::new(ErrorKind::Invalid, message));
            }
        }
        mentioned.push(names.mentioned.difference(&names.defined).cloned().collect());
    }
    let subjects: Vec<(SchemaType, String)> = files
        .iter()
        .map(|file| (file.schema_type, file.subject.clone()))
        .collect();
    for (file, mentioned) in files.iter_mut().zip(mentioned) {
        for name in mentioned {
            if let Some(at) = defined.get(&name)
                && subjects[*at].0 == file.schema_type
            {
                let subject = subjects[*at].1.clone();
                file.references.push(Reference { name, subject });
            }
        }
    }
    Ok(())
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The names an Avro schema defines, and those it mentions.
#[derive(Default)]
struct Names {
    defined: BTreeSet<String>,
    mentioned: BTreeSet<String>,
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

impl Names {
    /// Takes a type in; gives its full name, if it has one.
    fn walk(&mut self, ty: &Json, namespace: &str) -> Option<String> {
        let full = |name: &str, namespace: &str| match namespace {
            "" => name.to_owned(),
            _ if name.contains('.') => name.to_owned(),
            _ => format!("{namespace}.{name}"),
        };
        match ty {
            Json::String(name) if PRIMITIVES.contains(&name.as_str()) => None,
            Json::String(name) => {
                self.mentioned.insert(full(name, namespace));
                None
            }
            Json::Array(branches) => {
                for branch in branches {
                    self.walk(branch, namespace);
                }
                None
            }
            Json::Object(object) => {
                let word = object.get("type").and_then(Json::as_str).unwrap_or_default();
                let inner: &[&str] = match word {
                    "array" => &["items"],
                    "map" => &["values"],
                    "record" | "error" | "enum" | "fixed" => &[],
                    _ => &["type"],
                };
                for key in inner {
                    if let Some(ty) = object.get(*key) {
                        self.walk(ty, namespace);
                    }
                }
                let name = object.get("name").and_then(Json::as_str).filter(|_| inner.is_empty())?;
                let namespace = object.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
                let name = full(name, namespace);
                let inside = name.rsplit_once('.').map_or("", |(inside, _)| inside).to_owned();
                self.defined.insert(name.clone());
                for field in object.get("fields").and_then(Json::as_array).into_iter().flatten() {
                    if let Some(ty) = field.get("type") {
                        self.walk(ty, &inside);
                    }
                }
                Some(name)
            }
            _ => None,
        }
    }
}

/// The files that a JSON Schema's `$ref`s name.
fn references(json: &Json, into: &mut BTreeSet<String>) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(target) => {
                        let file = target.split('#').next().unwrap_or_default();
                        into.extend(Some(file.to_owned()).filter(|file| !file.is_empty()));
                    }
                    None => references(value, into),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

/// Dependencies first, else in the order of paths.
fn ordered(files: Vec<File>) -> Result<Vec<File>, CliError> {
    let mut left = files;
    let mut done: Vec<File> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_ready = |file: &File| {
            let is_done = |reference: &Reference| done.iter().any(|file| file.subject == reference.subject);
            file.references.iter().all(is_done)
        };
        let (ready, rest): (Vec<File>, Vec<File>) = left.into_iter().partition(is_ready);
        if ready.is_empty() {
            let names: Vec<String> = rest.iter().map(|file| format!("`{}`", file.path.display())).collect();
            let message = format!("these files refer to each other in a circle: {}", names.join(", "));
            return Err(CliError::new(ErrorKind::Invalid, message));
        }
        done.extend(ready);
        left = rest;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::load;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn dependencies_come_first_and_by_the_name_the_text_uses() {
        let files = folder(&[
            (
                "a-order.avsc",
                r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"c","type":["null","Customer"]}]}"#,
            ),
            (
                "z-customer.avsc",
                r#"{"type":"record","name":"shop.Customer","fields":[]}"#,
            ),
            (
                "a.json",
                r#"{"properties":{"b":{"$ref":"deep/b.json#/definitions/x"}}}"#,
            ),
            ("deep/b.json", r#"{"definitions":{"x":true}}"#),
            (
                "p.proto",
                "syntax = \"proto3\"; import \"q.proto\"; message P { Q q = 1; }",
            ),
            ("q.proto", "syntax = \"proto3\"; message Q {}"),
            ("notes.txt", "not a schema"),
        ]);
        let loaded = load(files.path()).unwrap();
        let order: Vec<&str> = loaded.iter().map(|file| file.subject.as_str()).collect();
        assert_eq!(order, ["deep/b", "q", "z-customer", "a-order", "a", "p"]);
        let references: Vec<(&str, &str)> = loaded
            .iter()
            .flat_map(|file| {
                file.references
                    .iter()
                    .map(|one| (one.name.as_str(), one.subject.as_str()))
            })
            .collect();
        assert_eq!(
            references,
            [
                ("shop.Customer", "z-customer"),
                ("deep/b.json", "deep/b"),
                ("q.proto", "q")
            ]
        );
        let one = load(&files.path().join("p.proto")).unwrap();
        assert_eq!(
            one.iter().map(|file| file.subject.as_str()).collect::<Vec<_>>(),
            ["q", "p"]
        );
    }

    #[test]
    fn a_file_of_several_documents_is_as_many_schemas() {
        let text = r#"{"type":"record","name":"a.A","fields":[]}
            {"type":"record","name":"B","namespace":"a","fields":[{"name":"a","type":"A"}]} "int""#;
        let loaded = load(folder(&[("all.avsc", text)]).path()).unwrap();
        let subjects: Vec<(&str, Option<(usize, usize)>)> = loaded
            .iter()
            .map(|file| (file.subject.as_str(), file.document))
            .collect();
        assert_eq!(
            subjects,
            [("a.A", Some((1, 3))), ("all-3", Some((3, 3))), ("a.B", Some((2, 3)))]
        );
    }

    #[test]
    fn circles_and_doubles_are_refused_by_name() {
        let refused = |files: &[(&str, &str)]| load(folder(files).path()).unwrap_err().message;
        let circle = [("a.proto", "import \"b.proto\";"), ("b.proto", "import \"a.proto\";")];
        assert!(refused(&circle).contains("`a.proto`, `b.proto`"));
        let record = r#"{"type":"record","name":"R","fields":[]}"#;
        assert!(refused(&[("a.avsc", record), ("b.avsc", record)]).contains("`R` is defined twice"));
        assert!(refused(&[]).contains("holds no"));
        assert!(refused(&[("a.avsc", record), ("a.json", "{}")]).contains("both for subject `a`"));
    }
}
