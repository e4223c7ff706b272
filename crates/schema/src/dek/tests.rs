//! Codes and effects of every decision as a table, the records, and the form that clients' keys have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Algorithm, Change, Dek, DekId, Kek, KeyMaterial, Keys, LocalKms, NewDek, NewKek, UpdatedKek};

fn kek(name: &str, shared: bool) -> NewKek {
    NewKek {
        name: Some(name.to_owned()),
        kms_type: Some("local-kms".to_owned()),
        kms_key_id: Some("id".to_owned()),
        shared,
        ..NewKek::default()
    }
}

fn applied(keys: &mut Keys, changes: Vec<Change>) {
    for change in changes {
        let (key, value) = change.encode().unwrap();
        keys.apply(Change::decode(&key, value.as_deref()).unwrap(), 7);
    }
}

fn put_dek(keys: &mut Keys, kek: &str, subject: &str, version: i32, algorithm: Algorithm) {
    let id = DekId {
        kek: kek.to_owned(),
        subject: subject.to_owned(),
        algorithm,
        version,
    };
    let dek = Dek {
        encrypted: Some("e".to_owned()),
        deleted: false,
        ts: 0,
    };
    applied(keys, vec![Change::PutDek(id, dek)]);
}

fn code<T: std::fmt::Debug>(outcome: Result<T, crate::RegistryError>) -> i32 {
    outcome.map_or_else(|error| error.code, |_| 0)
}

#[test]
fn fields_of_keks_are_checked() {
    let with = |name: &str, kms_type: &str, kms_key_id: &str| {
        let text = |text: &str| Some(text.to_owned()).filter(|text| text != "-");
        NewKek {
            name: text(name),
            kms_type: text(kms_type),
            kms_key_id: text(kms_key_id),
            ..NewKek::default()
        }
        .checked()
        .map(|kek| kek.kms_type)
        .map_err(|error| (error.code, error.message))
    };
    let wrong = |field: &str| Err((42271, format!("Invalid or missing value for field '{field}' of key")));
    for (name, kms_type, id, expected) in [
        ("k", "local-kms", "x", Ok("local-kms".to_owned())),
        ("_k-1", "AWS", "x", Ok("aws-kms".to_owned())),
        ("k", "aws-kms", "arn:aws:kms:x", Ok("aws-kms".to_owned())),
        ("k", "aws-kms", "x", wrong("kmsKeyId")),
        ("k", "azure-kms", "http://x", wrong("kmsKeyId")),
        ("k", "hcvault", "http://x", Ok("hcvault".to_owned())),
        ("k", "gcp-kms", "projects/x", Ok("gcp-kms".to_owned())),
        ("k", "local-kms", "", wrong("kmsKeyId")),
        ("k", "-", "x", wrong("kmsType")),
        ("k", "-", "-", wrong("kmsKeyId")),
        ("-", "local-kms", "x", wrong("name")),
        ("", "local-kms", "x", wrong("name")),
        ("9", "local-kms", "x", wrong("name")),
        ("a b", "local-kms", "x", wrong("name")),
        (&"n".repeat(256), "local-kms", "x", Ok("local-kms".to_owned())),
        (&"n".repeat(257), "local-kms", "x", wrong("name")),
    ] {
        assert_eq!(with(name, kms_type, id), expected, "{name} {kms_type} {id}");
    }
}

