//! Readers of JSON that take what a registry's JSON reader takes: null for nothing, numbers and booleans for texts, texts
//! for numbers and booleans.

use std::collections::BTreeMap;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// Null stands for the default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// An object, or null for none; lists, which would fill it in order, are refused.
pub(crate) fn object<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let name = std::any::type_name::<T>();
    let name = name.rsplit("::").next().unwrap_or(name);
    match Json::deserialize(from)? {
        Json::Null => Ok(None),
        json @ Json::Object(_) => serde_json::from_value(json).map(Some).map_err(Error::custom),
        Json::Array(_) => Err(Error::custom(format!(
            "Cannot deserialize value of type `{name}` from Array value (token `JsonToken.START_ARRAY`)"
        ))),
        other => Err(Error::custom(format!(
            "Cannot construct instance of `{name}` from value ({other})"
        ))),
    }
}

/// [`given_text`] for objects.
pub(crate) fn given_object<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    object(from).map(Some)
}

fn text_of<E: Error>(json: Json) -> Result<Option<String>, E> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        Json::Bool(_) | Json::Number(_) => Ok(Some(json.to_string())),
        Json::Array(_) => Err(E::custom(
            "Cannot deserialize value of type `String` from Array value (token `JsonToken.START_ARRAY`)",
        )),
        Json::Object(_) => Err(E::custom(
            "Cannot deserialize value of type `String` from Object value (token `JsonToken.START_OBJECT`)",
        )),
    }
}

/// A text, written as one or as a number or a boolean.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    text_of(Json::deserialize(from)?)
}

/// Texts by name; what is null is left out.
pub(crate) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let read = Option::<BTreeMap<String, Json>>::deserialize(from)?.unwrap_or_default();
    let mut texts = BTreeMap::new();
    for (key, value) in read {
        if let Some(text) = text_of(value)? {
            texts.insert(key, text);
        }
    }
    Ok(texts)
}

/// A 32-bit number, also written as text or with a fraction, which is cut.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i32>, D::Error> {
    let json = Json::deserialize(from)?;
    let range = |shown: String| {
        Error::custom(format!(
            "Numeric value ({shown}) out of range of int (-2147483648 - 2147483647)"
        ))
    };
    match &json {
        Json::Null => Ok(None),
        Json::Number(number) => {
            let whole = number.as_i64().or_else(|| {
                let float = number.as_f64().filter(|float| float.abs() < 4e9)?;
                #[allow(clippy::cast_possible_truncation, reason = "the fraction is to be cut, the range was checked")]
                Some(float.trunc() as i64)
            });
            let fits = whole.and_then(|whole| i32::try_from(whole).ok());
            fits.map(Some).ok_or_else(|| range(number.to_string()))
        }
        Json::String(text) if text.trim().is_empty() => Ok(None),
        Json::String(text) => text.trim().parse().map(Some).map_err(|_| {
            Error::custom(format!(
                "Cannot deserialize value of type `Integer` from String \"{text}\": not a valid `java.lang.Integer` value"
            ))
        }),
        Json::Bool(true) => Err(Error::custom(
            "Cannot deserialize value of type `Integer` from Boolean value (token `JsonToken.VALUE_TRUE`)",
        )),
        Json::Bool(false) => Err(Error::custom(
            "Cannot deserialize value of type `Integer` from Boolean value (token `JsonToken.VALUE_FALSE`)",
        )),
        Json::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"a number")),
        Json::Object(_) => Err(Error::invalid_type(Unexpected::Map, &"a number")),
    }
}

/// A boolean, also written as text.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Json::deserialize(from)? {
        Json::Null => Ok(None),
        Json::Bool(flag) => Ok(Some(flag)),
        Json::String(text) => match text.trim() {
            "true" | "True" | "TRUE" => Ok(Some(true)),
            "false" | "False" | "FALSE" => Ok(Some(false)),
            "" => Ok(None),
            _ => Err(Error::custom(format!(
                "Cannot deserialize value of type `Boolean` from String \"{text}\": only \"true\" or \"false\" recognized"
            ))),
        },
        Json::Number(number) => Ok(Some(number.as_i64() != Some(0))),
        Json::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"a boolean")),
        Json::Object(_) => Err(Error::invalid_type(Unexpected::Map, &"a boolean")),
    }
}

/// What a request says of a setting: nothing (`None`), that it be taken back (`Some(None)`), or its new text.
pub(crate) fn given_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    text(from).map(Some)
}

/// [`given_text`] for booleans.
pub(crate) fn given_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<bool>>, D::Error> {
    flag(from).map(Some)
}
