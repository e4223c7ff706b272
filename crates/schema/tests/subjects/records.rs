//! Records: what is written, what is read, and that they alone give the state again.

use rivulet_schema::subjects::{Change, Name, Shown, Subjects};

use crate::world::{World, record};

/// A small source of numbers, so that a failure can be played again.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Whatever is done, the records alone give the same state again, however they are cut into pieces, and a state that was
/// handed out before does not change.
#[test]
fn the_same_records_give_the_same_state() {
    for seed in 0..40 {
        let mut random = Seeded(seed);
        let mut world = World::default();
        let subjects = ["a", "b", ":.c:a", ":.c:b"];
        let fields = [vec!["a"], vec!["a", "b?"], vec!["a", "c?"], vec!["a", "b?", "c?"]];
        let mut handed_out = Vec::new();
        for _ in 0..60 {
            let subject = subjects[usize::try_from(random.below(4)).unwrap()];
            let request = record(&fields[usize::try_from(random.below(4)).unwrap()]);
            let number = i32::try_from(random.below(4)).unwrap() + 1;
            // Refusals are part of the play: they leave no records.
            let _refused = match random.below(8) {
                0..=3 => world.register(subject, &request).err(),
                4 => world.delete(subject, Some(number), random.below(2) == 0).err(),
                5 => world.delete(subject, None, random.below(2) == 0).err(),
                6 => world.config(subject, r#"{"compatibility":"NONE"}"#).err(),
                _ => world
                    .mode(
                        subject,
                        ["READWRITE", "READONLY", "IMPORT"][usize::try_from(number % 3).unwrap()],
                    )
                    .err(),
            };
            if random.below(10) == 0 {
                handed_out.push((world.state.clone(), world.records.len()));
            }
        }
        handed_out.push((world.state.clone(), world.records.len()));
        for (state, count) in &handed_out {
            let mut again = Subjects::default();
            for (offset, (key, value)) in world.records[..*count].iter().enumerate() {
                // A reader that stops anywhere and goes on from a copy sees the same.
                if random.below(7) == 0 {
                    again = again.clone();
                }
                let change = Change::decode(key, value.as_deref()).unwrap();
                again.apply(change, i64::try_from(offset).unwrap());
            }
            assert_eq!(&again, state, "seed {seed}, {count} records");
        }
        // What compaction leaves gives the same answers.
        let mut compacted = Subjects::default();
        for (offset, (key, value)) in world.records.iter().enumerate() {
            let is_last = !world.records[offset + 1..].iter().any(|(later, _)| later == key);
            if is_last {
                compacted.apply(
                    Change::decode(key, value.as_deref()).unwrap(),
                    i64::try_from(offset).unwrap(),
                );
            }
        }
        let (before, after) = (&world.state, &compacted);
        assert_eq!(
            before.subject_names(":*:", Shown::All),
            after.subject_names(":*:", Shown::All),
            "seed {seed}"
        );
        for subject in before.subject_names(":*:", Shown::All) {
            let name = Name::parse(&subject);
            let numbers = |state: &Subjects| state.version_numbers(&name, Shown::DeletedAsNegative, true).unwrap();
            assert_eq!(numbers(before), numbers(after), "seed {seed}, {subject}");
        }
    }
}

#[test]
fn records_of_other_registries_are_read() {
    for (key, value, expected) in [
        (r#"{"keytype":"NOOP","magic":0}"#, None, true),
        (
            r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
            Some(r#"{"compatibilityLevel":"FULL"}"#),
            true,
        ),
        (
            r#"{"keytype":"CONFIG","magic":0}"#,
            Some(r#"{"compatibilityLevel":"FULL","new":1}"#),
            true,
        ),
        (
            r#"{"keytype":"MODE","subject":"s","magic":0}"#,
            Some(r#"{"mode":"READONLY_OVERRIDE"}"#),
            true,
        ),
        (r#"{"keytype":"MODE","subject":"s","magic":0}"#, None, true),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some(r#"{"subject":"s","version":1,"id":1,"schema":"\"int\""}"#),
            true,
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some(
                r#"{"subject":"s","version":1,"id":1,"md5":"lp04gXKhxJv9z2p182GcrQ==","schemaType":"AVRO","references":[],"metadata":{"properties":{"__enc__":"true"}},"ruleSet":null,"schema":"\"int\"","deleted":false,"offset":7}"#,
            ),
            true,
        ),
        (
            r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","version":3}"#),
            true,
        ),
        (
            r#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s"}"#),
            true,
        ),
        (
            r#"{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}"#,
            Some(r#"{"tenant":"default","context":".c"}"#),
            true,
        ),
        (r#"{"keytype":"SOMETHING","magic":9}"#, Some("7"), true),
        ("{", None, false),
        ("7", None, false),
        (r#"{"keytype":"SCHEMA","subject":"s","magic":1}"#, None, false),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some("{}"),
            false,
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some(r#"{"subject":"s","version":1,"id":1,"schemaType":"XML","schema":""}"#),
            false,
        ),
        (
            r#"{"keytype":"MODE","subject":"s","magic":0}"#,
            Some(r#"{"mode":"SIDEWAYS"}"#),
            false,
        ),
    ] {
        let read = Change::decode(key.as_bytes(), value.map(str::as_bytes));
        assert_eq!(read.is_ok(), expected, "{key} {value:?} {read:?}");
    }
    let unknown = Change::decode(br#"{"keytype":"SOMETHING","magic":9}"#, Some(b"7")).unwrap();
    assert_eq!(
        unknown,
        Change::Unknown {
            kind: "SOMETHING".into()
        }
    );
}

#[test]
fn keys_are_written_byte_for_byte() {
    let mut world = World::default();
    world.register(":.c:s", &record(&["a"])).unwrap();
    world.config("", r#"{"compatibility":"NONE"}"#).unwrap();
    world.mode(":.c:s", "READONLY").unwrap();
    world.mode(":.c:s", "READWRITE").unwrap();
    world.delete(":.c:s", None, false).unwrap();
    let lines: Vec<String> = world
        .records
        .iter()
        .map(|(key, value)| {
            let value = value.as_deref().map(String::from_utf8_lossy);
            format!("{} {}", String::from_utf8_lossy(key), value.as_deref().unwrap_or("-"))
        })
        .collect();
    let text = r#"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}"#;
    let expected = [
        r#"{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0} {"tenant":"default","context":".c"}"#
            .to_owned(),
        format!(
            r#"{{"keytype":"SCHEMA","subject":":.c:s","version":1,"magic":1}} {{"subject":":.c:s","version":1,"id":1,"schemaType":"AVRO","schema":"{text}","deleted":false}}"#
        ),
        r#"{"keytype":"CONFIG","magic":0} {"compatibilityLevel":"NONE"}"#.to_owned(),
        r#"{"keytype":"MODE","subject":":.c:s","magic":0} {"subject":":.c:s","mode":"READONLY"}"#.to_owned(),
        r#"{"keytype":"MODE","subject":":.c:s","magic":0} {"subject":":.c:s","mode":"READWRITE"}"#.to_owned(),
        r#"{"keytype":"DELETE_SUBJECT","subject":":.c:s","magic":0} {"subject":":.c:s","version":1}"#.to_owned(),
    ];
    assert_eq!(lines, expected);
}

/// A registry with a secret encodes what metadata call sensitive. This record is Confluent's; without the secret that
/// registry, too, shows the values as they are and keeps the schema's identity, but gives its id to no other subject.
#[test]
fn encoded_metadata_are_kept() {
    const KEY: &str = r#"{"keytype":"SCHEMA","subject":"secret","version":1,"magic":1}"#;
    const VALUE: &str = r#"{"subject":"secret","version":1,"id":15,"md5":"3ZyKlwurbF6qVm+YMK4thQ==","schemaType":"AVRO","metadata":{"properties":{"__enc__":"true","key":"AYWnI8rI8ajcammDbLdeecoYUsJFY3y8ymbZOnGVKYVJmbrX/A==","owner":"me"},"sensitive":["key"]},"schema":"\"string\"","deleted":false}"#;
    const PLAIN: &str =
        r#"{"schema":"\"string\"","metadata":{"properties":{"key":"hush","owner":"me"},"sensitive":["key"]}}"#;
    let mut world = World::default();
    let change = Change::decode(KEY.as_bytes(), Some(VALUE.as_bytes())).unwrap();
    world.state.apply(change, 0);
    let found = world.found("secret", PLAIN).unwrap();
    assert_eq!((found.schema.id, found.version), (15, 1), "it is the same schema");
    assert_eq!(found.schema.guid.to_string(), "dd9c8a97-0bab-6c5e-aa56-6f9830ae2d85");
    assert_eq!(world.register("other", PLAIN), Err(42205));
    world.delete("secret", Some(1), false).unwrap();
    let written: Vec<serde_json::Value> = world
        .records
        .iter()
        .map(|(_, value)| serde_json::from_slice(value.as_deref().unwrap()).unwrap())
        .collect();
    let before: serde_json::Value = serde_json::from_str(VALUE).unwrap();
    assert_eq!(written.len(), 1);
    for part in ["md5", "metadata", "schema", "id"] {
        assert_eq!(written[0][part], before[part], "{}", written[0]);
    }
}
