//! How long a sweep will take and how much disk it will need, before it runs.

use std::{
    collections::HashMap,
    process::{Command, Stdio},
};

use serde::Serialize;

use super::{Plan, Program, Standing, State, SweepError, child::set_environment};
use crate::{
    model::{self, Method, ModelConfig, Precision, Recompute, Stem},
    session::Store,
    train::{Prospect, Request, median},
};

/// A step's share of the time that an evaluation of as many clips takes: forward without backward.
const EVALUATION: f64 = 0.4;
/// Bytes of a step's line in the log, and of one block in a line of norms.
const STEP_LINE: u64 = 180;
const BLOCK_OF_NORMS: u64 = 100;

/// What the tasks that are not finished will take.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Tasks to run.
    pub tasks: usize,
    /// Hours of all of them whose time is known, one after another.
    pub hours: f64,
    /// Tasks whose time comes from earlier sessions.
    pub by_sessions: usize,
    /// Tasks whose time comes from a probe.
    pub by_probe: usize,
    /// Tasks of whose time nothing is known.
    pub unknown: usize,
    /// Bytes of all their sessions.
    pub disk_bytes: u64,
}

/// The time of earlier sessions per clip.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Seconds of the first epoch per training clip.
    first: f64,
    /// Seconds of a later epoch per training clip.
    rest: f64,
}

/// What distinguishes configurations by speed.
fn key(shape: &ModelConfig, method: Method, device: &str, dtype: Precision, recompute: Recompute) -> String {
    // `cuda:0` and `cuda:1` are alike.
    let device = device.split(':').next().unwrap_or(device);
    format!("{method} {device} {dtype} {recompute} {shape:?}")
}

/// The key of a task, on the device and in the precision that it takes on this machine.
fn of_task(request: &Request, prospect: &Prospect) -> String {
    let (device, dtype) =
        crate::train::arithmetic(request).unwrap_or_else(|_| (request.device.clone(), Precision::F32));
    key(&prospect.shape, prospect.method, &device, dtype, request.recompute)
}

/// Estimates what is not finished. `prospects` are those of [`Plan::check`]; `probed` holds seconds per training clip from
/// [`probe`].
pub fn estimate(
    plan: &Plan,
    standings: &[Standing],
    prospects: &[Option<Prospect>],
    paces: &Paces,
    probed: &HashMap<String, f64>,
) -> Estimate {
    let mut estimate = Estimate::default();
    for ((task, standing), prospect) in plan.tasks.iter().zip(standings).zip(prospects) {
        let Some(prospect) = prospect.as_ref().filter(|_| standing.state != State::Done) else { continue };
        estimate.tasks += 1;
        estimate.disk_bytes += disk(prospect);
        let key = of_task(&task.request, prospect);
        let left = f64::from(prospect.epochs.saturating_sub(standing.epochs.0));
        let clips = prospect.clips.0 as f64;
        let seconds = if let Some(pace) = paces.0.get(&key) {
            estimate.by_sessions += 1;
            clips * (pace.first.min(pace.first * left) + pace.rest * (left - 1.0).max(0.0))
        } else if let Some(per_clip) = probed.get(&key) {
            estimate.by_probe += 1;
            let epoch = per_clip * (clips + EVALUATION * prospect.clips.1 as f64);
            // A frozen backbone is computed once per clip where clips stay the same.
            if prospect.method == Method::head() && !prospect.augments { epoch } else { epoch * left }
        } else {
            estimate.unknown += 1;
            0.0
        };
        estimate.hours += seconds / 3600.0;
    }
    estimate
}

/// The usual pace of each configuration that earlier sessions have.
#[derive(Debug, Default)]
pub struct Paces(HashMap<String, Pace>);

impl Paces {
    /// Reads it from the sessions of these stores.
    ///
    /// # Errors
    /// When sessions cannot be listed.
    pub fn of(stores: &[Store]) -> Result<Self, SweepError> {
        paces(stores).map(Self)
    }
}

fn paces(stores: &[Store]) -> Result<HashMap<String, Pace>, SweepError> {
    let mut all: HashMap<String, Vec<Pace>> = HashMap::new();
    for store in stores {
        for session in store.list()? {
            let Some(config) = session.state.config.as_deref().filter(|config| config.pretrain.is_none()) else {
                continue;
            };
            let clips = session.state.clips.0;
            let mut epochs = session.state.epochs.iter().map(|(_, epoch)| epoch.seconds + epoch.eval_seconds);
            let Some(first) = epochs.next().filter(|_| clips > 0) else { continue };
            let rest = median(epochs.collect()).unwrap_or(first);
            let pace = Pace { first: first / clips as f64, rest: rest / clips as f64 };
            let key = key(&config.shape, config.method, &config.device, config.dtype, config.recompute);
            all.entry(key).or_default().push(pace);
        }
    }
    let usual = |paces: Vec<Pace>| {
        let of = |value: fn(&Pace) -> f64| median(paces.iter().map(value).collect()).unwrap_or(0.0);
        Pace { first: of(|pace| pace.first), rest: of(|pace| pace.rest) }
    };
    Ok(all.into_iter().map(|(key, paces)| (key, usual(paces))).collect())
}

