//! A file that no longer depends on how it was written: names in full, lists sorted, options merged.

use std::collections::{HashMap, HashSet};

use super::file::{
    Constant, Enum, Extend, Extensions, Field, File, Group, Label, Message, Oneof, Opt, Reserved, Rpc, Service, Syntax,
    Type, Value, is_scalar, map_parts,
};
use super::names::{Names, Scope};
use super::number;
use super::print::field_options;

type Normal<T> = Result<T, String>;

/// The normal form; fails on a type that cannot be found.
pub(super) fn normalized(file: &File, names: &Names<'_>) -> Normal<File> {
    let package = file.package.as_deref().unwrap_or("");
    let mut normalizer = Normalizer {
        names,
        scope: Scope {
            package,
            messages: Vec::new(),
        },
    };
    normalizer.file(file)
}

struct Normalizer<'n, 'a> {
    names: &'n Names<'a>,
    scope: Scope<'a>,
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}

/// Ranges and names one by one, by their start, names last.
fn reserved(lists: &[Vec<Reserved>]) -> Vec<Vec<Reserved>> {
    let mut values: Vec<Reserved> = lists.iter().flatten().cloned().collect();
    values.sort_by_cached_key(|value| match value {
        Reserved::Tag(tag) => (*tag, tag.to_string()),
        Reserved::Range(start, end) => (*start, format!("{start}..{end}")),
        Reserved::Name(name) => (i32::MAX, name.clone()),
    });
    values.into_iter().map(|value| vec![single(value)]).collect()
}

fn single(value: Reserved) -> Reserved {
    match value {
        Reserved::Range(start, end) if start == end => Reserved::Tag(start),
        other => other,
    }
}

fn by_tag(mut fields: Vec<Field>) -> Vec<Field> {
    fields.sort_by_key(|field| field.tag);
    fields
}

