//! A schema's identity across registries: the MD5 of its content, shown as a UUID.

use md5::{Digest, Md5};
use uuid::Uuid;

use crate::subjects::{Metadata, Reference, RuleSet};

/// The GUID of a schema as the published algorithm gives it: over its text, references, metadata and rules.
pub fn of(text: &str, references: &[Reference], metadata: Option<&Metadata>, rules: Option<&RuleSet>) -> Uuid {
    let mut hash = Md5::new();
    hash.update(text.as_bytes());
    for reference in references {
        hash.update(reference.name.as_bytes());
        hash.update(reference.subject.as_bytes());
        hash.update(reference.version.to_be_bytes());
    }
    if let Some(metadata) = metadata {
        hash.update([1]);
        metadata.each_text(&mut |text| hash.update(text.as_bytes()));
    }
    if let Some(rules) = rules {
        hash.update([1]);
        rules.each_text(&mut |text| hash.update(text.as_bytes()));
    }
    Uuid::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::subjects::{Metadata, Reference, RuleSet};

    /// What Confluent's registry gave for the same content.
    #[test]
    fn guids_are_those_of_the_published_algorithm() {
        let metadata = |text: &str| serde_json::from_str::<Metadata>(text).unwrap();
        let rules = |text: &str| serde_json::from_str::<RuleSet>(text).unwrap();
        let part = Reference {
            name: "P".into(),
            subject: ":.g:part".into(),
            version: 1,
        };
        let whole = r#"{"type":"record","name":"W","fields":[{"name":"p","type":"P"}]}"#;
        let full = r#"{"tags":{"b":["y","x"],"a":["z"]},"properties":{"q":"2","p":"1"},"sensitive":["q","p"]}"#;
        let rule = r#"{"domainRules":[{"name":"r","type":"CEL"}]}"#;
        let many = r#"{"domainRules":[{"name":"r","doc":"d","kind":"CONDITION","mode":"WRITE","type":"CEL",
            "tags":["b","a"],"params":{"z":"1","y":"2"},"expr":"true","onSuccess":"NONE","onFailure":"ERROR",
            "disabled":true}],"migrationRules":[{"name":"m","type":"JSONATA","mode":"UPGRADE"}],
            "encodingRules":[{"name":"e","type":"ENCRYPT_PAYLOAD"}],"enableAt":"CLIENT"}"#;
        let string = r#""string""#;
        for (text, references, metadata, rules, expected) in [
            (string, vec![], None, None, "095d71cf-1255-6b9d-5e33-0ad575b3df5d"),
            (
                string,
                vec![],
                Some(metadata("{}")),
                None,
                "cecc02e2-232b-87f1-1b0c-aa0e70dbb74d",
            ),
            (
                string,
                vec![],
                Some(metadata(full)),
                None,
                "f21a915e-41b3-1d7a-e100-7ed2759e41d1",
            ),
            (
                whole,
                vec![part.clone()],
                None,
                None,
                "e6cf0158-2a06-0820-e4e9-98293c1068bf",
            ),
            (
                whole,
                vec![part],
                Some(metadata(r#"{"properties":{"grüße":"✓"}}"#)),
                None,
                "fb16a17b-3854-ffff-ed78-e12c8e454c3c",
            ),
            (
                string,
                vec![],
                None,
                Some(rules(rule)),
                "dc96e2f4-9342-e730-e039-77dacc470482",
            ),
            (
                string,
                vec![],
                None,
                Some(rules(many)),
                "3c6fad68-9b8d-62ed-e347-cc289e3eda90",
            ),
            (
                string,
                vec![],
                None,
                Some(rules("{}")),
                "cecc02e2-232b-87f1-1b0c-aa0e70dbb74d",
            ),
        ] {
            let guid = of(text, &references, metadata.as_ref(), rules.as_ref());
            assert_eq!(guid.to_string(), expected, "{text} {metadata:?} {rules:?}");
        }
    }
}
