//! From any checkpoint here to Hugging Face's AST, or of CED and Dasheng to their own form.

use std::path::Path;

use super::{
    Family, ModelError, Request,
    checkpoint::{self, Checkpoint},
    open,
    source::Source,
};

/// Writes what `from` names into the folder `to`, as `transformers` loads it; the answer is what a person should know.
///
/// # Errors
/// When the source has no weights of its own, cannot be read, or that form cannot hold it.
pub fn convert(from: &str, to: &Path) -> Result<Vec<String>, ModelError> {
    let has_head = match Source::find(from)? {
        Source::Random { .. } => {
            let problem = format!("{from} has no weights to convert");
            return Err(ModelError::checkpoint(to, problem, "give a checkpoint's file or folder"));
        }
        Source::File(checkpoint) => checkpoint.config.classes > 0,
        Source::Adapter(_) => true,
    };
    // A backbone without a head is opened with one of a single class, which is then left out.
    let request = Request { classes: (!has_head).then_some(1), ..Request::new(from) };
    let opened = open(&request)?;
    checkpoint::to_hugging_face(to, &opened, has_head)?;
    let mut notes = opened.notes;
    if opened.config.family() == Family::Ced {
        notes.push(
            "transformers reads it with its makers' own code alone (CedForAudioClassification, DashengModel), whose answers have \
             gone through a sigmoid"
                .to_owned(),
        );
    } else if has_head && opened.config.head_eps != opened.config.norm_eps {
        let (head, blocks) = (opened.config.head_eps, opened.config.norm_eps);
        notes.push(format!(
            "its head's norm adds {head:e} to variances, Hugging Face's form has one number for all: {blocks:e}"
        ));
    }
    // What was written must be readable: the disk is not trusted.
    Checkpoint::open(to)?;
    Ok(notes)
}
