//! Listings: subjects, versions and schemas by prefix and filter, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::associations::{Association, Lifecycle};
use super::lookup::Lookup;
use super::name::ANY_CONTEXT;
use super::state::{Version, Versions};
use super::{Name, Subjects};
use crate::RegistryError;

/// Which versions are shown, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    #[default]
    Live,
    All,
    DeletedOnly,
    /// All, with the numbers of deleted ones negative.
    DeletedAsNegative,
}

impl Shown {
    fn includes(self, deleted: bool) -> bool {
        match self {
            Shown::Live => !deleted,
            Shown::DeletedOnly => deleted,
            Shown::All | Shown::DeletedAsNegative => true,
        }
    }
}

/// The part of a list somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub offset: usize,
    pub limit: usize,
}

impl Page {
    pub fn of<T>(self, list: impl IntoIterator<Item = T>) -> Vec<T> {
        list.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// What a schema's subject must be tied to in order to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssociationFilter {
    pub resource_type: Option<String>,
    pub association_types: Vec<String>,
    pub lifecycles: Vec<Lifecycle>,
    /// Whether subjects tied to nothing are wanted.
    pub unassociated: bool,
}

impl AssociationFilter {
    fn is_empty(&self) -> bool {
        *self == AssociationFilter::default()
    }
}

/// Which schemas to list.
#[derive(Clone, Debug, Default)]
pub struct SchemaFilter {
    pub prefix: String,
    /// Whether subjects that aliases under the prefix lead to are listed, too.
    pub aliases: bool,
    pub deleted: bool,
    pub latest_only: bool,
    pub rule_type: Option<String>,
    pub associations: AssociationFilter,
}

/// A schema in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    pub lookup: Lookup,
    pub aliases: Vec<String>,
    pub associations: Vec<Association>,
}

impl Subjects {
    /// Names that begin with a prefix, sorted as they are written. A prefix with a context is of that context (or of all
    /// that begin so, if it is cut short), `:*:` of every one.
    pub fn subject_names(&self, prefix: &str, shown: Shown) -> Vec<String> {
        let includes = |versions: &Versions| shown.includes(versions.latest().is_none());
        let found = self.with_prefix(prefix).into_iter();
        let mut names: Vec<String> = found
            .filter(|(_, versions)| includes(versions))
            .map(|(name, _)| name.to_string())
            .collect();
        names.sort_unstable();
        names
    }

    fn with_prefix(&self, prefix: &str) -> Vec<(&Name, &Arc<Versions>)> {
        if let Some(rest) = prefix.strip_prefix(ANY_CONTEXT) {
            if rest.is_empty() {
                return self.subjects.iter().collect();
            }
            let default = Name::top().context;
            let contexts = std::iter::once(&default).chain(&self.listed);
            let within = |context: &Arc<str>| {
                let context = Arc::clone(context);
                self.in_context(context, rest)
            };
            return contexts.flat_map(within).collect();
        }
        let cut_short = prefix.starts_with(":.") && !prefix[1..].contains(':');
        if cut_short {
            let begin = &prefix[1..];
            let from = self.subjects.range(Name::new(begin, "")..);
            return from.take_while(|(name, _)| name.context.starts_with(begin)).collect();
        }
        let name = Name::parse(prefix);
        self.in_context(name.context, &name.subject).collect()
    }

