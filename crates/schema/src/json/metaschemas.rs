//! The published meta-schemas, which schemas may refer to without registering them.

use std::sync::LazyLock;

use referencing::meta;
use serde_json::Value;

use super::documents::Document;
use super::read::read;

/// The meta-schemas of draft 4, 6 and 7, under each way to write their addresses.
pub(super) fn old() -> &'static [Document] {
    static OLD: LazyLock<Vec<Document>> = LazyLock::new(|| {
        let mut all = Vec::new();
        for (path, text) in [
            ("draft-04/schema", &*meta::DRAFT4),
            ("draft-06/schema", &*meta::DRAFT6),
            ("draft-07/schema", &*meta::DRAFT7),
        ] {
            add(&mut all, path, text);
        }
        all
    });
    &OLD
}

/// The meta-schemas of 2019-09 and 2020-12.
pub(super) fn new() -> &'static [Document] {
    static NEW: LazyLock<Vec<Document>> = LazyLock::new(|| {
        let mut all = Vec::new();
        for (path, text) in [
            ("draft/2019-09/schema", &*meta::DRAFT201909),
            ("draft/2019-09/meta/core", &*meta::DRAFT201909_CORE),
            ("draft/2019-09/meta/validation", &*meta::DRAFT201909_VALIDATION),
            ("draft/2019-09/meta/applicator", &*meta::DRAFT201909_APPLICATOR),
            ("draft/2019-09/meta/meta-data", &*meta::DRAFT201909_META_DATA),
            ("draft/2019-09/meta/format", &*meta::DRAFT201909_FORMAT),
            ("draft/2019-09/meta/content", &*meta::DRAFT201909_CONTENT),
            ("draft/2020-12/schema", &*meta::DRAFT202012),
            ("draft/2020-12/meta/core", &*meta::DRAFT202012_CORE),
            ("draft/2020-12/meta/validation", &*meta::DRAFT202012_VALIDATION),
            ("draft/2020-12/meta/applicator", &*meta::DRAFT202012_APPLICATOR),
            ("draft/2020-12/meta/unevaluated", &*meta::DRAFT202012_UNEVALUATED),
            ("draft/2020-12/meta/meta-data", &*meta::DRAFT202012_META_DATA),
            (
                "draft/2020-12/meta/format-annotation",
                &*meta::DRAFT202012_FORMAT_ANNOTATION,
            ),
            ("draft/2020-12/meta/content", &*meta::DRAFT202012_CONTENT),
        ] {
            add(&mut all, path, text);
        }
        all
    });
    &NEW
}

fn add(all: &mut Vec<Document>, path: &str, text: &Value) {
    // The texts are part of this program, and they are JSON.
    let Ok(root) = read(&text.to_string()) else {
        return;
    };
    for protocol in ["http", "https"] {
        for end in ["", "#"] {
            all.push(Document {
                name: format!("{protocol}://json-schema.org/{path}{end}"),
                root: root.clone(),
            });
        }
    }
}
