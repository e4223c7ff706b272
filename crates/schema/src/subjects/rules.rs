//! Rule sets beside a schema: what clients do with data when they write, read or migrate it. The registry stores and
//! checks them; they run elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::lenient;

/// A rule's name is at most this long.
const NAME_CHARS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    #[default]
    Transform,
    Condition,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    Upgrade,
    Downgrade,
    UpDown,
    Write,
    Read,
    #[default]
    WriteRead,
}

/// Where rules run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Environment {
    All,
    Client,
    Gateway,
    Server,
    None,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "lenient::text")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "lenient::text")]
    pub doc: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub kind: Kind,
    #[serde(deserialize_with = "lenient::or_default")]
    pub mode: Mode,
    #[serde(
        rename = "type",
        skip_serializing_if = "is_empty",
        deserialize_with = "lenient::text"
    )]
    pub rule_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", deserialize_with = "lenient::or_default")]
    pub tags: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::texts")]
    pub params: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "lenient::text")]
    pub expr: Option<String>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "lenient::text")]
    pub on_success: Option<String>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "lenient::text")]
    pub on_failure: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub disabled: bool,
}

fn is_empty(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}

/// The rules of a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuleSet {
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_default")]
    pub migration_rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_default")]
    pub domain_rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::or_default")]
    pub encoding_rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_at: Option<Environment>,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Transform => "TRANSFORM",
            Kind::Condition => "CONDITION",
        }
    }
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Mode::Upgrade => "UPGRADE",
            Mode::Downgrade => "DOWNGRADE",
            Mode::UpDown => "UPDOWN",
            Mode::Write => "WRITE",
            Mode::Read => "READ",
            Mode::WriteRead => "WRITEREAD",
        }
    }

    fn is_migration(self) -> bool {
        matches!(self, Mode::Upgrade | Mode::Downgrade | Mode::UpDown)
    }
}

impl Environment {
    pub fn word(self) -> &'static str {
        match self {
            Environment::All => "ALL",
            Environment::Client => "CLIENT",
            Environment::Gateway => "GATEWAY",
            Environment::Server => "SERVER",
            Environment::None => "NONE",
        }
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let name = self.name.as_deref().ok_or("Missing rule name")?;
        let first = name.chars().next().ok_or("Empty rule name")?;
        if name.encode_utf16().count() > NAME_CHARS_MAX {
            return Err("Rule name too long".to_owned());
        }
        if !(first.is_alphabetic() || first == '_') {
            return Err(format!("Illegal initial character in rule name: {name}"));
        }
        if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            return Err(format!("Illegal character in rule name: {name}"));
        }
        if self.rule_type.is_none() {
            return Err("Missing rule type".to_owned());
        }
        let has_pair = |action: &Option<String>| action.as_ref().is_some_and(|action| action.contains(','));
        let takes_pair = matches!(self.mode, Mode::WriteRead | Mode::UpDown);
        if !takes_pair && (has_pair(&self.on_success) || has_pair(&self.on_failure)) {
            return Err("Multiple actions only valid with WRITEREAD and UPDOWN".to_owned());
        }
        Ok(())
    }

    fn each_text<'a>(&'a self, take: &mut impl FnMut(&'a str)) {
        let optional = |text: &'a Option<String>, take: &mut dyn FnMut(&'a str)| {
            if let Some(text) = text {
                take(text);
            }
        };
        optional(&self.name, take);
        optional(&self.doc, take);
        take(self.kind.word());
        take(self.mode.word());
        optional(&self.rule_type, take);
        self.tags.iter().for_each(|tag| take(tag));
        for (key, value) in &self.params {
            take(key);
            take(value);
        }
        optional(&self.expr, take);
        optional(&self.on_success, take);
        optional(&self.on_failure, take);
        if self.disabled {
            take("\u{1}");
        }
    }
}

impl RuleSet {
    fn each_rule(&self) -> impl Iterator<Item = &Rule> {
        let rules = self.migration_rules.iter().chain(&self.domain_rules);
        rules.chain(&self.encoding_rules)
    }

