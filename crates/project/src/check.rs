//! What can be checked of a project without a server: names, schemas, levels, and the SQL's grammar.

use base::topic_name;
use schema::Parsed;
use schema::subjects::Level;

use crate::PROJECT_FILE;
use crate::model::{Problem, Project};

/// Every problem, in the order of the file.
pub(crate) fn check(project: &Project) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |file: &str, line: usize, message: String, hint: Option<String>| {
        problems.push(Problem {
            file: file.to_owned(),
            line,
            message,
            hint,
        });
    };
    for topic in &project.topics {
        if let Err(why) = topic_name::check(&topic.name) {
            say(
                PROJECT_FILE,
                topic.line,
                format!("topic name `{}` is not allowed: {why}", topic.name),
                None,
            );
        }
    }
    for schema in &project.schemas {
        if let Err(error) = Parsed::parse(schema.schema_type, &schema.text, &[], false) {
            say(&schema.file, 0, error.message, None);
        }
        if let Some(level) = &schema.compatibility
            && let Err(error) = Level::from_word(level)
        {
            let message = format!("`{level}`: {}", error.message);
            say(PROJECT_FILE, schema.line, message, None);
        }
    }
    for sql in &project.sql {
        for error in sql::parse_script(&sql.text).errors {
            say(&sql.file, error.line as usize, error.message, error.hint);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// Loads a project made of these files and gives its problems as text.
    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        match crate::load(folder.path()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_good_project_has_no_problems() {
        let yaml = "name: shop\ntopics:\n  orders: {partitions: 3, settings: {retention.ms: 1000}}\nschemas:\n  orders-value: order.avsc\n";
        assert_eq!(
            problems(&[("rivulet.yaml", yaml), ("order.avsc", "\"string\"")]),
            Vec::<String>::new()
        );
        assert_eq!(
            problems(&[("rivulet.yaml", "")]),
            Vec::<String>::new(),
            "an empty project is one"
        );
    }

    #[test]
    fn every_problem_is_said_at_once_with_its_line() {
        let yaml = "name: shop\ntopcis:\n  a: 1\ntopics:\n  orders:\n    partitons: 3\n  more:\n    partitions: none\nschemas:\n  s: missing.avsc\n";
        let found = problems(&[("rivulet.yaml", yaml)]);
        let expected = [
            "rivulet.yaml:2: unknown key `topcis` in the project\n  hint: did you mean `topics`?",
            "rivulet.yaml:6: unknown key `partitons` in topic `orders`\n  hint: did you mean `partitions`?",
            "rivulet.yaml:8: `partitions` of topic `more` must be a number from 1, not `none`",
        ];
        assert_eq!(found[..3], expected);
        assert!(
            found[3].starts_with("rivulet.yaml:10: `") && found[3].contains("missing.avsc"),
            "{}",
            found[3]
        );
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn names_and_schemas_are_checked() {
        let yaml = "topics:\n  a b: {}\nschemas:\n  s: {file: s.avsc, compatibility: SIDEWAYS}\n";
        let found = problems(&[("rivulet.yaml", yaml), ("s.avsc", "{\"type\":\"recrd\"}")]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("`a b` is not allowed"));
        assert!(found[1].starts_with("s.avsc: Invalid schema of type AVRO"));
        assert!(found[2].contains("SIDEWAYS"));
    }

    #[test]
    fn what_is_not_yaml_is_said_so() {
        assert!(problems(&[("rivulet.yaml", "a: [1")])[0].contains("not YAML"));
        assert!(problems(&[])[0].contains("cannot be read"));
    }
}
