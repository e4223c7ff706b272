//! Which texts are defaults of a scalar type.

/// Whether the text is a value of the type.
pub(super) fn fits(ty: &str, text: &str) -> bool {
    let whole = || whole(text);
    match ty {
        "int32" | "sint32" | "sfixed32" => whole().is_some_and(|number| i32::try_from(number).is_ok()),
        "uint32" | "fixed32" => whole().is_some_and(|number| u32::try_from(number).is_ok()),
        "int64" | "sint64" | "sfixed64" => whole().is_some_and(|number| i64::try_from(number).is_ok()),
        "uint64" | "fixed64" => whole().is_some_and(|number| u64::try_from(number).is_ok()),
        "float" | "double" => matches!(text, "inf" | "-inf" | "nan") || crate::logical::floating(text).is_ok(),
        _ => true,
    }
}

/// A default of a number's type, which fits it.
pub(crate) fn whole_number(text: &str) -> i128 {
    whole(text).unwrap_or(0)
}

/// A default of a floating point number's type, which fits it.
pub(crate) fn number(text: &str) -> f64 {
    match text {
        "inf" => f64::INFINITY,
        "-inf" => f64::NEG_INFINITY,
        _ => crate::logical::floating(text).unwrap_or(f64::NAN),
    }
}

/// A whole number, in hexadecimal behind `0x` and in octal behind `0`.
fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(digits), _) => (16, digits),
        (None, Some(octal)) if !octal.is_empty() => (8, octal),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}
