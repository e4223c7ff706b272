//! The keywords of draft 4, 6 and 7 that are for one type of values.

use std::collections::HashSet;

use super::classic::{Loader, Place};
use super::documents::Draft;
use super::model::{Array, Combined, Criterion, Kind, Node, Number, Object, Text};
use super::order::copied_map_order;
use super::pattern::{self, Pattern};
use super::value::{Json, Object as Members};

const ARRAY: [&str; 6] = [
    "items",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
];
const OBJECT: [&str; 8] = [
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
];
const NUMBER: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
const TEXT: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];

/// Formats that are checked, with the first draft that does; others are as if they were not there.
const FORMATS: [(&str, Draft); 13] = [
    ("date-time", Draft::Four),
    ("uri", Draft::Four),
    ("email", Draft::Four),
    ("ipv4", Draft::Four),
    ("ipv6", Draft::Four),
    ("hostname", Draft::Four),
    ("json-pointer", Draft::Six),
    ("uri-reference", Draft::Six),
    ("uri-template", Draft::Six),
    ("date", Draft::Seven),
    ("time", Draft::Seven),
    ("regex", Draft::Seven),
    ("relative-json-pointer", Draft::Seven),
];

impl<'a> Loader<'a> {
    fn array_keywords(&self) -> &'static [&'static str] {
        if self.draft == Draft::Four { &ARRAY[..5] } else { &ARRAY }
    }

    fn object_keywords(&self) -> &'static [&'static str] {
        if self.draft == Draft::Four {
            &OBJECT[..7]
        } else {
            &OBJECT
        }
    }

    /// What `type` says, with the keywords for that type.
    pub(super) fn typed(
        &mut self,
        place: &Place<'a>,
        members: &'a Members,
        taken: &mut HashSet<&'a str>,
    ) -> Result<Option<Kind>, String> {
        let Some(value) = members.get("type") else {
            return Ok(None);
        };
        taken.insert("type");
        match value {
            Json::String(word) => self.type_word(word, place, members, taken).map(Some),
            Json::Array(words) => {
                let mut parts = Vec::with_capacity(words.len());
                for (at, word) in words.iter().enumerate() {
                    let word = self.string(&format!("type/{at}"), word)?;
                    let kind = self.type_word(word, place, members, taken)?;
                    parts.push(self.graph.add(Node::new(kind))?);
                }
                Ok(Some(Kind::Combined(Box::new(Combined {
                    criterion: Criterion::Any,
                    parts,
                    implied: false,
                }))))
            }
            other => Err(self.fault(format!(
                "`type` is {}, not a string or an array of strings",
                other.noun()
            ))),
        }
    }

    fn type_word(
        &mut self,
        word: &str,
        place: &Place<'a>,
        members: &'a Members,
        taken: &mut HashSet<&'a str>,
    ) -> Result<Kind, String> {
        Ok(match word {
            "string" => {
                taken.extend(TEXT);
                Kind::Text(Box::new(self.text(members, true)?))
            }
            "integer" | "number" => {
                taken.extend(NUMBER);
                Kind::Number(Box::new(Number {
                    integer: word == "integer",
                    ..self.numeric(members, true)?
                }))
            }
            "boolean" => Kind::Boolean,
            "null" => Kind::Null,
            "array" => {
                taken.extend(self.array_keywords());
                Kind::Array(Box::new(self.array_kind(place, members, true)?))
            }
            "object" => {
                taken.extend(self.object_keywords());
                Kind::Object(Box::new(self.object_kind(place, members, true)?))
            }
            other => return Err(self.fault(format!("there is no type `{other}`"))),
        })
    }

    /// What keywords for other types than the named one say.
    pub(super) fn untyped(
        &mut self,
        place: &Place<'a>,
        members: &'a Members,
        taken: &mut HashSet<&'a str>,
        kinds: &mut Vec<Kind>,
    ) -> Result<(), String> {
        let mut left = |keywords: &[&'static str]| {
            let left = keywords
                .iter()
                .any(|key| members.contains_key(*key) && !taken.contains(key));
            if left {
                taken.extend(keywords);
            }
            left
        };
        if left(self.array_keywords()) {
            kinds.push(Kind::Array(Box::new(self.array_kind(place, members, false)?)));
        }
        if left(self.object_keywords()) {
            kinds.push(Kind::Object(Box::new(self.object_kind(place, members, false)?)));
        }
        if left(&NUMBER) {
            kinds.push(Kind::Number(Box::new(self.numeric(members, false)?)));
        }
        if left(&TEXT) {
            kinds.push(Kind::Text(Box::new(self.text(members, false)?)));
        }
        if self.draft == Draft::Seven && left(&["if", "then", "else"]) {
            let mut branches = [None; 3];
            for (branch, key) in branches.iter_mut().zip(["if", "then", "else"]) {
                *branch = match members.get(key) {
                    Some(schema) => Some(self.child(place, key, schema)?),
                    None => None,
                };
            }
            kinds.push(Kind::Conditional(Box::new(branches)));
        }
        Ok(())
    }

    fn text(&self, members: &Members, only: bool) -> Result<Text, String> {
        let pattern = match members.get("pattern") {
            Some(value) => {
                let text = self.string("pattern", value)?;
                pattern::check(text).map_err(|cause| self.fault_below("pattern", cause))?;
                Some(text.to_owned())
            }
            None => None,
        };
        let format = match members.get("format") {
            Some(value) => Some(self.string("format", value)?),
            None => None,
        };
        let checked = |format: &&str| {
            FORMATS
                .iter()
                .any(|(name, since)| name == format && *since <= self.draft)
        };
        Ok(Text {
            only,
            min_length: self.limit("minLength", members)?,
            max_length: self.limit("maxLength", members)?,
            pattern,
            format: format.filter(checked).map(str::to_owned),
        })
    }

    fn numeric(&self, members: &Members, only: bool) -> Result<Number, String> {
        let number = |key: &str| {
            members
                .get(key)
                .map(|value| self.number(key, value).cloned())
                .transpose()
        };
        let mut numeric = Number {
            only,
            minimum: number("minimum")?,
            maximum: number("maximum")?,
            multiple_of: number("multipleOf")?,
            ..Number::default()
        };
        if numeric
            .multiple_of
            .as_ref()
            .is_some_and(|number| number.as_f64() == 0.0)
        {
            return Err(self.fault("`multipleOf` is 0"));
        }
        if self.draft == Draft::Four {
            let flag = |key: &str| members.get(key).map_or(Ok(false), |value| self.boolean(key, value));
            numeric.excluded = (flag("exclusiveMinimum")?, flag("exclusiveMaximum")?);
        } else {
            numeric.exclusive_minimum = number("exclusiveMinimum")?;
            numeric.exclusive_maximum = number("exclusiveMaximum")?;
        }
        Ok(numeric)
    }

    fn array_kind(&mut self, place: &Place<'a>, members: &'a Members, only: bool) -> Result<Array, String> {
        let mut array = Array {
            min_items: self.limit("minItems", members)?,
            max_items: self.limit("maxItems", members)?,
            unique: members
                .get("uniqueItems")
                .map_or(Ok(false), |value| self.boolean("uniqueItems", value))?,
            ..Array::new(only)
        };
        match members.get("additionalItems") {
            None => {}
            Some(Json::Bool(more)) => array.more = *more,
            Some(schema @ Json::Object(_)) => array.additional = Some(self.child(place, "additionalItems", schema)?),
            Some(other) => return self.wrong("additionalItems", "a schema", other),
        }
        match members.get("items") {
            None => {}
            Some(list @ Json::Array(items)) => {
                array.items = self.within(place, "items", list, |loader, place| {
                    items
                        .iter()
                        .enumerate()
                        .map(|(at, item)| loader.child(place, &at.to_string(), item))
                        .collect()
                })?;
            }
            Some(Json::Bool(_)) if self.draft == Draft::Four => {
                return Err(self.fault("`items` is a boolean, which draft 4 does not take for a schema"));
            }
            Some(schema) => {
                array.every = Some(self.child(place, "items", schema)?);
                // Beside a schema for every item there are no additional ones to forbid.
                array.more = true;
            }
        }
        if let Some(schema) = members.get("contains").filter(|_| self.draft != Draft::Four) {
            array.contained = Some(self.child(place, "contains", schema)?);
        }
        Ok(array)
    }

    fn object_kind(&mut self, place: &Place<'a>, members: &'a Members, only: bool) -> Result<Object, String> {
        let mut object = Object {
            min_properties: self.limit("minProperties", members)?,
            max_properties: self.limit("maxProperties", members)?,
            ..Object::new(only)
        };
        if let Some(value) = members.get("properties") {
            let id = self.draft.id_keyword();
            // An identifier that got in among the properties is none of them.
            let listed = in_order(self.object("properties", value)?);
            let listed = listed.filter(|(name, schema)| *name != id || matches!(schema, Json::Object(_)));
            self.within(place, "properties", value, |loader, place| {
                for (name, schema) in listed {
                    object
                        .properties
                        .insert(name.clone(), loader.child(place, name, schema)?);
                }
                Ok(())
            })?;
        }
        match members.get("additionalProperties") {
            None => {}
            Some(Json::Bool(more)) => object.more = *more,
            Some(schema @ Json::Object(_)) => {
                object.additional = Some(self.child(place, "additionalProperties", schema)?);
            }
            Some(other) => return self.wrong("additionalProperties", "a schema", other),
        }
        if let Some(value) = members.get("required") {
            object.required = self.names("required", value)?;
        }
        if let Some(value) = members.get("patternProperties") {
            let listed = in_order(self.object("patternProperties", value)?);
            self.within(place, "patternProperties", value, |loader, place| {
                for (text, schema) in listed {
                    let node = loader.child(place, text, schema)?;
                    let pattern = Pattern::new(text).map_err(|cause| loader.fault(cause))?;
                    object.patterns.push((pattern, node));
                }
                Ok(())
            })?;
        }
        if let Some(value) = members.get("dependencies") {
            let listed = in_order(self.object("dependencies", value)?);
            self.within(place, "dependencies", value, |loader, place| {
                for (name, wanted) in listed {
                    match wanted {
                        Json::Array(_) => {
                            let names = loader.names(name, wanted)?;
                            if !names.is_empty() {
                                object.dependent_names.insert(name.clone(), names);
                            }
                        }
                        Json::Bool(_) if loader.draft == Draft::Four => {
                            return Err(loader.fault(format!("`{name}` is a boolean, which draft 4 does not take")));
                        }
                        schema => {
                            object
                                .dependent_schemas
                                .insert(name.clone(), loader.child(place, name, schema)?);
                        }
                    }
                }
                Ok(())
            })?;
        }
        if let Some(schema) = members.get("propertyNames").filter(|_| self.draft != Draft::Four) {
            object.names = Some(self.child(place, "propertyNames", schema)?);
        }
        Ok(object)
    }
}

/// The members in the order in which registries look at them. What an address means can depend on it: where identifiers
/// are of a kind that references are not resolved against, the first schema that refers to an address decides.
fn in_order(members: &Members) -> impl Iterator<Item = (&String, &Json)> {
    copied_map_order(members.keys().map(String::as_str))
        .into_iter()
        .filter_map(|at| members.get_index(at))
}
