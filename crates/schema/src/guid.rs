//! A schema's identity across registries: the MD5 of its content, shown as a UUID.

use md5::{Digest, Md5};
use uuid::Uuid;

use crate::subjects::Reference;

/// The GUID of a schema without metadata and rules, as the published algorithm gives it.
pub fn of(canonical: &str, references: &[Reference]) -> Uuid {
    let mut hash = Md5::new();
    hash.update(canonical.as_bytes());
    for reference in references {
        hash.update(reference.name.as_bytes());
        hash.update(reference.subject.as_bytes());
        hash.update(reference.version.to_be_bytes());
    }
    Uuid::from_bytes(hash.finalize().into())
}
