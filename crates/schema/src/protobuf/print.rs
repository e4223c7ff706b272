//! The text of a file, as the registry the world knows prints it: its GUIDs hash this text.

use super::file::{
    Constant, Enum, Extend, Extensions, Field, File, Group, Message, Oneof, Opt, Reserved, Rpc, Service, Type, Value,
    is_scalar,
};
use super::parser::TAG_MAX;

pub(super) fn text(file: &File) -> String {
    let mut out = Lines::default();
    if let Some(syntax) = file.syntax {
        out.line(&format!("syntax = \"{}\";", syntax.word()));
    }
    if let Some(package) = &file.package {
        out.line(&format!("package {package};"));
    }
    if !file.imports.is_empty() || !file.public_imports.is_empty() {
        out.section();
        for import in &file.imports {
            out.line(&format!("import \"{import}\";"));
        }
        for import in &file.public_imports {
            out.line(&format!("import public \"{import}\";"));
        }
    }
    options(&mut out, &file.options);
    types(&mut out, &file.types);
    out.each(&file.extends, extend);
    out.each(&file.services, service);
    out.text
}

/// Text by lines, each behind the blanks of its block.
#[derive(Default)]
struct Lines {
    text: String,
    indent: usize,
    /// Whether the line that opens the block is still open.
    opening: bool,
}

impl Lines {
    /// Writes one line, or several that hold line ends.
    fn line(&mut self, lines: &str) {
        for line in lines.trim_end_matches('\n').split('\n') {
            self.blanks(self.indent);
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn blanks(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }

    /// Begins a part of a block: ends its opening line, or leaves a line that has the blanks of that line.
    fn section(&mut self) {
        if !self.opening {
            self.blanks(self.indent.saturating_sub(2));
        }
        self.opening = false;
        self.text.push('\n');
    }

    fn block(&mut self, open: &str, body: impl FnOnce(&mut Lines)) {
        self.blanks(self.indent);
        self.text.push_str(open);
        self.text.push_str(" {");
        self.opening = true;
        self.indent += 2;
        body(self);
        self.indent -= 2;
        if !self.opening {
            self.blanks(self.indent);
        }
        self.opening = false;
        self.text.push_str("}\n");
    }

    /// A part of a block that holds these items, if there are any.
    ///
    /// A oneof or an extension that has neither name nor fields prints as nothing but leaves its empty line: so a
    /// normal form shows where something stood that says nothing.
    fn each<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Lines, &T)) {
        if !items.is_empty() {
            self.section();
            for item in items {
                write(self, item);
            }
        }
    }
}

fn options(out: &mut Lines, options: &[Opt]) {
    out.each(options, |out, option| out.line(&statement(option)));
}

fn statement(option: &Opt) -> String {
    format!("option {};", assigned(option))
}

/// Messages come before enums.
fn types(out: &mut Lines, types: &[Type]) {
    if types.is_empty() {
        return;
    }
    out.section();
    for one in types {
        if let Type::Message(one) = one {
            message(out, one);
        }
    }
    for one in types {
        if let Type::Enum(one) = one {
            enumeration(out, one);
        }
    }
}

fn message(out: &mut Lines, message: &Message) {
    out.block(&format!("message {}", message.name), |out| {
        out.each(&message.reserved, |out, values| reserved(out, values));
        options(out, &message.options);
        out.each(&message.fields, field);
        out.each(&message.oneofs, oneof);
        out.each(&message.groups, group);
        out.each(&message.extensions, extensions);
        out.each(&message.extends, extend);
        types(out, &message.types);
    });
}

fn enumeration(out: &mut Lines, one: &Enum) {
    out.block(&format!("enum {}", one.name), |out| {
        out.each(&one.reserved, |out, values| reserved(out, values));
        if one.reserved.is_empty() && !(one.options.is_empty() && one.constants.is_empty()) {
            out.section();
        }
        for option in &one.options {
            out.line(&statement(option));
        }
        for constant in &one.constants {
            out.line(&constant_text(constant));
        }
    });
}

fn constant_text(constant: &Constant) -> String {
    format!("{} = {}{};", constant.name, constant.tag, bracketed(&constant.options))
}

fn reserved(out: &mut Lines, values: &[Reserved]) {
    out.line(&format!("reserved {};", ranges(values)));
}

fn extensions(out: &mut Lines, extensions: &Extensions) {
    let ranges = ranges(&extensions.values);
    out.line(&format!("extensions {ranges}{};", bracketed(&extensions.options)));
}

