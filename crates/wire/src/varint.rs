//! Variable-length integers: 7 bits a byte, lowest first, zig-zag where signed.

/// Reads an unsigned varint of at most 32 bits at `*at` and moves past it; `None` if cut short or too long.
pub(crate) fn read_u32(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift == 28 && byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads an unsigned varint of at most 64 bits.
fn read_u64(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads a zig-zag varint of at most 32 bits.
pub(crate) fn read_i32(bytes: &[u8], at: &mut usize) -> Option<i32> {
    // Most lengths and deltas fit one byte.
    if let Some(&byte) = bytes.get(*at)
        && byte < 0x80
    {
        *at += 1;
        return Some(i32::from(byte >> 1) ^ -i32::from(byte & 1));
    }
    read_u32(bytes, at).map(|raw| (raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a zig-zag varint of at most 64 bits.
pub(crate) fn read_i64(bytes: &[u8], at: &mut usize) -> Option<i64> {
    read_u64(bytes, at).map(|raw| (raw >> 1) as i64 ^ -((raw & 1) as i64))
}

pub(crate) fn write_u32(out: &mut Vec<u8>, value: u32) {
    write_u64(out, u64::from(value));
}

fn write_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_u32(out, ((value << 1) ^ (value >> 31)) as u32);
}

pub(crate) fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_u64(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_back_as_written() {
        let edges = [0, 1, -1, 63, -64, 64, -65, 8191, 8192, i32::MAX, i32::MIN];
        for value in edges {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            let mut at = 0;
            assert_eq!(read_i32(&out, &mut at), Some(value));
            assert_eq!(at, out.len());
        }
        for value in edges.map(i64::from).into_iter().chain([i64::MAX, i64::MIN, 1 << 40]) {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            assert_eq!(read_i64(&out, &mut 0), Some(value));
        }
    }

    #[test]
    fn cut_and_overlong_integers_are_refused() {
        assert_eq!(read_u32(&[], &mut 0), None);
        assert_eq!(read_u32(&[0x80, 0x80], &mut 0), None);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f], &mut 0), None);
        assert_eq!(read_i64(&[0xff; 11], &mut 0), None);
    }
}
