use std::collections::BTreeMap;

use super::{
    Change, ContextType, Credentials, Destination, Exporter, ExporterRequest, Exporters, Mapping, Report, State,
};
use crate::subjects::{Name, Reference};

fn exporter(context_type: ContextType, context: &str, subjects: &[&str], rename: Option<&str>) -> Exporter {
    Exporter {
        name: "e".to_owned(),
        subjects: subjects.iter().map(|&text| text.to_owned()).collect(),
        context_type,
        context: Some(context.to_owned()),
        subject_rename_format: rename.map(str::to_owned),
        kek_rename_format: None,
        config: BTreeMap::new(),
    }
}

#[test]
fn subjects_are_taken_and_named() {
    use ContextType::{Auto, Custom, Default, None as Same};
    for (context_type, context, subjects, rename, source, expected) in [
        (Auto, "", &["*"][..], None, "a", Some(":.C1:a")),
        (Auto, "", &["*"], None, ":.x:a", None),
        (Auto, "", &[":*:"], None, ":.x.y:a", Some(":.C1.x.y:a")),
        (Auto, "", &[":*:a*"], None, ":.x:ab", Some(":.C1.x:ab")),
        (Auto, "", &[":*:a*"], None, ":.x:b", None),
        (Custom, "site1", &["*"], None, "a", Some(":.site1:a")),
        (
            Custom,
            ".site1",
            &[":.corp:*"],
            None,
            ":.corp:a",
            Some(":.site1.corp:a"),
        ),
        (Custom, ".", &["*"], None, "a", Some("a")),
        (Custom, "s", &[":.corp:"], None, ":.corp:a", Some(":.s.corp:a")),
        (Custom, "s", &[".corp"], None, ":.corp:a", Some(":.s.corp:a")),
        (Custom, "s", &[".corp"], None, ":.corporate:a", None),
        (Same, "", &[":*:"], None, ":.x:a", Some(":.x:a")),
        (
            Same,
            "",
            &["orders*"],
            Some("dc_${subject}"),
            "orders-value",
            Some("dc_orders-value"),
        ),
        (
            Same,
            "",
            &["orders*"],
            Some("${subject}.dc"),
            "orders",
            Some("orders.dc"),
        ),
        (Same, "", &["orders"], None, "orders-value", None),
        (Same, "", &["orders", "x"], None, "x", Some("x")),
        (Default, "", &[":.x:*"], None, ":.x:a", Some("a")),
        // It has come back from another registry.
        (Same, "", &[":*:"], None, ":.other.C1:a", None),
        (Same, "", &[":*:"], None, ":.other.C12:a", Some(":.other.C12:a")),
    ] {
        let exporter = exporter(context_type, context, subjects, rename);
        let mapping = Mapping::of(&exporter, "C1").unwrap();
        let target = mapping.target(&Name::parse(source)).unwrap();
        let target = target.map(|name| name.to_string());
        assert_eq!(target.as_deref(), expected, "{exporter:?} {source}");
    }
}

#[test]
fn nothing_goes_round_in_one_registry() {
    use ContextType::{Auto, Custom, Default, None as Same};
    for (context_type, subjects, rename, source, expected) in [
        (Auto, ":*:", None, "a", Ok(Some(":.C1:a"))),
        (Auto, ":*:", None, ":.C1:a", Ok(None)),
        (Custom, ":*:", None, ":.c:a", Ok(None)),
        (Custom, ":*:", None, ":.c.d:a", Ok(None)),
        (Custom, ":*:", None, ":.cd:a", Ok(Some(":.c.cd:a"))),
        (Same, "*", None, "a", Err(40952)),
        (Same, "*", Some("dc_${subject}"), "a", Err(40952)),
        (Same, "a*", Some("dc_${subject}"), "a", Ok(Some("dc_a"))),
        (Default, ":.x:*", None, ":.x:a", Ok(Some("a"))),
        (Default, ":*:", None, ":.x:a", Err(40952)),
    ] {
        let exporter = exporter(context_type, ".c", &[subjects], rename);
        let mapping = Mapping::of(&exporter, "C1").unwrap().into_itself();
        let target = mapping.target(&Name::parse(source));
        let target = target.map(|name| name.map(|name| name.to_string()));
        let target = target.as_ref().map(Option::as_deref).map_err(|error| error.code);
        assert_eq!(target, expected, "{exporter:?} {source}");
    }
}

