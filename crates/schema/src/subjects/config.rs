//! Configuration of a subject, of a context, or of all: what it holds, how a request changes it, what holds where.

use serde::{Deserialize, Serialize};

use super::level::Level;
use super::{Metadata, Name, RuleSet, Subjects, lenient};
use crate::RegistryError;
use crate::difference::Policy;

/// Settings as they are kept; what is absent is decided elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The subject that answers in this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_for_deks: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether fields that metadata reserve are looked after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    /// Whether names and defaults of new schemas are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_new_schemas: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_rules: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_level: Option<Level>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_policy: Option<Policy>,
    /// The metadata property whose value tells groups of versions apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<RuleSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<RuleSet>,
}

/// What a request says of each setting: nothing, that it be taken back, or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigUpdate {
    #[serde(deserialize_with = "lenient::given_text")]
    pub alias: Option<Option<String>>,
    #[serde(deserialize_with = "lenient::given_text")]
    pub alias_for_deks: Option<Option<String>>,
    #[serde(deserialize_with = "lenient::given_flag")]
    pub normalize: Option<Option<bool>>,
    #[serde(deserialize_with = "lenient::given_flag")]
    pub validate_fields: Option<Option<bool>>,
    #[serde(deserialize_with = "lenient::given_flag")]
    pub validate_new_schemas: Option<Option<bool>>,
    #[serde(deserialize_with = "lenient::given_flag")]
    pub validate_rules: Option<Option<bool>>,
    #[serde(deserialize_with = "lenient::given_text")]
    pub compatibility: Option<Option<String>>,
    #[serde(deserialize_with = "lenient::given_text")]
    pub compatibility_policy: Option<Option<String>>,
    #[serde(deserialize_with = "lenient::given_text")]
    pub compatibility_group: Option<Option<String>>,
    #[serde(deserialize_with = "lenient::given_object")]
    pub default_metadata: Option<Option<Metadata>>,
    #[serde(deserialize_with = "lenient::given_object")]
    pub override_metadata: Option<Option<Metadata>>,
    #[serde(deserialize_with = "lenient::given_object")]
    pub default_rule_set: Option<Option<RuleSet>>,
    #[serde(deserialize_with = "lenient::given_object")]
    pub override_rule_set: Option<Option<RuleSet>>,
}

impl ConfigUpdate {
    /// Refuses what cannot be stored, and gives the level that the request names.
    pub fn check(&self) -> Result<(), RegistryError> {
        if let Some(Some(word)) = &self.compatibility {
            Level::from_word(word)?;
        }
        for rules in [&self.default_rule_set, &self.override_rule_set]
            .into_iter()
            .flatten()
            .flatten()
        {
            rules.check().map_err(|why| RegistryError::invalid_rule_set(&why))?;
        }
        Ok(())
    }
}

impl Config {
    /// The settings of a registry nobody has configured.
    pub fn initial() -> Config {
        Config {
            compatibility_level: Some(Level::default()),
            ..Config::default()
        }
    }

    pub fn level(&self) -> Level {
        self.compatibility_level.unwrap_or_default()
    }

    pub fn policy(&self) -> Policy {
        self.compatibility_policy.unwrap_or_default()
    }

    pub fn validates_fields(&self) -> bool {
        self.validate_fields.unwrap_or(false)
    }

    pub fn validates_new_schemas(&self) -> bool {
        self.validate_new_schemas.unwrap_or(true)
    }

    /// Whether metadata or rules of the configuration are laid under or over those of schemas.
    pub fn has_defaults_or_overrides(&self) -> bool {
        self.default_metadata.is_some()
            || self.override_metadata.is_some()
            || self.default_rule_set.is_some()
            || self.override_rule_set.is_some()
    }

    /// These after a request.
    pub fn updated(&self, update: &ConfigUpdate) -> Config {
        fn one<T: Clone>(old: &Option<T>, new: &Option<Option<T>>) -> Option<T> {
            new.as_ref().unwrap_or(old).clone()
        }
        let level = match &update.compatibility {
            Some(word) => word.as_deref().and_then(|word| Level::from_word(word).ok()),
            None => self.compatibility_level,
        };
        let policy = match &update.compatibility_policy {
            Some(word) => word.as_deref().and_then(Policy::from_word),
            None => self.compatibility_policy,
        };
        Config {
            alias: one(&self.alias, &update.alias),
            alias_for_deks: one(&self.alias_for_deks, &update.alias_for_deks),
            normalize: one(&self.normalize, &update.normalize),
            validate_fields: one(&self.validate_fields, &update.validate_fields),
            validate_new_schemas: one(&self.validate_new_schemas, &update.validate_new_schemas),
            validate_rules: one(&self.validate_rules, &update.validate_rules),
            compatibility_level: level,
            compatibility_policy: policy,
            compatibility_group: one(&self.compatibility_group, &update.compatibility_group),
            default_metadata: one(&self.default_metadata, &update.default_metadata),
            override_metadata: one(&self.override_metadata, &update.override_metadata),
            default_rule_set: one(&self.default_rule_set, &update.default_rule_set),
            override_rule_set: one(&self.override_rule_set, &update.override_rule_set),
        }
    }

    fn with_level(mut self) -> Config {
        self.compatibility_level.get_or_insert_default();
        self
    }

    /// A subject's own settings over the top-level ones: these only fill what can be shared.
    fn over(self, top: Config) -> Config {
        Config {
            normalize: self.normalize.or(top.normalize),
            validate_fields: self.validate_fields.or(top.validate_fields),
            validate_new_schemas: self.validate_new_schemas.or(top.validate_new_schemas),
            validate_rules: self.validate_rules.or(top.validate_rules),
            compatibility_policy: self.compatibility_policy.or(top.compatibility_policy),
            compatibility_group: self.compatibility_group.or(top.compatibility_group),
            ..self
        }
    }
}

impl Subjects {
    /// The settings stored for exactly this name; those of the top level and of all contexts have defaults.
    pub fn own_config(&self, name: &Name) -> Option<Config> {
        let stored = self.configs.get(name).map(|config| (**config).clone().with_level());
        let has_default = name.is_top() || &*name.context == super::name::GLOBAL_CONTEXT;
        stored.or_else(|| has_default.then(Config::initial))
    }

    /// The settings that hold for a name: its own, its context's, those of all contexts, or the initial ones.
    pub fn config_in_scope(&self, name: &Name) -> Config {
        let stored = |name: &Name| self.configs.get(name).map(|config| (**config).clone().with_level());
        let own = self.own_config(name).filter(|_| !name.is_top());
        if let Some(own) = own {
            let top = stored(&Name::top()).unwrap_or_else(Config::initial);
            return own.over(top);
        }
        let nearest = stored(&name.context_of()).or_else(|| stored(&Name::global()));
        nearest.unwrap_or_else(Config::initial)
    }

    /// The alias of a name, as the name of the subject that answers for it.
    pub fn alias_of(&self, name: &Name) -> Option<Name> {
        let alias = self.configs.get(name)?.alias.as_deref()?;
        (!alias.is_empty()).then(|| name.relative(alias))
    }

    /// The same where a name stands for encryption keys, which may have an alias of their own.
    pub fn alias_for_deks_of(&self, name: &Name) -> Option<Name> {
        let own = self.configs.get(name)?.alias_for_deks.as_deref();
        let own = own.filter(|alias| !alias.is_empty()).map(|alias| name.relative(alias));
        own.or_else(|| self.alias_of(name))
    }
}
