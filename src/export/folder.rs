//! A folder in the form that Hugging Face's libraries read, where there is one for the model, else in our own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ExportError, Report, Request, Stage, Storage, Verify, Watch,
    form::Form,
    model_card,
    verify::{self, Clips},
};
use crate::{
    data::Loss,
    infer::{Classifier, Trained, Which},
    limits,
    model::{
        self, Extras, Family, ModelError, Pooling, Stem,
        checkpoint::{Card, save_adapter, save_model, to_hugging_face, to_peft},
    },
    regular,
    session::{self, SessionError, Store},
};

/// The base of a `peft` folder, where none is published that fits.
const BASE: &str = "base";

/// Writes the folder, compares it, names it.
pub(super) fn export(request: &Request, store: &Store, watch: Watch<'_>) -> Result<Report, ExportError> {
    if request.storage != Storage::F32 || request.samples.is_some() || request.logits || request.embeddings {
        let problem = "--dtype, --samples, --logits and --embeddings are for ONNX files; name one that ends in .onnx";
        return Err(ExportError::Refused(problem.to_owned()));
    }
    let folder = store.find(&request.source).map_err(|error| match error {
        SessionError::Unknown { .. } if Path::new(&request.source).exists() => ExportError::Refused(format!(
            "{} is no session; `aat-tui models convert` writes a checkpoint in Hugging Face's form",
            request.source
        )),
        other => other.into(),
    })?;
    let which = request.weights.map_or_else(|| Which::usual(&folder), Ok)?;
    let mut trained = Trained::open(&folder, which, "cpu")?;
    trained.opened.labels = Some(trained.config.labels.clone());
    trained.opened.normalisation = Some(trained.config.normalisation);
    let mut notes = trained.notes.clone();
    let form = form(request, &trained, &mut notes)?;
    let parent = request.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |source| ExportError::io(&request.target, source);
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(parent).map_err(io)?;
    write(form, request, &trained, partial.path(), &mut notes)
        .map_err(|error| of_target(error, partial.path(), &request.target))?;
    let card = model_card::text(form, &request.target, &trained, &session::outline(&folder)?);
    crate::atomic::write(&partial.path().join("README.md"), |file| std::io::Write::write_all(file, card.as_bytes()))
        .map_err(io)?;
    let bytes = size_of(partial.path()).map_err(io)?;
    let _ = watch(Stage::Writing(bytes));
    let checked = match &request.verify {
        Verify::Nothing => {
            notes.push("the folder was not compared with the session (--verify none)".to_owned());
            None
        }
        wanted => {
            let mut classifier = Classifier::of_trained(trained)?;
            let clips = Clips::choose(wanted, &classifier, None, &mut notes)?;
            // Read back as anyone's checkpoint is.
            let mut written = Classifier::open(&partial.path().to_string_lossy(), store, "cpu")?;
            let mut file = |sound: &[f32]| Ok(written.answers(sound)?);
            Some(verify::compare(&clips, &mut classifier, &mut file, watch)?.within(verify::LIMIT)?)
        }
    };
    name(partial, &request.target).map_err(io)?;
    Ok(Report { file: request.target.clone(), format: form.name(), bytes, dtype: Storage::F32.name(), checked, notes })
}

/// An error of the disk, with the folder that is to be written and not the temporary one.
fn of_target(error: ExportError, partial: &Path, target: &Path) -> ExportError {
    match error {
        ExportError::Model(ModelError::Io { path, source }) | ExportError::Io { path, source }
            if path.starts_with(partial) =>
        {
            ExportError::io(target, source)
        }
        error => error,
    }
}

/// The form that holds this model, and what a person should know about it.
fn form(request: &Request, trained: &Trained, notes: &mut Vec<String>) -> Result<Form, ExportError> {
    let (config, method) = (&trained.opened.config, trained.opened.method);
    let extras = method.extras(config);
    let square = matches!(config.stem, Stem::Patches { patch, .. } if patch[0] == patch[1]);
    let is_ast = square && config.family() == Family::Ast && config.pooling == Pooling::ClassTokens;
    let folds = Extras { lora: None, ..extras } == Extras::default();
    if request.adapter {
        return Ok(if extras.lora.is_some() && is_ast { Form::Peft } else { Form::Adapter });
    }
    if !folds {
        notes.push(format!(
            "what {method} adds has no place in a plain model: the folder holds it alone, and the backbone {} is needed \
             beside it; for one whole file export to .onnx",
            trained.config.model
        ));
        return Ok(Form::Adapter);
    }
    if is_ast {
        return Ok(Form::Transformers);
    }
    if config.family() == Family::Ced {
        notes.push(
            "transformers reads this form with its makers' own code alone (CedForAudioClassification, DashengModel), whose \
             answers have gone through a sigmoid; for use elsewhere export to .onnx"
                .to_owned(),
        );
        notes.push(format!(
            "clips shorter than {:.2} s are taken as they are by this form; the session fills them with silence",
            config.frames() as f64 / 100.0
        ));
        return Ok(Form::Ced);
    }
    let why = match config.stem {
        Stem::Convolutions { .. } => "a Whisper encoder with this head",
        Stem::Patches { .. } if !square => "patches that are not square",
        Stem::Patches { .. } => "a head on the mean of all tokens",
    };
    notes.push(format!(
        "transformers has no model for {why}: the folder is in our own form, which `--model` takes; for use elsewhere \
         export to .onnx"
    ));
    Ok(Form::Whole)
}