#[test]
fn references_follow_their_subjects() {
    use ContextType::{Custom, Default, None as Same};
    for (context_type, rename, source, subject, expected) in [
        (Custom, None, "a", "r", "r"),
        (Custom, Some("x_${subject}"), "a", "r", "x_r"),
        (Custom, None, ":.k:a", "r", "r"),
        (Custom, None, ":.k:a", ":.o:r", ":.c.o:r"),
        (Custom, None, "a", ":.o:r", ":.c.o:r"),
        (Same, None, "a", ":.o:r", ":.o:r"),
        (Default, None, ":.k:a", "r", "r"),
        (Default, None, ":.k:a", ":.o:r", "r"),
    ] {
        let mapping = Mapping::of(&exporter(context_type, "c", &[":*:"], rename), "C1").unwrap();
        let reference = Reference {
            name: "n".to_owned(),
            subject: subject.to_owned(),
            version: 1,
        };
        let references = mapping.references(&Name::parse(source), &[reference]);
        assert_eq!(references[0].subject, expected, "{context_type:?} {source} {subject}");
    }
}

fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

const URL: (&str, &str) = ("schema.registry.url", "http://h:8081/");

fn request(name: &str) -> ExporterRequest {
    ExporterRequest {
        name: Some(name.to_owned()),
        config: Some(config(&[URL])),
        ..ExporterRequest::default()
    }
}

#[test]
fn configs_are_read_or_refused() {
    for (url, is_good) in [
        ("http://h", true),
        ("https://h:8081/a/b/", true),
        ("http://[::1]:8081", true),
        ("", false),
        ("h:8081", false),
        ("ftp://h", false),
        ("http://", false),
        ("http://:80", false),
        ("http://h:0", false),
        ("http://h:70000", false),
        ("http://u:p@h", false),
        ("http://h,http://i", false),
        ("http://h?x", false),
        ("http://h h", false),
    ] {
        let read = Destination::of(&config(&[("schema.registry.url", url)]));
        assert_eq!(read.map_err(|error| error.code).is_ok(), is_good, "{url}");
    }
    let basic = ("basic.auth.credentials.source", "USER_INFO");
    let user = ("basic.auth.user.info", "key:se:cret");
    let bearer = ("bearer.auth.credentials.source", "STATIC_TOKEN");
    let token = ("bearer.auth.token", "t");
    let credentials = |pairs: &[(&str, &str)]| {
        let read = Destination::of(&config(&[&[URL], pairs].concat()));
        read.map(|destination| destination.credentials)
            .map_err(|error| error.code)
    };
    let expected = Credentials::Basic {
        user: "key".to_owned(),
        password: "se:cret".to_owned(),
    };
    assert_eq!(credentials(&[basic, user]), Ok(expected));
    let expected = Credentials::Bearer {
        token: "t".to_owned(),
        logical_cluster: Some("lsrc-1".to_owned()),
        identity_pool: None,
    };
    assert_eq!(
        credentials(&[bearer, token, ("bearer.auth.logical.cluster", "lsrc-1")]),
        Ok(expected)
    );
    for refused in [
        &[basic][..],
        &[user],
        &[basic, ("basic.auth.user.info", "nocolon")],
        &[bearer],
        &[bearer, basic, user, token],
        &[("basic.auth.credentials.source", "SASL_INHERIT")],
        &[("schema.registry.ssl.truststore.location", "/x")],
        &[bearer, ("bearer.auth.token", "a\nb")],
    ] {
        assert_eq!(credentials(refused), Err(40951), "{refused:?}");
    }
}

