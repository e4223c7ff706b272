//! Doors for any bytes: what a schema may not do, whatever is registered.
//!
//! Called by the target in `fuzz/` and, with the files of its corpus, by the tests.

use crate::difference::{Policy, Reader};
use crate::{Parsed, SchemaType, explain};

/// A language, a schema and a payload, behind one another with a zero byte between: the schema is refused, or its texts
/// are its own texts, it reads what it wrote, and the payload is judged.
pub fn schema(data: &[u8]) {
    let Some((language, rest)) = data.split_first() else {
        return;
    };
    let schema_type = match language % 3 {
        0 => SchemaType::Avro,
        1 => SchemaType::Json,
        _ => SchemaType::Protobuf,
    };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let payload = parts.next().unwrap_or_default();
    let Ok(parsed) = Parsed::parse(schema_type, &text, &[], false) else {
        return;
    };
    if let Ok(again) = Parsed::parse(schema_type, &parsed.canonical, &[], false) {
        assert_eq!(again.canonical, parsed.canonical, "a canonical text is its own");
    }
    for policy in [Policy::Strict, Policy::Lenient, Policy::Logical] {
        let found = parsed.compare(&parsed, Reader::New, policy);
        assert!(found.len() <= 10_000, "differences are bounded");
    }
    for format in ["resolved", "serialized", "ignore_extensions"] {
        parsed.formatted(format);
    }
    parsed.logical_problems(None);
    let _defined = parsed.definition(None).is_ok();
    assert!(
        explain::changes(&parsed, &parsed).is_empty(),
        "nothing differs from itself"
    );
    // Taken or refused; either is an answer.
    let _taken = parsed.check_new().is_ok();
    let _named = parsed.record_name(payload).is_ok();
    let _read = parsed.check_payload(None, payload).is_ok();
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_does_no_harm() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/schema");
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            super::schema(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 20, "only {count} files");
    }
}