    /// Says what makes the rules unfit to be stored.
    pub fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        let kinds = [
            (
                &self.migration_rules,
                true,
                "Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN",
            ),
            (
                &self.domain_rules,
                false,
                "Domain rules can only be WRITE, READ, WRITEREAD",
            ),
            (
                &self.encoding_rules,
                false,
                "Encoding rules can only be WRITE, READ, WRITEREAD",
            ),
        ];
        for (rules, is_migration, wrong_mode) in kinds {
            for rule in rules {
                if !names.insert(rule.name.as_deref()) {
                    let name = rule.name.as_deref().unwrap_or("null");
                    return Err(format!("Found rule with duplicate name '{name}'"));
                }
                rule.check()?;
                if rule.mode.is_migration() != is_migration {
                    return Err(wrong_mode.to_owned());
                }
            }
        }
        Ok(())
    }

    /// These with `over` laid on top: a rule replaces one of its name.
    pub fn merged(under: Option<&RuleSet>, over: Option<&RuleSet>) -> Option<RuleSet> {
        let (Some(under), Some(over)) = (under, over) else {
            return over.or(under).cloned();
        };
        let merge = |under: &[Rule], over: &[Rule]| {
            let names: HashSet<_> = over.iter().map(|rule| &rule.name).collect();
            let kept = under.iter().filter(|rule| !names.contains(&rule.name));
            kept.chain(over).cloned().collect()
        };
        Some(RuleSet {
            migration_rules: merge(&under.migration_rules, &over.migration_rules),
            domain_rules: merge(&under.domain_rules, &over.domain_rules),
            encoding_rules: merge(&under.encoding_rules, &over.encoding_rules),
            enable_at: over.enable_at.or(under.enable_at),
        })
    }

    /// These without the rules of some names.
    pub fn without(mut self, names: &[String]) -> RuleSet {
        let stays = |rule: &Rule| !rule.name.as_ref().is_some_and(|name| names.contains(name));
        for rules in [
            &mut self.migration_rules,
            &mut self.domain_rules,
            &mut self.encoding_rules,
        ] {
            rules.retain(stays);
        }
        self
    }

    pub fn has_type(&self, rule_type: &str) -> bool {
        self.each_rule()
            .any(|rule| rule.rule_type.as_deref() == Some(rule_type))
    }

    /// Calls `take` with the texts that identify the rules, in their order.
    pub(crate) fn each_text<'a>(&'a self, take: &mut impl FnMut(&'a str)) {
        self.each_rule().for_each(|rule| rule.each_text(take));
        if let Some(environment) = self.enable_at {
            take(environment.word());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RuleSet;

    #[test]
    fn rule_sets_are_checked() {
        let long = format!(r#"{{"domainRules":[{{"name":"{}","type":"CEL"}}]}}"#, "n".repeat(257));
        for (text, expected) in [
            ("{}", ""),
            (r#"{"domainRules":[{"name":"r","type":"CEL"}]}"#, ""),
            (r#"{"domainRules":[{"name":"r","type":"CEL","mode":"READ"}]}"#, ""),
            (
                r#"{"domainRules":[{"name":"r","type":"CEL","mode":"UPGRADE"}]}"#,
                "Domain rules can only be WRITE, READ, WRITEREAD",
            ),
            (r#"{"domainRules":[{"type":"CEL"}]}"#, "Missing rule name"),
            (r#"{"domainRules":[{"name":"","type":"CEL"}]}"#, "Empty rule name"),
            (
                r#"{"domainRules":[{"name":"1","type":"CEL"}]}"#,
                "Illegal initial character in rule name: 1",
            ),
            (
                r#"{"domainRules":[{"name":"a b","type":"CEL"}]}"#,
                "Illegal character in rule name: a b",
            ),
            (&long, "Rule name too long"),
            (r#"{"domainRules":[{"name":"r"}]}"#, "Missing rule type"),
            (
                r#"{"domainRules":[{"name":"r","type":"CEL","onFailure":"NONE,ERROR"}]}"#,
                "",
            ),
            (
                r#"{"domainRules":[{"name":"r","type":"CEL","mode":"WRITE","onFailure":"NONE,ERROR"}]}"#,
                "Multiple actions only valid with WRITEREAD and UPDOWN",
            ),
            (
                r#"{"migrationRules":[{"name":"r","type":"CEL"}]}"#,
                "Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN",
            ),
            (
                r#"{"domainRules":[{"name":"r","type":"CEL"}],"encodingRules":[{"name":"r","type":"CEL"}]}"#,
                "Found rule with duplicate name 'r'",
            ),
        ] {
            let rules: RuleSet = serde_json::from_str(text).unwrap();
            assert_eq!(rules.check().err().unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn rule_sets_are_laid_over_each_other() {
        let read = |text: &str| serde_json::from_str::<RuleSet>(text).unwrap();
        let under =
            read(r#"{"domainRules":[{"name":"a","type":"CEL"},{"name":"b","type":"CEL"}],"enableAt":"CLIENT"}"#);
        let over = read(r#"{"domainRules":[{"name":"a","type":"JSONATA"}]}"#);
        let merged = RuleSet::merged(Some(&under), Some(&over)).unwrap();
        let names: Vec<_> = merged
            .domain_rules
            .iter()
            .map(|rule| rule.name.clone().unwrap())
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert!(merged.has_type("JSONATA") && merged.enable_at.is_some());
        assert!(merged.without(&["a".to_owned()]).domain_rules.len() == 1);
    }
}