/// Applies what was decided, by way of its records.
fn applied(state: &mut Exporters, changes: Vec<Change>) {
    for change in changes {
        let (key, value) = change.encode().unwrap();
        let read = Change::decode(&key, value.as_deref()).unwrap();
        assert_eq!(read, change);
        state.apply(read);
    }
}

#[test]
fn exporters_live_and_die() {
    let mut state = Exporters::default();
    let changes = state.create(request("e")).unwrap();
    applied(&mut state, changes);
    let code = |result: Result<Vec<Change>, crate::RegistryError>| result.map_err(|error| error.code);
    assert_eq!(code(state.create(request("e"))), Err(40960));
    assert_eq!(code(state.create(request("no name"))), Err(40950));
    assert_eq!(code(state.pause("none")), Err(40450));
    // Running.
    let running = state.get("e").unwrap().progress.clone();
    assert_eq!((running.state, running.offset, running.run), (State::Starting, -1, 1));
    assert_eq!(code(state.update("e", ExporterRequest::default())), Err(40963));
    assert_eq!(code(state.delete("e")), Err(40963));
    assert_eq!(code(state.reset("e")), Err(40963));
    assert_eq!(code(state.resume("e")), Err(40961));
    let report = Report {
        state: State::Running,
        offset: 7,
        ts: 70,
        trace: None,
    };
    assert_eq!(state.report("e", 2, report.clone()), None);
    let changes = state.report("e", 1, report.clone()).unwrap();
    applied(&mut state, changes);
    // Paused.
    let changes = state.pause("e").unwrap();
    applied(&mut state, changes);
    assert_eq!(
        state.report("e", 1, report),
        None,
        "it was paused before it could report"
    );
    assert_eq!(code(state.pause("e")), Ok(Vec::new()));
    let changes = state.resume("e").unwrap();
    applied(&mut state, changes);
    let resumed = state.get("e").unwrap().progress.clone();
    assert_eq!((resumed.state, resumed.offset, resumed.run), (State::Running, 7, 2));
    let changes = [state.pause("e").unwrap()].concat();
    applied(&mut state, changes);
    let changes = state.reset("e").unwrap();
    applied(&mut state, changes);
    let reset = state.get("e").unwrap().progress.clone();
    assert_eq!((reset.state, reset.offset, reset.ts), (State::Paused, -1, 0));
    let changes = state.resume("e").unwrap();
    applied(&mut state, changes);
    assert_eq!(state.get("e").unwrap().progress.state, State::Starting);
    let changes = state.pause("e").unwrap();
    applied(&mut state, changes);
    let changes = state.delete("e").unwrap();
    applied(&mut state, changes);
    assert_eq!(state.names().count(), 0);
    // One made anew under the name is another: the earlier runs' reports do not count.
    let changes = state.create(request("e")).unwrap();
    applied(&mut state, changes);
    assert_eq!(state.get("e").unwrap().progress.run, 4);
}

#[test]
fn there_are_at_most_ten() {
    let mut state = Exporters::default();
    for number in 0..10 {
        let changes = state.create(request(&format!("e{number}"))).unwrap();
        applied(&mut state, changes);
    }
    assert_eq!(state.create(request("e")).map_err(|error| error.code), Err(40964));
}

#[test]
fn secrets_are_hidden_and_kept() {
    let secret = [
        URL,
        ("basic.auth.credentials.source", "USER_INFO"),
        ("basic.auth.user.info", "u:p"),
    ];
    let mut state = Exporters::default();
    let mut wanted = request("e");
    wanted.config = Some(config(&secret));
    let changes = state.create(wanted).unwrap();
    applied(&mut state, changes);
    let changes = state.pause("e").unwrap();
    applied(&mut state, changes);
    let shown = state.get("e").unwrap().exporter.shown_config();
    assert_eq!(shown["basic.auth.user.info"], "[hidden]");
    let back = ExporterRequest {
        config: Some(shown),
        ..ExporterRequest::default()
    };
    let changes = state.update("e", back).unwrap();
    applied(&mut state, changes);
    assert_eq!(state.get("e").unwrap().exporter.config, config(&secret));
}
