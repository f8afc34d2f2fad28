//! Starts a pretraining: a new one from a request, or an old one from its last checkpoint.

use std::{path::Path, sync::Arc};

use candle_core::{Device, Tensor};

use super::{
    PretrainRequest,
    run::{CHECKPOINT_EVERY, Pretraining},
    teacher::{self, with_statistics},
};
use crate::{
    audio::FrontEnd,
    data::{
        self, ClipList, Crops, Cut, Division, FeatureSet, Metric, PATCH, Recipe, Schedule, divide_corpus, open_corpus,
    },
    infer::restore,
    limits,
    model::{
        self, Inventory, Method, Pooling, Precision, grid_sinusoids,
        pretrain::{Heads, Objectives, Pretrainer},
    },
    session::{
        self, Checkpoints, Event, History, Lock, LogWriter, OnNan, Position, PretrainConfig, RunConfig, Status, Store,
    },
    train::{
        AdamW, TrainError,
        journal::Journal,
        provenance::{record, renamed, same_clips},
        session_writer::SessionWriter,
        snapshot,
    },
};

/// Frames kept of each sound.
const KEPT_FRAMES: usize = 1024;
/// Weight decay and warm-up of every pretraining (SSAST states neither; the decay is DeiT's).
const WEIGHT_DECAY: f64 = 0.05;
const WARMUP_STEPS: u64 = 200;

/// The sounds of a run, and what else it needs of them.
struct Corpus {
    set: Arc<FeatureSet>,
    clips: ClipList,
    train: Vec<usize>,
    val: Vec<usize>,
    unreadable: usize,
    /// Notes about sounds that are odd but usable.
    odd: Option<String>,
}

/// Opens the sounds, decodes what is not cached, and leaves out what cannot be read.
fn corpus(specs: &[String], seed: u64, journal: &Journal) -> Result<Corpus, TrainError> {
    let corpus = open_corpus(specs)?;
    let (train, val) = divide_corpus(&corpus, seed);
    let set = Arc::new(FeatureSet::new(Arc::new(corpus), FrontEnd::Kaldi, KEPT_FRAMES));
    let all = [train.as_slice(), &val].concat();
    let bad = set.readable(&all, &mut |done, total| journal.preparing(done, total))?;
    let good = |items: Vec<usize>| items.into_iter().filter(|item| !bad.contains(item)).collect::<Vec<_>>();
    let (train, val) = (good(train), good(val));
    if train.is_empty() || val.is_empty() {
        return Err(TrainError::Request(format!("no two sounds of {} can be read", specs.join(", "))));
    }
    let division = Division { train, val, test: Vec::new() };
    let clips = ClipList::of(set.dataset(), &division, &mut |done, total| journal.preparing(done, total))?;
    let Division { train, val, .. } = division;
    let odd = set.odd(&[train.as_slice(), &val].concat());
    Ok(Corpus { set, clips, train, val, unreadable: bad.len(), odd })
}

/// The absolute path of a folder, whatever the working directory; `demo` stays as it is.
fn absolute(spec: &str) -> String {
    match Path::new(spec).canonicalize() {
        Ok(path) => path.to_string_lossy().into_owned(),
        Err(_) => spec.to_owned(),
    }
}

/// The teacher's features of every sound, computed once.
fn taught(
    config: &PretrainConfig,
    corpus: &Corpus,
    journal: &Journal,
) -> Result<Option<Arc<data::Teaching>>, TrainError> {
    if config.objectives.distill <= 0.0 {
        return Ok(None);
    }
    let Some(source) = &config.teacher else {
        return Err(TrainError::Request("distillation needs a teacher: give --teacher, a checkpoint".into()));
    };
    let teaching = teacher::teaching(source, &config.teacher_layers)?;
    let all = [corpus.train.as_slice(), &corpus.val].concat();
    teacher::teach(&teaching, &corpus.set, &all, |done| journal.preparing(done, all.len()))?;
    Ok(Some(with_statistics(teaching, &corpus.set, &corpus.train)?))
}

