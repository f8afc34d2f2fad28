//! A model as something that computes: everything about a pass that is the same on every device. What differs is a
//! [`Backend`]'s.

mod bins;
mod head;
mod room;
mod tokens;

use std::ops::Range;

use candle_core::Tensor;

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, MemoryOptions, Method, ModelConfig, ModelError, ParamStore,
    StepOutput,
    arch::{self, Head, Model, Names},
    backend::{Backend, Input, Plan, Sizes, Watch},
    engine::check_blocks,
    specs,
};
use crate::ops::block::Squares;
use head::HostHead;
use room::Room;

type Result<T> = std::result::Result<T, ModelError>;

/// A backbone and what a method adds to it, on a backend.
pub(super) struct Network<B> {
    config: ModelConfig,
    extras: Extras,
    names: Model<Names>,
    /// Whether anything before the head trains, and anything before the first block.
    trains: [bool; 2],
    room: Room,
    backend: B,
}

/// What a forward pass saved for its backward pass, from the first to the last.
struct Saved<B: Backend> {
    stem: B::Stem,
    blocks: Vec<B::Block>,
}

/// What some clips come to, together.
struct MicroBatchResult {
    range: Range<usize>,
    loss: f32,
    logits: Vec<f32>,
    squares: Vec<Squares>,
}

impl<B: Backend> Network<B> {
    /// For a model of this shape and method.
    pub fn new(config: ModelConfig, method: Method, memory: MemoryOptions) -> Self {
        let extras = method.extras(&config);
        let names = arch::names(&config, &extras, false);
        let trains = arch::training(&names.backbone, &specs(&config, method));
        let backend = B::new(&Plan { config: &config, extras: &extras, trains: &trains, memory });
        let trains = [trains.list().contains(&&true), trains.stem.any()];
        Self { config, extras, names, trains, room: Room::new(memory.micro_batch), backend }
    }

    /// What computes.
    #[cfg(test)]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Of each clip, the tokens whose mean the head is given.
    fn places(&self, input: &Features) -> Vec<Vec<usize>> {
        (0..input.batch).map(|clip| self.config.pooled_tokens(input.valid.get(clip).copied())).collect()
    }

    /// Sizes of a batch of which these tokens are pooled; `every` one is carried on where somebody looks at them.
    fn sizes(&self, places: &[Vec<usize>], every: bool) -> Sizes {
        let tokens = self.config.tokens();
        let last = places.iter().filter_map(|places| places.last()).max().map_or(tokens, |last| last + 1);
        Sizes { batch: places.len(), tokens, keep: if every { tokens } else { last } }
    }

    /// From what makes tokens to the residual stream after the last block.
    fn through(
        &mut self,
        weights: &B::Weights<'_>,
        sizes: Sizes,
        input: Input<'_>,
        watch: Watch,
    ) -> Result<(B::Tokens, Saved<B>)> {
        let (mut tokens, stem) = self.backend.embed(weights, sizes, input, watch.train && self.trains[1])?;
        let mut blocks = Vec::new();
        for block in 0..self.config.depth {
            let (next, saved) = self.backend.block(weights, sizes, block, tokens, watch)?;
            tokens = next;
            if watch.train {
                blocks.push(saved);
            }
        }
        Ok((tokens, Saved { stem, blocks }))
    }

    /// From the gradient of the residual stream after the last block to everything that trains before it.
    fn through_back(
        &mut self,
        weights: &B::Weights<'_>,
        sizes: Sizes,
        input: Input<'_>,
        Saved { stem, blocks }: Saved<B>,
        mut towards: B::Towards,
        gradients: &mut B::Gradients,
    ) -> Result<()> {
        for (block, saved) in blocks.into_iter().enumerate().rev() {
            match self.backend.block_back(weights, sizes, block, saved, towards, gradients)? {
                Some(before) => towards = before,
                None => return Ok(()),
            }
        }
        if self.trains[1] { self.backend.embed_back(weights, sizes, input, stem, towards, gradients) } else { Ok(()) }
    }

