//! Values of a sweep's file, with sentences for those that cannot be.

use toml::{Table, Value};

use crate::{data::nearest, train::SWITCHES};

/// Refuses keys that are not among these.
pub(super) fn known<'a>(what: &str, keys: impl Iterator<Item = &'a String>, valid: &[&str]) -> Result<(), String> {
    for key in keys {
        if !valid.contains(&key.as_str()) {
            return Err(format!("there is no {what} `{key}`{}; there are {}", hint(key, valid), valid.join(", ")));
        }
    }
    Ok(())
}

/// ` (did you mean `x`?)`, or nothing.
pub(super) fn hint(given: &str, valid: &[&str]) -> String {
    nearest(given, valid.iter().copied()).map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

pub(super) fn text_of(table: &mut Table, key: &str) -> Result<Option<String>, String> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` is {other}; write a text: {key} = \"...\"")),
    }
}

pub(super) fn table_of(table: &mut Table, key: &str) -> Result<Table, String> {
    match table.remove(key) {
        None => Ok(Table::new()),
        Some(Value::Table(inner)) => Ok(inner),
        Some(other) => Err(format!("`{key}` is {other}; write a table: [{key}]")),
    }
}

pub(super) fn whole(table: &mut Table, key: &str) -> Result<Option<u32>, String> {
    let wrong = |other: &Value| format!("`{key}` is {other}; write a whole number of at least 1");
    match table.remove(key) {
        None => Ok(None),
        Some(value @ Value::Integer(number)) => match u32::try_from(number) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(wrong(&value)),
        },
        Some(other) => Err(wrong(&other)),
    }
}

/// A scalar as the text that a flag takes.
pub(super) fn scalar(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(yes) if SWITCHES.contains(&name) => Ok(if *yes { "yes" } else { "no" }.to_owned()),
        other => Err(format!("`{name}` cannot be {other}")),
    }
}