/// Begins a session.
///
/// # Errors
/// When data, model and wishes do not fit together.
pub(in crate::train) fn begin(
    store: &Store,
    request: &PretrainRequest,
    journal: &mut Journal,
) -> Result<Pretraining, TrainError> {
    check(request)?;
    let device = model::device(&request.device)?;
    let dtype = Precision::named(&request.dtype, &device)?;
    let corpus = corpus(&request.data, request.seed, journal)?;
    let own = PretrainConfig {
        data: request.data.iter().map(|spec| absolute(spec)).collect(),
        objectives: request.objectives,
        teacher: request.teacher.clone(),
        teacher_layers: request.teacher_layers.clone(),
        keep: request.keep,
        hide: request.hide,
        augment: request.augment,
        unreadable: corpus.unreadable,
    };
    let teaching = taught(&own, &corpus, journal)?;
    let sample: Vec<usize> = corpus.train.iter().copied().step_by(corpus.train.len().div_ceil(1024).max(1)).collect();
    let normalisation = corpus.set.statistics(&sample)?;
    let labels = corpus.set.dataset().classes.clone();
    if request.objectives.labels > 0.0 && labels.len() < 2 {
        return Err(TrainError::Request("`labels` needs sounds in at least two class folders".into()));
    }
    let opened = open(&request.model, request.frames, labels.len().max(1), request.seed, &device)?;
    let shape = opened.config.clone();
    let heads = Heads { classes: labels.len(), teacher: teaching.as_ref().map_or(0, |teaching| teaching.features) };
    let weights = Pretrainer::store(&shape, &opened.store, request.objectives, heads, request.seed)?;
    let name = request.name.clone().unwrap_or_else(|| format!("pretrain-{}", corpus.set.dataset().name));
    let (session, lock) = store.create(&name)?;
    let renamed = renamed(request.name.as_deref(), &session);
    session::write_clips(lock.folder(), &corpus.clips)?;
    let config = RunConfig {
        session,
        data: request.data.join(", "),
        data_name: corpus.set.dataset().name.clone(),
        dataset: Some(Box::new(record("", corpus.set.dataset(), &corpus.clips))),
        marks: crate::data::marks::Options::default(),
        labels,
        fold: None,
        model: request.model.clone(),
        shape,
        method: Method::full(),
        micro_batch: request.batch,
        recipe: recipe(request)?,
        normalisation,
        lr: request.lr,
        seed: request.seed,
        device: model::device_name(&device),
        dtype,
        norms_every: 0,
        recompute: model::Recompute::Nothing,
        on_nan: OnNan::Stop,
        paired_with: None,
        pretrain: Some(Box::new(own)),
    };
    let optimizer = AdamW::new(&weights, WEIGHT_DECAY)?;
    journal.write_to(LogWriter::open(lock.folder())?);
    let crops = crops(&config, &corpus, teaching);
    let steps = steps_per_epoch(&corpus, &config);
    journal.emit(Event::Started {
        config: Box::new(config.clone()),
        inventory: Inventory::of(weights.specs()),
        tokens: config.shape.tokens(),
        train_clips: corpus.train.len(),
        val_clips: corpus.val.len(),
        steps_per_epoch: steps,
        moment_bytes: optimizer.bytes(),
    });
    if let Some(message) = renamed {
        journal.emit(Event::Warning { message });
    }
    if corpus.unreadable > 0 {
        let message = format!("{} sounds cannot be read and are left out", corpus.unreadable);
        journal.emit(Event::Warning { message });
    }
    if let Some(message) = corpus.odd {
        journal.emit(Event::Warning { message });
    }
    let position = Position { backbone: opened.fingerprint, ..Position::default() };
    let engine = Pretrainer::new(config.shape.clone(), request.objectives, &device, dtype);
    Ok(Pretraining {
        config,
        engine,
        store: weights,
        optimizer,
        crops,
        stream: None,
        steps_per_epoch: steps,
        position,
        writer: SessionWriter::new(lock, CHECKPOINT_EVERY, None),
        validation: None,
    })
}

