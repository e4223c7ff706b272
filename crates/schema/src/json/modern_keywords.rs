//! The keywords of 2019-09 and 2020-12, one by one.

use std::collections::BTreeSet;

use super::decimal::Decimal;
use super::model::{Array, Criterion, Kind, Number, Object, Text};
use super::modern::{self, Keyword, Keywords, Loader, SchemaId};
use super::pattern::{self, Pattern};
use super::value::{Json, Object as Members};

const KNOWN: [&str; 54] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$ref",
    "$defs",
    "$schema",
    "$vocabulary",
    "minLength",
    "maxLength",
    "allOf",
    "anyOf",
    "oneOf",
    "additionalProperties",
    "properties",
    "patternProperties",
    "title",
    "description",
    "readOnly",
    "writeOnly",
    "deprecated",
    "default",
    "enum",
    "const",
    "false",
    "true",
    "type",
    "not",
    "required",
    "maximum",
    "minimum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "multipleOf",
    "uniqueItems",
    "items",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedItems",
    "unevaluatedProperties",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "pattern",
    "format",
];

/// Whether the word is one of these drafts' keywords. Some that only describe are not counted among them.
pub(super) fn is_known(word: &str) -> bool {
    KNOWN.contains(&word)
}

impl<'a> Loader<'a> {
    /// Takes in one member of a schema object.
    pub(super) fn keyword(
        &mut self,
        key: &str,
        value: &'a Json,
        members: &'a Members,
        keywords: &mut Keywords,
    ) -> Result<(), String> {
        let keyword = match key {
            "properties" => {
                keywords.properties = self.named(key, value)?;
                return Ok(());
            }
            "patternProperties" => {
                for (text, schema) in self.named(key, value)? {
                    let pattern = Pattern::new(&text).map_err(|cause| self.fault_below(key, cause))?;
                    keywords.patterns.push((pattern, schema));
                }
                return Ok(());
            }
            "$defs" => {
                keywords.definitions = self.named(key, value)?;
                return Ok(());
            }
            "unevaluatedItems" => {
                keywords.unevaluated_items = Some(self.child(key, value)?);
                return Ok(());
            }
            "unevaluatedProperties" => {
                keywords.unevaluated_properties = Some(self.child(key, value)?);
                return Ok(());
            }
            "title" | "description" | "$dynamicAnchor" => {
                self.string(key, value)?;
                return Ok(());
            }
            "deprecated" => {
                self.boolean(key, value)?;
                return Ok(());
            }
            "readOnly" | "writeOnly" => match self.boolean(key, value)? {
                true => Keyword::Nothing,
                false => return Ok(()),
            },
            "format" => {
                self.string(key, value)?;
                Keyword::Nothing
            }
            "$ref" | "$dynamicRef" => {
                let (knot, address) = self.refer(self.string(key, value)?)?;
                Keyword::Reference(knot, modern::without_unknown(&address).to_owned())
            }
            "type" => self.types(value)?,
            "allOf" => Keyword::List(Criterion::All, self.list(key, value)?),
            "anyOf" => Keyword::List(Criterion::Any, self.list(key, value)?),
            "oneOf" => Keyword::List(Criterion::One, self.list(key, value)?),
            "not" => Keyword::Not(self.child(key, value)?),
            "const" => Keyword::Plain(Kind::Const(Box::new(value.simplest_within()))),
            "enum" => Keyword::Plain(Kind::Enum(
                self.array(key, value)?.iter().map(Json::simplest_within).collect(),
            )),
            "additionalProperties" => Keyword::Additional(self.child(key, value)?),
            "items" => {
                let behind = matches!(members.get("prefixItems"), Some(Json::Array(first)) if !first.is_empty());
                Keyword::Items(self.child(key, value)?, behind)
            }
            "prefixItems" => Keyword::First(self.list(key, value)?),
            "contains" => {
                let count = |key: &str| match members.get(key) {
                    Some(Json::Number(number)) => Some(number.to_i32()),
                    _ => None,
                };
                let (min, max) = (count("minContains").unwrap_or(1), count("maxContains"));
                Keyword::Contains(self.child(key, value)?, min, max)
            }
            "dependentSchemas" => Keyword::Dependent(self.named(key, value)?),
            "propertyNames" => Keyword::Names(self.child(key, value)?),
            "if" => {
                let mut branches = [Some(self.child(key, value)?), None, None];
                for (branch, key) in branches.iter_mut().skip(1).zip(["then", "else"]) {
                    *branch = members.get(key).map(|schema| self.child(key, schema)).transpose()?;
                }
                Keyword::Conditional(branches)
            }
            _ => match self.plain(key, value)? {
                Some(kind) => Keyword::Plain(kind),
                None => return Ok(()),
            },
        };
        keywords.list.push(keyword);
        Ok(())
    }

