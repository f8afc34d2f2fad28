//! `config.json` and what else is beside Hugging Face's weights, read and held against the tables of [`keys`](super::keys).

use std::{collections::HashMap, path::PathBuf};

use serde_json::{Map, Value};

use super::{
    Tensors, beside,
    keys::{EVERY, Flag, Key, Nothing, Number, Read, Rule, Size, Texts, Unused},
    mapping::some_of,
};
use crate::model::ModelError;

/// A file of settings that was looked at.
pub(super) struct Settings {
    path: PathBuf,
    name: &'static str,
    values: Map<String, Value>,
}

impl Settings {
    /// The settings of this name beside tensors, checked against a table; `sizes` are the numbers that the tensors say.
    ///
    /// # Errors
    /// When a setting asks for what is not computed here, or contradicts the tensors.
    pub fn beside(
        tensors: &Tensors,
        name: &'static str,
        table: &[Key],
        sizes: &[(&str, usize)],
    ) -> Result<Option<Self>, ModelError> {
        let Some((path, values)) = beside::<Map<String, Value>>(tensors, name)? else { return Ok(None) };
        let settings = Self { path, name, values };
        settings.check(table, sizes)?;
        Ok(Some(settings))
    }

    /// Settings that were read by other means.
    ///
    /// # Errors
    /// As [`beside`](Self::beside).
    pub fn of(path: PathBuf, name: &'static str, text: &str, table: &[Key]) -> Result<Self, ModelError> {
        let values = serde_json::from_str(text)
            .map_err(|why| ModelError::checkpoint(&path, why.to_string(), "download or copy it again"))?;
        let settings = Self { path, name, values };
        settings.check(table, &[])?;
        Ok(settings)
    }

    /// The settings that one of these holds, if it is given, checked against a table of their own.
    ///
    /// # Errors
    /// As [`beside`](Self::beside).
    pub fn within(
        &self,
        key: &'static str,
        table: &[Key],
        sizes: &[(&str, usize)],
    ) -> Result<Option<Self>, ModelError> {
        let values = self.typed(key, "a list by name", |value| value.as_object().cloned())?;
        let Some(values) = values else { return Ok(None) };
        let settings = Self { path: self.path.clone(), name: key, values };
        settings.check(table, sizes)?;
        Ok(Some(settings))
    }

    fn check(&self, table: &[Key], sizes: &[(&str, usize)]) -> Result<(), ModelError> {
        for (key, value) in &self.values {
            let rule = rule(table, key);
            let right = match rule {
                None | Some(Read | Unused) => true,
                // What says nothing leaves the default, which is what is computed here.
                _ if value.is_null() => true,
                Some(Size) => match sizes.iter().find(|(name, _)| name == key) {
                    Some((_, size)) if value.as_u64() != Some(*size as u64) => {
                        return Err(self.refuse(key, &format!("the weights have {size}"), BELONG));
                    }
                    _ => true,
                },
                Some(Texts(known)) => known.contains(&text_of(value).as_str()),
                Some(Number(known)) => value.as_f64() == Some(known),
                Some(Flag(known)) => value.as_bool() == Some(known),
                Some(Nothing) => says_nothing(value),
            };
            if !right {
                let known = match rule {
                    Some(Texts(known)) => format!("only {} is computed here", known.join(" or ")),
                    Some(Number(known)) => format!("only {known} is computed here"),
                    Some(Flag(known)) => format!("only {known} is computed here"),
                    _ => "that is not computed here".to_owned(),
                };
                return Err(self.refuse(key, &known, "choose or convert to a model without this setting"));
            }
        }
        Ok(())
    }

    /// The error that a setting leads to.
    pub fn refuse(&self, key: &str, why: &str, remedy: &str) -> ModelError {
        let value = self.values.get(key).map_or_else(String::new, short);
        ModelError::checkpoint(&self.path, format!("{key} is {value}, but {why}"), remedy)
    }