fn write(
    form: Form,
    request: &Request,
    trained: &Trained,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<(), ExportError> {
    let opened = &trained.opened;
    match form {
        Form::Ced => {
            to_hugging_face(folder, opened, true)?;
            problem_type(&folder.join("config.json"), trained.config.recipe.loss == Loss::Binary)
        }
        Form::Transformers => {
            let binary = trained.config.recipe.loss == Loss::Binary;
            to_hugging_face(folder, opened, true)?;
            problem_type(&folder.join("config.json"), binary)?;
            if opened.config.head_eps != opened.config.norm_eps {
                notes.push(format!(
                    "the head's norm adds {:e} to variances, Hugging Face's form has one number for all: {:e}",
                    opened.config.head_eps, opened.config.norm_eps
                ));
            }
            Ok(())
        }
        Form::Whole => Ok(save_model(folder, &card(trained), &opened.store)?),
        Form::Adapter => Ok(save_adapter(folder, &card(trained), &opened.store)?),
        Form::Peft => {
            let base = match published(trained) {
                Some(base) => base,
                None => {
                    notes.push(format!(
                        "no published checkpoint has its positions and shape, so its base is in {BASE}/ beside it"
                    ));
                    base_beside(trained, &folder.join(BASE))?;
                    let own = request.target.file_name().unwrap_or(request.target.as_os_str());
                    Path::new(own).join(BASE).to_string_lossy().into_owned()
                }
            };
            Ok(to_peft(folder, opened, &card(trained), &base)?)
        }
    }
}

/// Says in `config.json` how logits are meant, as `transformers` has it.
fn problem_type(path: &Path, binary: bool) -> Result<(), ExportError> {
    let io = |source| ExportError::io(path, source);
    let mut settings: serde_json::Value =
        serde_json::from_slice(&regular::read_up_to(path, limits::SETTINGS).map_err(io)?)
            .map_err(|why| io(why.into()))?;
    let kind = if binary { "multi_label_classification" } else { "single_label_classification" };
    settings["problem_type"] = kind.into();
    crate::atomic::write(path, |file| std::io::Write::write_all(file, format!("{settings:#}\n").as_bytes())).map_err(io)
}

/// The base as its maker published it, where a session changed nothing of its shape.
fn published(trained: &Trained) -> Option<String> {
    let source = &trained.config.model;
    let described = model::describe(source).ok()?;
    let same = described.format == "Hugging Face AST"
        && described.shape.grid() == trained.opened.config.grid()
        && described.shape.stem == trained.opened.config.stem;
    let name = model::repository_of(source)
        .map_or_else(|| absolute(source), |name| name.split('@').next().unwrap_or(name).to_owned());
    same.then_some(name)
}

/// The backbone at the session's length, with the session's labels and a head that the adapter replaces.
fn base_beside(trained: &Trained, folder: &Path) -> Result<(), ModelError> {
    let config = &trained.config;
    let mut base = model::open(&model::Request {
        frames: Some(config.shape.frames()),
        stride: Some(config.recipe.stride),
        pooling: Some(config.shape.pooling),
        classes: Some(config.shape.classes),
        method: Some(model::Method::head()),
        seed: config.seed,
        ..model::Request::new(config.model.as_str())
    })?;
    base.labels = Some(config.labels.clone());
    base.normalisation = Some(config.normalisation);
    to_hugging_face(folder, &base, true)
}

/// The files beside our own forms.
fn card(trained: &Trained) -> Card {
    let (config, shape) = (&trained.config, &trained.opened.config);
    Card {
        base: absolute(&config.model),
        base_fingerprint: trained.opened.fingerprint.clone(),
        seed: config.seed,
        method: config.method,
        shape: shape.clone(),
        labels: config.labels.clone(),
        front_end: shape.front_end().map_or_else(|_| String::new(), |kind| kind.card().to_owned()),
        normalisation: Some(config.normalisation),
        multi_label: Some(config.recipe.loss == Loss::Binary),
    }
}

/// A backbone's path, so that it is found from wherever the folder is read; a name stays a name.
fn absolute(model: &str) -> String {
    let known = model::repository_of(model).is_some() || model::names().any(|name| name == model);
    match std::path::absolute(model) {
        Ok(path) if !known && path.exists() => path.to_string_lossy().into_owned(),
        _ => model.to_owned(),
    }
}

fn size_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// Gives the complete folder its name. An empty folder may be there already.
fn name(partial: tempfile::TempDir, target: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        // As readable as any folder this user makes; a temporary one is the user's alone.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(partial.path(), fs::Permissions::from_mode(0o755))?;
    }
    if target.is_dir() {
        fs::remove_dir(target)?;
    }
    let partial: PathBuf = partial.keep();
    fs::rename(&partial, target).inspect_err(|_| {
        // What cannot be removed either is left there.
        let _ = fs::remove_dir_all(&partial);
    })
}