impl<'a> Normalizer<'_, 'a> {
    fn file(&mut self, file: &File) -> Normal<File> {
        Ok(File {
            package: file.package.clone(),
            syntax: file.syntax.filter(|syntax| *syntax == Syntax::Proto3),
            imports: sorted(&file.imports),
            public_imports: sorted(&file.public_imports),
            types: self.types(&file.types)?,
            services: file
                .services
                .iter()
                .map(|one| self.service(one))
                .collect::<Normal<_>>()?,
            extends: self.extends(&file.extends)?,
            options: self.options(&file.options),
        })
    }

    /// The full name of a type, with its leading dot.
    fn resolved(&self, name: &str) -> Normal<String> {
        match self.names.resolve(name, &self.scope) {
            Some((full, _)) => Ok(format!(".{full}")),
            None => Err(format!("Could not resolve type: {name}")),
        }
    }

    fn types(&mut self, types: &[Type]) -> Normal<Vec<Type>> {
        let mut out = Vec::with_capacity(types.len());
        for ty in types {
            let found = self.names.resolve(ty.name(), &self.scope);
            let is_map = found.is_some_and(|(_, found)| found.message().is_some_and(Message::is_map_entry));
            if is_map && ty.message().is_some() {
                continue;
            }
            self.scope.messages.push(ty.name().to_owned());
            let normal = match ty {
                Type::Message(message) => self.message(message).map(Type::Message),
                Type::Enum(one) => Ok(Type::Enum(self.enumeration(one))),
            };
            self.scope.messages.pop();
            out.push(normal?);
        }
        Ok(out)
    }

    fn message(&mut self, message: &Message) -> Normal<Message> {
        let fields: Normal<Vec<Field>> = message.fields.iter().map(|field| self.field(field)).collect();
        let mut oneofs = Vec::new();
        for oneof in message.oneofs.iter().filter(|oneof| !oneof.fields.is_empty()) {
            oneofs.push(self.oneof(oneof)?);
        }
        oneofs.sort_by_key(|oneof| oneof.fields[0].tag);
        if oneofs.is_empty() && !message.oneofs.is_empty() {
            oneofs.push(Oneof::default());
        }
        let mut extensions: Vec<Extensions> = Vec::new();
        for one in &message.extensions {
            extensions.extend(one.values.iter().map(|value| Extensions {
                values: vec![value.clone()],
                options: self.options(&one.options),
            }));
        }
        extensions.sort_by_key(|one| match one.values[0] {
            Reserved::Tag(start) | Reserved::Range(start, _) => start,
            Reserved::Name(_) => i32::MAX,
        });
        for one in &mut extensions {
            one.values = one.values.drain(..).map(single).collect();
        }
        Ok(Message {
            name: message.name.clone(),
            options: self.options(&message.options),
            reserved: reserved(&message.reserved),
            fields: by_tag(fields?),
            oneofs,
            extensions,
            groups: self.groups(&message.groups)?,
            extends: self.extends(&message.extends)?,
            types: self.types(&message.types)?,
        })
    }

    fn oneof(&self, oneof: &Oneof) -> Normal<Oneof> {
        let fields: Normal<Vec<Field>> = oneof.fields.iter().map(|field| self.field(field)).collect();
        Ok(Oneof {
            name: oneof.name.clone(),
            fields: by_tag(fields?),
            groups: self.groups(&oneof.groups)?,
            options: self.options(&oneof.options),
        })
    }

    fn groups(&self, groups: &[Group]) -> Normal<Vec<Group>> {
        let mut out = Vec::with_capacity(groups.len());
        for group in groups {
            let fields: Normal<Vec<Field>> = group.fields.iter().map(|field| self.field(field)).collect();
            out.push(Group {
                fields: by_tag(fields?),
                ..group.clone()
            });
        }
        out.sort_by_key(|group| group.tag);
        Ok(out)
    }

    /// Fields of the same extended message stand together.
    fn extends(&self, extends: &[Extend]) -> Normal<Vec<Extend>> {
        let mut out: Vec<Extend> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for extend in extends {
            for field in &extend.fields {
                let (name, field) = (self.resolved(&extend.name)?, self.field(field)?);
                let place = *places.entry(name.clone()).or_insert(out.len());
                match out.get_mut(place) {
                    Some(known) => known.fields.push(field),
                    None => out.push(Extend {
                        name,
                        fields: vec![field],
                    }),
                }
            }
        }
        for extend in &mut out {
            extend.fields.sort_by_key(|field| field.tag);
        }
        if out.is_empty() && !extends.is_empty() {
            out.push(Extend {
                name: String::new(),
                fields: Vec::new(),
            });
        }
        Ok(out)
    }

    fn field(&self, field: &Field) -> Normal<Field> {
        check_map(&field.ty)?;
        let mut ty = field.ty.clone();
        if !is_scalar(&ty) && map_parts(&ty).is_none() {
            ty = self.resolved(&ty)?;
            let found = self.names.full(ty.trim_start_matches('.'));
            ty = found.and_then(|found| found.map_type()).unwrap_or(ty);
        }
        let mut label = field.label;
        if let Some((key, value)) = map_parts(&ty) {
            label = None;
            if let Some((full, _)) = self.names.resolve(value, &self.scope) {
                ty = format!("map<{key}, .{full}>");
            }
        }
        let options = field_options(&Field {
            ty: ty.clone(),
            ..field.clone()
        });
        Ok(Field {
            label,
            ty,
            name: field.name.clone(),
            tag: field.tag,
            default: None,
            json_name: None,
            options: self.options(&options),
        })
    }

    fn enumeration(&self, one: &Enum) -> Enum {
        let mut constants: Vec<Constant> = one.constants.clone();
        constants.sort_by(|a, b| (a.tag, &a.name).cmp(&(b.tag, &b.name)));
        for constant in &mut constants {
            constant.options = self.options(&constant.options);
        }
        Enum {
            name: one.name.clone(),
            constants,
            options: self.options(&one.options),
            reserved: reserved(&one.reserved),
        }
    }

    fn service(&self, service: &Service) -> Normal<Service> {
        let mut rpcs = Vec::with_capacity(service.rpcs.len());
        for rpc in &service.rpcs {
            rpcs.push(Rpc {
                request: self.resolved(&rpc.request)?,
                response: self.resolved(&rpc.response)?,
                options: self.options(&rpc.options),
                ..rpc.clone()
            });
        }
        Ok(Service {
            name: service.name.clone(),
            rpcs,
            options: self.options(&service.options),
        })
    }

    /// Custom options by their full names, sorted; what belongs to one option is one.
    fn options(&self, options: &[Opt]) -> Vec<Opt> {
        let mut named: Vec<Opt> = options.iter().map(|option| self.in_full(option)).collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        let mut out: Vec<Opt> = Vec::with_capacity(named.len());
        for option in named {
            match out.last_mut().filter(|last| last.name == option.name) {
                Some(last) => match self.names.full_extension(&option.name) {
                    Some(known) if known.field.label != Some(Label::Repeated) => {
                        let before = std::mem::replace(last, option.clone());
                        *last = self.merged(known.field, before, option);
                    }
                    _ => out.push(option),
                },
                None => out.push(option),
            }
        }
        for option in &mut out {
            option.value = self.assigned(&option.value);
        }
        out
    }

    fn in_full(&self, option: &Opt) -> Opt {
        let full = Some(option).filter(|option| option.parenthesized);
        match full.and_then(|option| self.names.resolve_extension(&option.name, &self.scope)) {
            Some(name) => Opt {
                name,
                value: as_map(option.value.clone()),
                parenthesized: true,
            },
            None => option.clone(),
        }
    }

    fn merged(&self, field: &Field, old: Opt, new: Opt) -> Opt {
        let new = Opt {
            value: as_map(new.value),
            ..new
        };
        match (old.value, new.value) {
            (Value::Map(old), Value::Map(more)) => Opt {
                value: Value::Map(self.merged_maps(Some(field), old, more)),
                name: new.name,
                parenthesized: new.parenthesized,
            },
            (_, value) => Opt { value, ..new },
        }
    }

    fn merged_maps(
        &self,
        container: Option<&Field>,
        mut old: Vec<(String, Value)>,
        more: Vec<(String, Value)>,
    ) -> Vec<(String, Value)> {
        let message = container.and_then(|field| self.message_of(field));
        for (key, value) in more {
            let field = message.and_then(|message| member(message, &key));
            match old.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => {
                    let before = std::mem::replace(known, Value::List(Vec::new()));
                    *known = self.merged_values(field, before, value);
                }
                None => old.push((key, value)),
            }
        }
        old
    }

    fn merged_values(&self, field: Option<&Field>, old: Value, new: Value) -> Value {
        let singular = field.is_some_and(|field| field.label != Some(Label::Repeated));
        match (old, new) {
            (Value::Map(old), Value::Map(new))
                if singular && field.is_some_and(|field| self.message_of(field).is_some()) =>
            {
                Value::Map(self.merged_maps(field, old, new))
            }
            (_, new) if singular => new,
            (old, new) => joined(old, new),
        }
    }

    fn message_of(&self, field: &Field) -> Option<&'a Message> {
        let (_, found) = self.names.resolve(&field.ty, &self.scope)?;
        found.message()
    }

    /// A value right behind an option's name.
    fn assigned(&self, value: &Value) -> Value {
        match value {
            Value::List(values) => Value::List(values.iter().map(|value| self.value(value)).collect()),
            other => self.value(other),
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Number(text) => Value::Number(number::normalized(text)),
            Value::Inner(inner) => Value::Inner(Box::new(Opt {
                value: self.assigned(&inner.value),
                ..(**inner).clone()
            })),
            Value::List(values) => match values.as_slice() {
                [one] => self.value(one),
                several => Value::List(several.iter().map(|value| self.value(value)).collect()),
            },
            Value::Map(entries) => {
                let mut out: Vec<(String, Value)> = Vec::with_capacity(entries.len());
                let mut seen: HashSet<String> = HashSet::new();
                for (key, value) in entries {
                    if matches!(value, Value::List(values) if values.is_empty()) {
                        continue;
                    }
                    let key = self.key(key);
                    if seen.insert(key.clone()) {
                        out.push((key, self.value(value)));
                    }
                }
                out.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Map(out)
            }
            other => other.clone(),
        }
    }

    /// A key in brackets names an extension.
    fn key(&self, key: &str) -> String {
        let name = key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
        let full = name.and_then(|name| self.names.resolve_extension(name, &self.scope));
        full.map_or_else(|| key.to_owned(), |full| format!("[{full}]"))
    }
}

