//! Message indexes: the path by which a record says of which message of a file it is.

use super::Schema;
use super::file::Type;

/// Longer paths are no paths: messages are not nested so deep.
const INDEXES_MAX: i64 = 64;

impl Schema {
    /// The full name of the message that the indexes at the start of `bytes` choose, and what follows them.
    pub fn message_at<'a>(&self, bytes: &'a [u8]) -> Result<(String, &'a [u8]), String> {
        let cut = || "the message indexes are cut short".to_owned();
        let mut rest = bytes;
        let count = zigzag(&mut rest).ok_or_else(cut)?;
        if !(0..=INDEXES_MAX).contains(&count) {
            return Err(format!("there cannot be {count} message indexes"));
        }
        let mut path = Vec::with_capacity(count.max(1) as usize);
        for _ in 0..count {
            path.push(zigzag(&mut rest).ok_or_else(cut)?);
        }
        if path.is_empty() {
            // The short form of the first message.
            path.push(0);
        }
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
        Ok((name, rest))
    }
}

/// A zig-zag variable-length number; takes it off the bytes.
fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut raw: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Schema;

    #[test]
    fn indexes_choose_messages() {
        let text = "syntax = \"proto3\"; package p; message A {} enum E { Z = 0; } message B { message C {} enum F { Y = 0; } message D {} }";
        let schema = Schema::parse(text, &[]).unwrap();
        for (bytes, name, rest) in [
            (&[0, 9][..], "p.A", &[9][..]),
            (&[2, 0], "p.A", &[]),
            (&[2, 2, 9], "p.B", &[9]),
            (&[4, 2, 0], "p.B.C", &[]),
            (&[4, 2, 2], "p.B.D", &[]),
        ] {
            assert_eq!(schema.message_at(bytes).unwrap(), (name.to_owned(), rest), "{bytes:?}");
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
