//! The wire format: the fields of a message, one by one, and the few that are written.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    /// The fields of a group, without its end.
    Group(&'a [u8]),
    Fixed32,
}

impl<'a> Held<'a> {
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Held::Varint(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Held::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The fields of a message in the order written.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// Groups in groups are read no deeper than this.
const GROUP_DEPTH_MAX: usize = 100;

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn field(&mut self, depth: usize) -> Result<(u32, Held<'a>), String> {
        let (tag, wire_type) = self.key()?;
        let held = match wire_type {
            0 => Held::Varint(self.varint()?),
            1 => self.take(8).map(|_| Held::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a length is too large".to_owned())?;
                Held::Bytes(self.take(length)?)
            }
            3 => Held::Group(self.group(tag, depth)?),
            5 => self.take(4).map(|_| Held::Fixed32)?,
            other => return Err(format!("field {tag} has the wire type {other}, which does not exist")),
        };
        Ok((tag, held))
    }

    fn key(&mut self) -> Result<(u32, u8), String> {
        let key = self.varint()?;
        let tag = u32::try_from(key >> 3).unwrap_or(0);
        if !(1..=(1 << 29) - 1).contains(&tag) {
            return Err(format!("{} is no field number", key >> 3));
        }
        Ok((tag, (key & 7) as u8))
    }

    /// The fields up to the end of the group that began.
    fn group(&mut self, tag: u32, depth: usize) -> Result<&'a [u8], String> {
        if depth >= GROUP_DEPTH_MAX {
            return Err(format!("groups are nested more than {GROUP_DEPTH_MAX} deep"));
        }
        let start = self.rest;
        loop {
            let inside = start.len() - self.rest.len();
            let mut ahead = Fields { rest: self.rest };
            match ahead.key()? {
                (end, 4) if end == tag => {
                    self.rest = ahead.rest;
                    return Ok(&start[..inside]);
                }
                (end, 4) => return Err(format!("the group {tag} ends as {end}")),
                _ => drop(self.field(depth + 1)?),
            }
        }
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is longer than ten bytes".to_owned())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(format!("{count} bytes are needed, {} are left", self.rest.len())),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Held<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field(0);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_number(out: &mut Vec<u8>, tag: u32, value: u64) {
    put_varint(out, u64::from(tag) << 3);
    put_varint(out, value);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_varint(out, (u64::from(tag) << 3) | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
