//! A message as lines of path and value, from its `Debug` text; what may differ between two brokers by nature is
//! replaced by a word.

/// Times the scenarios write themselves; all others are the broker's clock.
const OWN_TIMES: std::ops::Range<i64> = 1_700_000_000_000..1_700_000_100_000;
const TIMES_FROM: i64 = 1_600_000_000_000;
/// Topics that only one of the two keeps for itself.
const INTERNAL: &[&str] = &["__", "_schemas", "_dek_registry_keys"];
const UUID_BYTES: usize = 16;

enum Node {
    Leaf(String),
    Fields(Vec<(String, Node)>),
    Items(Vec<Node>),
}

/// Path and value of every field, in the order of the message; lists of structures are sorted, since brokers give
/// them in the order of their hash maps.
pub(super) fn flatten(message: &impl std::fmt::Debug) -> Vec<(String, String)> {
    let text = format!("{message:#?}");
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    let node = parse(first, &mut lines);
    let mut out = Vec::new();
    walk(&node, "", &mut out);
    out
}

fn parse<'a>(opening: &str, lines: &mut impl Iterator<Item = &'a str>) -> Node {
    let opening = opening.trim_end_matches(',');
    match opening {
        "Some(" => {
            let inner = lines.next().unwrap_or_default().to_owned();
            let node = parse(&inner, lines);
            lines.next();
            node
        }
        "[" => {
            let mut items = Vec::new();
            while let Some(line) = lines.next() {
                if line.starts_with(']') {
                    break;
                }
                items.push(parse(line, lines));
            }
            uuid(&items).map_or(Node::Items(items), Node::Leaf)
        }
        _ if opening.ends_with(" {") || opening == "{" => {
            let mut fields = Vec::new();
            while let Some(line) = lines.next() {
                if line.starts_with('}') {
                    break;
                }
                let (name, rest) = line.split_once(": ").unwrap_or(("", line));
                fields.push((name.to_owned(), parse(rest, lines)));
            }
            Node::Fields(fields)
        }
        leaf => Node::Leaf(leaf.to_owned()),
    }
}

/// Sixteen numbers are an id.
fn uuid(items: &[Node]) -> Option<String> {
    if items.len() != UUID_BYTES {
        return None;
    }
    let mut zero = true;
    for item in items {
        match item {
            Node::Leaf(number) if number.parse::<u8>().is_ok() => zero &= number == "0",
            _ => return None,
        }
    }
    Some(if zero { "zero id" } else { "<id>" }.to_owned())
}

fn walk(node: &Node, path: &str, out: &mut Vec<(String, String)>) {
    match node {
        Node::Leaf(value) => out.push((path.to_owned(), plain(path, value))),
        Node::Fields(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                walk(field, &path, out);
            }
        }
        Node::Items(items) => {
            if items.is_empty() {
                out.push((path.to_owned(), "[]".to_owned()));
            }
            let mut rendered: Vec<Vec<(String, String)>> = items
                .iter()
                .map(|item| {
                    let mut lines = Vec::new();
                    walk(item, "", &mut lines);
                    lines
                })
                .collect();
            if items.iter().any(|item| matches!(item, Node::Fields(_))) || path == "requested_metrics" {
                rendered.sort();
            }
            for (at, lines) in rendered.into_iter().enumerate() {
                let name = key(&lines).unwrap_or_else(|| at.to_string());
                if INTERNAL.iter().any(|prefix| name.starts_with(prefix)) {
                    continue;
                }
                for (inner, value) in lines {
                    let dot = if inner.is_empty() || inner.starts_with('[') {
                        ""
                    } else {
                        "."
                    };
                    out.push((format!("{path}[{name}]{dot}{inner}"), value));
                }
            }
        }
    }
}

/// What an item of a list is called: its name, if it has one of its own.
fn key(lines: &[(String, String)]) -> Option<String> {
    const NAMES: &[&str] = &[
        "name",
        "api_key",
        "topic_name",
        "resource_name",
        "group_id",
        "transactional_id",
    ];
    let (_, value) = lines.iter().find(|(path, _)| NAMES.contains(&path.as_str()))?;
    Some(value.trim_matches('"').to_owned())
}

/// The value without what two brokers cannot have in common.
fn plain(path: &str, value: &str) -> String {
    let value = value
        .strip_prefix("Some(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(value);
    let name = path.rsplit(['.', ']']).next().unwrap_or(path);
    match name {
        "error_message" | "batch_index_error_message" | "documentation" | "message"
            if value.len() > 2 && value.starts_with('"') =>
        {
            return "<text>".to_owned();
        }
        "port" => return "<port>".to_owned(),
        "host" if value != "\"\"" => return "<host>".to_owned(),
        "client_host" => return "<host>".to_owned(),
        "producer_id" if value != "-1" && value != "0" => return "<producer id>".to_owned(),
        "finalized_features_epoch" if value != "-1" => return "<epoch>".to_owned(),
        "subscription_id" => return "<subscription>".to_owned(),
        "usable_bytes" | "total_bytes" => return "<bytes>".to_owned(),
        "session_id" if value != "0" => return "<session>".to_owned(),
        "cluster_id" if value != "None" => return "<id>".to_owned(),
        "log_dir" => return "<folder>".to_owned(),
        _ => {}
    }
    if let Ok(number) = value.parse::<i64>()
        && number > TIMES_FROM
        && number != i64::MAX
        && !OWN_TIMES.contains(&number)
    {
        return "<time>".to_owned();
    }
    ids(value)
}

/// Replaces ids within text: the 36 characters of a UUID, and the 22 of one in base64.
fn ids(value: &str) -> String {
    const TEXT_ID: usize = 36;
    const SHORT_ID: usize = 22;
    let bytes = value.as_bytes();
    let is_text_id = |part: &[u8]| {
        part.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let word = value.trim_matches('"');
    if word.len() == SHORT_ID
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
    {
        return "<id>".to_owned();
    }
    for at in 0..bytes.len().saturating_sub(TEXT_ID - 1) {
        if is_text_id(&bytes[at..at + TEXT_ID]) {
            let (before, after) = (&value[..at], &value[at + TEXT_ID..]);
            return format!("{before}<id>{}", ids(after));
        }
    }
    value.to_owned()
}
