//! The rules whose breaking makes schemas incompatible, by their published names, with the sentences registries say.
//!
//! Changes that are always compatible (a limit loosened, a property removed from an open content model) have no rule
//! here: nothing depends on their names.

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// With `{path}`, `{reader}` and `{writer}` to be filled in.
    sentence: &'static str,
    /// Whether breaking it is compatible under the lenient policy.
    pub(super) lenient: bool,
}

impl Rule {
    pub(super) fn sentence(&self, path: &str, reader: &str, writer: &str) -> String {
        let filled = self.sentence.replace("{reader}", reader).replace("{writer}", writer);
        filled.replace("{path}", path)
    }
}

const SILENT: &str = "";
const ADDED: &str = "The keyword at path '{path}' in the {reader} schema is not present in the {writer} schema";
const MORE: &str = "The value at path '{path}' in the {reader} schema is more than its value in the {writer} schema";
const LESS: &str = "The value at path '{path}' in the {reader} schema is less than its value in the {writer} schema";
const OTHER_VALUE: &str = "The value at path '{path}' is different between the {reader} and {writer} schema";
const NARROWED: &str = "An array or combined type at path '{path}' has fewer elements in the {reader} schema than the \
                        {writer} schema";
const EXTENDED: &str = "An array or combined type at path '{path}' has more elements in the {reader} schema than the \
                        {writer} schema";
const OTHER_TYPE: &str = "A type at path '{path}' is different between the {reader} schema and the {writer} schema";
const ADDED_TO_OPEN: &str = "The {reader} schema has an open content model and has a property or item at path '{path}' \
                             which is missing in the {writer} schema";
const ADDED_TO_UNOPEN: &str = "The {reader} schema has an unopen content model and has a required property at path \
                               '{path}' which is missing in the {writer} schema";
const REMOVED_FROM_CLOSED: &str = "The {reader} has a closed content model and is missing a property or item present \
                                   at path '{path}' in the {writer} schema";
const REMOVED_UNCOVERED: &str = "A property or item is missing in the {reader} schema but present at path '{path}' in \
                                 the {writer} schema and is not covered by its partially open content model";
const ADDED_UNCOVERED: &str = "The {reader} schema has a property or item at path '{path}' which is missing in the \
                               {writer} schema and is not covered by its partially open content model";
const GIVEN_UP: &str = "The comparison of the {reader} schema with the {writer} schema reached its limit and was given \
                        up, so they count as incompatible";

macro_rules! rules {
    ($($name:ident: $sentence:expr, $lenient:literal;)*) => {
        $(pub(super) static $name: Rule = Rule { name: stringify!($name), sentence: $sentence, lenient: $lenient };)*
    };
}

rules! {
    SCHEMA_ADDED: SILENT, false;
    TYPE_NARROWED: OTHER_TYPE, false;
    TYPE_CHANGED: OTHER_TYPE, false;
    MAX_LENGTH_ADDED: ADDED, false;
    MAX_LENGTH_DECREASED: LESS, false;
    MIN_LENGTH_ADDED: ADDED, false;
    MIN_LENGTH_INCREASED: MORE, false;
    PATTERN_ADDED: ADDED, false;
    PATTERN_CHANGED: OTHER_VALUE, false;
    MAXIMUM_ADDED: ADDED, false;
    MAXIMUM_DECREASED: LESS, false;
    MINIMUM_ADDED: ADDED, false;
    MINIMUM_INCREASED: MORE, false;
    EXCLUSIVE_MAXIMUM_ADDED: ADDED, false;
    EXCLUSIVE_MAXIMUM_DECREASED: LESS, false;
    EXCLUSIVE_MINIMUM_ADDED: ADDED, false;
    EXCLUSIVE_MINIMUM_INCREASED: MORE, false;
    MULTIPLE_OF_ADDED: ADDED, false;
    MULTIPLE_OF_EXPANDED: MORE, false;
    MULTIPLE_OF_CHANGED: OTHER_VALUE, false;
    REQUIRED_ATTRIBUTE_ADDED: ADDED, false;
    MAX_PROPERTIES_ADDED: ADDED, false;
    MAX_PROPERTIES_DECREASED: LESS, false;
    MIN_PROPERTIES_ADDED: ADDED, false;
    MIN_PROPERTIES_INCREASED: MORE, false;
    ADDITIONAL_PROPERTIES_REMOVED: ADDED, true;
    ADDITIONAL_PROPERTIES_NARROWED: NARROWED, true;
    UNEVALUATED_PROPERTIES_REMOVED: ADDED, true;
    UNEVALUATED_PROPERTIES_NARROWED: NARROWED, true;
    DEPENDENCY_ARRAY_ADDED: ADDED, false;
    DEPENDENCY_ARRAY_EXTENDED: EXTENDED, false;
    DEPENDENCY_ARRAY_CHANGED: OTHER_VALUE, false;
    DEPENDENCY_SCHEMA_ADDED: ADDED, false;
    REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: ADDED_TO_OPEN, false;
    REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL: ADDED_TO_OPEN, true;
    OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: ADDED_TO_OPEN, true;
    REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL: ADDED_TO_UNOPEN, false;
    PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL: REMOVED_FROM_CLOSED, true;
    PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: REMOVED_UNCOVERED, true;
    PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: ADDED_UNCOVERED, true;
    MAX_ITEMS_ADDED: ADDED, false;
    MAX_ITEMS_DECREASED: LESS, false;
    MIN_ITEMS_ADDED: ADDED, false;
    MIN_ITEMS_INCREASED: MORE, false;
    MAX_CONTAINS_ADDED: ADDED, false;
    MAX_CONTAINS_DECREASED: LESS, false;
    MIN_CONTAINS_ADDED: ADDED, false;
    MIN_CONTAINS_INCREASED: MORE, false;
    UNIQUE_ITEMS_ADDED: ADDED, false;
    ADDITIONAL_ITEMS_REMOVED: ADDED, false;
    ADDITIONAL_ITEMS_NARROWED: NARROWED, false;
    UNEVALUATED_ITEMS_REMOVED: ADDED, false;
    UNEVALUATED_ITEMS_NARROWED: NARROWED, false;
    ITEM_ADDED_TO_OPEN_CONTENT_MODEL: ADDED_TO_OPEN, false;
    ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL: REMOVED_FROM_CLOSED, false;
    ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: REMOVED_UNCOVERED, false;
    ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: ADDED_UNCOVERED, false;
    ENUM_ARRAY_NARROWED: NARROWED, false;
    ENUM_ARRAY_CHANGED: OTHER_TYPE, false;
    COMBINED_TYPE_CHANGED: OTHER_TYPE, false;
    COMBINED_TYPE_SUBSCHEMAS_CHANGED: OTHER_TYPE, false;
    PRODUCT_TYPE_EXTENDED: EXTENDED, false;
    SUM_TYPE_NARROWED: NARROWED, false;
    NOT_TYPE_EXTENDED: EXTENDED, false;
    COMPARISON_GIVEN_UP: GIVEN_UP, false;
}
