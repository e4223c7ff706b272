//! Exact decimals of up to 38 digits: an integer and a scale.

use std::cmp::Ordering;
use std::fmt;

use crate::types::PRECISION_MAX;

/// `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

const POWERS: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut at = 1;
    while at < 39 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// 10 to the power of `exponent`, if it fits.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i128> {
    POWERS.get(exponent as usize).copied()
}

impl Decimal {
    pub fn new(unscaled: i128, scale: u8) -> Decimal {
        Decimal { unscaled, scale }
    }

    pub fn from_int(value: i64) -> Decimal {
        Decimal {
            unscaled: i128::from(value),
            scale: 0,
        }
    }

    /// From the shortest text that reads back as this double, as Java's `BigDecimal.valueOf` does.
    pub fn from_f64(value: f64) -> Option<Decimal> {
        if value.is_finite() {
            Decimal::parse(&format!("{value:e}"))
        } else {
            None
        }
    }

    /// `12`, `-1.50`, `.5`, `1e3`; `None` if it is not a number or has more than 38 digits that matter.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut unscaled: i128 = 0;
        let mut scale = 0_i32;
        for (index, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
            if !digit.is_ascii_digit() {
                return None;
            }
            let in_fraction = index >= whole.len();
            match unscaled
                .checked_mul(10)
                .and_then(|v| v.checked_add(i128::from(digit - b'0')))
            {
                Some(next) if next < POWERS[38] => {
                    unscaled = next;
                    scale += i32::from(in_fraction);
                }
                // Digits of the fraction past the 38th do not fit any DECIMAL.
                _ if in_fraction => {}
                _ => return None,
            }
        }
        if negative {
            unscaled = -unscaled;
        }
        scale -= exponent;
        if scale < 0 {
            let factor = power_of_ten(scale.unsigned_abs())?;
            return Some(Decimal {
                unscaled: unscaled.checked_mul(factor)?,
                scale: 0,
            });
        }
        if scale > i32::from(PRECISION_MAX) {
            return Some(Decimal {
                unscaled: divide_half_up(unscaled, (scale - 38) as u32),
                scale: PRECISION_MAX,
            });
        }
        Some(Decimal {
            unscaled,
            scale: scale as u8,
        })
    }

    /// Rounds half up to the scale; `None` if it then has more than `precision` digits.
    pub fn fit(self, precision: u8, scale: u8) -> Option<Decimal> {
        let unscaled = if scale >= self.scale {
            self.unscaled
                .checked_mul(power_of_ten(u32::from(scale - self.scale))?)?
        } else {
            divide_half_up(self.unscaled, u32::from(self.scale - scale))
        };
        (unscaled.unsigned_abs() < POWERS[usize::from(precision)].unsigned_abs()).then_some(Decimal { unscaled, scale })
    }

    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let left = self
            .unscaled
            .checked_mul(power_of_ten(u32::from(scale - self.scale))?)?;
        let right = other
            .unscaled
            .checked_mul(power_of_ten(u32::from(scale - other.scale))?)?;
        Some(Decimal {
            unscaled: left.checked_add(right)?,
            scale,
        })
    }

    pub fn negate(self) -> Decimal {
        Decimal {
            unscaled: -self.unscaled,
            scale: self.scale,
        }
    }

    /// The product at `scale`; `None` if it does not fit 38 digits.
    pub fn multiply(self, other: Decimal, scale: u8) -> Option<Decimal> {
        let exponent = i32::from(scale) - i32::from(self.scale) - i32::from(other.scale);
        let wide = Wide::product(self.unscaled.unsigned_abs(), other.unscaled.unsigned_abs());
        let magnitude = wide.scale_by(exponent)?;
        signed(magnitude, (self.unscaled < 0) != (other.unscaled < 0), scale)
    }

    /// The quotient at `scale`, rounded half up; `None` if it does not fit. The divisor must not be 0.
    pub fn divide(self, other: Decimal, scale: u8) -> Option<Decimal> {
        let exponent = i32::from(scale) + i32::from(other.scale) - i32::from(self.scale);
        let (numerator, divisor) = if exponent >= 0 {
            let factor = POWERS.get(exponent as usize)?.unsigned_abs();
            (
                Wide::product(self.unscaled.unsigned_abs(), factor),
                other.unscaled.unsigned_abs(),
            )
        } else {
            let factor = POWERS.get(exponent.unsigned_abs() as usize)?.unsigned_abs();
            (
                Wide::product(self.unscaled.unsigned_abs(), 1),
                other.unscaled.unsigned_abs().checked_mul(factor)?,
            )
        };
        let magnitude = numerator.divide_half_up(divisor)?;
        signed(magnitude, (self.unscaled < 0) != (other.unscaled < 0), scale)
    }

    /// The remainder, with the dividend's sign. The divisor must not be 0.
    pub fn remainder(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let left = self
            .unscaled
            .checked_mul(power_of_ten(u32::from(scale - self.scale))?)?;
        let right = other
            .unscaled
            .checked_mul(power_of_ten(u32::from(scale - other.scale))?)?;
        Some(Decimal {
            unscaled: left % right,
            scale,
        })
    }

    pub fn to_f64(self) -> f64 {
        // Through text: the nearest double, which dividing two rounded doubles would not always give.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Without its fraction.
    pub fn truncate_to_int(self) -> i128 {
        self.unscaled / POWERS[usize::from(self.scale)]
    }

    /// The largest whole number not above.
    pub fn floor(self) -> i128 {
        self.unscaled.div_euclid(POWERS[usize::from(self.scale)])
    }

    /// The smallest whole number not below.
    pub fn ceil(self) -> i128 {
        -((-self.unscaled).div_euclid(POWERS[usize::from(self.scale)]))
    }

    pub fn is_zero(self) -> bool {
        self.unscaled == 0
    }
}

