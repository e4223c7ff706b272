//! The registry's state machine from outside: requests against a state that takes in its own records through their JSON.

use rivulet_schema::RegistryError;
use rivulet_schema::subjects::requests::SchemaRequest;
use rivulet_schema::subjects::{
    Change, ConfigUpdate, Lookup, Name, Outcome, Page, Registration, SchemaFilter, Shown, Subjects, Wanted,
};

/// A registry in memory; the records it wrote are kept.
#[derive(Default)]
struct World {
    state: Subjects,
    records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl World {
    fn take<T>(&mut self, outcome: Outcome<T>) -> T {
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

    fn does<T>(&mut self, decide: impl FnOnce(&Subjects) -> Result<Outcome<T>, RegistryError>) -> Result<T, i32> {
        let outcome = decide(&self.state).map_err(|error| error.code)?;
        Ok(self.take(outcome))
    }

    fn found(&mut self, subject: &str, request: &str) -> Result<Lookup, i32> {
        let request: SchemaRequest = serde_json::from_str(request).expect("a request");
        let request = request.registration().map_err(|error| error.code)?;
        self.does(|state| state.register(subject, &request, false, false))
    }

    /// Registers, and gives id and version.
    fn register(&mut self, subject: &str, request: &str) -> Result<(i32, i32), i32> {
        self.found(subject, request)
            .map(|found| (found.schema.id, found.version))
    }

    fn delete(&mut self, subject: &str, version: Option<i32>, permanent: bool) -> Result<(), i32> {
        let name = Name::parse(subject);
        match version {
            Some(number) => self
                .does(|state| state.delete_version(&name, Wanted::Number(number), permanent))
                .map(|_| ()),
            None => self.does(|state| state.delete_subject(&name, permanent)).map(|_| ()),
        }
    }

    fn mode(&mut self, subject: &str, mode: &str) -> Result<(), i32> {
        self.does(|state| state.set_mode(subject, Some(mode), false))
    }

    fn config(&mut self, subject: &str, update: &str) -> Result<(), i32> {
        let update: ConfigUpdate = serde_json::from_str(update).expect("an update");
        self.does(|state| state.set_config(subject, &update)).map(|_| ())
    }

    fn versions(&self, subject: &str, shown: Shown) -> Result<Vec<i32>, i32> {
        let deleted = shown != Shown::Live;
        let versions = self.state.version_numbers(&Name::parse(subject), shown, deleted);
        versions.map_err(|error| error.code)
    }
}

/// A request with an Avro text of a record with these fields.
fn record(fields: &[&str]) -> String {
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

fn with(request: &str, more: &str) -> String {
    let mut request: serde_json::Value = serde_json::from_str(request).expect("a request");
    let more: serde_json::Value = serde_json::from_str(more).expect("more of it");
    for (key, value) in more.as_object().expect("an object") {
        request[key] = value.clone();
    }
    request.to_string()
}

#[test]
fn ids_follow_content_and_versions_follow_subjects() {
    let mut world = World::default();
    let (a, ab, ac) = (record(&["a"]), record(&["a", "b?"]), record(&["a", "c"]));
    for (subject, request, expected) in [
        ("s", &a, Ok((1, 1))),
        ("s", &a, Ok((1, 1))),
        ("s", &ab, Ok((2, 2))),
        ("t", &ab, Ok((2, 1))),
        (":.c:s", &ab, Ok((1, 1))),
        (":.c:s", &a, Ok((2, 2))),
        ("s", &ac, Err(40901)),
        ("s", &r#"{"schema":"{"}"#.to_owned(), Err(42201)),
        (
            "s",
            &r#"{"schema":"\"int\"","schemaType":"XML"}"#.to_owned(),
            Err(42201),
        ),
        ("new", &r#"{"schema":" "}"#.to_owned(), Err(42201)),
        ("s", &"{}".to_owned(), Ok((2, 2))),
        ("__GLOBAL", &a, Err(42208)),
        ("a\u{1}", &a, Err(42208)),
        (":.__GLOBAL:s", &a, Err(42208)),
        ("s", &with(&a, r#"{"id":7}"#), Err(42205)),
        ("new", &with(&a, r#"{"version":2}"#), Err(42201)),
        ("new", &with(&a, r#"{"version":1}"#), Ok((3, 1))),
        (
            "new",
            &with(&a, r#"{"ruleSet":{"domainRules":[{"name":"1"}]}}"#),
            Err(42210),
        ),
        ("new", &with(&a, r#"{"references":[{"name":"n"}]}"#), Err(42201)),
        (
            "new",
            &with(&a, r#"{"references":[{"name":"n","subject":"none","version":1}]}"#),
            Err(42201),
        ),
    ] {
        assert_eq!(world.register(subject, request), expected, "{subject} {request}");
    }
    assert_eq!(world.state.context_names(), [".", ".c"]);
}

#[test]
fn deletion_is_soft_first_and_numbers_are_not_used_again() {
    let mut world = World::default();
    let (a, ab) = (record(&["a"]), record(&["a", "b?"]));
    assert_eq!(world.register("s", &a), Ok((1, 1)));
    assert_eq!(world.register("s", &ab), Ok((2, 2)));
    assert_eq!(world.delete("s", None, true), Err(40405));
    assert_eq!(world.delete("s", Some(2), true), Err(40407));
    assert_eq!(world.delete("s", Some(9), false), Err(40402));
    assert_eq!(world.delete("none", Some(1), false), Err(40401));
    assert_eq!(world.delete("s", Some(2), false), Ok(()));
    assert_eq!(world.delete("s", Some(2), false), Err(40406));
    assert_eq!(world.versions("s", Shown::Live), Ok(vec![1]));
    assert_eq!(world.versions("s", Shown::DeletedAsNegative), Ok(vec![1, -2]));
    assert!(
        world.state.schema(2, &Name::top()).is_some(),
        "a deleted schema is found by its id"
    );
    assert_eq!(world.register("s", &ab), Ok((2, 3)), "soft-deleted versions count");
    assert_eq!(
        world.versions("s", Shown::All),
        Ok(vec![1, 3]),
        "and the one of the same id is forgotten"
    );
    assert_eq!(world.delete("s", None, false), Ok(()));
    assert_eq!(world.delete("s", None, false), Err(40404));
    assert_eq!(world.versions("s", Shown::Live), Err(40401));
    assert_eq!(world.delete("s", None, true), Ok(()));
    assert!(world.state.schema(2, &Name::top()).is_none());
    assert_eq!(world.register("s", &a), Ok((3, 1)), "versions begin anew, ids do not");
}

#[test]
fn settings_go_with_their_subject() {
    let mut world = World::default();
    world.register("s", &record(&["a"])).unwrap();
    world.config("s", r#"{"compatibility":"NONE"}"#).unwrap();
    world.mode("s", "READWRITE").unwrap();
    let own = |world: &World| {
        let name = Name::parse("s");
        (
            world.state.own_config(&name).is_some(),
            world.state.own_mode(&name).is_some(),
        )
    };
    assert_eq!(own(&world), (true, true));
    world.delete("s", None, false).unwrap();
    world.delete("s", None, true).unwrap();
    assert_eq!(own(&world), (false, false));
}

#[test]
fn modes_say_what_may_be_done() {
    let mut world = World::default();
    let (a, ab) = (record(&["a"]), record(&["a", "b?"]));
    world.register("s", &a).unwrap();
    for mode in ["READONLY", "readonly_override"] {
        world.mode("", mode).unwrap();
        assert_eq!(world.register("s", &a), Ok((1, 1)), "what is known is found");
        assert_eq!(world.register("s", &ab), Err(42205));
        assert_eq!(world.delete("s", None, false), Err(42205));
        assert_eq!(world.config("s", "{}"), Err(42205));
    }
    world.mode("", "READWRITE").unwrap();
    assert_eq!(world.mode("s", "IMPORT"), Err(42205), "there are schemas");
    assert_eq!(world.mode("s", "FORWARD"), Err(42204), "only for all at once");
    assert_eq!(world.mode("s", "SIDEWAYS"), Err(42204));
    world.mode("i", "IMPORT").unwrap();
    assert_eq!(world.register("i", &ab), Err(42205), "an import brings its ids");
    assert_eq!(world.register("i", &with(&ab, r#"{"id":50,"version":7}"#)), Ok((50, 7)));
    assert_eq!(
        world.register("i", &with(&record(&["z"]), r#"{"id":50,"version":8}"#)),
        Err(42205),
        "an id is one content"
    );
    assert_eq!(
        world.register("i", &with(&record(&["z"]), r#"{"id":40,"version":3}"#)),
        Ok((40, 3)),
        "no checks"
    );
    world.mode("i", "READWRITE").unwrap();
    assert_eq!(world.register("s", &ab), Ok((50, 2)));
    assert_eq!(
        world.register("s", &record(&["a", "b?", "c?"])),
        Ok((51, 3)),
        "ids go on from the highest"
    );
    world.mode(":.__GLOBAL:", "FORWARD").unwrap();
    assert_eq!(
        world.register("t", &a),
        Ok((1, 1)),
        "the top level's own mode is nearer"
    );
    assert_eq!(world.register(":.d:t", &a), Err(42205));
}

#[test]
fn import_forgets_what_was_deleted() {
    let mut world = World::default();
    let a = record(&["a"]);
    world.register(":.c:s", &a).unwrap();
    world.delete(":.c:s", None, false).unwrap();
    world.mode(":.c:", "IMPORT").unwrap();
    assert_eq!(world.versions(":.c:s", Shown::All), Err(40401));
    assert_eq!(world.register(":.c:s", &with(&a, r#"{"id":9}"#)), Ok((9, 1)));
}

#[test]
fn references_hold_what_they_lead_to() {
    let mut world = World::default();
    let part = r#"{"schema":"{\"type\":\"record\",\"name\":\"P\",\"fields\":[]}"}"#;
    let whole = |reference: &str| {
        let text = r#"{"type":"record","name":"W","fields":[{"name":"p","type":"P"}]}"#;
        let request = serde_json::json!({"schema": text}).to_string();
        with(&request, &format!(r#"{{"references":[{reference}]}}"#))
    };
    world.register("part", part).unwrap();
    world.register(":.c:part", part).unwrap();
    let found = world
        .found("whole", &whole(r#"{"name":"P","subject":"part","version":-1}"#))
        .unwrap();
    assert_eq!(found.schema.references[0].version, 1, "-1 stands for the latest");
    let referrers = world.state.referrers(&Name::parse("part"), 1, false);
    assert_eq!(
        referrers.iter().map(|one| one.id).collect::<Vec<_>>(),
        [found.schema.id]
    );
    for version in [Some(1), None] {
        assert_eq!(world.delete("part", version, false), Err(42206));
    }
    world
        .register(":.c:whole", &whole(r#"{"name":"P","subject":"part","version":1}"#))
        .unwrap();
    assert_eq!(
        world.delete(":.c:part", None, false),
        Err(42206),
        "a bare name is of the same context"
    );
    world.delete("whole", None, false).unwrap();
    world.delete("part", None, false).unwrap();
    assert_eq!(
        world.delete("part", None, true),
        Err(42206),
        "also by what is soft-deleted"
    );
    world.delete("whole", None, true).unwrap();
    world.delete("part", None, true).unwrap();
    assert_eq!(
        world.register("whole", &whole(r#"{"name":"P","subject":"part","version":1}"#)),
        Err(42201)
    );
    let other_context = whole(r#"{"name":"P","subject":":.c:part","version":1}"#);
    assert_eq!(world.register("whole", &other_context), Ok((3, 1)));
}

#[test]
fn references_end_where_they_meet_themselves() {
    let mut world = World::default();
    world.mode("", "IMPORT").unwrap();
    let named = |name: &str, more: &str| {
        let text = format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#);
        with(&serde_json::json!({"schema": text}).to_string(), more)
    };
    world.register("s", &named("A", r#"{"id":1,"version":1}"#)).unwrap();
    let second = r#"{"id":2,"version":2,"references":[{"name":"x","subject":"s","version":1}]}"#;
    world.register("s", &named("B", second)).unwrap();
    // Version 1 is written again, now leading to version 2, which leads to version 1.
    let circle = r#"{"id":3,"version":1,"references":[{"name":"y","subject":"s","version":2}]}"#;
    world.register("s", &named("C", circle)).unwrap();
    let found = world
        .state
        .version(&Name::parse("s"), Wanted::Number(1), false)
        .unwrap();
    assert_eq!(world.state.texts_for(&found.subject, &found.schema).unwrap().len(), 2);
}

#[test]
fn prefixes_name_contexts() {
    let mut world = World::default();
    for subject in ["x1", "y1", ":.c1:x1", ":.c1:x2", ":.c2:x3"] {
        world.register(subject, &record(&["a"])).unwrap();
    }
    for (prefix, expected) in [
        (":*:", vec![":.c1:x1", ":.c1:x2", ":.c2:x3", "x1", "y1"]),
        (":*:x", vec![":.c1:x1", ":.c1:x2", ":.c2:x3", "x1"]),
        ("", vec!["x1", "y1"]),
        ("x", vec!["x1"]),
        (":.:x", vec!["x1"]),
        (":.c1:", vec![":.c1:x1", ":.c1:x2"]),
        (":.c1:x2", vec![":.c1:x2"]),
        (":.c", vec![":.c1:x1", ":.c1:x2", ":.c2:x3"]),
        (":.zz:", vec![]),
    ] {
        assert_eq!(world.state.subject_names(prefix, Shown::Live), expected, "{prefix}");
    }
    let page = Page { offset: 1, limit: 2 };
    let filter = SchemaFilter {
        prefix: ":*:".into(),
        ..SchemaFilter::default()
    };
    let listed = world.state.schemas(&filter, page);
    let names: Vec<String> = listed.iter().map(|one| one.lookup.subject.to_string()).collect();
    assert_eq!(names, [":.c1:x2", ":.c2:x3"]);
}

#[test]
fn a_context_is_deleted_when_it_is_empty() {
    let mut world = World::default();
    let context = Name::parse(":.c:");
    world.register(":.c:s", &record(&["a"])).unwrap();
    assert_eq!(world.does(|state| state.delete_context(&context)), Err(42211));
    world.delete(":.c:s", None, false).unwrap();
    assert_eq!(world.does(|state| state.delete_context(&context)), Err(42211));
    world.delete(":.c:s", None, true).unwrap();
    assert_eq!(world.does(|state| state.delete_context(&context)), Ok(()));
    assert_eq!(world.state.context_names(), ["."]);
}

#[test]
fn rule_sets_are_kept_and_laid_over_each_other() {
    let mut world = World::default();
    let rules = |name: &str| format!(r#"{{"domainRules":[{{"name":"{name}","type":"CEL"}}]}}"#);
    world
        .config("s", &format!(r#"{{"defaultRuleSet":{}}}"#, rules("default")))
        .unwrap();
    assert_eq!(
        world.config("s", r#"{"overrideRuleSet":{"domainRules":[{"name":"x"}]}}"#),
        Err(42210)
    );
    let request = with(&record(&["a"]), &format!(r#"{{"ruleSet":{}}}"#, rules("own")));
    let found = world.found("s", &request).unwrap();
    let names = |found: &Lookup| {
        let rules = found.schema.rule_set.clone().expect("there are rules");
        rules
            .domain_rules
            .into_iter()
            .filter_map(|rule| rule.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&found), ["default", "own"]);
    let next = world.found("s", &record(&["a", "b?"])).unwrap();
    assert_eq!(names(&next), ["default", "own"], "the next version inherits them");
    assert_eq!(
        world.state.schema_by_guid(next.schema.guid).map(|found| found.version),
        Some(2)
    );
}

#[test]
fn verdicts_are_worded_as_the_registry_the_world_knows_words_them() {
    let mut world = World::default();
    world.config("s", r#"{"compatibility":"FULL_TRANSITIVE"}"#).unwrap();
    world.register("s", &record(&["a"])).unwrap();
    let request: SchemaRequest = serde_json::from_str(&record(&["b"])).unwrap();
    let request = request.registration().unwrap();
    let messages = world
        .state
        .compatibility(&Name::parse("s"), &request, None, false)
        .unwrap();
    let text = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let missing = |field: &str, reader: &str, writer: &str| {
        format!(
            "{{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field '{field}' at path '/fields/0' in \
             the {reader} schema has no default value and is missing in the {writer} schema', additionalInfo:'{field}'}}"
        )
    };
    let expected = [
        missing("a", "old", "new"),
        missing("b", "new", "old"),
        "{oldSchemaVersion: 1}".to_owned(),
        format!("{{oldSchema: '{text}'}}"),
        "{validateFields: 'false', compatibility: 'FULL_TRANSITIVE'}".to_owned(),
    ];
    assert_eq!(messages, expected);
}

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

/// A registration as other crates make it.
#[test]
fn a_registration_has_the_usual_defaults() {
    let mut world = World::default();
    let request = Registration {
        text: r#""string""#.into(),
        ..Registration::default()
    };
    let found = world.does(|state| state.register("s", &request, false, false)).unwrap();
    assert_eq!((found.schema.id, found.version), (1, 1));
}
