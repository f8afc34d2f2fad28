//! When a recording began: from GUANO's metadata, AudioMoth's comment, or the file's name.
//!
//! A time without a zone stays without one. The file's modification time is never used: on some recorders it is the
//! end, on others the beginning.

use std::{path::Path, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{Date, Duration, Month, PrimitiveDateTime, Time, UtcOffset};

use super::decode::{Texts, texts};
use crate::regular;

/// The source of a recording's start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The `Timestamp` of GUANO's metadata.
    Guano,
    /// The comment that AudioMoth writes.
    Audiomoth,
    /// The file's name.
    Name,
    /// A person.
    Given,
}

impl Clock {
    /// Its name in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Guano => "guano",
            Self::Audiomoth => "audiomoth",
            Self::Name => "name",
            Self::Given => "given",
        }
    }
}

/// The start time of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Day and time as written: `2024-05-01T04:00:00`, followed by a zone where one is known.
    #[serde(with = "text")]
    at: Moment,
    /// Its source.
    pub from: Clock,
    /// Slow-down factor: 10 for bats recorded at a tenth of their speed.
    expansion: u32,
}

/// A day and a time, with or without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    at: PrimitiveDateTime,
    zone: Option<UtcOffset>,
}

mod text {
    //! A moment as text.
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Moment;

    pub fn serialize<S: Serializer>(moment: &Moment, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(moment)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(from)?;
        Moment::iso(&text).ok_or_else(|| D::Error::custom("no time"))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (date, time) = (self.at.date(), self.at.time());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let fraction = format!("{:06}", time.microsecond());
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            write!(f, ".{fraction}")?;
        }
        match self.zone {
            None => Ok(()),
            Some(zone) if zone == UtcOffset::UTC => f.write_str("Z"),
            Some(zone) => {
                let (hours, minutes, _) = zone.as_hms();
                let sign = if zone.is_negative() { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
            }
        }
    }
}

impl Moment {
    /// From year, month, day, hour, minute, second.
    fn of(parts: [i64; 6], zone: Option<UtcOffset>) -> Option<Self> {
        let [year, month, day, hour, minute, second] = parts;
        let small = |value: i64| u8::try_from(value).ok();
        let month = Month::try_from(small(month)?).ok()?;
        let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, small(day)?).ok()?;
        let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
        Some(Self { at: PrimitiveDateTime::new(date, time), zone })
    }

    /// ISO 8601 as GUANO and people write it: `2024-05-01T04:00:00.5+02:00`, `2024-05-01 04:00`.
    fn iso(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let date: Vec<&str> = date.split('-').collect();
        let [year, month, day] = date.as_slice() else { return None };
        let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.')).unwrap_or(rest.len());
        let (clock, zone) = rest.split_at(end);
        let zone = match zone.trim() {
            "" => None,
            zone => Some(offset(zone)?),
        };
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let clock: Vec<&str> = whole.split(':').collect();
        let (hour, minute, second) = match clock.as_slice() {
            [hour, minute] => (hour, minute, &"0"),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        let number = |text: &str| (1..=4).contains(&text.len()).then(|| text.parse().ok()).flatten();
        let parts = [number(year)?, number(month)?, number(day)?, number(hour)?, number(minute)?, number(second)?];
        let fraction: f64 = format!("0.{fraction}").parse().ok()?;
        let moment = Self::of(parts, zone)?;
        Some(moment.after(fraction))
    }

    /// So many seconds later.
    fn after(self, seconds: f64) -> Self {
        // A microsecond is finer than any clock of a recorder.
        let later = Duration::microseconds((seconds * 1e6).round() as i64);
        Self { at: self.at.checked_add(later).unwrap_or(self.at), ..self }
    }
}

