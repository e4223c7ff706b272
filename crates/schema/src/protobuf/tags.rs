//! Tags of messages and fields: the `tags` of their `confluent.message_meta` and `confluent.field_meta` options.

use super::file::{Field, File, Message, Opt, Type, Value};
use super::{Schema, print};

const MESSAGE_META: &str = "confluent.message_meta";
const FIELD_META: &str = "confluent.field_meta";
const TAGS: &str = "tags";
/// Messages are looked for this deep within each other.
const DEPTH_MAX: usize = 64;

/// The tags of a message (`Outer.Inner`) or of a field of one (`Outer.Inner.field`); the package is not part of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    pub path: String,
    pub is_field: bool,
    pub tags: Vec<String>,
}

/// Tags to put to a part, and to take from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub path: String,
    pub is_field: bool,
    pub add: Vec<String>,
    pub remove: Vec<String>,
}

impl Schema {
    /// The parts that have tags.
    pub fn tagged(&self) -> Vec<Tagged> {
        let mut found = Vec::new();
        collect(&self.file.types, "", &mut found, 0);
        found
    }

    /// The canonical text with other tags; the error names a part that is not there.
    pub fn with_tags(&self, edits: &[Edit]) -> Result<String, String> {
        let mut file = self.file.clone();
        for edit in edits {
            apply(&mut file, edit)?;
        }
        Ok(print::text(&file))
    }
}

fn collect(types: &[Type], scope: &str, found: &mut Vec<Tagged>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    for message in types.iter().filter_map(Type::message) {
        let path = format!("{scope}{}", message.name);
        let mut push = |path: String, is_field: bool, tags: Vec<String>| {
            if !tags.is_empty() {
                found.push(Tagged { path, is_field, tags });
            }
        };
        push(path.clone(), false, tags_of(MESSAGE_META, &message.options));
        let in_oneofs = message.oneofs.iter().flat_map(|oneof| &oneof.fields);
        for field in in_oneofs.chain(&message.fields) {
            let tags = tags_of(FIELD_META, &field.options);
            push(format!("{path}.{}", field.name), true, tags);
        }
        collect(&message.types, &format!("{path}."), found, depth + 1);
    }
}

/// What options of a name say, as one map.
fn meta(name: &str, options: &[Opt]) -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    for option in options
        .iter()
        .filter(|option| option.parenthesized && option.name == name)
    {
        match &option.value {
            Value::Map(map) => entries.extend(map.iter().cloned()),
            Value::Inner(inner) => entries.push((inner.name.clone(), inner.value.clone())),
            _ => {}
        }
    }
    entries
}

fn tags_of(name: &str, options: &[Opt]) -> Vec<String> {
    let mut tags = Vec::new();
    for (_, value) in meta(name, options).into_iter().filter(|(key, _)| key == TAGS) {
        match value {
            Value::Text(text) => tags.push(text),
            Value::List(list) => tags.extend(list.into_iter().filter_map(|one| match one {
                Value::Text(text) => Some(text),
                _ => None,
            })),
            _ => {}
        }
    }
    tags
}

/// Puts the tags of an option of this name in the place of those there are.
fn put(name: &str, options: &mut Vec<Opt>, tags: Vec<String>) {
    let mut entries = meta(name, options);
    let list = Value::List(tags.iter().cloned().map(Value::Text).collect());
    let at = entries.iter().position(|(key, _)| key == TAGS);
    entries.retain(|(key, _)| key != TAGS);
    if !tags.is_empty() {
        let at = at.unwrap_or(entries.len()).min(entries.len());
        entries.insert(at, (TAGS.to_owned(), list));
    }
    let is_meta = |option: &Opt| option.parenthesized && option.name == name;
    let at = options.iter().position(is_meta);
    options.retain(|option| !is_meta(option));
    if !entries.is_empty() {
        let option = Opt {
            name: name.to_owned(),
            value: Value::Map(entries),
            parenthesized: true,
        };
        options.insert(at.unwrap_or(options.len()).min(options.len()), option);
    }
}

fn apply(file: &mut File, edit: &Edit) -> Result<(), String> {
    let path = edit.path.strip_prefix('.').unwrap_or(&edit.path);
    let mut words: Vec<&str> = path.split('.').collect();
    let (name, options) = if edit.is_field {
        let field = words.pop().unwrap_or_default();
        let found = find_field(&mut file.types, &words, field)?;
        (FIELD_META, &mut found.options)
    } else {
        let found = find_message(&mut file.types, &words);
        let found = found.map_err(|word| format!("No matching Message with name '{word}' found in the schema"))?;
        (MESSAGE_META, &mut found.options)
    };
    let mut tags = tags_of(name, options);
    for tag in &edit.add {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags.retain(|tag| !edit.remove.contains(tag));
    put(name, options, tags);
    Ok(())
}

/// The message of a path; the error is the word that names none.
fn find_message<'a>(mut types: &'a mut [Type], words: &[&str]) -> Result<&'a mut Message, String> {
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let found = types.iter_mut().find_map(|one| match one {
            Type::Message(message) if message.name == *word => Some(message),
            _ => None,
        });
        let found = found.ok_or_else(|| (*word).to_owned())?;
        if words.peek().is_none() {
            return Ok(found);
        }
        types = &mut found.types;
    }
    Err(String::new())
}

