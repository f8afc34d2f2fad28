//! Starts a run: a new one from a request, or an old one from its last checkpoint.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    AdamW, Launch, Request, TrainError,
    average::Average,
    batches::Batches,
    frozen::Frozen,
    head_start,
    job::Job,
    journal::Journal,
    plan::{Plan, front_end, plan},
    pretrain,
    provenance::{renamed, same_clips, warnings},
    run::{CHECKPOINT_EVERY, Run},
    session_writer::SessionWriter,
    shared_features::SharedFeatures,
    snapshot,
};
use crate::{
    data::{self, ClipList, Division, FeatureSet},
    infer::{backbone, restore},
    model::{self, Inventory, MemoryOptions, Opened},
    session::{self, Checkpoints, Event, History, Lock, LogWriter, Position, RunConfig, Status, Store},
};

/// The runs of one trainer: they share features, and the first gives the others its name as their pair.
#[derive(Clone)]
pub(super) struct Group {
    store: Store,
    shared: SharedFeatures,
    lead: Arc<Mutex<Option<String>>>,
}

impl Group {
    pub(super) fn new(store: Store) -> Self {
        Self { store, shared: SharedFeatures::default(), lead: Arc::default() }
    }

    /// Prepares a run, on the trainer's thread.
    pub(super) fn launch(&self, launch: Launch, journal: &mut Journal) -> Result<Box<dyn Job>, TrainError> {
        Ok(match launch {
            Launch::New(request) => Box::new(self.begin(&request, journal)?),
            Launch::Pretrain(request) => Box::new(pretrain::begin(&self.store, &request, journal)?),
            Launch::Resume { session, began_ms } => {
                let lock = Lock::take(&session)?;
                let state = session::load(&session)?;
                let began = state.span_ms.map(|(first, _)| first);
                if began_ms.is_some() && began_ms != began {
                    return Err(TrainError::Another(session));
                }
                match state.config.is_some_and(|config| config.pretrain.is_some()) {
                    true => Box::new(pretrain::resume(lock, &session, journal)?),
                    false => Box::new(self.resume(lock, &session, journal)?),
                }
            }
        })
    }

    pub(super) fn begin(&self, request: &Request, journal: &mut Journal) -> Result<Run, TrainError> {
        let Plan { mut config, features, division, clips } =
            plan(request, &self.shared, &mut |done, total| journal.preparing(done, total))?;
        let model = open(&config)?;
        let (name, lock) = self.store.create(&config.session)?;
        let renamed = renamed(request.name.as_deref(), &name);
        config.session = name;
        session::write_clips(lock.folder(), &clips)?;
        let mut lead = self.lead.lock().unwrap_or_else(PoisonError::into_inner);
        match &*lead {
            Some(lead) => config.paired_with = config.paired_with.or_else(|| Some(lead.clone())),
            None => *lead = Some(config.session.clone()),
        }
        drop(lead);
        head_start::start(&model.store, config.recipe.loss, features.dataset(), &division.train)?;
        let optimizer = AdamW::new(&model.store, config.recipe.weight_decay)?;
        journal.write_to(LogWriter::open(lock.folder())?);
        journal.emit(Event::Started {
            config: Box::new(config.clone()),
            inventory: Inventory::of(model.store.specs()),
            tokens: config.shape.tokens(),
            train_clips: division.train.len(),
            val_clips: division.val.len(),
            steps_per_epoch: division.train.len().div_ceil(config.recipe.batch) as u64,
            moment_bytes: optimizer.bytes(),
        });
        let warnings = warnings(features.dataset(), &division);
        let odd = features.odd(&[division.train.as_slice(), &division.val].concat());
        // The description of a built-in backbone is not a warning.
        let notes =
            model.notes.iter().filter(|note| model::built_in().iter().all(|(_, what)| what != &note.as_str())).cloned();
        for message in renamed.into_iter().chain(warnings).chain(odd).chain(notes) {
            journal.emit(Event::Warning { message });
        }
        let position = Position { backbone: model.fingerprint.clone(), ..Position::default() };
        let plan = Plan { config, features, division, clips };
        let writer = SessionWriter::new(lock, CHECKPOINT_EVERY, None);
        assemble(plan, model, optimizer, position, writer, journal)
    }