/// Continues from a session's last checkpoint.
///
/// # Errors
/// When the sounds or the teacher have changed.
pub(in crate::train) fn resume(lock: Lock, folder: &Path, journal: &mut Journal) -> Result<Pretraining, TrainError> {
    let state = session::load(folder)?;
    let history = History::of(&state);
    let config = state.config.ok_or_else(|| TrainError::Request("the log does not say what was trained".into()))?;
    if state.status == Status::Finished {
        return Err(TrainError::Request(format!("{} is complete", config.session)));
    }
    let Some(own) = config.pretrain.as_deref() else {
        return Err(TrainError::Request(format!("{} is no pretraining", config.session)));
    };
    let checkpoints = Checkpoints::of(folder);
    checkpoints.sweep();
    let corpus = corpus(&own.data, config.seed, journal)?;
    if (corpus.train.len(), corpus.val.len()) != state.clips {
        return Err(TrainError::Request(format!(
            "{} no longer has the sounds that {} began with; restore them, or pretrain anew",
            config.data, config.session
        )));
    }
    same_clips(&config, &corpus.clips, folder)?;
    let teaching = taught(own, &corpus, journal)?;
    let device = model::device(&config.device)?;
    let opened = open(&config.model, config.shape.frames(), config.shape.classes, config.seed, &device)?;
    let heads =
        Heads { classes: config.labels.len(), teacher: teaching.as_ref().map_or(0, |teaching| teaching.features) };
    let weights = Pretrainer::store(&config.shape, &opened.store, own.objectives, heads, config.seed)?;
    let (position, optimizer, notes) = if checkpoints.any() {
        let (checkpoint, passed_over) = snapshot::to_resume(&checkpoints, &weights, &history)?;
        if opened.fingerprint != checkpoint.position.backbone {
            return Err(TrainError::Request(format!(
                "the backbone {} is not the one that {} began with; restore its file, or pretrain anew",
                config.model, config.session
            )));
        }
        restore(&weights, &checkpoint)?;
        let optimizer = snapshot::restore_optimizer(&weights, &checkpoint, WEIGHT_DECAY)?;
        (checkpoint.position, optimizer, passed_over.iter().map(ToString::to_string).collect())
    } else {
        let position = Position { backbone: opened.fingerprint, ..Position::default() };
        (position, AdamW::new(&weights, WEIGHT_DECAY)?, vec![snapshot::FROM_THE_START.to_owned()])
    };
    journal.take_up(folder, &position, notes, history.lacks(&position))?;
    let crops = crops(&config, &corpus, teaching);
    let steps = steps_per_epoch(&corpus, &config);
    let engine = Pretrainer::new(config.shape.clone(), own.objectives, &device, config.dtype);
    Ok(Pretraining {
        config: *config,
        engine,
        store: weights,
        optimizer,
        crops,
        stream: None,
        steps_per_epoch: steps,
        writer: SessionWriter::new(lock, CHECKPOINT_EVERY, Some(&position)),
        position,
        validation: None,
    })
}

/// The initial backbone. Random position embeddings contain too little about a patch's position; sinusoids
/// do from the first step.
fn open(model: &str, frames: usize, classes: usize, seed: u64, device: &Device) -> Result<model::Opened, TrainError> {
    let mut opened = model::open(&model::Request {
        frames: Some(frames),
        stride: Some([PATCH, PATCH]),
        classes: Some(classes),
        method: Some(Method::full()),
        seed,
        device: device.clone(),
        ..model::Request::new(model)
    })?;
    let front_end = opened.config.front_end()?;
    if front_end != FrontEnd::Kaldi {
        return Err(TrainError::Request(format!(
            "pretraining trains on {}, and {model} takes {}: begin from an AST or from tiny, small or base, and name {model} \
             as the teacher instead",
            FrontEnd::Kaldi.title(),
            front_end.title()
        )));
    }
    if model::is_random(model) {
        // The mean of the patches is informative at once; class tokens must first learn to attend.
        opened.config.pooling = Pooling::Mean;
    }
    if let Some(positions) = opened.store.get("pos_embed").filter(|_| model::is_random(model)) {
        let ([rows, columns], hidden) = (opened.config.grid(), opened.config.hidden);
        let mut values: Vec<f32> = positions.flatten_all()?.to_vec1()?;
        let first = opened.config.class_tokens() * hidden;
        values[first..].copy_from_slice(&grid_sinusoids(rows, columns, hidden));
        positions.set(&Tensor::from_vec(values, positions.shape(), positions.device())?)?;
    }
    Ok(opened)
}

