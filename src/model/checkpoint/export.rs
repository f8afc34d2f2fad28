//! Out to the forms that Hugging Face's `transformers` reads.

use std::path::Path;

use super::{export_ast, export_ced};
use crate::model::{Family, ModelError, Opened};

/// Writes a model in its family's form: CED and Dasheng as their makers' code reads them, everything else as an AST, with the
/// head or without.
///
/// # Errors
/// When that form cannot hold it; when the disk refuses.
pub fn to_hugging_face(folder: &Path, opened: &Opened, head: bool) -> Result<(), ModelError> {
    match opened.config.family() {
        Family::Ced => export_ced::to_folder(folder, opened, head),
        _ => export_ast::to_folder(folder, opened, head),
    }
}
