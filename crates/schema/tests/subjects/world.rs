//! A registry in memory: requests are decided on its state, which takes in its own records through their JSON.

use rivulet_schema::RegistryError;
use rivulet_schema::subjects::requests::SchemaRequest;
use rivulet_schema::subjects::{Change, ConfigUpdate, Lookup, Name, Outcome, Shown, Subjects, Wanted};

/// A registry in memory; the records it wrote are kept.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: Subjects,
    /// Keys and values as they were written.
    pub(crate) records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl World {
    pub(crate) fn take<T>(&mut self, outcome: Outcome<T>) -> T {
        for change in outcome.changes {
            let record = change.encode().expect("what is decided can be written");
            let read = Change::decode(&record.key, record.value.as_deref()).expect("what is written can be read");
            assert_eq!(read, change, "a record survives the topic");
            self.state
                .apply(read, i64::try_from(self.records.len()).unwrap_or_default());
            self.records.push((record.key, record.value));
        }
        outcome.answer
    }

    pub(crate) fn does<T>(
        &mut self,
        decide: impl FnOnce(&Subjects) -> Result<Outcome<T>, RegistryError>,
    ) -> Result<T, i32> {
        let outcome = decide(&self.state).map_err(|error| error.code)?;
        Ok(self.take(outcome))
    }

    pub(crate) fn found(&mut self, subject: &str, request: &str) -> Result<Lookup, i32> {
        let request: SchemaRequest = serde_json::from_str(request).expect("a request");
        let request = request.registration().map_err(|error| error.code)?;
        self.does(|state| state.register(subject, &request, false, false))
    }

    /// Registers, and gives id and version.
    pub(crate) fn register(&mut self, subject: &str, request: &str) -> Result<(i32, i32), i32> {
        self.found(subject, request)
            .map(|found| (found.schema.id, found.version))
    }

    pub(crate) fn delete(&mut self, subject: &str, version: Option<i32>, permanent: bool) -> Result<(), i32> {
        let name = Name::parse(subject);
        match version {
            Some(number) => self
                .does(|state| state.delete_version(&name, Wanted::Number(number), permanent))
                .map(|_| ()),
            None => self.does(|state| state.delete_subject(&name, permanent)).map(|_| ()),
        }
    }

    pub(crate) fn mode(&mut self, subject: &str, mode: &str) -> Result<(), i32> {
        self.does(|state| state.set_mode(subject, Some(mode), false))
    }

    pub(crate) fn config(&mut self, subject: &str, update: &str) -> Result<(), i32> {
        let update: ConfigUpdate = serde_json::from_str(update).expect("an update");
        self.does(|state| state.set_config(subject, &update)).map(|_| ())
    }

    pub(crate) fn versions(&self, subject: &str, shown: Shown) -> Result<Vec<i32>, i32> {
        let deleted = shown != Shown::Live;
        let versions = self.state.version_numbers(&Name::parse(subject), shown, deleted);
        versions.map_err(|error| error.code)
    }
}

/// A request with an Avro text of a record with these fields.
pub(crate) fn record(fields: &[&str]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| match field.strip_suffix('?') {
            Some(name) => format!(r#"{{"name":"{name}","type":"int","default":0}}"#),
            None => format!(r#"{{"name":"{field}","type":"int"}}"#),
        })
        .collect();
    let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    serde_json::json!({"schema": text}).to_string()
}

pub(crate) fn with(request: &str, more: &str) -> String {
    let mut request: serde_json::Value = serde_json::from_str(request).expect("a request");
    let more: serde_json::Value = serde_json::from_str(more).expect("more of it");
    for (key, value) in more.as_object().expect("an object") {
        request[key] = value.clone();
    }
    request.to_string()
}
