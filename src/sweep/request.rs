//! The request of a combination of settings, and the flags of `train` for it.

use std::path::{Path, PathBuf};

use crate::{
    model,
    train::{Request, SETTINGS, SWITCHES},
};

/// The request of these settings and the flags of `train` for it. Paths are relative to the sweep's file.
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
        // A model that `train` finds by its name is no path, whatever is beside the file. Any other name is one where there
        // is such a file or folder, else a session's.
        "model" if !named(value) && joined().exists() => Some(joined()),
        _ => None,
    };
    path.map_or_else(|| value.to_owned(), |path| path.display().to_string())
}

/// Whether `train` takes this for a model's name: a built-in one, a published one, `hf:ORG/NAME`.
fn named(value: &str) -> bool {
    model::names().any(|name| name == value) || model::repository_of(value).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_models_name_is_never_taken_for_a_folder_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tiny", "box", "ced-tiny", "mine", "hf:org"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let model = |value: &str| resolved("model", value, folder.path());
        for name in ["tiny", "box", "ced-tiny", "hf:org", "another"] {
            assert_eq!(model(name), name);
        }
        assert_eq!(model("mine"), folder.path().join("mine").display().to_string());
        assert_eq!(model("./tiny"), folder.path().join("./tiny").display().to_string());
    }
}
