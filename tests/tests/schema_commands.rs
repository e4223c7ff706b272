//! `rivulet schema` as a user types it, from an empty registry to an export that another one takes in.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rivulet_tests::{Server, binary};
use serde_json::{Value as Json, json};

const CUSTOMER: &str =
    r#"{"type":"record","name":"Customer","namespace":"shop","fields":[{"name":"name","type":"string"}]}"#;
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"customer","type":"Customer"}]}"#;
const WIDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"customer","type":"Customer"},{"name":"note","type":"string","default":""}]}"#;
const BROKEN: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"customer","type":"Customer"}]}"#;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder with files; what it had before is gone.
fn folder(at: &Path, files: &[(&str, &str)]) -> String {
    if at.exists() {
        fs::remove_dir_all(at).expect("the folder goes");
    }
    fs::create_dir_all(at).expect("the folder is made");
    for (name, text) in files {
        fs::write(at.join(name), text).expect("the file is written");
    }
    at.display().to_string()
}

#[test]
fn schemas_are_registered_checked_compared_and_moved() {
    let server = Server::start();
    let temporary = tempfile::tempdir().expect("a folder");
    let files = temporary.path().join("schemas");
    let place = folder(&files, &[("order.avsc", ORDER), ("customer.avsc", CUSTOMER)]);

    // Everything is new, then registered with its references, then there.
    let verdicts = |place: &str, more: &[&str]| {
        let output = server.rivulet(&[&["schema", "check", place], more].concat());
        let rows = json(&String::from_utf8_lossy(&output.stdout));
        let rows: Vec<String> = rows
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| format!("{} {}", row["subject"], row["verdict"]).replace('"', ""))
            .collect();
        (output.status.code(), rows)
    };
    assert_eq!(
        verdicts(&place, &[]),
        (Some(0), vec!["customer new".into(), "order new".into()])
    );
    server.rivulet_ok(&["schema", "import", &place]);
    assert_eq!(
        verdicts(&place, &[]),
        (Some(0), vec!["customer fits".into(), "order fits".into()])
    );
    let listed = json(&server.rivulet_ok(&["schema", "list"]));
    assert_eq!(
        listed,
        json!([
            {"subject": "customer", "version": 1, "id": 1, "type": "AVRO", "references": 0},
            {"subject": "order", "version": 1, "id": 2, "type": "AVRO", "references": 1},
        ])
    );

    // A break ends with 1 and says rule, path, old and new; against the registry and between folders.
    let broken = folder(
        &temporary.path().join("broken"),
        &[("order.avsc", BROKEN), ("customer.avsc", CUSTOMER)],
    );
    let fitting = folder(&files, &[("order.avsc", WIDER), ("customer.avsc", CUSTOMER)]);
    for against in [&[][..], &["--against", &fitting]] {
        let (status, rows) = verdicts(&broken, against);
        assert_eq!(
            (status, rows),
            (Some(1), vec!["customer fits".into(), "order breaks".into()])
        );
    }
    let told = server.rivulet(&["schema", "check", &broken, "-o", "table"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for word in [
        "order.avsc",
        "TYPE_MISMATCH",
        "/fields/0/type",
        "old: string",
        "new: long",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(verdicts(&broken, &["--level", "none"]).0, Some(0));

    // A next version, what changed in words, and the other settings.
    let file = files.join("order.avsc").display().to_string();
    let reference = "shop.Customer=customer:1";
    let registered = json(&server.rivulet_ok(&["schema", "register", "order", &file, "--reference", reference]));
    assert_eq!(registered, json!({"subject": "order", "version": 2, "id": 3}));
    let told = server.rivulet_ok(&["schema", "diff", "order", "-o", "table"]);
    assert!(told.contains("added    `note`: string, default \"\""), "{told}");
    assert!(
        told.contains("(BACKWARD): yes") && told.contains("(FORWARD): yes"),
        "{told}"
    );
    let told = server.rivulet_ok(&[
        "schema",
        "diff",
        "order@1",
        &format!("{broken}/order.avsc"),
        "-o",
        "table",
    ]);
    assert!(
        told.contains("changed  `id`: from string to long") && told.contains("(BACKWARD): no"),
        "{told}"
    );
    assert_eq!(
        server
            .rivulet_ok(&["schema", "show", "order@1", "--text"])
            .replace(['\n', ' '], ""),
        ORDER
    );
    server.rivulet_ok(&["schema", "compat", "order", "--set", "full_transitive"]);
    let compat = json(&server.rivulet_ok(&["schema", "compat", "order"]));
    assert_eq!(compat["compatibility"], "FULL_TRANSITIVE");
    server.rivulet_ok(&["schema", "mode", "customer", "--set", "readonly"]);
    let other = folder(&temporary.path().join("other"), &[("other.avsc", "\"string\"")]);
    let refused = server.rivulet(&["schema", "register", "customer", &format!("{other}/other.avsc")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("read-only"),
        "{refused:?}"
    );

    // Records of a schema with references are written and shown as text.
    server.rivulet_ok(&["schema", "register", "orders-value", &file, "--reference", reference]);
    server.rivulet_ok(&["topic", "create", "orders"]);
    let line = r#"{"id":"o1","customer":{"name":"Ada"},"note":"now"}"#;
    let mut produce = Command::new(binary());
    produce.args([
        "topic",
        "produce",
        "orders",
        "--bootstrap",
        &server.kafka,
        "--registry",
        &server.registry,
    ]);
    let mut produce = produce.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = produce.stdin.take().expect("stdin");
    std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).expect("it reads");
    drop(stdin);
    assert!(produce.wait().expect("it ends").success());
    let tail = ["topic", "tail", "orders", "--from-beginning", "--exit", "-f", "%v\\n"];
    assert_eq!(server.rivulet_ok(&tail).trim_end(), line);

    // Another registry takes it in as it was.
    let export = temporary.path().join("export").display().to_string();
    server.rivulet_ok(&["schema", "export", &export]);
    let other = Server::start();
    other.rivulet_ok(&["schema", "import", &export, "--keep-ids"]);
    for question in [
        &["schema", "list", "--all-versions"][..],
        &["schema", "compat", "order"],
        &["schema", "mode", "customer"],
        &["schema", "show", "order@2"],
    ] {
        let (mut here, mut there) = (json(&server.rivulet_ok(question)), json(&other.rivulet_ok(question)));
        // When it was registered is each registry's own.
        for answer in [&mut here, &mut there] {
            if let Some(object) = answer.as_object_mut() {
                object.remove("ts");
            }
        }
        assert_eq!(here, there, "{question:?}");
    }

    server.rivulet_ok(&["schema", "delete", "order@1"]);
    server.rivulet_ok(&["schema", "delete", "order"]);
    server.rivulet_ok(&["schema", "delete", "order", "--permanent"]);
    let missing = server.rivulet(&["schema", "show", "order"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("rivulet schema list"),
        "{missing:?}"
    );
}

/// The trap of reference system E: files that hold several schemas one after another.
#[test]
fn several_schemas_in_one_file_are_split_and_reported() {
    let server = Server::start();
    let temporary = tempfile::tempdir().expect("a folder");
    let text = format!("{CUSTOMER}\n{ORDER}\n");
    let place = folder(&temporary.path().join("events"), &[("events.avsc", &text)]);

    let whole = server.rivulet(&["schema", "register", "events", &format!("{place}/events.avsc")]);
    assert_eq!(whole.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&whole.stderr).into_owned();
    assert!(errors.contains("several JSON documents"), "{errors}");

    let output = server.rivulet(&["schema", "import", &place]);
    assert!(output.status.success(), "{output:?}");
    let rows = json(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(
        rows,
        json!([
            {"subject": "shop.Customer", "version": 1, "id": 1, "file": "events.avsc", "note": "document 1 of 2 in its file"},
            {"subject": "shop.Order", "version": 1, "id": 2, "file": "events.avsc", "note": "document 2 of 2 in its file"},
        ])
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("1 files hold several schemas"),
        "{output:?}"
    );
}