#[test]
fn keks_live_and_die() {
    let mut keys = Keys::default();
    let wanted = |name| kek(name, false).checked().unwrap();
    let made = keys.create_kek(wanted("k")).unwrap();
    applied(&mut keys, made);
    assert_eq!(keys.kek("k", false).unwrap().ts, 7);
    assert_eq!(code(keys.create_kek(wanted("k"))), 40971);
    assert_eq!(code(keys.kek("nope", true)), 40470);
    assert_eq!(code(keys.delete_kek("k", true)), 40471);
    put_dek(&mut keys, "k", "s", 1, Algorithm::Aes256Gcm);
    assert_eq!(code(keys.delete_kek("k", false)), 42272);
    let gone = keys.delete_deks("k", "s", None, None, false).unwrap();
    applied(&mut keys, gone);
    let gone = keys.delete_kek("k", false).unwrap();
    applied(&mut keys, gone);
    assert!(keys.delete_kek("k", false).unwrap().is_empty(), "twice is once");
    assert_eq!(code(keys.kek("k", false)), 40470);
    assert_eq!(
        (keys.kek_names(&[], false).len(), keys.kek_names(&[], true).len()),
        (0, 1)
    );
    assert_eq!(code(keys.delete_kek("k", true)), 42272, "its DEK is there still");
    assert_eq!(code(keys.undelete_deks("k", "s", None, None)), 40472);
    let other = Kek {
        doc: Some("another".to_owned()),
        ..wanted("k")
    };
    assert_eq!(code(keys.create_kek(other)), 40971);
    let back = keys.create_kek(wanted("k")).unwrap();
    applied(&mut keys, back);
    let back = keys.undelete_deks("k", "s", Some(Some(1)), None).unwrap();
    applied(&mut keys, back);
    assert_eq!(keys.dek_versions("k", "s", None, false).unwrap(), [1]);

    let update = UpdatedKek {
        doc: Some(Some("d".to_owned())),
        shared: Some(Some(true)),
        ..UpdatedKek::default()
    };
    let changes = keys.update_kek("k", update.clone()).unwrap();
    applied(&mut keys, changes);
    assert!(keys.update_kek("k", update).unwrap().is_empty(), "nothing new");
    assert!(keys.kek("k", false).unwrap().shared);
    assert_eq!(code(keys.update_kek("nope", UpdatedKek::default())), 40470);
}

#[test]
fn deks_are_found_by_version_and_algorithm() {
    let mut keys = Keys::default();
    let made = keys.create_kek(kek("k", false).checked().unwrap()).unwrap();
    applied(&mut keys, made);
    for (version, algorithm) in [
        (1, Algorithm::Aes256Gcm),
        (3, Algorithm::Aes256Gcm),
        (0, Algorithm::Aes256Gcm),
        (2, Algorithm::Aes256Siv),
    ] {
        put_dek(&mut keys, "k", "s", version, algorithm);
    }
    let siv = Some(Algorithm::Aes256Siv);
    assert_eq!(keys.dek_versions("k", "s", None, false).unwrap(), [1, 3]);
    assert_eq!(keys.dek_versions("k", "s", siv, false).unwrap(), [2]);
    let version = |wanted, algorithm| {
        keys.dek("k", "s", wanted, algorithm, false)
            .map(|(_, id, _)| id.version)
    };
    assert_eq!(version(None, None), Ok(3));
    assert_eq!(version(None, siv), Ok(2));
    assert_eq!(version(Some(1), None), Ok(1));
    assert_eq!(code(version(Some(2), None)), 40470);
    assert_eq!(code(keys.dek("k", "other", None, None, false)), 40470);
    assert_eq!(code(keys.dek("k", "", None, None, false)), 42271);
    assert_eq!(keys.dek_subjects("k", false).unwrap(), ["s"]);
    assert_eq!(keys.kek_names(&["s".to_owned()], false), ["k"]);
    assert!(keys.kek_names(&["t".to_owned()], false).is_empty());

    let wanted = |encrypted: Option<&str>| NewDek {
        encrypted: encrypted.map(str::to_owned),
        ..NewDek::default()
    };
    assert_eq!(code(keys.may_create_dek("k", "s", false, &wanted(Some("e")))), 40971);
    assert_eq!(code(keys.may_create_dek("k", "s", true, &wanted(Some("f")))), 0);
    assert_eq!(code(keys.may_create_dek("k", "new", false, &wanted(None))), 42271);
    assert_eq!(code(keys.may_create_dek("nope", "s", false, &wanted(None))), 40470);
    assert_eq!(code(keys.delete_deks("k", "s", Some(None), None, true)), 40471);
    assert_eq!(keys.delete_deks("k", "s", Some(None), None, false).unwrap().len(), 1);
    assert_eq!(keys.delete_deks("k", "s", None, None, false).unwrap().len(), 2);
}

