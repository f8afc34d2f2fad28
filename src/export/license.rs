//! Under which licence a file's weights are: the backbone's travels with them.

use std::{io::Read, path::Path};

use crate::{limits, model, regular};

/// Names of files that hold one.
const NAMES: [&str; 4] = ["LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"];

/// The licence notice of a backbone, as far as it can be known.
pub(super) fn of(source: &str) -> String {
    if let Some(text) = model::built_in_license(source) {
        return text.to_owned();
    }
    if model::is_random(source) {
        return "none: the backbone began from random weights".to_owned();
    }
    if let Some(repository) = model::repository_of(source) {
        let name = repository.split('@').next().unwrap_or(repository);
        let known = model::Published::find(source).map(|published| format!("{}, ", published.license));
        return format!("{}as stated at https://huggingface.co/{name}", known.unwrap_or_default());
    }
    let path = Path::new(source);
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    let found = folder.and_then(|folder| {
        let text = NAMES.iter().find_map(|name| read(&folder.join(name)));
        text.or_else(|| stated(&read(&folder.join("README.md"))?))
    });
    found.unwrap_or_else(|| "not stated beside the backbone's file; ask its maker".to_owned())
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    regular::open(path).ok()?.take(limits::LICENSE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The `license:` line in the head of a Hugging Face model card.
fn stated(card: &str) -> Option<String> {
    let head = card.strip_prefix("---")?.split("\n---").next()?;
    let name = head.lines().find_map(|line| line.strip_prefix("license:"))?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;

    #[test]
    fn a_backbones_licence_is_found_where_makers_put_it() {
        assert!(of("box").contains("Copyright (c) 2022 OpenAI"));
        assert!(of("box-ssl").contains("MIT License"));
        assert!(of("tiny").contains("random weights"));
        assert_eq!(of("ced-tiny"), "Apache-2.0, as stated at https://huggingface.co/mispeech/ced-tiny");
        assert!(of("hf:MIT/ast@main").ends_with("huggingface.co/MIT/ast"));
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path(), folder.path().join("model.safetensors"));
        let said = |path: &Path| of(path.to_str().unwrap());
        assert!(said(path).starts_with("not stated"));
        fs::write(path.join("README.md"), "---\ntags: [a]\nlicense: bsd-3-clause\n---\nlicense: none\n").unwrap();
        assert_eq!((said(path), said(&file)), ("bsd-3-clause".to_owned(), "bsd-3-clause".to_owned()));
        fs::write(path.join("LICENSE"), "Do what you like.").unwrap();
        assert_eq!(said(&file), "Do what you like.");
    }
}
