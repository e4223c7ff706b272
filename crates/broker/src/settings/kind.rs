//! What values a setting takes, and how they are spelled.

use crate::group_settings::AutoReset;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Boolean,
    Int {
        min: i64,
        max: i64,
    },
    Long {
        min: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    Text,
    OneOf(&'static [&'static str]),
    ListOf(&'static [&'static str]),
    List,
    /// `*`, nothing, or pairs of partition and broker.
    Replicas,
    /// -1 for the codec's own, else 1 to 9.
    GzipLevel,
    /// `earliest`, `latest`, or `by_duration:` and a period.
    ShareOffsetReset,
}

// Bounds are constants, never NaN.
impl Eq for Kind {}

impl Kind {
    pub(crate) const fn int(min: i64) -> Kind {
        Kind::Int {
            min,
            max: i32::MAX as i64,
        }
    }

    /// As DescribeConfigs numbers it.
    pub(crate) fn code(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Text | Kind::OneOf(_) | Kind::ShareOffsetReset => 2,
            Kind::Int { .. } | Kind::GzipLevel => 3,
            Kind::Long { .. } => 5,
            Kind::Double { .. } => 6,
            Kind::ListOf(_) | Kind::List | Kind::Replicas => 7,
        }
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self, Kind::ListOf(_) | Kind::List | Kind::Replicas)
    }

    /// Says in words why a value is not one of these.
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        match self {
            Kind::Boolean if ["true", "false"].contains(&value.trim()) => Ok(()),
            Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
            Kind::Int { min, max } => number(value, min, max),
            Kind::Long { min } => number(value, min, i64::MAX),
            Kind::GzipLevel if value.trim() == "-1" => Ok(()),
            Kind::GzipLevel => number(value, 1, 9),
            Kind::Double { min, max } => match value.trim().parse::<f64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                Ok(_) => Err(format!("Value must be from {min} to {max}")),
                Err(_) => Err("Not a number of type DOUBLE".to_owned()),
            },
            Kind::Text | Kind::List => Ok(()),
            Kind::ShareOffsetReset if AutoReset::parse(value).is_some() => Ok(()),
            Kind::ShareOffsetReset => Err(
                "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
                    .to_owned(),
            ),
            Kind::OneOf(allowed) if allowed.contains(&value) => Ok(()),
            Kind::ListOf(allowed) if items(value).all(|item| allowed.contains(&item)) => Ok(()),
            Kind::OneOf(allowed) | Kind::ListOf(allowed) => {
                Err(format!("String must be one of: {}", allowed.join(", ")))
            }
            Kind::Replicas => {
                let is_pair = |item: &str| {
                    let (partition, broker) = item.split_once(':').unwrap_or_default();
                    partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok()
                };
                if value.trim() == "*" || items(value).all(is_pair) {
                    Ok(())
                } else {
                    Err("must be the literal '*' or a list of replicas in the form [partitionId]:[brokerId]".to_owned())
                }
            }
        }
    }
}

fn number(value: &str, min: i64, max: i64) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        Ok(number) if number < min => Err(format!("Value must be at least {min}")),
        Ok(_) => Err(format!("Value must be no more than {max}")),
        Err(_) => Err("Not a number".to_owned()),
    }
}

/// The items of a comma-separated list.
pub(crate) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}