fn ranges(values: &[Reserved]) -> String {
    let one = |value: &Reserved| match value {
        Reserved::Tag(tag) => tag.to_string(),
        Reserved::Range(start, end) if *end < TAG_MAX => format!("{start} to {end}"),
        Reserved::Range(start, _) => format!("{start} to max"),
        Reserved::Name(name) => format!("\"{name}\""),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn oneof(out: &mut Lines, oneof: &Oneof) {
    if oneof.name.is_empty() {
        return;
    }
    out.block(&format!("oneof {}", oneof.name), |out| {
        options(out, &oneof.options);
        out.each(&oneof.fields, field);
        out.each(&oneof.groups, group);
    });
}

fn group(out: &mut Lines, group: &Group) {
    let label = group
        .label
        .map(|label| format!("{} ", label.word()))
        .unwrap_or_default();
    out.block(&format!("{label}group {} = {}", group.name, group.tag), |out| {
        out.each(&group.fields, field);
    });
}

fn extend(out: &mut Lines, extend: &Extend) {
    if extend.name.is_empty() {
        return;
    }
    out.block(&format!("extend {}", extend.name), |out| {
        out.each(&extend.fields, field)
    });
}

fn service(out: &mut Lines, service: &Service) {
    out.block(&format!("service {}", service.name), |out| {
        options(out, &service.options);
        out.each(&service.rpcs, rpc);
    });
}

fn rpc(out: &mut Lines, rpc: &Rpc) {
    let stream = |streams: bool| if streams { "stream " } else { "" };
    let mut text = format!(
        "rpc {} ({}{}) returns ({}{})",
        rpc.name,
        stream(rpc.request_streams),
        rpc.request,
        stream(rpc.response_streams),
        rpc.response
    );
    if !rpc.options.is_empty() {
        text.push_str(" {\n");
        for option in &rpc.options {
            indented(&mut text, &statement(option));
        }
        text.push('}');
    }
    text.push(';');
    out.line(&text);
}

fn field(out: &mut Lines, field: &Field) {
    let label = field
        .label
        .map(|label| format!("{} ", label.word()))
        .unwrap_or_default();
    let options = bracketed(&field_options(field));
    out.line(&format!("{label}{} {} = {}{options};", field.ty, field.name, field.tag));
}

/// A field's options, its default and its JSON name among them.
pub(super) fn field_options(field: &Field) -> Vec<Opt> {
    let mut options = field.options.clone();
    let mut put = |name: &str, value: Value| {
        options.push(Opt {
            name: name.to_owned(),
            value,
            parenthesized: false,
        });
    };
    if let Some(default) = &field.default {
        put("default", default_value(&field.ty, default));
    }
    if let Some(json_name) = &field.json_name {
        put("json_name", Value::Text(json_name.clone()));
    }
    options
}

/// A default is a string, a number or a name by the last part of its field's type.
fn default_value(ty: &str, default: &str) -> Value {
    let default = default.to_owned();
    match ty.rsplit('.').next().unwrap_or(ty) {
        "bool" => Value::Boolean(default),
        "string" => Value::Text(default),
        scalar if is_scalar(scalar) => Value::Number(default),
        _ => Value::Constant(default),
    }
}

/// Options behind a field, with the blank before them.
fn bracketed(options: &[Opt]) -> String {
    if options.is_empty() {
        return String::new();
    }
    let texts: Vec<String> = options.iter().map(assigned).collect();
    format!(" {}", listed(&texts))
}

/// One item on the line, several on lines of their own.
fn listed(items: &[String]) -> String {
    match items {
        [one] => format!("[{one}]"),
        several => format!("[\n{}]", lines(several)),
    }
}

/// Items with commas between them, each on lines of its own.
fn lines(items: &[String]) -> String {
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        indented(&mut out, &format!("{item}{comma}"));
    }
    out
}

fn indented(out: &mut String, text: &str) {
    for line in text.trim_end_matches('\n').split('\n') {
        out.push_str("  ");
        out.push_str(line);
        out.push('\n');
    }
}

/// An option's name and value.
fn assigned(option: &Opt) -> String {
    let name = if option.parenthesized {
        format!("({})", option.name)
    } else {
        option.name.clone()
    };
    match &option.value {
        Value::Inner(inner) => format!("{name}.{}", assigned(inner)),
        Value::List(values) => format!("{name} = {}", listed(&values.iter().map(value).collect::<Vec<_>>())),
        other => format!("{name} = {}", value(other)),
    }
}

/// A value inside a map or a list.
fn value(one: &Value) -> String {
    match one {
        Value::Text(text) => format!("\"{}\"", escaped(text)),
        Value::Boolean(word) | Value::Number(word) | Value::Constant(word) => word.clone(),
        Value::Inner(inner) => assigned(inner),
        Value::List(values) => format!("[\n{}]", lines(&values.iter().map(value).collect::<Vec<_>>())),
        Value::Map(entries) => {
            let entry = |(key, one): &(String, Value)| format!("{key}: {}", value(one));
            format!("{{\n{}}}", lines(&entries.iter().map(entry).collect::<Vec<_>>()))
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' | '\'' | '"' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}