    /// Logits, and norms inside each block where they are wanted and there are adapters.
    fn answer(&mut self, store: &ParamStore, input: &Features, norms: bool) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        if B::ALONE && !self.trains[0] {
            // As in training, where what is kept of a clip must be what it would be now.
            let pooled = self.pooled(store, input)?;
            return Ok((self.head_logits(store, &pooled)?, Vec::new()));
        }
        let taken = self.taken(store, input)?;
        let input = &*taken;
        let weights = self.backend.weights(&self.names.backbone, store)?;
        let head = HostHead::of(&self.names.head, store, self.config.head_eps)?;
        let watch = Watch { train: false, norms: self.measures(norms) };
        let mut whole = Whole::default();
        let mut room = std::mem::take(&mut self.room);
        let done = room.each(input.batch, |range| {
            let clips = input.part(range.clone());
            let places = self.places(&clips);
            let sizes = self.sizes(&places, watch.norms);
            let logits = B::run(|| -> Result<_> {
                let (tokens, _) = self.through(&weights, sizes, Input::Clips(&clips), watch)?;
                let (pooled, _) = self.backend.pool(&weights, sizes, tokens, places)?;
                Ok(head.forward(&pooled).0)
            })?;
            whole.add(MicroBatchResult { range, loss: 0.0, logits, squares: self.backend.squares()? });
            Ok(())
        });
        self.room = room;
        done?;
        Ok((whole.logits, BlockNorms::of(&whole.squares, self.values(input.batch))))
    }

    /// Whether norms that were asked for are there to be measured.
    fn measures(&self, norms: bool) -> bool {
        norms && (self.extras.spatial.is_some() || self.extras.mlp.is_some())
    }

    /// Values of the residual stream of so many clips, over which norms are taken.
    fn values(&self, batch: usize) -> usize {
        batch * self.config.tokens() * self.config.hidden
    }

    /// Gradients in the store's order, of the store's shapes and types.
    fn in_order(
        &self,
        store: &ParamStore,
        backbone: Vec<Option<Tensor>>,
        head: Head<Option<Vec<f32>>>,
    ) -> Result<Vec<Tensor>> {
        let mut found = arch::by_name(&self.names.backbone, backbone)?;
        for (names, gradient) in self.names.head.list().into_iter().zip(head.list()) {
            if let (Names::One(name), Some(gradient)) = (names, gradient) {
                found.insert(name, Tensor::from_slice(gradient, gradient.len(), &candle_core::Device::Cpu)?);
            }
        }
        arch::in_order(store, found)
    }
}

/// What the parts of a batch come to.
#[derive(Default)]
struct Whole {
    loss: f32,
    logits: Vec<f32>,
    squares: Vec<Squares>,
}

impl Whole {
    fn add(&mut self, part: MicroBatchResult) {
        self.loss += part.loss;
        self.logits.extend(part.logits);
        if part.range.start == 0 {
            self.squares = part.squares;
        } else {
            self.squares.iter_mut().zip(part.squares).for_each(|(sum, part)| *sum += part);
        }
    }
}