/// A zone: `Z`, `UTC`, `+02:00`, `-0400`, `+5`.
fn offset(text: &str) -> Option<UtcOffset> {
    let text = text.trim();
    let rest = text.strip_prefix("UTC").unwrap_or(text);
    if text == "Z" || text == "z" || rest.is_empty() {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() <= 2 => (digits, "0"),
        None => digits.split_at_checked(digits.len() - 2)?,
    };
    let (hours, minutes): (i8, i8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && (0..60).contains(&minutes)).then_some(())?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

impl Began {
    /// The start of a recording, if its metadata or its name give it.
    pub fn of(path: &Path) -> Option<Self> {
        let texts = regular::open(path).ok().and_then(|mut file| texts(&mut file)).unwrap_or_default();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        Self::from_texts(&texts).or_else(|| Some(Self { at: in_name(name)?, from: Clock::Name, expansion: 1 }))
    }

    fn from_texts(texts: &Texts) -> Option<Self> {
        if let Some(guano) = &texts.guano {
            let value = |key: &str| {
                let line = guano.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
                Some(line.split_once(':')?.1.trim())
            };
            let expansion = value("TE").and_then(|text| text.parse().ok()).filter(|te| (1..=1_000).contains(te));
            if let Some(at) = value("Timestamp").and_then(Moment::iso) {
                return Some(Self { at, from: Clock::Guano, expansion: expansion.unwrap_or(1) });
            }
        }
        let at = texts.comment.as_deref().and_then(in_comment)?;
        Some(Self { at, from: Clock::Audiomoth, expansion: 1 })
    }

    /// The time at so many seconds of the file after its start.
    pub fn after(&self, seconds: f64) -> String {
        self.at.after(seconds / f64::from(self.expansion.max(1))).to_string()
    }
}

impl FromStr for Began {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = Moment::iso(text).ok_or_else(|| {
            "give day and time, and the zone where it is known: 2024-05-01T04:00:00 or 2024-05-01T04:00:00+02:00"
                .to_owned()
        })?;
        Ok(Self { at, from: Clock::Given, expansion: 1 })
    }
}

/// AudioMoth's comment: `Recorded at 19:22:55 14/12/2020 (UTC-5) by AudioMoth ...`, the day first.
fn in_comment(comment: &str) -> Option<Moment> {
    let rest = comment.split_once("Recorded at ")?.1;
    let mut words = rest.split_whitespace();
    let numbers = |text: &str, separator: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [hour, minute, second] = numbers(words.next()?, ':')?;
    let [day, month, year] = numbers(words.next()?, '/')?;
    let zone = words.next().and_then(|word| offset(word.strip_prefix('(')?.strip_suffix(')')?));
    Moment::of([year, month, day, hour, minute, second], zone)
}

/// The first day and time in a file's name.
fn in_name(name: &str) -> Option<Moment> {
    // Old AudioMoth: only the seconds since 1970 in hexadecimal digits. The first was sold in 2017.
    if name.len() == 8
        && let Ok(seconds) = u32::from_str_radix(name, 16)
        && (0x5800_0000..=0x7FFF_FFFF).contains(&seconds)
    {
        let begin = Moment::of([1970, 1, 1, 0, 0, 0], Some(UtcOffset::UTC))?;
        return Some(begin.after(f64::from(seconds)));
    }
    (0..name.len()).filter(|at| name.is_char_boundary(*at)).find_map(|at| {
        // A year does not begin in the middle of a number.
        let inside = name[..at].ends_with(|c: char| c.is_ascii_digit());
        if inside { None } else { moment_at(&name[at..]) }
    })
}

