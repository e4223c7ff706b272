//! Avro's binary form to and from JSON, for people and tools: commands that show and take records.
//!
//! Union values are written bare (`"x"`, not `{"string": "x"}`); bytes and fixed as characters 0 to 255. Streaming jobs
//! do not come through here: they read straight into rows.

use serde_json::{Map, Number, Value as Json};

use super::{AvroError, Kind, NodeId, Schema};

/// Items without bytes (nulls) that a value may hold beyond one for each byte of input.
const FREE_ITEMS_MAX: usize = 65_536;
/// Values of any kind that may be read for each byte of input.
const VALUES_PER_BYTE_MAX: usize = 16;
/// Values may be nested this deep; recursive types would otherwise let a few bytes exhaust the stack.
const DEPTH_MAX: usize = 128;

type Coded<T> = Result<T, AvroError>;

fn fail<T>(message: impl Into<String>) -> Coded<T> {
    Err(AvroError(message.into()))
}

impl Schema {
    /// Decodes one value that fills `bytes` exactly.
    pub fn decode(&self, bytes: &[u8]) -> Coded<Json> {
        let mut reader = Reader::new(self, bytes);
        let json = reader.value(self.root())?;
        reader.end()?;
        Ok(json)
    }

    /// Whether one value fills a record's payload exactly. A schema of plain bytes takes any payload, for clients
    /// write those without their length.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), String> {
        if matches!(self.node(self.root()).kind, Kind::Bytes) {
            return Ok(());
        }
        let mut reader = Reader::new(self, payload);
        let checked = reader.skip(self.root()).and_then(|()| reader.end());
        checked.map_err(|error| error.to_string())
    }

    /// Encodes one value; the error names the field that does not fit.
    pub fn encode(&self, json: &Json) -> Coded<Vec<u8>> {
        let mut bytes = Vec::new();
        self.put(self.root(), json, &mut bytes)?;
        Ok(bytes)
    }

    fn put(&self, ty: NodeId, json: &Json, into: &mut Vec<u8>) -> Coded<()> {
        let kind = &self.node(ty).kind;
        let misfit = || AvroError(format!("`{json}` is not a `{}`", kind.word()));
        match kind {
            Kind::Null => json.as_null().ok_or_else(misfit)?,
            Kind::Boolean => into.push(u8::from(json.as_bool().ok_or_else(misfit)?)),
            Kind::Int => {
                let number = json.as_i64().and_then(|number| i32::try_from(number).ok());
                put_long(number.ok_or_else(misfit)?.into(), into);
            }
            Kind::Long => put_long(json.as_i64().ok_or_else(misfit)?, into),
            Kind::Float => into.extend((json.as_f64().ok_or_else(misfit)? as f32).to_le_bytes()),
            Kind::Double => into.extend(json.as_f64().ok_or_else(misfit)?.to_le_bytes()),
            Kind::String => put_bytes(json.as_str().ok_or_else(misfit)?.as_bytes(), into),
            Kind::Bytes => put_bytes(&latin(json).ok_or_else(misfit)?, into),
            Kind::Fixed(fixed) => {
                let bytes = latin(json)
                    .filter(|bytes| bytes.len() == fixed.size)
                    .ok_or_else(misfit)?;
                into.extend(bytes);
            }
            Kind::Enum(symbols) => {
                let place = symbols
                    .symbols
                    .iter()
                    .position(|symbol| Some(symbol.as_str()) == json.as_str());
                put_long(place.ok_or_else(misfit)? as i64, into);
            }
            Kind::Array(items) => {
                let list = json.as_array().ok_or_else(misfit)?;
                if !list.is_empty() {
                    put_long(list.len() as i64, into);
                    list.iter().try_for_each(|item| self.put(*items, item, into))?;
                }
                put_long(0, into);
            }
            Kind::Map(values) => {
                let map = json.as_object().ok_or_else(misfit)?;
                if !map.is_empty() {
                    put_long(map.len() as i64, into);
                    for (key, value) in map {
                        put_bytes(key.as_bytes(), into);
                        self.put(*values, value, into)?;
                    }
                }
                put_long(0, into);
            }
            Kind::Union(branches) => {
                let start = into.len();
                for (index, branch) in branches.iter().enumerate() {
                    put_long(index as i64, into);
                    if self.put(*branch, json, into).is_ok() {
                        return Ok(());
                    }
                    into.truncate(start);
                }
                return fail(format!("`{json}` fits no branch of the union"));
            }
            Kind::Record(record) => {
                let object = json.as_object().ok_or_else(misfit)?;
                if let Some(odd) = object
                    .keys()
                    .find(|key| record.fields.iter().all(|field| field.name != **key))
                {
                    return fail(format!("`{}` has no field `{odd}`", record.name.full()));
                }
                for field in &record.fields {
                    let value = object.get(&field.name).or(field.default.as_ref());
                    let Some(value) = value else {
                        return fail(format!("field `{}` of `{}` is missing", field.name, record.name.full()));
                    };
                    self.put(field.ty, value, into)
                        .map_err(|error| AvroError(format!("field `{}`: {error}", field.name)))?;
                }
            }
        }
        Ok(())
    }
}

