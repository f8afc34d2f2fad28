//! The README.md of an exported folder, made from the session: what it is, what it was trained on, what it came to.

use std::{fmt::Write, path::Path};

use super::form::Form;
use crate::{infer::Trained, model, session::RunState, shell::quoted};

/// Letters of a label that a card shows.
const LETTERS: usize = 80;

/// The card's text.
pub(super) fn text(form: Form, target: &Path, trained: &Trained, state: &RunState) -> String {
    let (config, opened) = (&trained.config, &trained.opened);
    let name = target.file_name().unwrap_or(target.as_os_str()).to_string_lossy().into_owned();
    let mut card = head(form, &model::origin(&config.model));
    // Writing into a text cannot fail.
    let _ = write!(
        card,
        "# {}\n\nAn audio classifier of {} classes, exported from the aat-tui session `{}`.\n\n",
        plain(&name),
        config.labels.len(),
        plain(&config.session)
    );
    let fold = config.fold.map_or_else(String::new, |fold| format!(", fold {fold} held out"));
    let _ = write!(
        card,
        "| | |\n|---|---|\n| data | {}: {} clips to train on, {} to validate on{fold} |\n| backbone | {} |\n| method | {}: \
         trains {} |\n| input | mono sound at 16 kHz, {} frames of 10 ms ({} mel bins) |\n",
        plain(&config.data_name),
        state.clips.0,
        state.clips.1,
        plain(&config.model),
        opened.method,
        opened.method.trains_what(),
        opened.config.frames(),
        opened.config.mel_bins(),
    );
    let metric = config.recipe.metric.name();
    if let Some(reached) = trained.reached {
        let _ = writeln!(
            card,
            "| {metric} on the validation clips | {:.4} after epoch {}, whose weights these are |",
            reached.value, reached.epoch
        );
    }
    if let Some((_, last)) = state.epochs.last() {
        let _ = writeln!(card, "| {metric} after the last epoch ({}) | {:.4} |", last.epoch, last.value);
    }
    card.push_str(
        "\nThe epoch was chosen by the validation clips where it is not the last, so its figure is optimistic. No other \
         clips judged this model.\n",
    );
    let _ = write!(card, "\n## How it was trained\n\n```console\n{}\n```\n", command(trained));
    let _ = write!(card, "\n## Use\n\n{}\n## Classes\n\n", usage(form, &name, &config.model));
    for label in &config.labels {
        let _ = writeln!(card, "- {}", plain(label));
    }
    card
}

/// What Hugging Face's hub reads of a card.
fn head(form: Form, base: &str) -> String {
    let library = match form {
        Form::Transformers | Form::Ced => "transformers",
        Form::Peft => "peft",
        Form::Adapter | Form::Whole => "aat-tui",
    };
    let mut head = format!(
        "---\nlibrary_name: {library}\npipeline_tag: audio-classification\ntags:\n- audio-classification\n- aat-tui\n"
    );
    if let Some(repository) = model::repository_of(base) {
        let _ = writeln!(head, "base_model: {}", plain(repository.split('@').next().unwrap_or(repository)));
    }
    if model::built_in_license(base).is_some() {
        head.push_str("license: mit\n");
    }
    if let Some(published) = model::Published::find(base) {
        let _ = writeln!(head, "license: {}", published.license.to_lowercase());
    }
    head.push_str("---\n\n");
    head
}

/// The command that trains the same, every figure named that may differ from the recipe's.
fn command(trained: &Trained) -> String {
    let config = &trained.config;
    let recipe = &config.recipe;
    let mut command = format!(
        "aat-tui train --data {} --model {} --method {} --recipe {} --epochs {} --batch {} --lr {} --frames {} --stride {} \
         --seed {}",
        quoted(&config.data),
        quoted(&config.model),
        config.method,
        quoted(&recipe.name),
        recipe.epochs,
        recipe.batch,
        config.lr,
        recipe.frames,
        recipe.stride[0],
        config.seed
    );
    if let Some(fold) = config.fold {
        let _ = write!(command, " --fold {fold}");
    }
    command
}

fn usage(form: Form, name: &str, base: &str) -> String {
    let name = plain(name);
    match form {
        Form::Transformers => format!(
            "```python\nfrom transformers import pipeline\n\nclassify = pipeline(\"audio-classification\", model=\"{name}\")\n\
             print(classify(\"sound.wav\"))\n```\n"
        ),
        Form::Peft => format!(
            "`adapter_config.json` names the base. With transformers 5:\n\n```python\nfrom peft import PeftConfig, PeftModel\n\
             from transformers import AutoModelForAudioClassification\n\n\
             base = PeftConfig.from_pretrained(\"{name}\").base_model_name_or_path\n\
             model = AutoModelForAudioClassification.from_pretrained(base)\n\
             model = PeftModel.from_pretrained(model, \"{name}\")\n```\n"
        ),
        Form::Adapter => format!(
            "These are the trained parameters alone; the backbone `{}` is needed beside them, and any other is \
             refused.\n\n```console\naat-tui classify {name} sound.wav\n```\n",
            plain(base)
        ),
        Form::Ced => format!(
            "CED's own form: `transformers` reads it with its makers' code.\n\n```console\naat-tui classify {name} \
             sound.wav\n```\n"
        ),
        Form::Whole => format!("```console\naat-tui classify {name} sound.wav\n```\n"),
    }
}

/// Other people's text in one line, without what Markdown or a terminal would act upon.
fn plain(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String = letters
        .by_ref()
        .take(LETTERS)
        .map(|letter| if letter.is_control() || "`|<>*_[]#\\".contains(letter) { ' ' } else { letter })
        .collect();
    let left = letters.count();
    if left > 0 { format!("{shown}... ({left} more letters)") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_text_stays_in_its_line() {
        assert_eq!(plain("a\n# b|`c`"), "a   b  c ");
        assert!(plain(&"x".repeat(10_000)).ends_with("... (9920 more letters)"));
    }
}
