//! What requests come to.

use rivulet_schema::subjects::requests::SchemaRequest;
use rivulet_schema::subjects::{Lookup, Name, Page, Registration, SchemaFilter, Shown, Wanted};

use crate::world::{World, record, with};

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