    pub(super) fn resume(&self, lock: Lock, folder: &Path, journal: &mut Journal) -> Result<Run, TrainError> {
        let state = session::load(folder)?;
        let history = History::of(&state);
        let config = state.config.ok_or_else(|| {
            TrainError::Request(format!("{}: the log does not say what was trained; train anew", folder.display()))
        })?;
        if state.status == Status::Finished {
            let epochs = config.recipe.epochs;
            return Err(TrainError::Request(format!("{} is complete: all {epochs} epochs are done", config.session)));
        }
        let checkpoints = Checkpoints::of(folder);
        checkpoints.sweep();
        let (features, division, clips) = self.same_data(&config, state.clips, folder, journal)?;
        let model = open(&config)?;
        if !checkpoints.any() {
            // Everything up to here is a function of the seed: the run starts again from its first step.
            head_start::start(&model.store, config.recipe.loss, features.dataset(), &division.train)?;
            let optimizer = AdamW::new(&model.store, config.recipe.weight_decay)?;
            let position = Position { backbone: model.fingerprint.clone(), ..Position::default() };
            journal.take_up(folder, &position, vec![snapshot::FROM_THE_START.to_owned()], None)?;
            let plan = Plan { config: *config, features, division, clips };
            let writer = SessionWriter::new(lock, CHECKPOINT_EVERY, None);
            return assemble(plan, model, optimizer, position, writer, journal);
        }
        let (checkpoint, passed_over) = snapshot::to_resume(&checkpoints, &model.store, &history)?;
        let position = checkpoint.position.clone();
        if model.fingerprint != position.backbone {
            return Err(TrainError::Request(format!(
                "the backbone {} is not the one that {} began with; restore its file, or train anew",
                config.model, config.session
            )));
        }
        restore(&model.store, &checkpoint)?;
        let optimizer = snapshot::restore_optimizer(&model.store, &checkpoint, config.recipe.weight_decay)?;
        let notes = passed_over.iter().map(ToString::to_string).collect();
        journal.take_up(folder, &position, notes, history.lacks(&position))?;
        let writer = SessionWriter::new(lock, CHECKPOINT_EVERY, Some(&position));
        let plan = Plan { config: *config, features, division, clips };
        let mut run = assemble(plan, model, optimizer, position, writer, journal)?;
        run.predictions = snapshot::predictions_in(&checkpoint);
        run.average = Average::restore(&run.store, &checkpoint, run.position.averaged)?;
        Ok(run)
    }

    /// The data that a session was trained on, if it is still the same by classes, by number of clips, and by each
    /// clip's name, label and content.
    fn same_data(
        &self,
        config: &RunConfig,
        counts: (usize, usize),
        folder: &Path,
        journal: &Journal,
    ) -> Result<(Arc<FeatureSet>, Division, ClipList), TrainError> {
        let spec = config.data_spec();
        // With the labels that it began with, whatever was corrected since.
        let dataset = data::open_corrected(&spec, &config.marks(), config.corrected())?;
        if dataset.classes != config.labels {
            return Err(TrainError::Request(format!(
                "{spec} no longer has the classes that {} was trained on; restore the data, or train anew",
                config.session
            )));
        }
        let division = dataset.divide(config.fold, config.seed)?;
        let now = (division.train.len(), division.val.len());
        if now != counts {
            return Err(TrainError::Request(format!(
                "{spec} now has {} and {} clips to train and validate on, not {} and {}; restore the data, or train anew",
                now.0, now.1, counts.0, counts.1
            )));
        }
        let features = self.shared.take(dataset, front_end(&config.shape)?, config.recipe.frames);
        let mut progress = |done, total| journal.preparing(done, total);
        features.prepare(&[division.train.as_slice(), &division.val].concat(), &mut progress)?;
        let clips = ClipList::of(features.dataset(), &division, &mut progress)?;
        same_clips(config, &clips, folder)?;
        Ok((features, division, clips))
    }
}

/// The backbone that a run's configuration names.
pub(super) fn open(config: &RunConfig) -> Result<Opened, TrainError> {
    Ok(backbone(config, &config.device, Some(config.dtype))?)
}

fn assemble(
    plan: Plan,
    model: Opened,
    optimizer: AdamW,
    position: Position,
    writer: SessionWriter,
    journal: &Journal,
) -> Result<Run, TrainError> {
    let RunConfig { micro_batch, recompute, .. } = plan.config;
    let memory =
        MemoryOptions { micro_batch: Some(micro_batch), precision: model.precision, recompute, training: true };
    let batches = Batches::new(&plan, &mut |done, total| journal.preparing(done, total))?;
    Ok(Run {
        engine: model.engine_with(memory),
        store: model.store,
        frozen: Frozen::of(&plan.config),
        config: plan.config,
        optimizer,
        batches,
        position,
        evaluation: None,
        average: Average::default(),
        averaging: None,
        averaged: None,
        predictions: None,
        usual_ms: Vec::new(),
        skipped: 0,
        writer,
    })
}
