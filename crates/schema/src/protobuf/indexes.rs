//! Message indexes: the path by which a record says of which message of a file it is.

use super::Schema;
use super::file::Type;
use super::payload::indexes;

impl Schema {
    /// The full name of the message that the indexes at the start of `bytes` choose.
    pub fn message_at(&self, bytes: &[u8]) -> Result<String, String> {
        let (path, _) = indexes(bytes)?;
        let mut types: &[Type] = &self.file.types;
        let mut name = self.file.package.clone().unwrap_or_default();
        for index in &path {
            let mut messages = types.iter().filter(|ty| ty.message().is_some());
            let message = usize::try_from(*index).ok().and_then(|index| messages.nth(index));
            let message = message.ok_or_else(|| format!("the schema has no message of the indexes {path:?}"))?;
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(message.name());
            types = message.nested();
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;

    #[test]
    fn indexes_choose_messages() {
        let text = "syntax = \"proto3\"; package p; message A {} enum E { Z = 0; } message B { message C {} enum F { Y = 0; } message D {} }";
        let schema = Schema::parse(text, &[]).unwrap();
        for (bytes, name) in [
            (&[0, 9][..], "p.A"),
            (&[2, 0], "p.A"),
            (&[2, 2, 9], "p.B"),
            (&[4, 2, 0], "p.B.C"),
            (&[4, 2, 2], "p.B.D"),
        ] {
            assert_eq!(schema.message_at(bytes).unwrap(), name, "{bytes:?}");
        }
        for wrong in [
            &[][..],
            &[2],
            &[2, 4],
            &[4, 0, 0],
            &[1],
            &[200, 200, 1],
            &[2, 1],
            &[255; 11],
        ] {
            assert!(schema.message_at(wrong).is_err(), "{wrong:?}");
        }
    }
}
