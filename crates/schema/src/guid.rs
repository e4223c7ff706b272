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