fn signed(magnitude: u128, negative: bool, scale: u8) -> Option<Decimal> {
    let unscaled = i128::try_from(magnitude).ok().filter(|value| *value < POWERS[38])?;
    Some(Decimal {
        unscaled: if negative { -unscaled } else { unscaled },
        scale,
    })
}

/// `value / 10^exponent`, rounded half up (away from zero).
fn divide_half_up(value: i128, exponent: u32) -> i128 {
    let Some(divisor) = power_of_ten(exponent) else {
        return 0;
    };
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() * 2 >= divisor.unsigned_abs() && exponent > 0 {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// An unsigned 256-bit number, for products that do not fit 128 bits.
#[derive(Clone, Copy)]
struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    fn product(a: u128, b: u128) -> Wide {
        if let Some(low) = a.checked_mul(b) {
            return Wide { high: 0, low };
        }
        const HALF: u128 = u64::MAX as u128;
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let (low, cross1, cross2, high) = (a0 * b0, a1 * b0, a0 * b1, a1 * b1);
        let middle = (low >> 64) + (cross1 & HALF) + (cross2 & HALF);
        Wide {
            high: high + (cross1 >> 64) + (cross2 >> 64) + (middle >> 64),
            low: (middle << 64) | (low & HALF),
        }
    }

    fn scale_by(self, exponent: i32) -> Option<u128> {
        if exponent >= 0 {
            let factor = POWERS.get(exponent as usize)?.unsigned_abs();
            return if self.high == 0 {
                self.low.checked_mul(factor)
            } else {
                None
            };
        }
        self.divide_half_up(POWERS.get(exponent.unsigned_abs() as usize)?.unsigned_abs())
    }

    fn divide_half_up(self, divisor: u128) -> Option<u128> {
        let (quotient, rest) = if self.high == 0 {
            (self.low / divisor, self.low % divisor)
        } else {
            self.long_division(divisor)?
        };
        // `rest * 2 >= divisor` without overflow.
        if rest >= divisor - rest {
            quotient.checked_add(1)
        } else {
            Some(quotient)
        }
    }

    fn long_division(self, divisor: u128) -> Option<(u128, u128)> {
        if self.high >= divisor {
            return None;
        }
        let (mut rest, mut quotient) = (self.high, 0_u128);
        for bit in (0..128).rev() {
            let carry = rest >> 127;
            rest = (rest << 1) | ((self.low >> bit) & 1);
            if carry == 1 || rest >= divisor {
                rest = rest.wrapping_sub(divisor);
                quotient |= 1 << bit;
            }
        }
        Some((quotient, rest))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value: `1.0` equals `1.00`.
    fn cmp(&self, other: &Decimal) -> Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        self.floor().cmp(&other.floor()).then_with(|| {
            let fraction = |decimal: &Decimal| {
                let own = POWERS[usize::from(decimal.scale)];
                decimal.unscaled.rem_euclid(own) * POWERS[38 - usize::from(decimal.scale)]
            };
            fraction(self).cmp(&fraction(other))
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let magnitude = self.unscaled.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let power = POWERS[usize::from(self.scale)].unsigned_abs();
        write!(
            f,
            "{sign}{}.{:0width$}",
            magnitude / power,
            magnitude % power,
            width = usize::from(self.scale)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn reads_and_prints() {
        for (text, printed) in [
            ("12", "12"),
            ("-1.50", "-1.50"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.25E-3", "0.00125"),
            ("-0.007", "-0.007"),
            (
                "99999999999999999999999999999999999999",
                "99999999999999999999999999999999999999",
            ),
        ] {
            assert_eq!(decimal(text).to_string(), printed);
        }
        for text in ["", "-", ".", "1x", "1.2.3", "999999999999999999999999999999999999999"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn wide_products_and_quotients_round_half_up() {
        let big = decimal("9999999999999999999.9999999999");
        assert_eq!(
            big.multiply(decimal("1.0000000000"), 6).unwrap().to_string(),
            "10000000000000000000.000000"
        );
        assert_eq!(
            decimal("1").divide(decimal("3"), 12).unwrap().to_string(),
            "0.333333333333"
        );
        assert_eq!(decimal("-2").divide(decimal("3"), 1).unwrap().to_string(), "-0.7");
        assert_eq!(decimal("2.5").fit(10, 0).unwrap().to_string(), "3");
        assert_eq!(decimal("-2.5").fit(10, 0).unwrap().to_string(), "-3");
        assert!(decimal("123.4").fit(3, 1).is_none());
        assert!(
            decimal("99999999999999999999")
                .multiply(decimal("99999999999999999999"), 0)
                .is_none()
        );
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(decimal("1.0"), decimal("1.00"));
        assert!(decimal("-1.1") < decimal("-1.09"));
        assert!(decimal("0.1") > decimal("0.09999999999999999999999999999999999999"));
    }
}
