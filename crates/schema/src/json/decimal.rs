//! Numbers of any size, kept in the one text that stands for their digits and their scale.

use std::cmp::Ordering;

/// A number as it is written in canonical texts: `1e2` is `1E+2`, `1.10` stays itself, `-0` is `0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decimal(String);

/// Digits beyond which two numbers are no longer lined up for exact division.
const MOST_DIGITS: usize = 2_000;

impl Decimal {
    /// Takes a number of JSON's grammar; none if its exponent is beyond what a scale of 32 bits holds.
    pub(crate) fn from_json(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Decimal(if unsigned == "0" { unsigned } else { text }.to_owned()));
        }
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let scale = i32::try_from(i64::try_from(fraction.len()).ok()? - exponent).ok()?;
        let joined = format!("{whole}{fraction}");
        let digits = match joined.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        // The exponent of the text that comes out must be one that can be read again.
        i32::try_from(i64::try_from(digits.len()).ok()? - 1 - i64::from(scale)).ok()?;
        Some(Decimal(write(negative && digits != "0", digits, i64::from(scale))))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether the number is written without point and exponent.
    pub(crate) fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'E'])
    }

    /// The value, if it is written as an integer and fits.
    pub(crate) fn as_i32(&self) -> Option<i32> {
        self.0.parse().ok()
    }

    /// The lowest 32 bits of the integer part, which is what limits of the newer drafts keep of a number.
    pub(crate) fn to_i32(&self) -> i32 {
        let (negative, digits, scale) = self.parts();
        let kept = match usize::try_from(scale) {
            Ok(scale) => digits.len().saturating_sub(scale),
            Err(_) => digits.len(),
        };
        let mut low = digits.bytes().take(kept).fold(0u32, push_digit);
        // Beyond 32 zeros the low 32 bits are all zero.
        for _ in 0..(-scale).clamp(0, 32) {
            low = push_digit(low, b'0');
        }
        let value = low.cast_signed();
        if negative { value.wrapping_neg() } else { value }
    }

    /// The nearest double; infinite beyond the largest.
    pub(crate) fn as_f64(&self) -> f64 {
        // The text is a number of the grammar that `f64` reads.
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether the two have the same value, however they are written.
    pub(crate) fn same_value(&self, other: &Decimal) -> bool {
        self.0 == other.0
            || match lined_up(self, other) {
                Some((a, b)) => self.parts().0 == other.parts().0 && compare(&a, &b) == Ordering::Equal,
                None => false,
            }
    }

    /// The same value in the one shortest text, an integer without exponent if it is one of sensible size.
    pub(crate) fn simplest(&self) -> Decimal {
        const MOST_ZEROS: i64 = 400;
        let (negative, mut digits, mut scale) = self.parts();
        while digits.len() > 1 && digits.ends_with('0') {
            digits.pop();
            scale -= 1;
        }
        if digits == "0" {
            return Decimal(digits);
        }
        if (-MOST_ZEROS..0).contains(&scale) {
            digits.extend(std::iter::repeat_n('0', usize::try_from(-scale).unwrap_or(0)));
            scale = 0;
        }
        Decimal(write(negative, &digits, scale))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.parts().1 == "0"
    }

    /// Whether this is a whole multiple of `divisor`, which is not zero. Numbers of absurd scale are not.
    pub(crate) fn is_multiple_of(&self, divisor: &Decimal) -> bool {
        let Some((dividend, divisor)) = lined_up(self, divisor) else {
            return false;
        };
        let mut rest: Vec<u8> = Vec::new();
        for digit in dividend {
            if !(rest.is_empty() && digit == 0) {
                rest.push(digit);
            }
            while compare(&rest, &divisor) != Ordering::Less {
                subtract(&mut rest, &divisor);
            }
        }
        rest.is_empty()
    }

    /// Sign, digits without leading zeros, and how many of them stand behind the point.
    fn parts(&self) -> (bool, String, i64) {
        let (negative, unsigned) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.0.as_str()),
        };
        let (mantissa, exponent) = unsigned.split_once('E').unwrap_or((unsigned, "0"));
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let joined = format!("{whole}{fraction}");
        let digits = match joined.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        (
            negative,
            digits,
            i64::try_from(fraction.len()).unwrap_or(i64::MAX) - exponent,
        )
    }
}

