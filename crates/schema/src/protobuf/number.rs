//! Numbers in options, in one spelling: decimal, without grouping, with three decimals at most.

/// The number's normal spelling; a word that is no number stays as it is.
pub(super) fn normalized(text: &str) -> String {
    parsed(text).unwrap_or_else(|| text.to_owned())
}

fn parsed(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    if let Some(hex) = hex {
        return integer(negative, hex, 16);
    }
    let decimal = digits.contains('.') || digits.contains(['e', 'E']);
    if !decimal && let Some(long) = digits.strip_suffix(['l', 'L']) {
        return integer(negative, long, 10);
    }
    if !decimal && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        // A leading zero means octal.
        return match digits.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => integer(negative, octal, 8),
            _ => integer(negative, digits, 10),
        };
    }
    fraction(text)
}

fn integer(negative: bool, digits: &str, radix: u32) -> Option<String> {
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u128::from_str_radix(digits, radix).ok()?;
    let sign = if negative && value != 0 { "-" } else { "" };
    Some(format!("{sign}{value}"))
}

fn fraction(text: &str) -> Option<String> {
    if !text.starts_with(['-', '.']) && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let single = text.ends_with(['f', 'F']);
    let digits = text.trim_end_matches(['f', 'F', 'd', 'D']);
    if digits.len() + 1 < text.len() || !digits.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let double: f64 = digits.parse().ok()?;
    let float: f32 = digits.parse().ok()?;
    // A number that a float spells as well is a float.
    let float_fits = float.is_finite() && (single || float.to_string() == double.to_string());
    let value = if float_fits { f64::from(float) } else { double };
    if !value.is_finite() {
        return None;
    }
    let rounded = format!("{value:.3}");
    let plain = rounded.trim_end_matches('0').trim_end_matches('.');
    Some(plain.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_have_one_spelling() {
        for (text, normal) in [
            ("1", "1"),
            ("-0", "0"),
            ("010", "8"),
            ("08", "08"),
            ("0x1F", "31"),
            ("1.50", "1.5"),
            ("0.00012", "0"),
            ("1e10", "10000000000"),
            ("-2.0005", "-2"),
            ("1.5f", "1.5"),
            ("7L", "7"),
            ("inf", "inf"),
            ("-inf", "-inf"),
            ("99999999999999999999", "99999999999999999999"),
        ] {
            assert_eq!(super::normalized(text), normal, "{text}");
        }
    }
}