/// Made by Confluent's registry with the local KMS and the secret `mysecret`.
#[test]
fn what_a_client_encrypted_is_decrypted() {
    let kms = LocalKms::new("mysecret");
    for (algorithm, encrypted, plain) in [
        (
            Algorithm::Aes256Gcm,
            "gjoyUh+becAurEtkLr1lIYAtbke9CqwPqL9HFH0SWvIjbUa9QZuMCiiNT8HfJAEWx/t4VH11bM6hLZHDHPo=",
            "GiDZxK16sysuYWLX471PTadnJ0ihW5G8NhA38jA2eH6jBQ==",
        ),
        (
            Algorithm::Aes128Gcm,
            "a/DayvkjUO9jTT67BvZ1G6DCdB+PKgSZE6aH3G6l8ExaqDSKz8OGmmrEpPLOew==",
            "GhBT10zb28J6Bg5QtZYKt4my",
        ),
        (
            Algorithm::Aes256Siv,
            "7BMcgmtwIs3FycR66Y0io1IN9c6N1W4UiM8SbFQklgBw77T6P7sk0XzI+fV3Td8xmZbr5frMUIrvT/4HrEkSmHmPB8kH31dHydZjlOcINZVnrxGU5j4+TELN38rlvQ==",
            "EkB23TWx/MRBB5CGBtnBQRdrQv20Or/5LYob/dEw9LngzoL1rxRD5g+InWzbFApQ+yy6HeuovNs7doGxei32xqDh",
        ),
    ] {
        let plain = STANDARD.decode(plain).unwrap();
        let encrypted = STANDARD.decode(encrypted).unwrap();
        assert_eq!(kms.decrypt(&encrypted).unwrap(), plain, "{algorithm:?}");
        let random = &plain[2..];
        assert_eq!(random.len(), KeyMaterial::random_bytes(algorithm));
        assert_eq!(KeyMaterial::of(algorithm, random), plain);
        let nonce = *encrypted.first_chunk().unwrap();
        assert_eq!(kms.encrypt(nonce, &plain).unwrap(), encrypted);
        assert!(LocalKms::new("another").decrypt(&encrypted).is_err());
        assert!(kms.decrypt(&encrypted[..20]).is_err());
    }
}

/// As Confluent's registry writes them.
#[test]
fn records_are_those_of_the_real_topic() {
    let key = r#"{"tenant":"default","name":"k1","type":"KEK"}"#;
    let value = r#"{"name":"k1","kmsType":"local-kms","kmsKeyId":"key1","kmsProps":{"a":"2","b":"1"},"doc":"d","shared":true,"deleted":false,"type":"KEK"}"#;
    let dek_key =
        r#"{"tenant":"default","kekName":"k2","subject":"s2","algorithm":"AES256_GCM","version":1,"type":"DEK"}"#;
    let dek_value = r#"{"kekName":"k2","subject":"s2","algorithm":"AES256_GCM","version":1,"encryptedKeyMaterial":"abcd","deleted":false,"type":"DEK"}"#;
    for (key, value) in [
        (key, Some(value)),
        (key, None),
        (dek_key, Some(dek_value)),
        (dek_key, None),
    ] {
        let change = Change::decode(key.as_bytes(), value.map(str::as_bytes)).unwrap();
        let (key_again, value_again) = change.encode().unwrap();
        assert_eq!(String::from_utf8(key_again).unwrap(), key);
        assert_eq!(
            value_again.map(|bytes| String::from_utf8(bytes).unwrap()).as_deref(),
            value
        );
    }
    for wrong in ["", "{}", r#"{"type":"KEK"}"#, r#"{"type":"NEW"}"#] {
        assert!(Change::decode(wrong.as_bytes(), None).is_err(), "{wrong}");
    }
}
