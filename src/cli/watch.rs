//! Follows a trainer without a screen: JSON lines, plain lines, or bars on a terminal.

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{CliError, Interrupt, Output, run_result::summarise};
use crate::{
    data::DataRecord,
    digits::thousands,
    dumb::draws_bars,
    model::Method,
    printable::printable,
    session::{EpochRecord, Event, RunConfig, RunState, Status, Store},
    train::{Command, News, Trainer, Update},
};

/// How often Ctrl-C is checked while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// The result of an epoch, as JSON.
#[derive(Serialize)]
struct EpochLine<'a> {
    event: &'static str,
    session: &'a str,
    method: Method,
    fold: Option<u32>,
    epoch: u32,
    train_loss: f32,
    val_loss: f32,
    metric: &'static str,
    value: f64,
    seconds: f64,
    data_seconds: f64,
    eval_seconds: f64,
    lr: f64,
}

/// Another event, as JSON.
#[derive(Serialize)]
struct OtherLine<'a> {
    event: &'static str,
    session: Option<&'a str>,
    method: Option<Method>,
    fold: Option<u32>,
    /// With `started`: the run's data, and which of it was found and used.
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<&'a DataRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// Runs that are over, and whether all of them are complete.
#[must_use]
pub struct Watched {
    /// In the order they were given to the trainer.
    pub states: Vec<RunState>,
    /// The error that the command ends with, once everything else is printed.
    pub outcome: Result<(), CliError>,
}

impl Watched {
    /// Prints the result of each complete run, and returns whether all are complete.
    ///
    /// # Errors
    /// When a run failed, was interrupted, or the output is closed.
    pub fn summarise(self, output: &mut Output) -> Result<(), CliError> {
        self.states.iter().try_for_each(|state| summarise(state, output))?;
        self.outcome
    }
}

/// Follows a trainer to its end. Ctrl-C stops every run with a checkpoint and prints how to resume. A complete run waits for
/// room on a full disk; a task of a sweep does not, which would hold its worker, or a cluster's node, for as long as that
/// lasts: it fails, and the sweep resumes it when it is run again.
///
/// # Errors
/// When the output is closed.
pub fn watch(trainer: &Trainer, runs: usize, store: &Store, output: &mut Output) -> Result<Watched, CliError> {
    let interrupt = Interrupt::watch()?;
    let mut view = RunView::new(runs, output);
    let (mut asked, mut gave_up) = (false, None);
    while let Some(updates) = trainer.feed().wait(PATIENCE) {
        if interrupt.is_asked() && !asked {
            asked = true;
            trainer.command(None, Command::Stop);
        }
        for update in updates {
            view.print(&update)?;
        }
        if interrupt.is_of_a_sweep() && gave_up.is_none() {
            gave_up = waits_for_room(&view.states);
            if gave_up.is_some() && !asked {
                asked = true;
                trainer.command(None, Command::Stop);
            }
        }
    }
    view.bars.clear();
    let RunView { states, output, .. } = view;
    let failed = states
        .iter()
        .filter_map(|state| if let Status::Failed(message) = &state.status { Some(message.as_str()) } else { None });
    let failures: Vec<&str> = failed.chain(gave_up.as_deref()).collect();
    let stopped = || states.iter().filter(|state| state.status == Status::Stopped);
    let outcome = if !failures.is_empty() {
        Err(CliError::Failed(failures.join("\n")))
    } else if stopped().count() > 0 {
        stopped().try_for_each(|state| output.line(how_to_go_on(state, store)))?;
        Err(CliError::Interrupted)
    } else {
        Ok(())
    };
    Ok(Watched { states, outcome })
}

/// Why the results of a complete run cannot be written, if one waits for that.
fn waits_for_room(states: &[RunState]) -> Option<String> {
    states.iter().find_map(|state| state.waiting.clone())
}

fn how_to_go_on(state: &RunState, store: &Store) -> String {
    match &state.config {
        Some(config) => {
            let place = if *store == Store::of_user() {
                String::new()
            } else {
                format!(" --sessions {}", store.root().display())
            };
            format!("stopped after step {}; to continue: aat-tui resume {}{place}", state.step(), config.session)
        }
        None => "stopped before the first step; there is nothing to resume".to_owned(),
    }
}

/// Reports a run that was complete already and is reused.
///
/// # Errors
/// When the output is closed.
pub fn print_reused(state: &RunState, output: &mut Output) -> Result<(), CliError> {
    other(output, state, "reused", Some(state.step()), None)?;
    output.line(format!("{}: complete already, used as it is (--anew trains it again)", name(state)))
}