/// A day and a time at the beginning of a text: `20230101_120000`, `20161023$195550`, `2022-07-19_T00-00-00`, and a
/// zone after it, as in `20220719_000000_-0400`.
fn moment_at(text: &str) -> Option<Moment> {
    let mut rest = text;
    let mut parts = [0; 6];
    for (place, part) in parts.iter_mut().enumerate() {
        let digits = if place == 0 { 4 } else { 2 };
        let (number, behind) = rest.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *part = number.parse().ok()?;
        rest = match place {
            2 => {
                // There is a separator between day and time.
                let time = behind.trim_start_matches(['_', '-', 'T', '$', ' ']);
                if time.len() == behind.len() || behind.len() - time.len() > 2 {
                    return None;
                }
                time
            }
            5 => behind,
            _ => behind.strip_prefix(['-', ':', '.']).unwrap_or(behind),
        };
    }
    if rest.starts_with(|c: char| c.is_ascii_digit()) || !(1980..2200).contains(&parts[0]) {
        return None;
    }
    let zone = rest.strip_prefix('_').unwrap_or(rest);
    let end =
        zone.char_indices().skip(1).find(|(_, c)| !c.is_ascii_digit() && *c != ':').map_or(zone.len(), |(at, _)| at);
    let zone = match &zone[..end] {
        "Z" => Some(UtcOffset::UTC),
        zone if zone.len() == 5 && zone.starts_with(['+', '-']) => offset(zone),
        _ => None,
    };
    Moment::of(parts, zone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_recorders_tell_their_time() {
        for (name, time) in [
            ("20230101_120000", Some("2023-01-01T12:00:00")),
            ("SMM01234_20220719_000000", Some("2022-07-19T00:00:00")),
            ("S4A_0+1_20161023$195550", Some("2016-10-23T19:55:50")),
            ("SwiftOne_20220719_000000_-0400", Some("2022-07-19T00:00:00-04:00")),
            ("OWL_1_2022-07-19_T00-00-00", Some("2022-07-19T00:00:00")),
            ("site 3 20240229T235959 left", Some("2024-02-29T23:59:59")),
            ("5E9F1A2B", Some("2020-04-21T16:07:07Z")),
            // A day without a time, no day at all, a number that is too long, a code of eight digits.
            ("20230101", None),
            ("20231301_120000", None),
            ("20230101_1200001", None),
            ("120230101_120000", None),
            ("12345678", None),
            ("wren", None),
            ("", None),
            ("ä20230101_120000ß", Some("2023-01-01T12:00:00")),
        ] {
            assert_eq!(in_name(name).map(|moment| moment.to_string()).as_deref(), time, "{name}");
        }
    }

    #[test]
    fn metadata_comes_before_the_name_and_no_zone_is_invented() {
        let of = |guano: Option<&str>, comment: Option<&str>| {
            let texts = Texts { guano: guano.map(str::to_owned), comment: comment.map(str::to_owned) };
            Began::from_texts(&texts).map(|began| (began.from, began.after(90.5)))
        };
        let guano = "GUANO|Version: 1.0\nMake: Wildlife\nTimestamp: 2024-05-01T23:59:00+04:00\nTE: 10\n";
        assert_eq!(of(Some(guano), None), Some((Clock::Guano, "2024-05-01T23:59:09.05+04:00".into())));
        let guano = "GUANO|Version: 1.0\nTimestamp:2024-05-01 04:00:00Z";
        assert_eq!(of(Some(guano), None), Some((Clock::Guano, "2024-05-01T04:01:30.5Z".into())));
        for (comment, time) in [
            ("Recorded at 19:22:55 14/12/2020 (UTC-5) by AudioMoth 24F3 at medium gain", "2020-12-14T19:24:25.5-05:00"),
            ("Recorded at 23:59:59 31/12/2020 (UTC) by AudioMoth", "2021-01-01T00:01:29.5Z"),
            ("Recorded at 19:22:55 14/12/2020 (UTC+0130) by AudioMoth", "2020-12-14T19:24:25.5+01:30"),
            ("Recorded at 19:22:55 14/12/2020 by AudioMoth", "2020-12-14T19:24:25.5"),
        ] {
            assert_eq!(of(None, Some(comment)), Some((Clock::Audiomoth, time.into())), "{comment}");
        }
        assert_eq!(of(Some("Timestamp: soon"), Some("by hand")), None);
    }

    #[test]
    fn a_given_time_is_read_and_kept() {
        for (given, time) in [
            ("2024-05-01T04:00:00", "2024-05-01T04:00:00"),
            ("2024-05-01 04:00", "2024-05-01T04:00:00"),
            ("2024-05-01T04:00:00.25-04:30", "2024-05-01T04:00:00.25-04:30"),
            ("2024-05-01T04:00:00Z", "2024-05-01T04:00:00Z"),
        ] {
            let began: Began = given.parse().unwrap();
            assert_eq!(began.after(0.0), time);
            let kept: Began = serde_json::from_str(&serde_json::to_string(&began).unwrap()).unwrap();
            assert_eq!(kept, began);
        }
        for given in [
            "",
            "04:00",
            "2024-05-01",
            "2024-02-30T04:00:00",
            "2024-05-01T25:00:00",
            "2024-05-01T04:00:00+15:00",
            "2024-05-01T04:00:00 PM",
        ] {
            assert!(given.parse::<Began>().is_err(), "{given}");
        }
    }
}