fn crops(config: &RunConfig, corpus: &Corpus, teaching: Option<Arc<data::Teaching>>) -> Crops {
    let own = config.pretrain.as_deref();
    let cut = Cut {
        frames: config.shape.frames(),
        batch: config.recipe.batch,
        keep: own.map_or(1.0, |own| own.keep),
        hide: own.map_or(0.0, |own| if own.objectives.ssast > 0.0 { own.hide } else { 0.0 }),
        augment: own.map_or(1.0, |own| own.augment),
        normalisation: config.normalisation,
        seed: config.seed,
    };
    Crops::new(Arc::clone(&corpus.set), teaching, cut, corpus.train.clone(), corpus.val.clone())
}

/// Steps that cover as much sound as the corpus has.
fn steps_per_epoch(corpus: &Corpus, config: &RunConfig) -> u64 {
    let frames: usize = corpus.train.iter().map(|&item| corpus.set.frames_of(item)).sum();
    frames.div_ceil(config.shape.frames() * config.recipe.batch).max(1) as u64
}

/// The settings of a pretraining; what only labelled sets need stays at its default.
fn recipe(request: &PretrainRequest) -> Result<Recipe, TrainError> {
    Ok(Recipe {
        name: "pretrain".into(),
        frames: request.frames,
        stride: [PATCH, PATCH],
        freq_mask: 0,
        time_mask: 0,
        metric: Metric::Score,
        lr_full: request.lr,
        lr: request.lr,
        random: None,
        weight_decay: WEIGHT_DECAY,
        schedule: Schedule {
            warmup_steps: WARMUP_STEPS,
            constant_until: request.epochs.into(),
            factor: 1.0,
            every: 1.0,
        },
        batch: request.batch,
        epochs: request.epochs,
        clip_norm: 1.0,
        ..Recipe::named("default")?
    })
}

fn check(request: &PretrainRequest) -> Result<(), TrainError> {
    let refuse = |problem: String| Err(TrainError::Request(problem));
    let Objectives { labels, distill, ssast } = request.objectives;
    if [labels, distill, ssast].iter().any(|weight| !weight.is_finite() || *weight < 0.0)
        || labels + distill + ssast <= 0.0
    {
        return refuse("give at least one objective a weight above 0: labels, distill or ssast".into());
    }
    if request.frames > limits::FRAMES {
        return refuse(format!("frames is {} and must be at most {}", request.frames, limits::FRAMES));
    }
    if request.frames < 4 * PATCH || !request.frames.is_multiple_of(4 * PATCH) {
        return refuse(format!("frames is {} and must be a multiple of {}", request.frames, 4 * PATCH));
    }
    if request.batch > limits::BATCH {
        return refuse(format!("batch is {} and must be at most {}", request.batch, limits::BATCH));
    }
    if request.batch == 0 || !(request.lr.is_finite() && request.lr > 0.0) {
        return refuse("batch and lr must be above 0".into());
    }
    if !(request.keep > 0.0 && request.keep <= 1.0 && (0.0..1.0).contains(&request.hide)) {
        return refuse("keep must be above 0 and at most 1, hide at least 0 and below 1".into());
    }
    if !(0.0..=1.0).contains(&request.augment) {
        return refuse(format!("augment is {} and must be from 0 to 1", request.augment));
    }
    Ok(())
}
