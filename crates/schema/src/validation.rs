//! What a broker asks of a record before it takes it: which schema its bytes name, and under which subject that must be
//! registered.

use uuid::Uuid;

/// A record's key or its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Key,
    Value,
}

impl Part {
    pub fn word(self) -> &'static str {
        match self {
            Part::Key => "key",
            Part::Value => "value",
        }
    }

    /// The header in which serializers may name the schema by its GUID.
    pub fn header(self) -> &'static str {
        match self {
            Part::Key => "__key_schema_id",
            Part::Value => "__value_schema_id",
        }
    }
}

/// How serializers choose the subject of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectNameStrategy {
    /// The topic's name and `-key` or `-value`.
    #[default]
    Topic,
    /// The record type's full name.
    Record,
    /// Both.
    TopicRecord,
}

impl SubjectNameStrategy {
    /// The classes by which serializers and topic settings name the strategies.
    pub const CLASSES: [&'static str; 3] = [
        "io.confluent.kafka.serializers.subject.TopicNameStrategy",
        "io.confluent.kafka.serializers.subject.RecordNameStrategy",
        "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
    ];

    pub fn from_class(class: &str) -> Option<SubjectNameStrategy> {
        let all = [
            SubjectNameStrategy::Topic,
            SubjectNameStrategy::Record,
            SubjectNameStrategy::TopicRecord,
        ];
        let named = SubjectNameStrategy::CLASSES.iter().zip(all);
        named.into_iter().find(|(name, _)| **name == class).map(|(_, one)| one)
    }

    /// The subject of a record, if the strategy can name one: a schema without a name has none but by topic.
    pub fn subject(self, topic: &str, part: Part, record_name: Option<&str>) -> Option<String> {
        match self {
            SubjectNameStrategy::Topic => Some(format!("{topic}-{}", part.word())),
            SubjectNameStrategy::Record => record_name.map(str::to_owned),
            SubjectNameStrategy::TopicRecord => record_name.map(|name| format!("{topic}-{name}")),
        }
    }
}

/// What a topic demands of one part of its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// The schema must be registered under the subject.
    pub schema: bool,
    /// The bytes behind the schema's id must decode by it.
    pub payload: bool,
    pub strategy: SubjectNameStrategy,
}

impl Validation {
    /// Nothing is demanded.
    pub const NONE: Validation = Validation {
        schema: false,
        payload: false,
        strategy: SubjectNameStrategy::Topic,
    };

    pub fn is_on(self) -> bool {
        self.schema || self.payload
    }
}

/// The schema that a record's bytes name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaName {
    Id(i32),
    Guid(Uuid),
}

impl std::fmt::Display for SchemaName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SchemaName::Id(id) => write!(formatter, "schema {id}"),
            SchemaName::Guid(guid) => write!(formatter, "a schema of the GUID {guid}"),
        }
    }
}

/// What a serializer has put around a payload, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    pub schema: SchemaName,
    /// What follows the schema's name: for Protobuf the message's indexes, then the payload itself.
    pub indexes: Option<&'a [u8]>,
    pub payload: &'a [u8],
}

impl<'a> Framed<'a> {
    /// Reads the header form, if the record has the header, else the prefix; the error says what is wrong.
    pub fn read(bytes: &'a [u8], header: Option<&'a [u8]>) -> Result<Framed<'a>, String> {
        match header {
            Some(header) => {
                let named = header.split_first_chunk::<17>().filter(|(named, _)| named[0] == 1);
                let Some((named, indexes)) = named else {
                    return Err("the schema header is not a 1 and the 16 bytes of a GUID".to_owned());
                };
                let mut guid = [0; 16];
                guid.copy_from_slice(&named[1..]);
                Ok(Framed {
                    schema: SchemaName::Guid(Uuid::from_bytes(guid)),
                    indexes: Some(indexes),
                    payload: bytes,
                })
            }
            None => match bytes.split_first_chunk::<5>() {
                Some(([0, id @ ..], payload)) => Ok(Framed {
                    schema: SchemaName::Id(i32::from_be_bytes(*id)),
                    indexes: None,
                    payload,
                }),
                _ => Err("it does not begin with a 0 and a schema id of 4 bytes".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let guid = [7; 16];
        let header = [&[1][..], &guid, &[0]].concat();
        for (bytes, header, wanted) in [
            (&[0, 0, 0, 1, 2, 9][..], None, Ok((SchemaName::Id(258), None, &[9][..]))),
            (&[0, 0, 0, 0, 1], None, Ok((SchemaName::Id(1), None, &[]))),
            (&[0, 0, 0, 1], None, Err(())),
            (&[1, 0, 0, 0, 1], None, Err(())),
            (&[], None, Err(())),
            (
                &[5],
                Some(&header[..]),
                Ok((SchemaName::Guid(Uuid::from_bytes(guid)), Some(&[0][..]), &[5])),
            ),
            (&[5], Some(&header[..16]), Err(())),
            (&[5], Some(&[0; 17]), Err(())),
        ] {
            let read = Framed::read(bytes, header).map(|read| (read.schema, read.indexes, read.payload));
            assert_eq!(read.map_err(|_| ()), wanted, "{bytes:?} {header:?}");
        }
    }

    #[test]
    fn strategies_name_subjects() {
        let [topic, record, both] =
            SubjectNameStrategy::CLASSES.map(|class| SubjectNameStrategy::from_class(class).unwrap());
        assert_eq!(topic.subject("t", Part::Key, None).unwrap(), "t-key");
        assert_eq!(record.subject("t", Part::Value, Some("a.R")).unwrap(), "a.R");
        assert_eq!(both.subject("t", Part::Value, Some("a.R")).unwrap(), "t-a.R");
        assert_eq!(both.subject("t", Part::Value, None), None);
        assert_eq!(SubjectNameStrategy::from_class("MyStrategy"), None);
    }
}