fn latin(json: &Json) -> Option<Vec<u8>> {
    json.as_str()?
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}

fn put_long(value: i64, into: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        into.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

fn put_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    put_long(bytes.len() as i64, into);
    into.extend(bytes);
}

struct Reader<'a> {
    schema: &'a Schema,
    rest: &'a [u8],
    depth: usize,
    items_left: usize,
    /// Values of any kind that may still be read: types can hold one another without a byte between them.
    values_left: usize,
}

impl<'a> Reader<'a> {
    fn new(schema: &'a Schema, bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            schema,
            rest: bytes,
            depth: 0,
            items_left: bytes.len() + FREE_ITEMS_MAX,
            values_left: bytes.len().saturating_mul(VALUES_PER_BYTE_MAX) + FREE_ITEMS_MAX,
        }
    }

    fn end(&self) -> Coded<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        fail(format!("{} bytes are left over after the value", self.rest.len()))
    }

    fn enter(&mut self) -> Coded<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return fail(format!("values are nested more than {DEPTH_MAX} deep"));
        }
        match self.values_left.checked_sub(1) {
            Some(left) => self.values_left = left,
            None => return fail("the value holds more values than its bytes allow"),
        }
        Ok(())
    }

    fn value(&mut self, ty: NodeId) -> Coded<Json> {
        self.enter()?;
        let json = self.value_of(ty)?;
        self.depth -= 1;
        Ok(json)
    }

    /// Reads over a value.
    fn skip(&mut self, ty: NodeId) -> Coded<()> {
        self.enter()?;
        let schema = self.schema;
        match &schema.node(ty).kind {
            Kind::Null => {}
            Kind::Boolean => drop(self.take(1)?),
            Kind::Int => {
                let number = self.long()?;
                if i32::try_from(number).is_err() {
                    return fail(format!("{number} is not an `int`"));
                }
            }
            Kind::Long => drop(self.long()?),
            Kind::Float => drop(self.take(4)?),
            Kind::Double => drop(self.take(8)?),
            Kind::Bytes => drop(self.bytes()?),
            Kind::Fixed(fixed) => drop(self.take(fixed.size)?),
            Kind::String => drop(self.text()?),
            Kind::Enum(symbols) => {
                let index = self.long()?;
                if !usize::try_from(index).is_ok_and(|index| index < symbols.symbols.len()) {
                    return fail(format!("enum `{}` has no symbol {index}", symbols.name.full()));
                }
            }
            Kind::Array(items) => self.blocks(|reader| reader.skip(*items))?,
            Kind::Map(values) => self.blocks(|reader| {
                reader.text()?;
                reader.skip(*values)
            })?,
            Kind::Union(branches) => {
                let index = self.long()?;
                match usize::try_from(index).ok().and_then(|index| branches.get(index)) {
                    Some(branch) => self.skip(*branch)?,
                    None => return fail(format!("the union has no branch {index}")),
                }
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    let in_field = |error: AvroError| AvroError(format!("field `{}`: {error}", field.name));
                    self.skip(field.ty).map_err(in_field)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn value_of(&mut self, ty: NodeId) -> Coded<Json> {
        let schema = self.schema;
        Ok(match &schema.node(ty).kind {
            Kind::Null => Json::Null,
            Kind::Boolean => Json::Bool(self.take(1)?[0] != 0),
            Kind::Int | Kind::Long => self.long()?.into(),
            Kind::Float => number(f32::from_le_bytes(self.array()?).into()),
            Kind::Double => number(f64::from_le_bytes(self.array()?)),
            Kind::Bytes => self
                .bytes()?
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
            Kind::Fixed(fixed) => self
                .take(fixed.size)?
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
            Kind::String => self.text()?.into(),
            Kind::Enum(symbols) => {
                let index = self.long()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.symbols.get(index));
                match symbol {
                    Some(symbol) => symbol.as_str().into(),
                    None => return fail(format!("enum `{}` has no symbol {index}", symbols.name.full())),
                }
            }
            Kind::Array(items) => {
                let mut list = Vec::new();
                self.blocks(|reader| {
                    list.push(reader.value(*items)?);
                    Ok(())
                })?;
                list.into()
            }
            Kind::Map(values) => {
                let mut map = Map::new();
                self.blocks(|reader| {
                    let key = reader.text()?.to_owned();
                    map.insert(key, reader.value(*values)?);
                    Ok(())
                })?;
                map.into()
            }
            Kind::Union(branches) => {
                let index = self.long()?;
                match usize::try_from(index).ok().and_then(|index| branches.get(index)) {
                    Some(branch) => self.value(*branch)?,
                    None => return fail(format!("the union has no branch {index}")),
                }
            }
            Kind::Record(record) => {
                let mut object = Map::new();
                for field in &record.fields {
                    let value = self.value(field.ty);
                    let value = value.map_err(|error| AvroError(format!("field `{}`: {error}", field.name)))?;
                    object.insert(field.name.clone(), value);
                }
                object.into()
            }
        })
    }

    /// Items come in counted blocks; a negative count is followed by the block's size in bytes.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Coded<()>) -> Coded<()> {
        loop {
            let count = match self.long()? {
                0 => return Ok(()),
                negative if negative < 0 => {
                    self.long()?;
                    negative.unsigned_abs()
                }
                count => count as u64,
            };
            for _ in 0..count {
                // An item may have no bytes at all: bound what a short input can claim.
                self.items_left = match self.items_left.checked_sub(1) {
                    Some(left) => left,
                    None => return fail("a block claims more items than there are bytes"),
                };
                item(self)?;
            }
        }
    }

    fn take(&mut self, count: usize) -> Coded<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => fail(format!("{count} bytes are needed, {} are left", self.rest.len())),
        }
    }

    fn array<const N: usize>(&mut self) -> Coded<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn long(&mut self) -> Coded<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        fail("a number is longer than ten bytes")
    }

    fn bytes(&mut self) -> Coded<&'a [u8]> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => fail(format!("{length} is no length")),
        }
    }

    fn text(&mut self) -> Coded<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| AvroError("a string is not UTF-8".to_owned()))
    }
}