    /// Keywords that hold no schemas.
    fn plain(&self, key: &str, value: &Json) -> Result<Option<Kind>, String> {
        let text = |text: Text| Ok(Some(Kind::Text(Box::new(text))));
        let numeric = |number: Number| Ok(Some(Kind::Number(Box::new(number))));
        let object = |object: Object| Ok(Some(Kind::Object(Box::new(object))));
        let array = |array: Array| Ok(Some(Kind::Array(Box::new(array))));
        let count = || Ok::<_, String>(Some(self.number(key, value)?.to_i32()));
        let number = || Ok::<_, String>(Some(self.number(key, value)?.clone()));
        match key {
            "minLength" => text(Text {
                min_length: count()?,
                ..Text::default()
            }),
            "maxLength" => text(Text {
                max_length: count()?,
                ..Text::default()
            }),
            "pattern" => {
                let pattern = self.string(key, value)?;
                pattern::check(pattern).map_err(|cause| self.fault_below(key, cause))?;
                text(Text {
                    pattern: Some(pattern.to_owned()),
                    ..Text::default()
                })
            }
            "minimum" => numeric(Number {
                minimum: number()?,
                ..Number::default()
            }),
            "maximum" => numeric(Number {
                maximum: number()?,
                ..Number::default()
            }),
            "exclusiveMinimum" => numeric(Number {
                exclusive_minimum: number()?,
                ..Number::default()
            }),
            "exclusiveMaximum" => numeric(Number {
                exclusive_maximum: number()?,
                ..Number::default()
            }),
            "multipleOf" => numeric(Number {
                multiple_of: number()?,
                ..Number::default()
            }),
            "minProperties" => object(Object {
                min_properties: count()?,
                ..Object::new(false)
            }),
            "maxProperties" => object(Object {
                max_properties: count()?,
                ..Object::new(false)
            }),
            "required" => object(Object {
                required: self.names(key, value)?,
                ..Object::new(false)
            }),
            "dependentRequired" => {
                let mut dependent = Object::new(false);
                for (name, wanted) in self.object(key, value)? {
                    let wanted = self.names(&format!("{key}/{name}"), wanted)?;
                    if !wanted.is_empty() {
                        dependent.dependent_names.insert(name.clone(), wanted);
                    }
                }
                object(dependent)
            }
            "minItems" => array(Array {
                min_items: count()?,
                ..Array::new(false)
            }),
            "maxItems" => array(Array {
                max_items: count()?,
                ..Array::new(false)
            }),
            "uniqueItems" => array(Array {
                unique: self.boolean(key, value)?,
                ..Array::new(false)
            }),
            _ => Ok(None),
        }
    }

    fn types(&self, value: &Json) -> Result<Keyword, String> {
        match value {
            Json::String(word) => self.type_word(word).map(Keyword::Plain),
            Json::Array(words) => {
                let kind = |(at, word): (usize, &Json)| self.type_word(self.string(&format!("type/{at}"), word)?);
                Ok(Keyword::Types(
                    words.iter().enumerate().map(kind).collect::<Result<_, _>>()?,
                ))
            }
            other => Err(self.fault(format!(
                "`type` is {}, not a string or an array of strings",
                other.noun()
            ))),
        }
    }

    fn type_word(&self, word: &str) -> Result<Kind, String> {
        Ok(match word {
            "string" => Kind::Text(Box::new(Text {
                only: true,
                ..Text::default()
            })),
            "integer" | "number" => Kind::Number(Box::new(Number {
                only: true,
                integer: word == "integer",
                ..Number::default()
            })),
            "boolean" => Kind::Boolean,
            "null" => Kind::Null,
            "array" => Kind::Array(Box::new(Array::new(true))),
            "object" => Kind::Object(Box::new(Object::new(true))),
            other => return Err(self.fault(format!("there is no type `{other}`"))),
        })
    }

    /// The schemas of an object by name.
    fn named(&mut self, key: &str, value: &'a Json) -> Result<Vec<(String, SchemaId)>, String> {
        let members = self.object(key, value)?;
        self.path.push(key.to_owned());
        let mut schemas = Vec::with_capacity(members.len());
        for (name, schema) in self.in_order(members) {
            schemas.push((name.clone(), self.child(name, schema)?));
        }
        self.path.pop();
        Ok(schemas)
    }

    /// The schemas of an array.
    fn list(&mut self, key: &str, value: &'a Json) -> Result<Vec<SchemaId>, String> {
        let items = self.array(key, value)?;
        self.path.push(key.to_owned());
        let mut schemas = Vec::with_capacity(items.len());
        for (at, schema) in items.iter().enumerate() {
            schemas.push(self.child(&at.to_string(), schema)?);
        }
        self.path.pop();
        Ok(schemas)
    }

    fn wrong<R>(&self, key: &str, expected: &str, found: &Json) -> Result<R, String> {
        Err(self.fault_below(key, format!("expected {expected}, found {}", found.noun())))
    }

    fn string<'v>(&self, key: &str, value: &'v Json) -> Result<&'v str, String> {
        value.as_str().map_or_else(|| self.wrong(key, "a string", value), Ok)
    }

    fn boolean(&self, key: &str, value: &Json) -> Result<bool, String> {
        match value {
            Json::Bool(flag) => Ok(*flag),
            other => self.wrong(key, "a boolean", other),
        }
    }

    fn number<'v>(&self, key: &str, value: &'v Json) -> Result<&'v Decimal, String> {
        match value {
            Json::Number(number) => Ok(number),
            other => self.wrong(key, "a number", other),
        }
    }

    fn array<'v>(&self, key: &str, value: &'v Json) -> Result<&'v Vec<Json>, String> {
        match value {
            Json::Array(items) => Ok(items),
            other => self.wrong(key, "an array", other),
        }
    }

    fn object<'v>(&self, key: &str, value: &'v Json) -> Result<&'v Members, String> {
        value
            .as_object()
            .map_or_else(|| self.wrong(key, "an object", value), Ok)
    }

    fn names(&self, key: &str, value: &Json) -> Result<BTreeSet<String>, String> {
        let items = self.array(key, value)?;
        let name = |(at, item): (usize, &Json)| self.string(&format!("{key}/{at}"), item).map(str::to_owned);
        items.iter().enumerate().map(name).collect()
    }
}