/// Both values in a list that holds each once.
pub(super) fn joined(old: Value, new: Value) -> Value {
    let listed = |value: Value| match value {
        Value::List(values) => values,
        one => vec![one],
    };
    let mut seen = HashSet::new();
    let all = listed(old).into_iter().chain(listed(new));
    Value::List(all.filter(|value| seen.insert(value.clone())).collect())
}

fn member<'m>(message: &'m Message, name: &str) -> Option<&'m Field> {
    let in_oneofs = message.oneofs.iter().flat_map(|oneof| &oneof.fields);
    message.fields.iter().chain(in_oneofs).find(|field| field.name == name)
}

/// `(a).b.c = 1` as `(a) = { b: { c: 1 } }`.
pub(super) fn as_map(value: Value) -> Value {
    match value {
        Value::Inner(inner) => Value::Map(vec![(inner.name, as_map(inner.value))]),
        other => other,
    }
}

/// The file without custom options, extension ranges and extensions; the registry's own options stay.
pub(super) fn without_extensions(file: &File) -> File {
    let mut file = file.clone();
    file.extends.clear();
    strip(&mut file.options);
    file.types.iter_mut().for_each(strip_type);
    for service in &mut file.services {
        strip(&mut service.options);
        for rpc in &mut service.rpcs {
            strip(&mut rpc.options);
        }
    }
    file
}

fn strip(options: &mut Vec<Opt>) {
    options.retain(|option| !option.parenthesized || option.name.starts_with("confluent."));
}

fn strip_fields(fields: &mut [Field]) {
    for field in fields {
        strip(&mut field.options);
    }
}

fn strip_type(ty: &mut Type) {
    match ty {
        Type::Enum(one) => {
            strip(&mut one.options);
            for constant in &mut one.constants {
                strip(&mut constant.options);
            }
        }
        Type::Message(message) => {
            strip(&mut message.options);
            strip_fields(&mut message.fields);
            for oneof in &mut message.oneofs {
                strip(&mut oneof.options);
                strip_fields(&mut oneof.fields);
                oneof
                    .groups
                    .iter_mut()
                    .for_each(|group| strip_fields(&mut group.fields));
            }
            message
                .groups
                .iter_mut()
                .for_each(|group| strip_fields(&mut group.fields));
            message.extensions.clear();
            message.extends.clear();
            message.types.iter_mut().for_each(strip_type);
        }
    }
}

/// A map's key is a scalar, but neither bytes nor a fraction.
fn check_map(ty: &str) -> Normal<()> {
    let mut rest = ty;
    while let Some((key, value)) = map_parts(rest) {
        if !is_scalar(key) || matches!(key, "bytes" | "double" | "float") {
            return Err(format!("map key must be non-byte, non-floating point scalar: {key}"));
        }
        rest = value;
    }
    Ok(())
}
