//! Numeric functions.

use super::{Args, Bound, Def, Problem, def, double, int};
use crate::cast::wrap;
use crate::decimal::Decimal;
use crate::eval::EvalError;
use crate::types::{DataType, TypeKind};
use crate::value::Value;

pub(super) const DEFS: &[Def] = &[
    def("ABS", 1, 1, abs),
    def("CEIL", 1, 1, ceil),
    def("CEILING", 1, 1, ceil),
    def("FLOOR", 1, 1, floor),
    def("ROUND", 1, 2, round),
    def("TRUNCATE", 1, 2, truncate),
    def("MOD", 2, 2, modulo),
    def("POWER", 2, 2, power),
    def("SQRT", 1, 1, sqrt),
    def("LN", 1, 1, ln),
    def("LOG10", 1, 1, log10),
    def("LOG2", 1, 1, log2),
    def("LOG", 1, 2, log),
    def("EXP", 1, 1, exp),
    def("SIGN", 1, 1, sign),
    def("SIN", 1, 1, sin),
    def("COS", 1, 1, cos),
    def("TAN", 1, 1, tan),
    def("COT", 1, 1, cot),
    def("ASIN", 1, 1, asin),
    def("ACOS", 1, 1, acos),
    def("ATAN", 1, 1, atan),
    def("ATAN2", 2, 2, atan2),
    def("SINH", 1, 1, sinh),
    def("COSH", 1, 1, cosh),
    def("TANH", 1, 1, tanh),
    def("DEGREES", 1, 1, degrees),
    def("RADIANS", 1, 1, radians),
    def("PI", 0, 0, pi),
    def("E", 0, 0, e),
    def("RAND", 0, 1, rand),
    def("RAND_INTEGER", 1, 2, rand_integer),
    def("BIN", 1, 1, bin),
    def("HEX", 1, 1, hex),
    def("UNHEX", 1, 1, unhex),
];

fn abs(mut args: Args) -> Bound {
    args.numeric(0)?;
    let kind = args.kind(0).clone();
    args.build(kind.clone(), move |a, _| {
        Ok(match &a[0] {
            Value::Int(value) => Value::Int(wrap(value.wrapping_abs(), &kind)),
            Value::Float(value) => Value::Float(value.abs()),
            Value::Double(value) => Value::Double(value.abs()),
            Value::Decimal(value) => Value::Decimal(Decimal::new(value.unscaled.abs(), value.scale)),
            _ => Value::Null,
        })
    })
}

fn ceil(args: Args) -> Bound {
    to_whole(args, f64::ceil, Decimal::ceil)
}

fn floor(args: Args) -> Bound {
    to_whole(args, f64::floor, Decimal::floor)
}

fn to_whole(mut args: Args, of_double: fn(f64) -> f64, of_decimal: fn(Decimal) -> i128) -> Bound {
    if args.kind(0).is_temporal() {
        return Problem::new(
            format!("`{}` of a time needs a unit", args.name),
            format!("write {}(x TO DAY)", args.name),
        );
    }
    args.numeric(0)?;
    let kind = match args.kind(0) {
        TypeKind::Decimal { precision, scale } => {
            // One more digit: 9.9 goes up to 10.
            let whole = precision - scale + u8::from(*scale > 0);
            TypeKind::Decimal {
                precision: whole.clamp(1, 38),
                scale: 0,
            }
        }
        other => other.clone(),
    };
    args.build(kind, move |a, _| {
        Ok(match &a[0] {
            Value::Float(value) => Value::Float(of_double(f64::from(*value)) as f32),
            Value::Double(value) => Value::Double(of_double(*value)),
            Value::Decimal(value) => Value::Decimal(Decimal::new(of_decimal(*value), 0)),
            other => other.clone(),
        })
    })
}

fn round(args: Args) -> Bound {
    to_digits(args, true)
}

fn truncate(args: Args) -> Bound {
    to_digits(args, false)
}

