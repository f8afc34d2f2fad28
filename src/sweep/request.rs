//! The request of a combination of settings, and the flags that say the same to `train`.

use std::path::{Path, PathBuf};

use crate::train::{Request, SETTINGS, SWITCHES};

/// The request of these settings and the flags that say the same to `train`. Paths are relative to the sweep's file.
pub(super) fn request(
    settings: &[(String, String)],
    beside: &Path,
) -> Result<(Request, Vec<(String, String)>), String> {
    let mut request = Request::default();
    let mut flags = Vec::new();
    for name in SETTINGS {
        let Some((_, value)) = settings.iter().find(|(known, _)| known == name) else { continue };
        let value = resolved(name, value, beside);
        request.set(name, &value)?;
        if !SWITCHES.contains(&name) {
            flags.push((name.to_owned(), value));
        } else if !request.get(name).is_empty() {
            flags.push((name.to_owned(), String::new()));
        }
    }
    Ok((request, flags))
}

/// A setting's value with a relative path made absolute, where it is one.
fn resolved(name: &str, value: &str, beside: &Path) -> String {
    let joined = || beside.join(value);
    let path: Option<PathBuf> = match name {
        _ if Path::new(value).is_absolute() => None,
        "data" if value != "demo" => Some(joined()),
        "recipe" if value.ends_with(".toml") || value.contains(['/', '\\']) => Some(joined()),
        // `box`, `hf:ORG/NAME` and a session's name are no paths, unless there is such a file or folder.
        "model" if !value.starts_with("hf:") && joined().exists() => Some(joined()),
        _ => None,
    };
    path.map_or_else(|| value.to_owned(), |path| path.display().to_string())
}