fn push_digit(value: u32, digit: u8) -> u32 {
    value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).trim_start_matches('0');
    if digits.len() > 10 {
        return None;
    }
    let value: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let value = if text.starts_with('-') { -value } else { value };
    i32::try_from(value).ok().map(i64::from)
}

/// The canonical text of `digits` with `scale` of them behind the point.
fn write(negative: bool, digits: &str, scale: i64) -> String {
    let sign = if negative { "-" } else { "" };
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let adjusted = count - 1 - scale;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && adjusted >= -6 {
        return match usize::try_from(count - scale) {
            Ok(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
            _ => format!(
                "{sign}0.{}{digits}",
                "0".repeat(usize::try_from(scale - count).unwrap_or(0))
            ),
        };
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

/// The digits of both numbers for one scale, without leading zeros; none if that were too many.
fn lined_up(a: &Decimal, b: &Decimal) -> Option<(Vec<u8>, Vec<u8>)> {
    let ((_, a, a_scale), (_, b, b_scale)) = (a.parts(), b.parts());
    let scale = a_scale.max(b_scale);
    let padded = |digits: &str, own: i64| {
        let zeros = usize::try_from(scale - own)
            .ok()
            .filter(|zeros| zeros + digits.len() <= MOST_DIGITS)?;
        let all = digits
            .bytes()
            .map(|byte| byte - b'0')
            .chain(std::iter::repeat_n(0, zeros));
        Some(all.skip_while(|digit| *digit == 0).collect::<Vec<u8>>())
    };
    Some((padded(&a, a_scale)?, padded(&b, b_scale)?))
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Takes `b` from the larger or equal `a` and drops leading zeros.
fn subtract(a: &mut Vec<u8>, b: &[u8]) {
    let mut borrow = 0;
    for index in 0..a.len() {
        let at = a.len() - 1 - index;
        let taken = borrow + if index < b.len() { b[b.len() - 1 - index] } else { 0 };
        if a[at] >= taken {
            a[at] -= taken;
            borrow = 0;
        } else {
            a[at] = a[at] + 10 - taken;
            borrow = 1;
        }
    }
    let zeros = a.iter().take_while(|digit| **digit == 0).count();
    a.drain(..zeros);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::from_json(text).unwrap()
    }

    #[test]
    fn canonical_texts() {
        for (given, expected) in [
            ("1", "1"),
            ("-0", "0"),
            ("1.10", "1.10"),
            ("-0.0", "0.0"),
            ("1e2", "1E+2"),
            ("1E400", "1E+400"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("123456789.123456789e10", "1.23456789123456789E+18"),
            ("0e5", "0E+5"),
            ("100e-2", "1.00"),
            ("1e0", "1"),
            ("-1e-7", "-1E-7"),
            ("0.10e1", "1.0"),
            ("1e2147483647", "1E+2147483647"),
        ] {
            assert_eq!(number(given).text(), expected, "{given}");
        }
        assert_eq!(Decimal::from_json("1e99999999999"), None);
        assert_eq!(Decimal::from_json("1e2147483649"), None);
    }

    #[test]
    fn multiples() {
        for (a, b, expected) in [
            ("4", "2", true),
            ("2", "4", false),
            ("0.3", "0.1", true),
            ("1E+2", "0.25", true),
            ("10", "3", false),
            ("100000000000000000000000000000000000001", "3", false),
            ("100000000000000000000000000000000000002", "3", true),
            ("1E+2000000000", "7", false),
        ] {
            assert_eq!(number(a).is_multiple_of(&number(b)), expected, "{a} {b}");
        }
        assert!(number("0.50").same_value(&number("0.5")));
        assert!(!number("-1").same_value(&number("1.0")));
    }

    #[test]
    fn simplest_texts() {
        for (given, expected) in [
            ("1.0", "1"),
            ("1e2", "100"),
            ("-1.50", "-1.5"),
            ("0.00", "0"),
            ("1e900", "1E+900"),
        ] {
            assert_eq!(number(given).simplest().text(), expected, "{given}");
        }
    }

    #[test]
    fn low_bits() {
        for (text, expected) in [
            ("1.9", 1),
            ("-1.9", -1),
            ("3000000000", -1_294_967_296),
            ("0.5", 0),
            ("1E+2", 100),
            ("1E+400", 0),
            ("4294967297", 1),
        ] {
            assert_eq!(number(text).to_i32(), expected, "{text}");
        }
    }
}