fn to_digits(mut args: Args, half_up: bool) -> Bound {
    args.numeric(0)?;
    if args.len() == 2 {
        args.integer(1)?;
    }
    let digits = match args.list.get(1) {
        None => Some(0),
        Some(arg) => arg.as_literal().and_then(Value::as_int),
    };
    let kind = match (args.kind(0), digits) {
        (TypeKind::Decimal { precision, scale }, Some(digits)) if half_up => {
            if digits >= i64::from(*scale) {
                TypeKind::Decimal {
                    precision: *precision,
                    scale: *scale,
                }
            } else {
                let new_scale = digits.max(0) as u8;
                let precision = (precision - scale + new_scale + 1).clamp(1, 38);
                TypeKind::Decimal {
                    precision,
                    scale: new_scale,
                }
            }
        }
        (other, _) => other.clone(),
    };
    let result = kind.clone();
    args.build(kind, move |a, _| {
        let digits = a.get(1).map_or(0, int);
        Ok(at_digits(&a[0], digits, half_up, &result))
    })
}

fn at_digits(value: &Value, digits: i64, half_up: bool, kind: &TypeKind) -> Value {
    let rounded = |decimal: Decimal| -> Option<Decimal> {
        if digits >= i64::from(decimal.scale) {
            return Some(decimal);
        }
        // Shifting the point lets negative digits round before it.
        let drop = u32::try_from(i64::from(decimal.scale) - digits).ok()?;
        let unit = crate::decimal::power_of_ten(drop)?;
        let (quotient, rest) = (decimal.unscaled / unit, decimal.unscaled % unit);
        let up = half_up && rest.abs() * 2 >= unit;
        let kept = quotient + if up { decimal.unscaled.signum() } else { 0 };
        Some(Decimal::new(kept * unit, decimal.scale))
    };
    match value {
        Value::Decimal(decimal) => {
            let scale = if let TypeKind::Decimal { scale, .. } = kind {
                *scale
            } else {
                decimal.scale
            };
            rounded(*decimal)
                .and_then(|kept| kept.fit(38, scale))
                .map_or(Value::Null, Value::Decimal)
        }
        Value::Int(number) => {
            let kept = rounded(Decimal::from_int(*number)).map_or(0, |kept| kept.unscaled as i64);
            Value::Int(wrap(kept, kind))
        }
        Value::Double(number) => match Decimal::from_f64(*number).and_then(rounded) {
            Some(kept) => Value::Double(kept.to_f64()),
            None => value.clone(),
        },
        Value::Float(number) => match Decimal::parse(&number.to_string()).and_then(rounded) {
            Some(kept) => Value::Float(kept.to_f64() as f32),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

fn modulo(mut args: Args) -> Bound {
    args.numeric(0)?;
    args.numeric(1)?;
    let right = args.list.pop().expect("two arguments were checked");
    let left = args.list.pop().expect("two arguments were checked");
    super::arithmetic(crate::ast::BinaryOp::Mod, left, right)
}

fn power(args: Args) -> Bound {
    of_two(args, f64::powf)
}

fn of_two(mut args: Args, body: fn(f64, f64) -> f64) -> Bound {
    args.double(0)?;
    args.double(1)?;
    args.build(TypeKind::Double, move |a, _| {
        Ok(Value::Double(body(double(&a[0]), double(&a[1]))))
    })
}

fn of_one(mut args: Args, body: fn(f64) -> f64) -> Bound {
    args.double(0)?;
    args.build(TypeKind::Double, move |a, _| Ok(Value::Double(body(double(&a[0])))))
}

macro_rules! of_double {
    ($($name:ident => $body:expr;)*) => {
        $(fn $name(args: Args) -> Bound {
            of_one(args, $body)
        })*
    };
}

of_double! {
    sqrt => f64::sqrt;
    ln => f64::ln;
    log10 => f64::log10;
    log2 => f64::log2;
    exp => f64::exp;
    sin => f64::sin;
    cos => f64::cos;
    tan => f64::tan;
    cot => |x| 1.0 / x.tan();
    asin => f64::asin;
    acos => f64::acos;
    atan => f64::atan;
    sinh => f64::sinh;
    cosh => f64::cosh;
    tanh => f64::tanh;
    degrees => f64::to_degrees;
    radians => f64::to_radians;
}

fn atan2(args: Args) -> Bound {
    of_two(args, f64::atan2)
}

/// `LOG(x)` is natural, `LOG(base, x)` takes the base first.
fn log(args: Args) -> Bound {
    if args.len() == 1 {
        of_one(args, f64::ln)
    } else {
        of_two(args, |base, x| x.ln() / base.ln())
    }
}

fn sign(mut args: Args) -> Bound {
    args.numeric(0)?;
    let kind = args.kind(0).clone();
    args.build(kind, |a, _| {
        Ok(match &a[0] {
            Value::Int(value) => Value::Int(value.signum()),
            Value::Float(value) => Value::Float(if *value == 0.0 { 0.0 } else { value.signum() }),
            Value::Double(value) => Value::Double(if *value == 0.0 { 0.0 } else { value.signum() }),
            Value::Decimal(value) => {
                let one = crate::decimal::power_of_ten(u32::from(value.scale)).unwrap_or(1);
                Value::Decimal(Decimal::new(value.unscaled.signum() * one, value.scale))
            }
            _ => Value::Null,
        })
    })
}

fn pi(args: Args) -> Bound {
    args.build(TypeKind::Double, |_, _| Ok(Value::Double(std::f64::consts::PI)))
}

fn e(args: Args) -> Bound {
    args.build(TypeKind::Double, |_, _| Ok(Value::Double(std::f64::consts::E)))
}

/// Uniform in [0, 1).
fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn rand(args: Args) -> Bound {
    let ty = DataType::not_null(TypeKind::Double);
    args.build_as(ty, true, false, |_, cx| {
        Ok(Value::Double(unit_interval(cx.random.next_u64())))
    })
}

fn rand_integer(mut args: Args) -> Bound {
    let last = args.len() - 1;
    args.integer(last)?;
    let ty = DataType::new(TypeKind::Int);
    args.build_as(ty, true, false, move |a, cx| match u64::try_from(int(&a[last])) {
        Ok(bound) if bound > 0 => Ok(Value::Int(cx.random.below(bound) as i64)),
        _ => Err(EvalError::new("RAND_INTEGER needs a bound above 0")),
    })
}

fn bin(mut args: Args) -> Bound {
    args.integer(0)?;
    args.build(TypeKind::STRING, |a, _| Ok(Value::string(format!("{:b}", int(&a[0])))))
}

fn hex(args: Args) -> Bound {
    let kind = args.kind(0);
    if !kind.is_integer() && !kind.is_string() && !kind.is_binary() && *kind != TypeKind::Null {
        return Problem::new(format!("`HEX` does not take {kind}"), "an integer, a string or bytes");
    }
    args.build(TypeKind::STRING, |a, _| {
        Ok(Value::string(match &a[0] {
            Value::Int(value) => format!("{value:X}"),
            Value::String(text) => super::encoding::to_hex(text.as_bytes()).to_uppercase(),
            Value::Bytes(bytes) => super::encoding::to_hex(bytes).to_uppercase(),
            _ => String::new(),
        }))
    })
}

fn unhex(mut args: Args) -> Bound {
    args.string(0)?;
    args.build_nullable(TypeKind::BYTES, |a, _| {
        let digits = super::text(&a[0]);
        let even = if digits.len() % 2 == 1 {
            format!("0{digits}")
        } else {
            digits.to_owned()
        };
        Ok(crate::lexer::decode_hex(&even).map_or(Value::Null, |bytes| Value::Bytes(bytes.into())))
    })
}