    /// A whole number, if it is given.
    ///
    /// # Errors
    /// When the value is not one.
    pub fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        self.typed(key, "a whole number", |value| usize::try_from(value.as_u64()?).ok())
    }

    /// Two whole numbers, or one that stands for both, if they are given.
    ///
    /// # Errors
    /// When the value is something else.
    pub fn pair(&self, key: &str) -> Result<Option<[usize; 2]>, ModelError> {
        self.typed(key, "one whole number or two", |value| match value.as_array() {
            None => usize::try_from(value.as_u64()?).ok().map(|both| [both; 2]),
            Some(two) => {
                let sizes: Option<Vec<usize>> = two.iter().map(|one| usize::try_from(one.as_u64()?).ok()).collect();
                sizes?.try_into().ok()
            }
        })
    }

    /// A finite number, if it is given.
    ///
    /// # Errors
    /// When the value is not one.
    pub fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.typed(key, "a number", |value| value.as_f64().filter(|number| number.is_finite()))
    }

    /// A truth value, if it is given.
    ///
    /// # Errors
    /// When the value is not one.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A text, if it is given.
    ///
    /// # Errors
    /// When the value is not one.
    pub fn text(&self, key: &str) -> Result<Option<String>, ModelError> {
        self.typed(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// Texts or numbers by name, if they are given.
    ///
    /// # Errors
    /// When the value is something else.
    pub fn map<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<HashMap<String, T>>, ModelError> {
        self.typed(key, "a list by name", |value| serde_json::from_value(value.clone()).ok())
    }

    fn typed<T>(&self, key: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, ModelError> {
        match self.values.get(key).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| {
                self.refuse(
                    key,
                    &format!("{what} is needed there"),
                    "put the file that came with the weights beside them",
                )
            }),
        }
    }

    /// A note on keys that are in no table, if there are any.
    pub fn unknown(&self, table: &[Key]) -> Option<String> {
        let unknown = |key: &&String| rule(table, key).is_none() && !self.values.get(*key).is_none_or(says_nothing);
        let names: Vec<String> = self.values.keys().filter(unknown).cloned().collect();
        (!names.is_empty()).then(|| format!("{} has settings that are not known here: {}", self.name, some_of(&names)))
    }
}

/// What to do about settings of other weights.
pub(super) const BELONG: &str = "put the file that came with these weights beside them";

/// The labels in the order of their numbers, for a head of so many classes; none where they are not named.
///
/// # Errors
/// When there is another number of them. A head that was put in beside a base model's settings may have any.
pub(super) fn labels(
    settings: Option<&Settings>,
    classes: usize,
    patched: bool,
) -> Result<(Option<Vec<String>>, Option<String>), ModelError> {
    let unnamed = (None, Some(format!("it names none of its {classes} classes")));
    let Some(settings) = settings.filter(|_| classes > 0) else {
        return Ok(if classes > 0 { unnamed } else { (None, None) });
    };
    let refuse = |key: &str, given: usize| {
        Err(settings.refuse(key, &format!("that is {given} classes and the head has {classes}"), BELONG))
    };
    let Some(named) = settings.map::<String>("id2label")? else {
        return match settings.size("num_labels")? {
            Some(given) if given != classes && !patched => refuse("num_labels", given),
            _ => Ok(unnamed),
        };
    };
    if named.len() != classes {
        return if patched { Ok(unnamed) } else { refuse("id2label", named.len()) };
    }
    let labels: Vec<String> = (0..classes).map_while(|id| named.get(&id.to_string()).cloned()).collect();
    if labels.len() != classes {
        let why = format!("its keys are not the numbers 0 to {}", classes - 1);
        return Err(settings.refuse("id2label", &why, BELONG));
    }
    let mut sorted = labels.clone();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    let note = twice.map(|pair| format!("two of its classes have the same name: {}", pair[0]));
    Ok((Some(labels), note))
}

fn rule(table: &[Key], key: &str) -> Option<Rule> {
    let fits = |(name, _): &&Key| match name.strip_suffix('*') {
        Some(beginning) => key.starts_with(beginning),
        None => *name == key,
    };
    // Only a model's own settings have the general ones besides.
    let general = if table.iter().any(|(name, _)| *name == "model_type") { EVERY } else { &[] };
    table.iter().find(fits).or_else(|| general.iter().find(fits)).map(|(_, rule)| *rule)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as a sentence can hold it.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("...".chars()).collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}