/// A field of a message; the last of the words before it may be the oneof it stands in.
fn find_field<'a>(types: &'a mut [Type], words: &[&str], field: &str) -> Result<&'a mut Field, String> {
    let missing = || format!("No matching Field with name '{field}' found in the schema");
    let (last, outer) = words.split_last().ok_or_else(missing)?;
    let has_oneof = |message: &mut Message| message.oneofs.iter().any(|one| one.name == *last);
    let oneof = find_message(types, outer).is_ok_and(has_oneof).then_some(*last);
    let words = if oneof.is_some() { outer } else { words };
    let message = find_message(types, words).map_err(|word| {
        if words.first() == Some(&word.as_str()) {
            format!("No matching Message with name '{word}' found in the schema")
        } else {
            missing()
        }
    })?;
    field_of(message, oneof, field).ok_or_else(missing)
}

fn field_of<'a>(message: &'a mut Message, oneof: Option<&str>, name: &str) -> Option<&'a mut Field> {
    let Message { fields, oneofs, .. } = message;
    let of_message = fields.iter_mut().filter(|_| oneof.is_none());
    let of_oneofs = oneofs
        .iter_mut()
        .filter(|one| oneof.is_none_or(|wanted| one.name == wanted));
    let mut all = of_message.chain(of_oneofs.flat_map(|one| &mut one.fields));
    all.find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::{Edit, Schema};

    fn edit(path: &str, is_field: bool, add: &[&str], remove: &[&str]) -> Edit {
        let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        Edit {
            path: path.to_owned(),
            is_field,
            add: owned(add),
            remove: owned(remove),
        }
    }

    const TEXT: &str = "syntax = \"proto3\"; package n; message T { string a = 1; In b = 2; \
        oneof o { string c = 3; int32 d = 4; } message In { string x = 1; } }";

    /// The text is what Confluent's registry made of the same tags.
    #[test]
    fn tags_are_put_and_taken() {
        let schema = Schema::parse(TEXT, &[]).unwrap();
        let edits = [
            edit("T.a", true, &["PII", "Q"], &[]),
            edit(".T", false, &["R"], &[]),
            edit("T.In.x", true, &["X"], &[]),
            edit("T.c", true, &["C"], &[]),
            edit("T.o.d", true, &["D"], &[]),
            edit("T.In", false, &["I"], &[]),
        ];
        let text = schema.with_tags(&edits).unwrap();
        let meta =
            |tags: &str, indent: &str| format!("{{\n{indent}  tags: [\n{indent}    {tags}\n{indent}  ]\n{indent}}}");
        let expected = format!(
            "syntax = \"proto3\";\npackage n;\n\nmessage T {{\n  option (confluent.message_meta) = {};\n\n  string a = 1 \
             [(confluent.field_meta) = {}];\n  In b = 2;\n\n  oneof o {{\n    string c = 3 [(confluent.field_meta) = {}];\n    \
             int32 d = 4 [(confluent.field_meta) = {}];\n  }}\n\n  message In {{\n    option (confluent.message_meta) = \
             {};\n  \n    string x = 1 [(confluent.field_meta) = {}];\n  }}\n}}\n",
            meta("\"R\"", "  "),
            meta("\"PII\",\n      \"Q\"", "  "),
            meta("\"C\"", "    "),
            meta("\"D\"", "    "),
            meta("\"I\"", "    "),
            meta("\"X\"", "    "),
        );
        assert_eq!(text, expected);
        let tagged = Schema::parse(&text, &[]).unwrap();
        let paths: Vec<String> = tagged.tagged().into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["T", "T.c", "T.d", "T.a", "T.In", "T.In.x"]);
        let edits = [edit("T.a", true, &["Z"], &["Q"]), edit("T", false, &[], &["R"])];
        let again = Schema::parse(&tagged.with_tags(&edits).unwrap(), &[]).unwrap().tagged();
        assert_eq!(again.iter().find(|one| one.path == "T.a").unwrap().tags, ["PII", "Z"]);
        assert!(!again.iter().any(|one| one.path == "T"));
    }

    #[test]
    fn parts_that_are_not_there_are_named() {
        let schema = Schema::parse(TEXT, &[]).unwrap();
        for (path, is_field, expected) in [
            ("n.T", false, "No matching Message with name 'n' found in the schema"),
            ("n.T.a", true, "No matching Message with name 'n' found in the schema"),
            ("T.z", true, "No matching Field with name 'z' found in the schema"),
            ("T.U.z", true, "No matching Field with name 'z' found in the schema"),
            ("T", true, "No matching Field with name 'T' found in the schema"),
            ("", false, "No matching Message with name '' found in the schema"),
        ] {
            let error = schema.with_tags(&[edit(path, is_field, &["A"], &[])]).unwrap_err();
            assert_eq!(error, expected, "{path}");
        }
    }
}
