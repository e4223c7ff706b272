//! Whom a quota is for, which quotas there are, and which of them holds for a client.

use std::collections::BTreeMap;

use wire::ErrorCode;

use crate::errors::Refusal;

pub(crate) const USER: &str = "user";
pub(crate) const CLIENT: &str = "client-id";
pub(crate) const ADDRESS: &str = "ip";

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Bytes a second.
    Produce,
    Fetch,
    /// Hundredths of one core.
    Request,
    /// Partitions made or deleted a second.
    Mutation,
    /// Connections a second.
    Connection,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [
        Kind::Produce,
        Kind::Fetch,
        Kind::Request,
        Kind::Mutation,
        Kind::Connection,
    ];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Kind::Produce => "producer_byte_rate",
            Kind::Fetch => "consumer_byte_rate",
            Kind::Request => "request_percentage",
            Kind::Mutation => "controller_mutation_rate",
            Kind::Connection => "connection_creation_rate",
        }
    }

    fn is_whole(self) -> bool {
        matches!(self, Kind::Produce | Kind::Fetch | Kind::Connection)
    }
}

/// Type to name; no name is the default of the type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entity(pub(crate) BTreeMap<String, Option<String>>);

impl Entity {
    /// Refuses what no quota can be for.
    pub(crate) fn checked(parts: impl IntoIterator<Item = (String, Option<String>)>) -> Result<Entity, Refusal> {
        let invalid = |why: String| Refusal::new(ErrorCode::InvalidRequest, why);
        let mut entity = Entity::default();
        for (kind, name) in parts {
            if ![USER, CLIENT, ADDRESS].contains(&kind.as_str()) {
                return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
            }
            if name.as_deref() == Some("") {
                return Err(invalid(format!("Empty {kind} not supported")));
            }
            if kind == ADDRESS
                && let Some(address) = &name
                && address.parse::<std::net::IpAddr>().is_err()
            {
                return Err(invalid(format!("{address} is not a valid IP or resolvable host.")));
            }
            if entity.0.insert(kind.clone(), name).is_some() {
                return Err(invalid(format!("Entity type {kind} is named twice")));
            }
        }
        if entity.0.is_empty() {
            return Err(invalid("Invalid empty client quota entity".to_owned()));
        }
        if entity.is_address() && entity.0.len() > 1 {
            let why = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
            return Err(invalid(why.to_owned()));
        }
        Ok(entity)
    }

    fn is_address(&self) -> bool {
        self.0.contains_key(ADDRESS)
    }

    /// The quota of a key for this entity, if it may have the value.
    pub(crate) fn check(&self, key: &str, value: Option<f64>) -> Result<Kind, Refusal> {
        let invalid = |why: String| Refusal::new(ErrorCode::InvalidRequest, why);
        let kind = Kind::ALL.into_iter().find(|kind| kind.key() == key);
        let kind = kind.filter(|kind| (*kind == Kind::Connection) == self.is_address());
        let kind = kind.ok_or_else(|| invalid(format!("Invalid configuration key {key}")))?;
        match value {
            Some(value) if value.is_nan() || value <= 0.0 => {
                Err(invalid(format!("Quota {key} must be greater than 0")))
            }
            Some(value) if kind.is_whole() && value.fract() != 0.0 => {
                Err(invalid(format!("{key} cannot be a fractional value.")))
            }
            _ => Ok(kind),
        }
    }

    /// As a name to store it under.
    pub(crate) fn to_name(&self) -> String {
        let part = |(kind, name): (&String, &Option<String>)| match name {
            None => kind.clone(),
            Some(name) => format!("{kind}={}", name.replace('%', "%25").replace('/', "%2F")),
        };
        self.0.iter().map(part).collect::<Vec<_>>().join("/")
    }

    pub(crate) fn of_name(name: &str) -> Entity {
        let part = |part: &str| match part.split_once('=') {
            None => (part.to_owned(), None),
            Some((kind, name)) => (kind.to_owned(), Some(name.replace("%2F", "/").replace("%25", "%"))),
        };
        Entity(name.split('/').map(part).collect())
    }
}

/// Type and name of a part of an entity.
type Part<'a> = (&'a str, Option<&'a str>);

/// A quota's bound, and the names that share it.
pub(crate) type Bound = (f64, Vec<String>);

/// Every quota there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) entries: BTreeMap<Entity, BTreeMap<Kind, f64>>,
}

