//! Texts of dates and times, read as Java reads them.

use super::{Converted, literals};

/// Why a text is no date or time.
pub(super) enum Fault {
    /// What stands at a place was not expected there.
    At(usize),
    /// A number is none of those that are possible.
    Value(String),
}

/// A place in a text of a date or time.
pub(super) struct At<'t> {
    text: &'t [u8],
    at: usize,
}

pub(super) type Reading<T> = Result<T, Fault>;

/// Seconds, of the day or since 1970 began, and the nanoseconds behind them.
pub(super) type Moment = (i64, i64);

pub(super) fn moment<T>(text: &str, read: impl Fn(&mut At<'_>) -> Reading<T>) -> Converted<T> {
    let mut at = At {
        text: text.as_bytes(),
        at: 0,
    };
    let shown: String = match text.chars().count() {
        0..=64 => text.to_owned(),
        _ => format!("{}...", text.chars().take(64).collect::<String>()),
    };
    match read(&mut at) {
        Ok(value) if at.at == text.len() => Ok(value),
        // A field of a value that cannot be is told only where the whole text could be read.
        Ok(_) => Err(format!(
            "Text '{shown}' could not be parsed, unparsed text found at index {}",
            at.at
        )),
        Err(Fault::At(place)) => Err(format!("Text '{shown}' could not be parsed at index {place}")),
        Err(Fault::Value(why)) if at.at == text.len() => Err(format!("Text '{shown}' could not be parsed: {why}")),
        Err(Fault::Value(_)) => Err(format!(
            "Text '{shown}' could not be parsed, unparsed text found at index {}",
            at.at
        )),
    }
}

/// A moment with its offset; a number that is not possible makes the whole text none.
pub(super) fn instant(text: &str) -> Converted<Moment> {
    moment(text, |at| match at.instant() {
        Err(Fault::Value(_)) => Err(Fault::At(0)),
        other => other,
    })
}

impl At<'_> {
    pub(super) fn date_time(&mut self) -> Reading<Moment> {
        let date = self.date();
        if let Err(Fault::At(place)) = date {
            return Err(Fault::At(place));
        }
        self.mark(b"Tt")?;
        let time = self.time(false);
        if let Err(Fault::At(place)) = time {
            return Err(Fault::At(place));
        }
        let (days, (seconds, nanos)) = (date?, time?);
        Ok((days * 86_400 + seconds, nanos))
    }

    fn instant(&mut self) -> Reading<Moment> {
        let date = self.date();
        if let Err(Fault::At(place)) = date {
            return Err(Fault::At(place));
        }
        self.mark(b"Tt")?;
        let time = self.time(true);
        if let Err(Fault::At(place)) = time {
            return Err(Fault::At(place));
        }
        let offset = self.offset()?;
        let (days, (seconds, nanos)) = (date?, time?);
        Ok((days * 86_400 + seconds - offset, nanos))
    }

    fn mark(&mut self, wanted: &[u8]) -> Reading<()> {
        match self.text.get(self.at) {
            Some(byte) if wanted.contains(byte) => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Fault::At(self.at)),
        }
    }

    fn digits(&self) -> usize {
        let rest = &self.text[self.at..];
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// A number of so many digits.
    fn number(&mut self, count: usize) -> Reading<u32> {
        if self.digits() < count {
            return Err(Fault::At(self.at));
        }
        let digits = &self.text[self.at..self.at + count];
        self.at += count;
        let add = |number: u32, digit: &u8| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
        Ok(digits.iter().fold(0, add))
    }

    fn year(&mut self) -> Reading<i64> {
        let sign = self.text.get(self.at).copied().filter(|byte| b"+-".contains(byte));
        let start = self.at;
        self.at += usize::from(sign.is_some());
        let count = self.digits().min(10);
        let too_few = count < 4;
        let (without_need, in_need) = (sign == Some(b'+') && count == 4, sign.is_none() && count > 4);
        if too_few {
            return Err(Fault::At(self.at));
        }
        if without_need || in_need {
            return Err(Fault::At(start));
        }
        let year = self.number(count)?;
        if sign == Some(b'-') && year == 0 {
            return Err(Fault::At(start));
        }
        let year = i64::from(year);
        Ok(if sign == Some(b'-') { -year } else { year })
    }

    /// A date, by its distance from that on which 1970 began.
    pub(super) fn date(&mut self) -> Reading<i64> {
        let year = self.year()?;
        self.mark(b"-")?;
        let month = self.number(2)?;
        self.mark(b"-")?;
        let day = self.number(2)?;
        within("MonthOfYear", 1, 12, month)?;
        within("DayOfMonth", 1, 31, day)?;
        let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leaps => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day <= days {
            return Ok(literals::days(year, i64::from(month), i64::from(day)));
        }
        if day == 29 {
            return Err(Fault::Value(format!(
                "Invalid date 'February 29' as '{year}' is not a leap year"
            )));
        }
        let name = match month {
            2 => "FEBRUARY",
            4 => "APRIL",
            6 => "JUNE",
            9 => "SEPTEMBER",
            _ => "NOVEMBER",
        };
        Err(Fault::Value(format!("Invalid date '{name} {day}'")))
    }

    /// Hours and minutes; seconds, which may be left out unless they must be there, and a fraction of them.
    pub(super) fn time(&mut self, with_seconds: bool) -> Reading<Moment> {
        let hour = self.number(2)?;
        self.mark(b":")?;
        let minute = self.number(2)?;
        let before = self.at;
        let mut nanos = 0;
        let second = self.mark(b":").and_then(|()| self.number(2));
        let second = match second {
            Ok(second) => {
                if self.mark(b".").is_ok() {
                    let count = self.digits().min(9);
                    nanos = i64::from(self.number(count)?) * 10_i64.pow(9 - count as u32);
                }
                second
            }
            Err(fault) if with_seconds => return Err(fault),
            Err(_) => {
                self.at = before;
                0
            }
        };
        within("HourOfDay", 0, 23, hour)?;
        within("MinuteOfHour", 0, 59, minute)?;
        within("SecondOfMinute", 0, 59, second)?;
        Ok((i64::from(hour * 3_600 + minute * 60 + second), nanos))
    }

    /// How many seconds a clock is ahead.
    fn offset(&mut self) -> Reading<i64> {
        if self.mark(b"Zz").is_ok() {
            return Ok(0);
        }
        let start = self.at;
        let behind = self.text.get(start) == Some(&b'-');
        self.mark(b"+-")?;
        let hours = self.number(2).map_err(|_| Fault::At(start))?;
        let mut parts = [hours, 0, 0];
        for part in &mut parts[1..] {
            let before = self.at;
            match self.mark(b":").and_then(|()| self.number(2)) {
                Ok(number) => *part = number,
                Err(_) => {
                    self.at = before;
                    break;
                }
            }
        }
        if hours > 18 || parts[1] > 59 || parts[2] > 59 {
            return Err(Fault::At(start));
        }
        let ahead = i64::from(hours * 3_600 + parts[1] * 60 + parts[2]);
        Ok(if behind { -ahead } else { ahead })
    }
}

fn within(name: &str, least: u32, most: u32, number: u32) -> Reading<()> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Fault::Value(format!(
        "Invalid value for {name} (valid values {least} - {most}): {number}"
    )))
}
