//! The pattern of the names of a sweep's sessions.

use super::values::hint;
use crate::train::SETTINGS;

/// `{method}-f{fold}-s{seed}`: every axis, numbers with the letter or name of what they are.
pub(super) fn usual_pattern(axes: &[String]) -> String {
    let part = |axis: &String| match axis.as_str() {
        "fold" => "f{fold}".to_owned(),
        "seed" => "s{seed}".to_owned(),
        "data" | "model" | "method" | "recipe" => format!("{{{axis}}}"),
        name if SETTINGS.contains(&name) => format!("{name}{{{name}}}"),
        name => format!("{{{name}}}"),
    };
    axes.iter().map(part).collect::<Vec<_>>().join("-")
}

/// Refuses a pattern that names what is no axis.
pub(super) fn check_pattern(pattern: &str, axes: &[String]) -> Result<(), String> {
    let names: Vec<&str> = axes.iter().map(String::as_str).collect();
    for part in pattern.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            return Err(format!("the pattern `task = \"{pattern}\"` has a brace that is not closed"));
        };
        if !names.contains(&name) {
            let hint = hint(name, &names);
            return Err(format!(
                "the pattern `task = \"{pattern}\"` names no axis with {{{name}}}{hint}; there are {}",
                names.join(", ")
            ));
        }
    }
    Ok(())
}