/// Reports something that belongs to no single run.
///
/// # Errors
/// When the output is closed.
pub fn print_warning(message: &str, output: &mut Output) -> Result<(), CliError> {
    other(output, &RunState::default(), "warning", None, Some(message))?;
    output.line(message)
}

/// The runs' states and how they are printed.
struct RunView<'a> {
    states: Vec<RunState>,
    bars: Bars,
    output: &'a mut Output,
}

impl<'a> RunView<'a> {
    fn new(runs: usize, output: &'a mut Output) -> Self {
        let on_terminal = !output.is_json() && stdout().is_terminal() && draws_bars();
        let bars = if on_terminal { Bars::shown(runs) } else { Bars::hidden() };
        Self { states: vec![RunState::default(); runs], bars, output }
    }

    fn print(&mut self, update: &Update) -> Result<(), CliError> {
        let Some(state) = self.states.get_mut(update.run) else { return Ok(()) };
        let record = match &update.news {
            News::Past(past) => {
                state.clone_from(past);
                return Ok(());
            }
            News::Now(record) => record,
        };
        state.apply(record);
        let state = &self.states[update.run];
        self.bars.update(update.run, state);
        let output = &mut *self.output;
        match &record.event {
            Event::Started { .. } => self.bars.aside(|| {
                let found = state.config.as_deref().and_then(found);
                other(output, state, "started", None, found.as_deref())?;
                output.line(started(state))?;
                found.iter().try_for_each(|found| output.line(format!("{}: {found}", name(state))))
            }),
            Event::Epoch(epoch) => self.bars.aside(|| print_epoch(output, state, epoch)),
            Event::Objectives { epoch, outcomes } => self.bars.aside(|| {
                let parts: Vec<String> = outcomes
                    .iter()
                    .map(|(name, outcome)| format!("{name} loss {:.4} score {:.4}", outcome.loss, outcome.score))
                    .collect();
                output.line(format!("{}: epoch {epoch} on held-out sound: {}", name(state), parts.join(", ")))
            }),
            Event::Warning { message } => self.bars.aside(|| {
                other(output, state, "warning", None, Some(message))?;
                output.line(format!("{}: {message}", name(state)))
            }),
            Event::Resumed { step, .. } => self.bars.aside(|| {
                other(output, state, "resumed", Some(*step), None)?;
                output.line(format!("{}: continuing after step {step}", name(state)))
            }),
            Event::Waiting { message } => self.bars.aside(|| {
                other(output, state, "waiting", None, Some(message))?;
                output.line(format!(
                    "{}: complete, and its results are only in memory: {message}; it tries again every half minute; \
                     Ctrl-C ends it without what the last checkpoint lacks",
                    name(state)
                ))
            }),
            Event::Stopped => other(output, state, "stopped", Some(state.step()), None),
            Event::Failed { message } => other(output, state, "failed", None, Some(message)),
            _ => Ok(()),
        }
    }
}

fn other(
    output: &mut Output,
    state: &RunState,
    event: &'static str,
    step: Option<u64>,
    message: Option<&str>,
) -> Result<(), CliError> {
    let config = state.config.as_ref();
    output.object(&OtherLine {
        event,
        session: config.map(|config| config.session.as_str()),
        method: config.map(|config| config.method),
        fold: config.and_then(|config| config.fold),
        dataset: config.filter(|_| event == "started").and_then(|config| config.dataset.as_deref()),
        step,
        message,
    })
}

fn name(state: &RunState) -> &str {
    state.config.as_ref().map_or("run", |config| config.session.as_str())
}

/// The files found at the data's location, and which are used; nothing for synthesised data.
fn found(config: &RunConfig) -> Option<String> {
    let found = &config.dataset.as_deref()?.found;
    (found.files > 0).then(|| format!("{} holds {found}", config.data))
}

fn started(state: &RunState) -> String {
    let Some(config) = &state.config else { return String::new() };
    format!(
        "{}: {} on {} trains {} of {} parameters; {} clips train, {} validate; {} epochs of {} steps at lr {}{}",
        config.session,
        config.method.title(),
        config.model,
        thousands(state.inventory.trainable),
        thousands(state.inventory.total),
        state.clips.0,
        state.clips.1,
        config.recipe.epochs,
        state.steps_per_epoch,
        config.lr,
        state.own_rates().iter().map(|(part, rate)| format!(", {} {rate}", part.title())).collect::<String>()
    )
}

