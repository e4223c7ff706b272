//! A table's `WITH` options: which are known, what they mean, and which this platform does not act on.

use sql::{Table, TypeKind};

use crate::format::{Format, json};

/// The column an inferred table has for a key without a schema.
const RAW_KEY: &str = "key";

/// What is wrong with an option.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OptionError {
    /// The option to blame, if it is there.
    pub key: Option<String>,
    pub message: String,
    pub hint: String,
}

fn wrong<T>(key: &str, message: impl Into<String>, hint: impl Into<String>) -> Result<T, OptionError> {
    Err(OptionError {
        key: Some(key.to_owned()),
        message: message.into(),
        hint: hint.into(),
    })
}

fn missing<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, OptionError> {
    Err(OptionError {
        key: None,
        message: message.into(),
        hint: hint.into(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connector {
    Kafka,
    UpsertKafka,
    Confluent,
}

/// Where a job that is new begins to read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Startup {
    Earliest,
    Latest,
    Timestamp(i64),
    /// Partition and offset.
    Offsets(Vec<(i32, i64)>),
}

/// Where a bounded job ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    Unbounded,
    /// At the ends as they are at the start.
    Latest,
    Timestamp(i64),
    Offsets(Vec<(i32, i64)>),
}

/// What becomes of a record that cannot be decoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OnError {
    Fail,
    /// Skipped and counted, and the first of a step logged.
    Skip,
    DeadLetter(String),
}

/// The options, read.
#[derive(Clone, Debug)]
pub(crate) struct TableOptions {
    pub connector: Connector,
    pub topic: String,
    pub key_format: Option<Format>,
    pub value_format: Format,
    /// Columns of the key, in order.
    pub key_fields: Vec<String>,
    pub key_prefix: String,
    /// Key columns are in the value too.
    pub value_has_key: bool,
    pub key_json: json::Options,
    pub value_json: json::Options,
    /// A value of `json-registry` without its prefix is taken as plain JSON.
    pub accept_plain_json: bool,
    pub startup: Startup,
    pub bound: Bound,
    pub on_error: OnError,
    /// The format is Flink's `avro-confluent` under another name, or other things worth saying.
    pub warnings: Vec<String>,
}

/// Options with a meaning here or none to worry about. What follows the last column says whether we act on it.
const KNOWN: &[(&str, bool)] = &[
    ("connector", true),
    ("topic", true),
    ("format", true),
    ("key.format", true),
    ("value.format", true),
    ("key.fields", true),
    ("key.fields-prefix", true),
    ("value.fields-include", true),
    ("changelog.mode", true),
    ("scan.startup.mode", true),
    ("scan.startup.specific-offsets", true),
    ("scan.startup.timestamp-millis", true),
    ("scan.bounded.mode", true),
    ("scan.bounded.specific-offsets", true),
    ("scan.bounded.timestamp-millis", true),
    ("scan.topic-partition-discovery.interval", false),
    ("scan.parallelism", false),
    ("scan.watermark.emit.strategy", false),
    ("scan.watermark.alignment.group", false),
    ("scan.watermark.alignment.max-drift", false),
    ("scan.watermark.alignment.update-interval", false),
    ("scan.watermark.idle-timeout", false),
    ("sink.partitioner", false),
    ("sink.semantic", false),
    ("sink.delivery-guarantee", true),
    ("sink.transactional-id-prefix", false),
    ("sink.transaction-naming-strategy", false),
    ("sink.parallelism", false),
    ("sink.buffer-flush.max-rows", false),
    ("sink.buffer-flush.interval", false),
    ("error-handling.mode", true),
    ("error-handling.log.target", true),
    ("key.error-handling.mode", true),
    ("value.error-handling.mode", true),
    ("kafka.cleanup-policy", true),
    ("kafka.retention.time", true),
    ("kafka.retention.size", true),
    ("kafka.max-message-size", true),
    ("kafka.message-timestamp-type", true),
    ("kafka.consumer.isolation-level", true),
    ("kafka.compaction.time", true),
    ("kafka.producer.compression.type", false),
    ("json.ignore-parse-errors", true),
    ("json.fail-on-missing-field", true),
    ("json.timestamp-format.standard", true),
    ("json.map-null-key.mode", false),
    ("json.map-null-key.literal", false),
    ("json.encode.decimal-as-plain-number", false),
    ("json.encode.ignore-null-fields", true),
    ("json.decode.json-parser.enabled", false),
    ("json-registry.accept-plain-json", true),
    ("json-registry.schema-context", false),
    ("json-registry.wire-encoding", false),
    ("json-registry.subject", false),
    ("avro-registry.schema-context", false),
    ("avro-registry.wire-encoding", false),
    ("avro-registry.subject", false),
    ("avro-registry.url", false),
    ("avro-confluent.url", false),
    ("avro-confluent.subject", false),
    ("avro-confluent.schema", false),
    ("avro.schema-registry.url", false),
    ("avro-confluent.schema-registry.url", false),
    ("avro-confluent.schema-registry.subject", false),
    ("avro.schema-registry.subject", false),
    ("avro.codec", false),
    ("avro.encoding", false),
    ("avro.timestamp_mapping.legacy", false),
    ("raw.charset", false),
    ("raw.endianness", false),
    ("schema.registry.url", false),
];
/// Whole families that only say how to reach another cluster or registry.
const IGNORED_FAMILIES: &[&str] = &[
    "properties.",
    "avro-confluent.basic-auth.",
    "avro-confluent.bearer-auth.",
    "avro-confluent.ssl.",
    "avro-confluent.properties.",
    "avro-confluent.schema-registry.",
    "avro.schema-registry.",
    "avro-registry.basic-auth.",
    "avro-registry.properties.",
    "json-registry.basic-auth.",
    "json-registry.validate-writes",
];

fn known(key: &str) -> Option<bool> {
    let bare = bare_key(key);
    let listed = KNOWN
        .iter()
        .find(|(name, _)| *name == key || *name == bare)
        .map(|(_, acts)| *acts);
    listed.or_else(|| {
        IGNORED_FAMILIES
            .iter()
            .any(|family| bare.starts_with(family))
            .then_some(false)
    })
}

/// `value.json.x` is `json.x` of the value.
fn bare_key(key: &str) -> &str {
    match key.strip_prefix("value.").or_else(|| key.strip_prefix("key.")) {
        Some(rest) if ["json", "avro", "raw"].iter().any(|format| rest.starts_with(format)) => rest,
        _ => key,
    }
}

/// Every option that does not exist, with the nearest that does.
pub(crate) fn unknown(options: &[(String, String)]) -> Vec<OptionError> {
    let mut errors = Vec::new();
    for (key, _) in options {
        if known(key).is_some() {
            continue;
        }
        let near = KNOWN
            .iter()
            .map(|(name, _)| *name)
            .min_by_key(|name| strsim::damerau_levenshtein(name, key));
        let close = near.filter(|name| strsim::damerau_levenshtein(name, key) <= (key.len() / 3).max(2));
        let hint = match (key.as_str(), close) {
            ("topic-pattern", _) => "name one topic in 'topic', and INSERT from each".to_owned(),
            ("value.avro-confluent.schema-registry-url" | "bootstrap.servers", _) => {
                format!("write 'properties.{key}'")
            }
            (_, Some(near)) => format!("did you mean '{near}'?"),
            _ => "remove it; options for Kafka clients begin with 'properties.'".to_owned(),
        };
        errors.push(OptionError {
            key: Some(key.clone()),
            message: format!("there is no option '{key}'"),
            hint,
        });
    }
    errors
}

impl TableOptions {
    /// Reads a table's options; `hints` go before them.
    pub(crate) fn of(table: &Table, hints: &[(String, String)]) -> Result<TableOptions, OptionError> {
        let reader = Reader { table, hints };
        let connector = reader.connector()?;
        let mut warnings = reader.ignored();
        reader.changelog_mode()?;
        let value_format = reader.value_format(connector, &mut warnings)?;
        let key_fields = reader.key_fields(connector)?;
        let key_format = reader.key_format(connector, &key_fields, value_format)?;
        if connector == Connector::UpsertKafka && table.primary_key.is_empty() {
            return missing(
                "an `upsert-kafka` table needs a primary key",
                "add PRIMARY KEY (id) NOT ENFORCED",
            );
        }
        let key_prefix = reader.get("key.fields-prefix").unwrap_or("").to_owned();
        let value_has_key = match reader.get("value.fields-include") {
            None => connector != Connector::Confluent || key_fields.is_empty(),
            Some(word) if word.eq_ignore_ascii_case("ALL") => true,
            Some(word) if word.eq_ignore_ascii_case("EXCEPT_KEY") => false,
            Some(other) => {
                return wrong(
                    "value.fields-include",
                    format!("'{other}' is not a way to include fields"),
                    "ALL or EXCEPT_KEY",
                );
            }
        };
        if !key_prefix.is_empty() && value_has_key && !key_fields.is_empty() {
            return wrong(
                "key.fields-prefix",
                "a prefix on key columns would be written to the value too",
                "add 'value.fields-include' = 'EXCEPT_KEY'",
            );
        }
        let options = TableOptions {
            connector,
            topic: reader.get("topic").unwrap_or(&table.name).to_owned(),
            key_format,
            value_format,
            key_fields,
            key_prefix,
            value_has_key,
            key_json: reader.json("key.json")?,
            value_json: reader.json("value.json")?,
            accept_plain_json: reader.flag("json-registry.accept-plain-json")?
                || reader.flag("value.json-registry.accept-plain-json")?,
            startup: reader.startup()?,
            bound: reader.bound()?,
            on_error: reader.on_error()?,
            warnings,
        };
        options.check_raw(table)?;
        Ok(options)
    }

    /// What a reader of an upsert table should know.
    pub(crate) fn upsert_warning(&self, table: &Table) -> Option<String> {
        let is_upsert = self.connector == Connector::UpsertKafka || table.option("changelog.mode") == Some("upsert");
        is_upsert.then(|| {
            format!(
                "table `{}` is an upsert table: its records are read as they come, every one a row; deletes (records \
                 without a value) are left out and counted as skipped",
                table.name
            )
        })
    }

    /// Whether a column is stored in the record's key.
    pub(crate) fn in_key(&self, column: &str) -> bool {
        self.key_fields.iter().any(|field| field == column)
    }

    fn check_raw(&self, table: &Table) -> Result<(), OptionError> {
        let physical = || {
            table
                .columns
                .iter()
                .filter(|column| matches!(column.kind, sql::ColumnKind::Physical))
        };
        let in_value: Vec<&sql::Column> = physical()
            .filter(|column| self.value_has_key || !self.in_key(&column.name))
            .collect();
        let in_key: Vec<&sql::Column> = physical().filter(|column| self.in_key(&column.name)).collect();
        for (format, columns, key) in [
            (Some(self.value_format), &in_value, "value.format"),
            (self.key_format, &in_key, "key.format"),
        ] {
            if format != Some(Format::Raw) || columns.is_empty() {
                continue;
            }
            if columns.len() > 1 {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return wrong(
                    key,
                    format!("the raw format holds one column, not {}", names.join(", ")),
                    "use 'json' or 'avro-registry' for several",
                );
            }
            if !crate::format::raw::supports(&columns[0].ty.kind) {
                return wrong(
                    key,
                    format!("the raw format has no {}", columns[0].ty.kind),
                    "declare the column BYTES or STRING",
                );
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    table: &'a Table,
    hints: &'a [(String, String)],
}

impl<'a> Reader<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        let hint = self
            .hints
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str());
        hint.or_else(|| self.table.option(key))
    }

    fn flag(&self, key: &str) -> Result<bool, OptionError> {
        match self.get(key) {
            None => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => wrong(
                key,
                format!("'{other}' is neither true nor false"),
                "write 'true' or 'false'",
            ),
        }
    }

    fn connector(&self) -> Result<Connector, OptionError> {
        match self.get("connector") {
            None | Some("confluent") => Ok(Connector::Confluent),
            Some("kafka") => Ok(Connector::Kafka),
            Some("upsert-kafka") => Ok(Connector::UpsertKafka),
            Some("jdbc") => wrong(
                "connector",
                "the connector 'jdbc' is not there: SQL here runs on topics",
                "bring the rows into a topic (CDC), and read that with 'connector' = 'kafka'",
            ),
            Some(other @ ("datagen" | "print" | "blackhole" | "filesystem")) => wrong(
                "connector",
                format!("the connector '{other}' is not there: SQL here runs on topics"),
                "'kafka', 'upsert-kafka' or 'confluent'; to look at rows, SELECT them",
            ),
            Some(other) => {
                let near = ["kafka", "upsert-kafka", "confluent"]
                    .into_iter()
                    .min_by_key(|name| strsim::levenshtein(name, other));
                let hint = near.filter(|name| strsim::levenshtein(name, other) <= 3);
                let hint = hint.map_or("'kafka', 'upsert-kafka' or 'confluent'".to_owned(), |name| {
                    format!("did you mean '{name}'?")
                });
                wrong("connector", format!("there is no connector '{other}'"), hint)
            }
        }
    }

    fn changelog_mode(&self) -> Result<(), OptionError> {
        match self.get("changelog.mode") {
            None | Some("append" | "upsert") => Ok(()),
            Some("retract") => wrong(
                "changelog.mode",
                "the mode 'retract' is not there yet",
                "'append', or 'upsert' where the latest record of a key counts",
            ),
            Some(other) => wrong(
                "changelog.mode",
                format!("'{other}' is not a changelog mode"),
                "append, upsert or retract",
            ),
        }
    }

    /// Options that are taken and change nothing here.
    fn ignored(&self) -> Vec<String> {
        let mut ignored: Vec<&str> = Vec::new();
        for (key, _) in self.table.options.iter().chain(self.hints) {
            if known(key) == Some(false) {
                ignored.push(key);
            }
        }
        if ignored.is_empty() {
            return Vec::new();
        }
        let why = "this platform is the cluster and the registry, and every step is exactly-once";
        vec![format!(
            "table `{}`: these options change nothing here, as {why}: {}",
            self.table.name,
            ignored.join(", ")
        )]
    }

    fn format_named(&self, key: &str, name: &str) -> Result<Format, OptionError> {
        let scope = if key.starts_with("key") { "key." } else { "value." };
        Ok(match name {
            "avro-registry" | "avro-confluent" => Format::AvroRegistry,
            // With a registry's address `avro` means the framed form, whatever the format's own documents say.
            "avro" if self.has_registry_url(scope) => Format::AvroRegistry,
            "avro" => Format::AvroPlain,
            "json-registry" | "json-schema" => Format::JsonRegistry,
            "json" => Format::Json,
            "raw" => Format::Raw,
            "proto-registry"
            | "protobuf"
            | "csv"
            | "debezium-json"
            | "debezium-avro-confluent"
            | "canal-json"
            | "maxwell-json"
            | "ogg-json"
            | "avro-debezium-registry"
            | "json-debezium-registry"
            | "proto-debezium-registry"
            | "parquet"
            | "orc" => {
                return wrong(
                    key,
                    format!("the format '{name}' is not there yet"),
                    "avro-registry, json-registry, json or raw",
                );
            }
            other => {
                let names = [
                    "avro-registry",
                    "avro-confluent",
                    "json-registry",
                    "json",
                    "raw",
                    "avro",
                ];
                let near = names.into_iter().min_by_key(|name| strsim::levenshtein(name, other));
                let hint = match near.filter(|name| strsim::levenshtein(name, other) <= 3) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "avro-registry, json-registry, json or raw".to_owned(),
                };
                return wrong(key, format!("there is no format '{other}'"), hint);
            }
        })
    }

    fn has_registry_url(&self, scope: &str) -> bool {
        let keys = [
            "avro.schema-registry.url",
            "avro-confluent.url",
            "avro-confluent.schema-registry.url",
            "schema.registry.url",
        ];
        keys.iter()
            .any(|key| self.get(key).is_some() || self.get(&format!("{scope}{key}")).is_some())
    }

    fn value_format(&self, connector: Connector, warnings: &mut Vec<String>) -> Result<Format, OptionError> {
        let (key, name) = match (self.get("value.format"), self.get("format")) {
            (Some(name), _) => ("value.format", name),
            (None, Some(name)) => ("format", name),
            (None, None) if connector == Connector::Confluent => return Ok(Format::AvroRegistry),
            (None, None) => {
                return missing(
                    "a `kafka` table needs a format",
                    "add 'format' = 'avro-confluent', 'json' or 'raw'",
                );
            }
        };
        let format = self.format_named(key, name)?;
        if name == "avro" && format == Format::AvroRegistry {
            warnings.push(format!(
                "table `{}`: 'format' = 'avro' with a registry's address is read as avro-confluent; write that, real Flink ignores the address",
                self.table.name
            ));
        }
        Ok(format)
    }

    fn key_fields(&self, connector: Connector) -> Result<Vec<String>, OptionError> {
        let named: Vec<String> = match self.get("key.fields") {
            Some(list) => list
                .split(';')
                .map(|field| field.trim().to_owned())
                .filter(|field| !field.is_empty())
                .collect(),
            None if connector == Connector::UpsertKafka => self.table.primary_key.clone(),
            None if connector == Connector::Confluent && !self.table.distributed_by.is_empty() => {
                self.table.distributed_by.clone()
            }
            None if connector == Connector::Confluent && !self.table.primary_key.is_empty() => {
                self.table.primary_key.clone()
            }
            // A topic without a key schema shows its key as a column `key` BYTES: a table that leads with one means it.
            None if connector == Connector::Confluent && self.leads_with_raw_key() => vec![RAW_KEY.to_owned()],
            None => Vec::new(),
        };
        for field in &named {
            if self.table.column(field).is_none() {
                let names: Vec<&str> = self.table.columns.iter().map(|column| column.name.as_str()).collect();
                return wrong(
                    "key.fields",
                    format!("the key's field `{field}` is no column"),
                    format!("the columns are {}", names.join(", ")),
                );
            }
        }
        Ok(named)
    }

    fn leads_with_raw_key(&self) -> bool {
        let first = self.table.columns.first();
        first.is_some_and(|column| column.name == RAW_KEY && matches!(column.ty.kind, TypeKind::VarBinary(_)))
    }

    fn key_format(
        &self,
        connector: Connector,
        fields: &[String],
        value: Format,
    ) -> Result<Option<Format>, OptionError> {
        if fields.is_empty() {
            if connector == Connector::Kafka && self.get("key.format").is_some() && self.get("key.fields").is_none() {
                return wrong(
                    "key.format",
                    "a key format needs the key's columns",
                    "add 'key.fields' = 'id'",
                );
            }
            return Ok(None);
        }
        match self.get("key.format") {
            Some(name) => Ok(Some(self.format_named("key.format", name)?)),
            None if connector == Connector::Confluent => {
                // A single BYTES column is what a topic without a key schema has.
                let single_bytes = match fields {
                    [one] => self
                        .table
                        .column(one)
                        .is_some_and(|(_, column)| matches!(column.ty.kind, TypeKind::VarBinary(_))),
                    _ => false,
                };
                Ok(Some(if single_bytes {
                    Format::Raw
                } else {
                    Format::AvroRegistry
                }))
            }
            None if connector == Connector::UpsertKafka => Ok(Some(value)),
            None => wrong(
                "key.fields",
                "the key's columns need a format",
                "add 'key.format' = 'raw' or 'json'",
            ),
        }
    }

    fn json(&self, prefix: &str) -> Result<json::Options, OptionError> {
        // `json.x` speaks of the value; `value.json.x` and `key.json.x` of their side.
        let get = |name: &str| {
            let scoped = self.get(&format!("{prefix}.{name}"));
            if prefix.starts_with("value") {
                scoped.or_else(|| self.get(&format!("json.{name}")))
            } else {
                scoped
            }
        };
        let flag = |name: &str| match get(name) {
            None => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => wrong(
                &format!("json.{name}"),
                format!("'{other}' is neither true nor false"),
                "write 'true' or 'false'",
            ),
        };
        let iso_timestamps = match get("timestamp-format.standard") {
            None | Some("SQL") => false,
            Some("ISO-8601") => true,
            Some(other) => {
                return wrong(
                    "json.timestamp-format.standard",
                    format!("'{other}' is not a standard"),
                    "SQL or ISO-8601",
                );
            }
        };
        let options = json::Options {
            ignore_parse_errors: flag("ignore-parse-errors")?,
            fail_on_missing_field: flag("fail-on-missing-field")?,
            iso_timestamps,
            ignore_null_fields: flag("encode.ignore-null-fields")?,
        };
        if options.ignore_parse_errors && options.fail_on_missing_field {
            return wrong(
                "json.ignore-parse-errors",
                "a missing field cannot both fail and be ignored",
                "keep one of the two",
            );
        }
        Ok(options)
    }

    fn millis(&self, key: &str) -> Result<i64, OptionError> {
        match self.get(key).map(str::parse) {
            Some(Ok(millis)) => Ok(millis),
            Some(Err(_)) => wrong(
                key,
                "it is not a number of milliseconds since 1970",
                "such as '1767323045000'",
            ),
            None => missing(
                format!("the mode 'timestamp' needs '{key}'"),
                format!("add '{key}' = '1767323045000'"),
            ),
        }
    }

    /// `partition:0,offset:42;partition:1,offset:300`.
    fn offsets(&self, key: &str) -> Result<Vec<(i32, i64)>, OptionError> {
        let Some(text) = self.get(key) else {
            return missing(
                format!("the mode 'specific-offsets' needs '{key}'"),
                format!("add '{key}' = 'partition:0,offset:42'"),
            );
        };
        let one = |part: &str| -> Option<(i32, i64)> {
            let (partition, offset) = part.trim().split_once(',')?;
            let partition = partition.trim().strip_prefix("partition:")?.parse().ok()?;
            Some((partition, offset.trim().strip_prefix("offset:")?.parse().ok()?))
        };
        let parsed: Option<Vec<(i32, i64)>> = text
            .split(';')
            .filter(|part| !part.trim().is_empty())
            .map(one)
            .collect();
        match parsed {
            Some(offsets) if !offsets.is_empty() => Ok(offsets),
            _ => wrong(
                key,
                format!("'{text}' does not name partitions and offsets"),
                "such as 'partition:0,offset:42;partition:1,offset:300'",
            ),
        }
    }

    fn startup(&self) -> Result<Startup, OptionError> {
        Ok(match self.get("scan.startup.mode") {
            // A new job of ours has no group offsets: Flink's default then falls back to the reset policy.
            None | Some("earliest-offset") => Startup::Earliest,
            Some("group-offsets") => match self.get("properties.auto.offset.reset") {
                Some("latest") => Startup::Latest,
                _ => Startup::Earliest,
            },
            Some("latest-offset") => Startup::Latest,
            Some("timestamp") => Startup::Timestamp(self.millis("scan.startup.timestamp-millis")?),
            Some("specific-offsets") => Startup::Offsets(self.offsets("scan.startup.specific-offsets")?),
            Some(other) => {
                return wrong(
                    "scan.startup.mode",
                    format!("'{other}' is not a startup mode"),
                    "earliest-offset, latest-offset, timestamp, specific-offsets or group-offsets",
                );
            }
        })
    }

    fn bound(&self) -> Result<Bound, OptionError> {
        Ok(match self.get("scan.bounded.mode") {
            None | Some("unbounded") => Bound::Unbounded,
            Some("latest-offset" | "group-offsets") => Bound::Latest,
            Some("timestamp") => Bound::Timestamp(self.millis("scan.bounded.timestamp-millis")?),
            Some("specific-offsets") => Bound::Offsets(self.offsets("scan.bounded.specific-offsets")?),
            Some(other) => {
                return wrong(
                    "scan.bounded.mode",
                    format!("'{other}' is not a bounded mode"),
                    "unbounded, latest-offset, timestamp or specific-offsets",
                );
            }
        })
    }

    fn on_error(&self) -> Result<OnError, OptionError> {
        let target = self.get("error-handling.log.target");
        let modes = [
            "error-handling.mode",
            "value.error-handling.mode",
            "key.error-handling.mode",
        ];
        let Some((key, mode)) = modes.iter().find_map(|key| self.get(key).map(|mode| (*key, mode))) else {
            return match target {
                Some(_) => wrong(
                    "error-handling.log.target",
                    "a target needs a mode",
                    "add 'error-handling.mode' = 'log'",
                ),
                None => Ok(OnError::Fail),
            };
        };
        match (mode, target) {
            ("fail", _) => Ok(OnError::Fail),
            ("ignore", _) | ("log", None) => Ok(OnError::Skip),
            ("log" | "dead-letter", Some(target)) => Ok(OnError::DeadLetter(target.to_owned())),
            ("dead-letter", None) => missing(
                "the mode 'dead-letter' needs a topic",
                "add 'error-handling.log.target' = 'errors'",
            ),
            (other, _) => wrong(
                key,
                format!("'{other}' is not a way to handle errors"),
                "fail, ignore, log or dead-letter",
            ),
        }
    }
}