impl<B: Backend> Engine for Network<B> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        let [backbone, _] = self.trains;
        if B::ALONE && !backbone {
            let pooled = self.pooled(store, input)?;
            return self.head_step(store, &pooled, loss);
        }
        let taken = self.taken(store, input)?;
        let input = &*taken;
        let weights = self.backend.weights(&self.names.backbone, store)?;
        let head = HostHead::of(&self.names.head, store, self.config.head_eps)?;
        let mut gradients = self.backend.gradients(&self.names.backbone, store)?;
        let mut of_head = head.gradients();
        let watch = Watch { train: backbone, norms: self.measures(norms) };
        let mut whole = Whole::default();
        let mut room = std::mem::take(&mut self.room);
        let done = room.each(input.batch, |range| {
            let clips = input.part(range.clone());
            let places = self.places(&clips);
            let sizes = self.sizes(&places, watch.norms);
            B::begin_part(&mut gradients);
            let (saved, end, pooled, normed, logits) = B::run(|| -> Result<_> {
                let (tokens, saved) = self.through(&weights, sizes, Input::Clips(&clips), watch)?;
                let (pooled, end) = self.backend.pool(&weights, sizes, tokens, places)?;
                let (logits, normed) = head.forward(&pooled);
                Ok((saved, end, pooled, normed, logits))
            })?;
            let (share, towards) = loss(range.clone(), &logits);
            let of_part = B::run(|| -> Result<_> {
                let (of_part, towards) = head.backward(&pooled, &normed, &towards, backbone);
                if let Some(towards) = towards {
                    let towards = self.backend.pool_back(&weights, sizes, end, &towards, &mut gradients)?;
                    self.through_back(&weights, sizes, Input::Clips(&clips), saved, towards, &mut gradients)?;
                }
                B::end_part(&mut gradients)?;
                Ok(of_part)
            })?;
            head::add(&mut of_head, &of_part);
            whole.add(MicroBatchResult { range, loss: share, logits, squares: self.backend.squares()? });
            Ok(())
        });
        self.room = room;
        done?;
        let gradients = self.in_order(store, B::found(gradients)?, of_head)?;
        let norms = watch.norms.then(|| BlockNorms::of(&whole.squares, self.values(input.batch)));
        Ok(StepOutput { loss: whole.loss, logits: whole.logits, gradients, norms })
    }

    fn logits(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        Ok(self.answer(store, input, false)?.0)
    }

    fn observe(&mut self, store: &ParamStore, input: &Features) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        self.answer(store, input, true)
    }

    fn states(&mut self, store: &ParamStore, input: &Features, after: &[usize]) -> Result<Vec<Vec<f32>>> {
        let taken = self.taken(store, input)?;
        let input = &*taken;
        check_blocks(after, self.config.depth)?;
        let weights = self.backend.weights(&self.names.backbone, store)?;
        let tokens = self.config.tokens();
        let sizes = Sizes { batch: input.batch, tokens, keep: tokens };
        B::run(|| {
            let (mut tokens, _) = self.backend.embed(&weights, sizes, Input::Clips(input), false)?;
            let mut states = Vec::with_capacity(after.len());
            for block in 0..after.last().copied().unwrap_or(0) {
                tokens = self.backend.block(&weights, sizes, block, tokens, Watch::default())?.0;
                if after.contains(&(block + 1)) {
                    states.push(self.backend.state(sizes, &tokens)?);
                }
            }
            Ok(states)
        })
    }

    fn pooled(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        let taken = self.taken(store, input)?;
        let input = &*taken;
        let weights = self.backend.weights(&self.names.backbone, store)?;
        let mut all = Vec::with_capacity(input.batch * self.config.hidden);
        for clip in 0..input.batch {
            let clip = input.part(clip..clip + 1);
            let places = self.places(&clip);
            let sizes = self.sizes(&places, false);
            all.extend(B::run(|| -> Result<_> {
                let (tokens, _) = self.through(&weights, sizes, Input::Clips(&clip), Watch::default())?;
                Ok(self.backend.pool(&weights, sizes, tokens, places)?.0)
            })?);
        }
        Ok(all)
    }

    fn head_step(&mut self, store: &ParamStore, pooled: &[f32], loss: LossFn<'_>) -> Result<StepOutput> {
        if self.trains[0] {
            return Err(ModelError::Shape("a step of the head alone is for what trains nothing else".into()));
        }
        let head = HostHead::of(&self.names.head, store, self.config.head_eps)?;
        let (logits, normed) = head.forward(pooled);
        let (loss, towards) = loss(0..pooled.len() / self.config.hidden, &logits);
        let (gradients, _) = head.backward(pooled, &normed, &towards, false);
        let gradients = self.in_order(store, Vec::new(), gradients)?;
        Ok(StepOutput { loss, logits, gradients, norms: None })
    }

    fn head_logits(&mut self, store: &ParamStore, pooled: &[f32]) -> Result<Vec<f32>> {
        Ok(HostHead::of(&self.names.head, store, self.config.head_eps)?.forward(pooled).0)
    }

    fn note(&mut self) -> Option<String> {
        self.room.note()
    }
}