fn print_epoch(output: &mut Output, state: &RunState, epoch: &EpochRecord) -> Result<(), CliError> {
    let Some(config) = &state.config else { return Ok(()) };
    let metric = config.recipe.metric.name();
    output.object(&EpochLine {
        event: "epoch",
        session: &config.session,
        method: config.method,
        fold: config.fold,
        epoch: epoch.epoch,
        train_loss: epoch.train_loss,
        val_loss: epoch.val_loss,
        metric,
        value: epoch.value,
        seconds: epoch.seconds,
        data_seconds: epoch.data_seconds,
        eval_seconds: epoch.eval_seconds,
        lr: epoch.lr,
    })?;
    output.line(format!(
        "{}: epoch {}/{}  loss {:.4}  validation {:.4}  {metric} {:.4}  {:.1} s (data {:.1} s)  lr {:.2e}",
        config.session,
        epoch.epoch,
        config.recipe.epochs,
        epoch.train_loss,
        epoch.val_loss,
        epoch.value,
        epoch.seconds,
        epoch.data_seconds,
        epoch.lr
    ))
}

/// One bar for each run, on a terminal; nothing elsewhere.
struct Bars {
    all: Option<MultiProgress>,
    bars: Vec<ProgressBar>,
}

impl Bars {
    fn hidden() -> Self {
        Self { all: None, bars: Vec::new() }
    }

    fn shown(runs: usize) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>24!} {bar:30} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let bar = |_| all.add(ProgressBar::new(0).with_style(style.clone()));
        let bars = (0..runs).map(bar).collect();
        Self { all: Some(all), bars }
    }

    fn update(&self, run: usize, state: &RunState) {
        let Some(bar) = self.bars.get(run) else { return };
        if let Some(config) = &state.config {
            bar.set_prefix(printable(&config.session).into_owned());
        }
        let (at, of, text) = match &state.status {
            Status::Preparing(done, total) => (*done as u64, *total as u64, "reading clips".to_owned()),
            Status::Evaluating(..) => (state.step(), state.total_steps(), "validating".to_owned()),
            Status::Paused => (state.step(), state.total_steps(), "paused".to_owned()),
            _ => (state.step(), state.total_steps(), progress(state)),
        };
        bar.set_length(of);
        bar.set_position(at);
        bar.set_message(text);
    }

    /// Writes lines without disturbing the bars.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.all {
            Some(all) => all.suspend(write),
            None => write(),
        }
    }

    fn clear(&self) {
        if let Some(all) = &self.all {
            // A terminal that is gone has nothing to clear.
            let _ = all.clear();
        }
    }
}

fn progress(state: &RunState) -> String {
    let Some(step) = state.newest_step() else { return String::new() };
    let recent = state.recent.iter().rev().take(20).map(|(_, step)| f64::from(step.data_ms + step.compute_ms));
    let (sum, count) = recent.fold((0.0, 0), |(sum, count), ms| (sum + ms, count + 1));
    let left = state.total_steps().saturating_sub(step.step) as f64 * sum / f64::from(count.max(1)) / 1e3;
    let epochs = state.config.as_ref().map_or(0, |config| config.recipe.epochs);
    format!("epoch {}/{epochs}  loss {:.3}  {} left", step.epoch, step.loss, clock(left))
}

/// Seconds as minutes and seconds: 1:05, or with hours: 2:01:05.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::Rates,
        model::{GroupCount, Inventory, Part},
        session,
    };

    #[test]
    fn parts_that_train_at_rates_of_their_own_are_named() {
        let mut config = session::testing::config();
        config.lr = 1e-3;
        config.recipe.rates = Rates { spatial: 0.5, head: 5.0, lora: 2.0, ..Rates::default() };
        let group = |part, trainable| GroupCount { part, block: None, total: 8, trainable };
        let groups = vec![group(Part::Stem, 0), group(Part::Spatial, 8), group(Part::Mlp, 8), group(Part::Head, 8)];
        let inventory = Inventory { total: 32, trainable: 24, groups };
        let mut state = RunState { config: Some(Box::new(config)), inventory, ..RunState::default() };
        let line = started(&state);
        assert!(line.ends_with("at lr 0.001, Spatial Adapters 0.0005, head 0.005"), "{line}");
        if let Some(config) = &mut state.config {
            config.recipe.rates = Rates::default();
        }
        assert!(started(&state).ends_with("at lr 0.001"));
    }
}
