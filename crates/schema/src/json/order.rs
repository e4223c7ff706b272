//! The order in which hash maps of the Java platform give back their keys.
//!
//! It has no meaning of its own, but registries list differences in it, and the meaning that is given to some newer
//! schemas depends on the order in which their keywords are looked at.

/// The positions of `keys` in the order of a map that began with room for `capacity` buckets (a power of two) and grew
/// when it was three quarters full.
pub(crate) fn map_order<'a>(keys: impl Iterator<Item = &'a str>, capacity: usize) -> Vec<usize> {
    let hashes: Vec<u32> = keys.map(spread).collect();
    let mut buckets = capacity;
    while hashes.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    let mask = buckets - 1;
    // The sort is stable: within a bucket the order of insertion stays.
    order.sort_by_key(|index| hashes[*index] as usize & mask);
    order
}

/// The order of a map into which the entries of another were copied, with room for just as many.
pub(super) fn copied_map_order<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
    let room = keys.len().next_power_of_two();
    let keys: Vec<&str> = keys.collect();
    let first = map_order(keys.iter().copied(), FRESH);
    map_order(first.iter().map(|at| keys[*at]), room)
        .into_iter()
        .map(|at| first[at])
        .collect()
}

/// The buckets of a set that was copied from a collection of `count` elements.
pub(super) fn copied_capacity(count: usize) -> usize {
    (count * 4 / 3 + 1).max(16).next_power_of_two()
}

/// The buckets a map begins with.
pub(crate) const FRESH: usize = 16;

fn spread(key: &str) -> u32 {
    let hash = key
        .encode_utf16()
        .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_decide() {
        let keys = ["name", "age", "id", "email", "b", "a"];
        let order: Vec<&str> = map_order(keys.into_iter(), FRESH)
            .into_iter()
            .map(|at| keys[at])
            .collect();
        assert_eq!(order, ["a", "b", "name", "id", "age", "email"]);
    }
}