    fn in_context<'a>(
        &'a self,
        context: Arc<str>,
        prefix: &str,
    ) -> impl Iterator<Item = (&'a Name, &'a Arc<Versions>)> + use<'a> {
        let prefix: Arc<str> = prefix.into();
        let first = Name {
            context: Arc::clone(&context),
            subject: Arc::clone(&prefix),
        };
        let from = self.subjects.range(first..);
        from.take_while(move |(name, _)| name.context == context && name.subject.starts_with(&*prefix))
    }

    /// A subject's version numbers, rising.
    pub fn version_numbers(&self, subject: &Name, shown: Shown, deleted: bool) -> Result<Vec<i32>, RegistryError> {
        if !self.has_subjects(subject, deleted) {
            return Err(RegistryError::subject_not_found(subject));
        }
        let versions = self.subjects.get(subject).map(|versions| versions.0.as_slice());
        let included = versions
            .into_iter()
            .flatten()
            .filter(|version| shown.includes(version.deleted));
        let number = |version: &Version| match shown {
            Shown::DeletedAsNegative if version.deleted => -version.number,
            _ => version.number,
        };
        Ok(included.map(number).collect())
    }

    /// Schemas under a prefix, sorted by subject and version.
    pub fn schemas(&self, filter: &SchemaFilter, page: Page) -> Vec<Listed> {
        let mut names: BTreeSet<(String, &Name)> = BTreeSet::new();
        for (name, _) in self.with_prefix(&filter.prefix) {
            names.insert((name.to_string(), name));
        }
        let aliases = if filter.aliases {
            self.aliases(&filter.prefix)
        } else {
            BTreeMap::new()
        };
        for target in aliases.keys() {
            if let Some((name, _)) = self.subjects.get_key_value(target) {
                names.insert((name.to_string(), name));
            }
        }
        let listed = names
            .iter()
            .flat_map(|(_, name)| self.listed_of(name, filter, &aliases));
        page.of(listed)
    }

    fn listed_of(&self, name: &Name, filter: &SchemaFilter, aliases: &BTreeMap<Name, Vec<String>>) -> Vec<Listed> {
        let Some(associations) = self.wanted_associations(name, &filter.associations) else {
            return Vec::new();
        };
        let versions = self.subjects.get(name).map(|versions| versions.0.as_slice());
        let shown = versions
            .into_iter()
            .flatten()
            .filter(|version| filter.deleted || !version.deleted);
        let mut shown: Vec<&Version> = shown.collect();
        if filter.latest_only {
            shown.drain(..shown.len().saturating_sub(1));
        }
        let has_rule = |version: &&Version| {
            let Some(rule_type) = &filter.rule_type else {
                return true;
            };
            let rules = version.schema.rule_set.as_ref();
            rules.is_some_and(|rules| rules.has_type(rule_type))
        };
        let listed = shown.into_iter().filter(has_rule).map(|version| Listed {
            lookup: Lookup::of(name, version),
            aliases: aliases.get(name).cloned().unwrap_or_default(),
            associations: associations.clone(),
        });
        listed.collect()
    }

    /// The associations to show with a subject's schemas; `None` if these are not wanted.
    fn wanted_associations(&self, name: &Name, filter: &AssociationFilter) -> Option<Vec<Association>> {
        if filter.is_empty() {
            return Some(Vec::new());
        }
        let tied = self.associations.of_subject(name);
        let fits = |association: &&Association| {
            let resource_type = filter.resource_type.as_ref();
            let types = &filter.association_types;
            resource_type.is_none_or(|wanted| *wanted == association.resource_type)
                && (types.is_empty() || types.contains(&association.association_type))
        };
        let tied: Vec<Association> = tied.iter().filter(fits).cloned().collect();
        if tied.is_empty() {
            return filter.unassociated.then(Vec::new);
        }
        if filter.lifecycles.is_empty() {
            return (!filter.unassociated).then_some(tied);
        }
        let lives = |association: &Association| filter.lifecycles.contains(&association.lifecycle);
        let matching: Vec<Association> = tied.into_iter().filter(lives).collect();
        (!matching.is_empty()).then_some(matching)
    }

    /// Subjects by what aliases under a prefix lead to them.
    fn aliases(&self, prefix: &str) -> BTreeMap<Name, Vec<String>> {
        let is_any = prefix.starts_with(ANY_CONTEXT);
        let wanted = Name::parse(prefix);
        let is_under =
            |name: &Name| name.subject.starts_with(&*wanted.subject) && (is_any || name.context == wanted.context);
        let mut found: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for name in self.configs.keys().filter(|name| is_under(name)) {
            if let Some(target) = self.alias_of(name) {
                found.entry(target).or_default().push(name.to_string());
            }
        }
        found
    }
}
