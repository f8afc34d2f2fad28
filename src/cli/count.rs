//! Numbers on the command line that have bounds: a number beyond them is refused before anything is computed with it.

use crate::limits;

/// A whole number from `LEAST` to `MOST`.
fn within<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    // A number that is too large for the type is too large in any case.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err("give a whole number".to_owned());
    }
    let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("give a number from {LEAST} to {MOST}"))
}

/// Clips of a step or of a prediction.
pub(super) fn clips(text: &str) -> Result<usize, String> {
    within::<1, { limits::BATCH }>(text)
}

/// How often something is measured, or done before it is measured.
pub(super) fn repeats(text: &str) -> Result<usize, String> {
    within::<0, 1_000_000>(text)
}

/// Seconds of sound that a benchmark holds in memory.
pub(super) fn seconds(text: &str) -> Result<usize, String> {
    within::<1, { (limits::HOURS_IN_MEMORY * 3_600) as usize }>(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_their_bounds_are_refused() {
        assert_eq!((clips("1"), clips("65536"), repeats("0")), (Ok(1), Ok(65_536), Ok(0)));
        for text in ["0", "65537", "4294967296", "18446744073709551615", "99999999999999999999999"] {
            assert_eq!(clips(text), Err("give a number from 1 to 65536".to_owned()), "{text}");
        }
        for text in ["", "-1", "1.5", "1e3", "many"] {
            assert_eq!(clips(text), Err("give a whole number".to_owned()), "{text}");
        }
        assert!(seconds("21600").is_ok() && seconds("21601").is_err());
    }
}
