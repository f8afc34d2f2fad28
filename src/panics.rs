//! Panics of a thread's work as messages: the program goes on, and says what stopped.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs some work. A panic in it becomes an error: the panic's own words.
///
/// # Errors
/// When the work panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| words(&*payload))
}

/// The words of a panic.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_panic_becomes_its_words() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> u8 { panic!("plain") }), Err("plain".to_owned()));
        assert_eq!(caught(|| -> u8 { panic!("number {}", 7) }), Err("number 7".to_owned()));
        assert_eq!(caught(|| -> u8 { std::panic::panic_any(7u8) }), Err("no message".to_owned()));
    }
}