impl Book {
    fn get(&self, kind: Kind, parts: &[Part<'_>]) -> Option<f64> {
        let owned = parts
            .iter()
            .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)));
        self.entries.get(&Entity(owned.collect()))?.get(&kind).copied()
    }

    /// What holds for a client of a user: the most particular quota (KIP-55).
    pub(crate) fn bound(&self, kind: Kind, user: &str, client: &str) -> Option<Bound> {
        let (both, of_user, of_client) = ([user, client], [user], [client]);
        let candidates: [(&[Part<'_>], &[&str]); 8] = [
            (&[(USER, Some(user)), (CLIENT, Some(client))], &both),
            (&[(USER, Some(user)), (CLIENT, None)], &both),
            (&[(USER, Some(user))], &of_user),
            (&[(USER, None), (CLIENT, Some(client))], &both),
            (&[(USER, None), (CLIENT, None)], &both),
            (&[(USER, None)], &of_user),
            (&[(CLIENT, Some(client))], &of_client),
            (&[(CLIENT, None)], &of_client),
        ];
        let (at, bound) = candidates
            .iter()
            .enumerate()
            .find_map(|(at, (parts, _))| self.get(kind, parts).map(|bound| (at, bound)))?;
        // The place tells a user's share from a client's of the same name.
        let mut shares = vec![at.to_string()];
        shares.extend(candidates[at].1.iter().map(|name| (*name).to_owned()));
        Some((bound, shares))
    }

    /// How many connections a second an address may open.
    pub(crate) fn connections(&self, address: &str) -> Option<f64> {
        let own = self.get(Kind::Connection, &[(ADDRESS, Some(address))]);
        own.or_else(|| self.get(Kind::Connection, &[(ADDRESS, None)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(text: &str) -> Entity {
        Entity::of_name(text)
    }

    #[test]
    fn entities_are_checked_as_kafka_checks_them() {
        for (text, key, value, allowed) in [
            ("user=u", "producer_byte_rate", Some(1.0), true),
            ("user", "consumer_byte_rate", Some(1.0), true),
            ("user=u/client-id=c", "controller_mutation_rate", Some(0.5), true),
            ("user=u", "producer_byte_rate", Some(1.5), false),
            ("user=u", "producer_byte_rate", Some(0.0), false),
            ("user=u", "producer_byte_rate", None, true),
            ("user=u", "connection_creation_rate", Some(1.0), false),
            ("ip=1.2.3.4", "connection_creation_rate", Some(1.0), true),
            ("ip=1.2.3.4", "producer_byte_rate", Some(1.0), false),
            ("ip=nobody", "connection_creation_rate", Some(1.0), false),
            ("ip=1.2.3.4/user=u", "connection_creation_rate", Some(1.0), false),
            ("group=g", "producer_byte_rate", Some(1.0), false),
            ("user=", "producer_byte_rate", Some(1.0), false),
            ("user=u", "nonsense", Some(1.0), false),
        ] {
            let outcome = Entity::checked(entity(text).0).and_then(|entity| entity.check(key, value));
            assert_eq!(outcome.is_ok(), allowed, "{text} {key}={value:?}");
        }
        assert!(Entity::checked([]).is_err());
        let odd = Entity(
            [
                (USER.to_owned(), Some("a/b%2F=c".to_owned())),
                (CLIENT.to_owned(), None),
            ]
            .into(),
        );
        assert_eq!(Entity::of_name(&odd.to_name()), odd);
    }

    #[test]
    fn the_most_particular_quota_holds() {
        let order = [
            "user=u/client-id=c",
            "user=u/client-id",
            "user=u",
            "user/client-id=c",
            "user/client-id",
            "user",
            "client-id=c",
            "client-id",
        ];
        let mut book = Book::default();
        for (at, text) in order.iter().enumerate().rev() {
            let mut parts = entity(text);
            parts.0 = parts.0.into_iter().collect();
            book.entries
                .insert(parts, BTreeMap::from([(Kind::Produce, at as f64 + 1.0)]));
            assert_eq!(
                book.bound(Kind::Produce, "u", "c").unwrap().0,
                at as f64 + 1.0,
                "{text}"
            );
        }
        assert_eq!(book.bound(Kind::Fetch, "u", "c"), None);
        assert_eq!(book.bound(Kind::Produce, "x", "y").unwrap().0, 5.0);
    }
}