/// Bytes of a session: two checkpoints with the optimizer's moments, the best weights, averaged ones, the log.
fn disk(prospect: &Prospect) -> u64 {
    let weights = 4 * prospect.trainable as u64;
    let copies = 2 * 3 + 1 + u64::from(prospect.averages);
    let steps = prospect.steps_per_epoch() * u64::from(prospect.epochs);
    let norms = match prospect.norms_every {
        0 => 0,
        every => steps / every * prospect.shape.depth as u64 * BLOCK_OF_NORMS,
    };
    weights * copies + steps * STEP_LINE + norms
}

/// Measures a training step of each configuration that has no earlier session: seconds per clip. Each takes some seconds.
/// What cannot be measured stays unknown and is described.
pub fn probe(
    plan: &Plan,
    prospects: &[Option<Prospect>],
    known: &Paces,
    program: &Program,
) -> (HashMap<String, f64>, Vec<String>) {
    let store = plan.place.store();
    let (mut measured, mut problems) = (HashMap::new(), Vec::new());
    for (task, prospect) in plan.tasks.iter().zip(prospects) {
        let Some(prospect) = prospect else { continue };
        let key = of_task(&task.request, prospect);
        if known.0.contains_key(&key) || measured.contains_key(&key) {
            continue;
        }
        let request = Request { model: store.model(&task.request.model), ..task.request.clone() };
        match step(&request, prospect, program) {
            Ok(seconds) => drop(measured.insert(key, seconds)),
            Err(problem) => {
                let problem = format!("no probe of {}: {problem}", plan.described(task));
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    (measured, problems)
}

/// Seconds of a training step, per clip.
fn step(request: &Request, prospect: &Prospect, program: &Program) -> Result<f64, String> {
    let batch = prospect.batch.min(8);
    if let Stem::Patches { stride: [rows, columns], .. } = prospect.shape.stem
        && rows != columns
        && model::is_random(&request.model)
    {
        return Err(format!("its patches have the strides {rows} and {columns}, and `bench step` has one for both"));
    }
    let mut command = Command::new(&program.path);
    command.args(["bench", "step", "--json"]).args(arguments(request, prospect, batch)).stdin(Stdio::null());
    set_environment(&mut command, program);
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Option<serde_json::Value> = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    line.and_then(|line| line["ms"].as_f64()).map(|ms| ms / 1e3 / batch as f64).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        error.lines().last().unwrap_or("bench printed nothing").trim_start_matches("aat-tui: ").to_owned()
    })
}

/// The flags of `bench step` for what a task trains, in batches of so many clips.
fn arguments(request: &Request, prospect: &Prospect, batch: usize) -> Vec<String> {
    let mut arguments = vec![
        ("--model", request.model.clone()),
        ("--method", prospect.method.to_string()),
        ("--frames", prospect.shape.frames().to_string()),
        ("--batch", batch.to_string()),
        ("--device", request.device.clone()),
        ("--dtype", request.dtype.clone()),
        ("--repeats", "3".to_owned()),
        ("--warmup", "1".to_owned()),
        ("--recompute", request.recompute.to_string()),
    ];
    // The recipe's, where the flags have none.
    if let Stem::Patches { stride: [rows, columns], .. } = prospect.shape.stem
        && rows == columns
    {
        arguments.push(("--stride", rows.to_string()));
    }
    if let Some(clips) = request.micro_batch {
        arguments.push(("--micro-batch", clips.min(batch).to_string()));
    }
    arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sweep::File;

    fn of(settings: &str) -> (Vec<String>, String) {
        let text =
            format!("[fixed]\ndata = \"demo\"\nmodel = \"tiny\"\ndevice = \"cpu\"\n{settings}\n[axes]\nseed = [1]\n");
        let plan = Plan::of(File::of(std::path::Path::new("/sweeps/t.toml"), &text).unwrap()).unwrap();
        let (request, prospect) = (&plan.tasks[0].request, plan.check(&[]).unwrap().remove(0).unwrap());
        (arguments(request, &prospect, 4), of_task(request, &prospect))
    }

    /// Every setting that changes the time of a step is measured with its value, and has a key of its own.
    #[test]
    fn a_probe_has_the_settings_of_its_task() {
        let (plain, key) = of("");
        let has = |arguments: &[String], flag: &str, value: &str| arguments.windows(2).any(|two| two == [flag, value]);
        assert!(has(&plain, "--recompute", "none") || has(&plain, "--recompute", "nothing"), "{plain:?}");
        for (setting, flag, value) in [
            ("stride = 8", "--stride", "8"),
            ("recompute = \"block\"", "--recompute", "block"),
            ("dtype = \"bf16\"", "--dtype", "bf16"),
            ("frames = 64", "--frames", "64"),
            ("method = \"head\"", "--method", "head"),
        ] {
            let (arguments, other) = of(setting);
            assert!(has(&arguments, flag, value), "{setting}: {arguments:?}");
            assert_ne!(key, other, "{setting}");
        }
        let (arguments, same) = of("micro-batch = 9");
        assert!(has(&arguments, "--micro-batch", "4") && same == key, "{arguments:?}");
    }
}
