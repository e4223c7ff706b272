//! What keeps one schema from reading what another wrote, in the words of the registry the world knows.

/// Which of the two schemas of a comparison reads: BACKWARD lets the new one read, FORWARD the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    New,
    Old,
}

impl Reader {
    /// The reader's word in a message.
    pub fn word(self) -> &'static str {
        match self {
            Reader::New => "new",
            Reader::Old => "old",
        }
    }

    /// The writer's word in a message.
    pub fn writer_word(self) -> &'static str {
        match self {
            Reader::New => "old",
            Reader::Old => "new",
        }
    }
}

/// How strictly schemas are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Policy {
    #[default]
    Strict,
    /// JSON Schema only: properties may be added to and removed from open content models.
    Lenient,
    /// The strict rules, and those of logical types.
    Logical,
}

impl Policy {
    /// Reads a policy in any case.
    pub fn from_word(word: &str) -> Option<Policy> {
        match word.to_ascii_uppercase().as_str() {
            "STRICT" => Some(Policy::Strict),
            "LENIENT" => Some(Policy::Lenient),
            "LOGICAL" => Some(Policy::Logical),
            _ => None,
        }
    }
}

/// One reason why the reader cannot read what the writer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The rule's published name, such as `TYPE_MISMATCH`.
    pub rule: &'static str,
    /// Where, such as `/fields/1/type` or `#/properties/a`.
    pub path: String,
    /// The sentence a registry's message holds.
    pub description: String,
    /// What exactly, for languages whose messages say so.
    pub additional: Option<String>,
    /// In short what stands there in the reader and in the writer, for people.
    pub reader: Option<String>,
    pub writer: Option<String>,
}
