//! What a `.proto` file says, as written: names are not resolved, options not interpreted, comments gone.

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct File {
    pub(super) package: Option<String>,
    pub(super) syntax: Option<Syntax>,
    pub(super) imports: Vec<String>,
    pub(super) public_imports: Vec<String>,
    pub(super) types: Vec<Type>,
    pub(super) services: Vec<Service>,
    pub(super) extends: Vec<Extend>,
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Proto2,
    Proto3,
}

impl Syntax {
    pub(super) fn word(self) -> &'static str {
        match self {
            Syntax::Proto2 => "proto2",
            Syntax::Proto3 => "proto3",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Message(Message),
    Enum(Enum),
}

impl Type {
    pub(super) fn name(&self) -> &str {
        match self {
            Type::Message(message) => &message.name,
            Type::Enum(one) => &one.name,
        }
    }

    pub(super) fn message(&self) -> Option<&Message> {
        match self {
            Type::Message(message) => Some(message),
            Type::Enum(_) => None,
        }
    }

    pub(super) fn nested(&self) -> &[Type] {
        self.message().map_or(&[], |message| &message.types)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) types: Vec<Type>,
    pub(super) options: Vec<Opt>,
    pub(super) reserved: Vec<Vec<Reserved>>,
    pub(super) fields: Vec<Field>,
    pub(super) oneofs: Vec<Oneof>,
    pub(super) extensions: Vec<Extensions>,
    pub(super) groups: Vec<Group>,
    pub(super) extends: Vec<Extend>,
}

impl Message {
    /// Whether it stands for the entries of a map, as file descriptors write maps.
    pub(super) fn is_map_entry(&self) -> bool {
        let last = self
            .options
            .iter()
            .rev()
            .find(|option| option.plain_name() == "map_entry");
        last.is_some_and(|option| option.value.is_true())
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Optional,
    Required,
    Repeated,
}

impl Label {
    pub(super) fn word(self) -> &'static str {
        match self {
            Label::Optional => "optional",
            Label::Required => "required",
            Label::Repeated => "repeated",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Field {
    pub(super) label: Option<Label>,
    /// As written: a scalar, a name or `map<key, value>`.
    pub(super) ty: String,
    pub(super) name: String,
    pub(super) tag: i32,
    pub(super) default: Option<String>,
    pub(super) json_name: Option<String>,
    /// All options but the default and the JSON name.
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Oneof {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    pub(super) groups: Vec<Group>,
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) label: Option<Label>,
    pub(super) name: String,
    pub(super) tag: i32,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reserved {
    Tag(i32),
    /// Both ends belong to it.
    Range(i32, i32),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extensions {
    pub(super) values: Vec<Reserved>,
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extend {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Enum {
    pub(super) name: String,
    pub(super) constants: Vec<Constant>,
    pub(super) options: Vec<Opt>,
    pub(super) reserved: Vec<Vec<Reserved>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) tag: i32,
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) rpcs: Vec<Rpc>,
    pub(super) options: Vec<Opt>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rpc {
    pub(super) name: String,
    pub(super) request: String,
    pub(super) response: String,
    pub(super) request_streams: bool,
    pub(super) response_streams: bool,
    pub(super) options: Vec<Opt>,
}

/// An option, such as `deprecated = true` or `(my.rule).max = 3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Opt {
    /// Without the parentheses of a custom option.
    pub(super) name: String,
    pub(super) value: Value,
    /// Whether it is a custom option.
    pub(super) parenthesized: bool,
}

impl Opt {
    /// The name without the dot that may lead a full name.
    pub(super) fn plain_name(&self) -> &str {
        self.name.strip_prefix('.').unwrap_or(&self.name)
    }
}

/// An option's value. Numbers, booleans and names of constants stay as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Text(String),
    Boolean(String),
    Number(String),
    Constant(String),
    /// A field of the option's value: `(a).b = 1` is the option `a` with the option `b` inside.
    Inner(Box<Opt>),
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
}

impl Value {
    pub(super) fn is_true(&self) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case("true"))
    }

    /// The text of a single value.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Value::Text(word) | Value::Boolean(word) | Value::Number(word) | Value::Constant(word) => Some(word),
            Value::Inner(_) | Value::Map(_) | Value::List(_) => None,
        }
    }
}

/// The types that need no definition.
pub(super) const SCALARS: [&str; 15] = [
    "bool", "bytes", "double", "float", "fixed32", "fixed64", "int32", "int64", "sfixed32", "sfixed64", "sint32",
    "sint64", "string", "uint32", "uint64",
];

pub(super) fn is_scalar(ty: &str) -> bool {
    SCALARS.contains(&ty)
}

/// Key and value type of `map<key, value>`.
pub(super) fn map_parts(ty: &str) -> Option<(&str, &str)> {
    let inside = ty.strip_prefix("map<")?.strip_suffix('>')?;
    let (key, value) = inside.split_once(',')?;
    Some((key.trim(), value.trim()))
}
