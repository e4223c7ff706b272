//! `rivulet.yaml` to [`Project`], collecting every problem on the way.

use std::collections::BTreeMap;
use std::path::Path;

use client::SchemaType;

use crate::PROJECT_FILE;
use crate::model::{Problem, Project, Schema, Sql, Topic};
use crate::yaml::{self, Node, Value};

/// A project file larger than this is none.
const FILE_BYTES_MAX: u64 = 4 << 20;
const NEAR_ENOUGH: f64 = 0.6;

/// Reads the project; the errors are complete.
pub(crate) fn read(folder: &Path) -> Result<Project, Vec<Problem>> {
    let mut reader = Reader {
        folder,
        problems: Vec::new(),
    };
    let text = reader
        .file(PROJECT_FILE, 0)
        .ok_or_else(|| std::mem::take(&mut reader.problems))?;
    let root = yaml::parse(&text).map_err(|(line, message)| vec![problem(line, message, None)])?;
    let project = reader.project(root);
    if reader.problems.is_empty() {
        Ok(project)
    } else {
        Err(reader.problems)
    }
}

struct Reader<'a> {
    folder: &'a Path,
    problems: Vec<Problem>,
}

fn problem(line: usize, message: impl Into<String>, hint: Option<String>) -> Problem {
    Problem {
        file: PROJECT_FILE.to_owned(),
        line,
        message: message.into(),
        hint,
    }
}

impl Reader<'_> {
    fn say(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(problem(line, message, None));
    }

    fn unknown(&mut self, line: usize, key: &str, place: &str, known: &[&str]) {
        let distance = |name: &&&str| (strsim::jaro_winkler(name, key) * 1000.0) as u32;
        let nearest = known
            .iter()
            .max_by_key(distance)
            .filter(|name| strsim::jaro_winkler(name, key) > NEAR_ENOUGH);
        let hint = match nearest {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!(
                "known are {}",
                known
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        self.problems
            .push(problem(line, format!("unknown key `{key}` in {place}"), Some(hint)));
    }

    fn map(&mut self, node: Node, place: &str) -> Vec<(String, usize, Node)> {
        match node.value {
            Value::Map(entries) => entries,
            Value::Empty => Vec::new(),
            other => {
                self.say(node.line, format!("{place} must be a mapping, not {}", other.word()));
                Vec::new()
            }
        }
    }

    fn scalar(&mut self, node: Node, place: &str) -> Option<String> {
        match node.value {
            Value::Scalar(text) => Some(text),
            other => {
                self.say(
                    node.line,
                    format!("{place} must be a single value, not {}", other.word()),
                );
                None
            }
        }
    }

    fn file(&mut self, name: &str, line: usize) -> Option<String> {
        let path = self.folder.join(name);
        let size = std::fs::metadata(&path).map(|metadata| metadata.len());
        let text = match size {
            Ok(size) if size > FILE_BYTES_MAX => Err(format!("it is larger than {FILE_BYTES_MAX} bytes")),
            _ => std::fs::read_to_string(&path).map_err(|error| error.to_string()),
        };
        match text {
            Ok(text) => Some(text),
            Err(why) => {
                self.say(line, format!("`{}` cannot be read: {why}", path.display()));
                None
            }
        }
    }

    fn project(&mut self, root: Node) -> Project {
        let mut project = Project::default();
        for (key, line, value) in self.map(root, "the project") {
            match key.as_str() {
                "name" => project.name = self.scalar(value, "`name`").unwrap_or_default(),
                "topics" => {
                    for (name, line, value) in self.map(value, "`topics`") {
                        let topic = self.topic(name, line, value);
                        project.topics.push(topic);
                    }
                }
                "schemas" => {
                    for (subject, line, value) in self.map(value, "`schemas`") {
                        project.schemas.extend(self.schema(subject, line, value));
                    }
                }
                "sql" => project.sql = self.sql(value),
                other => self.unknown(line, other, "the project", &["name", "topics", "schemas", "sql"]),
            }
        }
        if project.name.is_empty() {
            let folder = std::path::absolute(self.folder).unwrap_or_default();
            project.name = folder
                .file_name()
                .map_or("project".into(), |name| name.to_string_lossy().into_owned());
        }
        project
    }

    fn topic(&mut self, name: String, line: usize, node: Node) -> Topic {
        let mut topic = Topic {
            name,
            partitions: 1,
            settings: BTreeMap::new(),
            line,
        };
        for (key, line, value) in self.map(node, &format!("topic `{}`", topic.name)) {
            match key.as_str() {
                "partitions" => {
                    let place = format!("`partitions` of topic `{}`", topic.name);
                    if let Some(text) = self.scalar(value, &place) {
                        match text.parse() {
                            Ok(count) if count > 0 => topic.partitions = count,
                            _ => self.say(line, format!("{place} must be a number from 1, not `{text}`")),
                        }
                    }
                }
                "settings" => {
                    for (setting, _, value) in self.map(value, "`settings`") {
                        if let Some(text) = self.scalar(value, &format!("`{setting}`")) {
                            topic.settings.insert(setting, text);
                        }
                    }
                }
                other => self.unknown(
                    line,
                    other,
                    &format!("topic `{}`", topic.name),
                    &["partitions", "settings"],
                ),
            }
        }
        topic
    }

    fn schema(&mut self, subject: String, line: usize, node: Node) -> Option<Schema> {
        let place = format!("schema `{subject}`");
        // A bare path is enough.
        if let Value::Scalar(file) = node.value {
            return self.schema_file(subject, line, file, None, None);
        }
        let (mut file, mut word, mut compatibility) = (None, None, None);
        for (key, line, value) in self.map(node, &place) {
            let slot = match key.as_str() {
                "file" => &mut file,
                "type" => &mut word,
                "compatibility" => &mut compatibility,
                other => {
                    self.unknown(line, other, &place, &["file", "type", "compatibility"]);
                    continue;
                }
            };
            *slot = self.scalar(value, &format!("`{key}` of {place}"));
        }
        match file {
            Some(file) => self.schema_file(subject, line, file, word, compatibility),
            None => {
                self.say(line, format!("{place} has no `file`"));
                None
            }
        }
    }

    fn schema_file(
        &mut self,
        subject: String,
        line: usize,
        file: String,
        word: Option<String>,
        compatibility: Option<String>,
    ) -> Option<Schema> {
        let word = word.map(|word| word.to_uppercase()).unwrap_or_else(|| {
            let extension = Path::new(&file)
                .extension()
                .and_then(|extension| extension.to_str())
                .unwrap_or("");
            let word = match extension {
                "json" => "JSON",
                "proto" => "PROTOBUF",
                _ => "AVRO",
            };
            word.to_owned()
        });
        let text = self.file(&file, line);
        let Some(schema_type) = SchemaType::from_word(&word) else {
            self.say(
                line,
                format!("schema `{subject}`: `{word}` is none of avro, json, protobuf"),
            );
            return None;
        };
        Some(Schema {
            subject,
            schema_type,
            file,
            text: text?,
            compatibility,
            line,
        })
    }

    fn sql(&mut self, node: Node) -> Vec<Sql> {
        let files = match node.value {
            Value::List(items) => items,
            Value::Empty => Vec::new(),
            value => vec![Node { line: node.line, value }],
        };
        let mut sql = Vec::new();
        for node in files {
            let line = node.line;
            if let Some(file) = self.scalar(node, "an entry of `sql`")
                && let Some(text) = self.file(&file, line)
            {
                sql.push(Sql { file, text });
            }
        }
        sql
    }
}