/// JSON has no NaN and no infinities: those become strings.
fn number(value: f64) -> Json {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number)
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use serde_json::json;

    #[test]
    fn values_come_back_as_they_went() {
        let schema = Schema::parse(
            r#"{"type":"record","name":"R","fields":[
                {"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"d","type":"double"},
                {"name":"s","type":["null","string"]},{"name":"a","type":{"type":"array","items":"string"}},
                {"name":"m","type":{"type":"map","values":"boolean"}},{"name":"b","type":"bytes"},
                {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
                {"name":"f","type":{"type":"fixed","name":"F","size":2},"default":"xy"}]}"#,
            &[],
        )
        .unwrap();
        let value = json!({"i": -3, "l": i64::MIN, "d": 1.5, "s": "ü", "a": ["x", "y"], "m": {"k": true},
            "b": "\u{0}ÿ", "e": "B", "f": "zz"});
        let bytes = schema.encode(&value).unwrap();
        assert_eq!(schema.decode(&bytes).unwrap(), value);
        assert!(schema.check_payload(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(schema.decode(&bytes[..length]).is_err(), "cut at {length}");
            assert!(schema.check_payload(&bytes[..length]).is_err(), "cut at {length}");
        }
        let mut without = value.clone();
        without.as_object_mut().unwrap().remove("f");
        assert_eq!(
            schema.decode(&schema.encode(&without).unwrap()).unwrap()["f"],
            "xy",
            "the default steps in"
        );
        for (field, wrong) in [
            ("i", json!(3_000_000_000_i64)),
            ("e", json!("C")),
            ("a", json!("x")),
            ("zz", json!(1)),
        ] {
            let mut bad = value.clone();
            bad[field] = wrong;
            let error = schema.encode(&bad).unwrap_err().to_string();
            assert!(error.contains(field), "`{error}` should name `{field}`");
        }
    }

    #[test]
    fn a_few_bytes_cannot_claim_many_items() {
        let schema = Schema::parse(r#"{"type":"array","items":"null"}"#, &[]).unwrap();
        let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00];
        assert!(schema.decode(&huge).is_err());
        let endless = Schema::parse(
            r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#,
            &[],
        )
        .unwrap();
        assert!(endless.decode(&[2; 100_000]).is_err(), "100,000 levels");
        assert!(endless.check_payload(&[2; 100_000]).is_err(), "100,000 levels");
        // Thirty levels of twice the level below: a billion values without a byte.
        let level = |below: &str, n: usize| {
            format!(
                r#"{{"type":"record","name":"L{n}","fields":[{{"name":"a","type":{below}}},{{"name":"b","type":"{}"}}]}}"#,
                if n == 1 {
                    "null".to_owned()
                } else {
                    format!("L{}", n - 1)
                }
            )
        };
        let wide = (1..=30).fold("\"null\"".to_owned(), |below, n| level(&below, n));
        let wide = Schema::parse(&wide, &[]).unwrap();
        assert!(wide.decode(&[]).is_err());
        assert!(wide.check_payload(&[]).is_err());
        assert!(
            Schema::parse(r#""bytes""#, &[])
                .unwrap()
                .check_payload(b"anything")
                .is_ok()
        );
        assert!(
            Schema::parse(r#""int""#, &[])
                .unwrap()
                .check_payload(&[0xfe, 0xff, 0xff, 0xff, 0x7f])
                .is_err()
        );
    }
}
