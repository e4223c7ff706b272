//! The order in which the registry the world knows walks a set of names, so that its messages come in the same order:
//! that of a hash table of Java's.

/// The smallest table such a set has.
const SMALLEST: usize = 16;

/// The names of two lists, each once, in the order of a set that took those of the first and then of the second.
pub(super) fn of_both<'a>(first: &[&'a str], second: &[&'a str]) -> Vec<&'a str> {
    let first = walked(first, SMALLEST);
    let second = walked(second, SMALLEST);
    // A set that is made from a list has room for it from the start.
    let room = (first.len() * 4 / 3 + 1).max(SMALLEST).next_power_of_two();
    walked(&[first, second].concat(), room)
}

/// The names, each once, in the order of a set that took them one by one.
fn walked<'a>(names: &[&'a str], room: usize) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    let mut names: Vec<&str> = names.iter().copied().filter(|name| seen.insert(*name)).collect();
    let mut size = room;
    // A table doubles when it is three quarters full.
    while names.len() * 4 > size * 3 {
        size *= 2;
    }
    names.sort_by_key(|name| bucket(name, size));
    names
}

fn bucket(name: &str, size: usize) -> usize {
    let hash = name
        .encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (size - 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_come_as_they_lie_in_the_table() {
        // Letters hash to their numbers: 65 is place 1 of 16, 80 is place 0.
        assert_eq!(super::of_both(&["C", "A", "P"], &["B", "A"]), ["P", "A", "B", "C"]);
    }
}
