//! Flags of subcommands that compute a frozen backbone's vectors of a data set.

use super::{
    super::{
        CliError,
        run_args::{Marks, Place},
    },
    bar,
};
use crate::{
    digits::counted,
    findings,
    train::{self, Embeddings, Request},
};

/// The data set and the backbone.
#[derive(Debug, clap::Args)]
pub(super) struct EmbedArgs {
    /// A folder, a CSV manifest, or `demo`.
    #[arg(value_name = "DATA")]
    pub(super) data: String,
    #[command(flatten)]
    marks: Marks,
    /// The backbone whose vectors are compared: box, ced-tiny or another name of `models list`, a checkpoint, or a session
    /// that was trained on other clips.
    #[arg(long, value_name = "M", env = "AAT_TUI_MODEL", default_value_t = Request::default().model)]
    pub(super) model: String,
    /// Where the arithmetic is done: auto, cpu, cuda, cuda:N, metal.
    #[arg(long, env = "AAT_TUI_DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    place: Place,
}

impl EmbedArgs {
    /// Computes the vectors, with a progress bar.
    ///
    /// # Errors
    /// When data and model do not fit together, or the command is interrupted.
    pub(super) fn embed(&self, fold: Option<u32>) -> Result<Embeddings, CliError> {
        let request = Request {
            data: self.data.clone(),
            marks: self.marks.options(),
            model: self.place.model(&self.model),
            fold,
            device: self.device.clone(),
            ..Request::default()
        };
        Ok(train::embed(&request, &mut bar("vectors")?)?)
    }

    /// Notes about the vectors: on the data set, on clips that could not be read, and on a model that is a session which was
    /// trained on these labels.
    pub(super) fn notes(&self, embeddings: &Embeddings) -> Vec<String> {
        let mut notes = embeddings.dataset.notes.clone();
        let session = self.place.store().find(&self.model);
        if session.is_ok_and(|session| findings::is_trained_on(&session, &self.data)) {
            notes.push(findings::trained_on_these_labels(&self.model));
        }
        if !embeddings.unreadable.is_empty() {
            let clips = counted(embeddings.unreadable.len(), "clip");
            notes.push(format!("{clips} could not be read: `data check` lists them"));
        }
        notes
    }
}
