//! A model's weights as a file's constants: turned around, folded, scaled; each computed when its turn comes.

use candle_core::DType;

use super::graph::Weights;
use crate::model::{
    Method, ModelConfig, ModelError, ParamStore, Positions,
    arch::sums_of_axes,
    spec::{AXES, CLASS_TOKENS, POSITIONS},
};

/// Which third of a block's `attn.qkv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Third {
    Query,
    Key,
    Value,
}

impl Third {
    pub(super) const ALL: [Self; 3] = [Self::Query, Self::Key, Self::Value];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Query => "q",
            Self::Key => "k",
            Self::Value => "v",
        }
    }
}

/// The parameters of a model, by name.
#[derive(Clone, Copy)]
pub(super) struct Params<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) method: Method,
    pub(super) store: &'a ParamStore,
}

impl<'a> Params<'a> {
    /// The values of one, row-major.
    pub(super) fn read(self, name: &str) -> Result<Vec<f32>, ModelError> {
        let var = self.store.get(name).ok_or_else(|| ModelError::Shape(format!("there is no {name}")))?;
        Ok(var.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// Whether the model has this one.
    pub(super) fn has(self, name: &str) -> bool {
        self.store.get(name).is_some()
    }

    /// The values as they are.
    pub(super) fn plain(self, name: &str) -> Weights<'a> {
        let name = name.to_owned();
        Box::new(move || self.read(&name))
    }

    /// Outputs and inputs of a linear layer.
    pub(super) fn size(self, layer: &str) -> Result<[usize; 2], ModelError> {
        let name = format!("{layer}.weight");
        match self.store.entry(&name).map(|(spec, _)| spec.shape.as_slice()) {
            Some(&[out, input]) => Ok([out, input]),
            _ => Err(ModelError::Shape(format!("there is no matrix {name}"))),
        }
    }

    /// A linear layer's (out, in) as (in, out).
    pub(super) fn turned(self, layer: &str) -> Result<Weights<'a>, ModelError> {
        let [out, input] = self.size(layer)?;
        let name = format!("{layer}.weight");
        Ok(Box::new(move || Ok(turn(&self.read(&name)?, out, input))))
    }

    /// What queries are multiplied by, folded into their layer: 1 / sqrt(size of a head).
    fn scale(self, third: Third) -> f64 {
        match third {
            Third::Query => ((self.config.hidden / self.config.heads) as f64).powf(-0.5),
            Third::Key | Third::Value => 1.0,
        }
    }

    /// The layer of queries, keys or values of a block as (in, out), with low-rank updates and the scale in it.
    pub(super) fn attention(self, block: &str, third: Third) -> Weights<'a> {
        let block = block.to_owned();
        Box::new(move || {
            let d = self.config.hidden;
            let rows = self.rows(&block, third)?;
            Ok(turn(&rows.into_iter().map(|value| value as f32).collect::<Vec<_>>(), d, d))
        })
    }

    /// Its bias: zeros for Whisper's keys.
    pub(super) fn attention_bias(self, block: &str, third: Third) -> Weights<'a> {
        let block = block.to_owned();
        Box::new(move || Ok(self.bias(&block, third)?.into_iter().map(|value| value as f32).collect()))
    }

    /// (out, in) in float64.
    fn rows(self, block: &str, third: Third) -> Result<Vec<f64>, ModelError> {
        let d = self.config.hidden;
        let all = self.read(&format!("{block}.attn.qkv.weight"))?;
        let at = third as usize * d * d;
        let mut rows = all[at..at + d * d].to_vec();
        let layer = format!("{block}.attn.lora_{}", third.name());
        if let Some(size) = self.method.extras(self.config).lora.filter(|_| third != Third::Key) {
            let (down, up) = (self.read(&format!("{layer}.down.weight"))?, self.read(&format!("{layer}.up.weight"))?);
            size.fold(&up, &down, &mut rows);
        }
        let scale = self.scale(third);
        Ok(rows.into_iter().map(|value| scale * f64::from(value)).collect())
    }

    fn bias(self, block: &str, third: Third) -> Result<Vec<f64>, ModelError> {
        let d = self.config.hidden;
        let values = match (self.config.key_bias(), third) {
            (true, _) => self.read(&format!("{block}.attn.qkv.bias"))?[third as usize * d..][..d].to_vec(),
            (false, Third::Key) => vec![0.0; d],
            (false, _) => self.read(&format!("{block}.attn.{}_bias", third.name()))?,
        };
        let scale = self.scale(third);
        Ok(values.into_iter().map(|value| scale * f64::from(value)).collect())
    }

    /// The keys or values that a block's prompts come to, whatever the sound: what prompts answer is dropped, so each is
    /// a constant key and a constant value. (1, heads, head size, prompts) for keys, (1, heads, prompts, head size) for
    /// values.
    pub(super) fn prompts(self, block: &str, third: Third) -> Weights<'a> {
        let block = block.to_owned();
        Box::new(move || {
            let d = self.config.hidden;
            let tokens = self.read(&format!("{block}.prompt"))?;
            let norm = [self.read(&format!("{block}.norm1.weight"))?, self.read(&format!("{block}.norm1.bias"))?];
            let (rows, bias) = (self.rows(&block, third)?, self.bias(&block, third)?);
            // (prompts, D)
            let answers: Vec<f64> = tokens
                .chunks_exact(d)
                .flat_map(|token| {
                    let normed = normed(token, &norm, self.config.norm_eps);
                    let answer = |(row, bias): (&[f64], &f64)| {
                        row.iter().zip(&normed).map(|(weight, value)| weight * value).sum::<f64>() + bias
                    };
                    rows.chunks_exact(d).zip(&bias).map(answer).collect::<Vec<_>>()
                })
                .collect();
            let (prompts, heads) = (tokens.len() / d, self.config.heads);
            let size = d / heads;
            let value = |head: usize, prompt: usize, at: usize| answers[prompt * d + head * size + at] as f32;
            let mut sorted = Vec::with_capacity(answers.len());
            for head in 0..heads {
                match third {
                    Third::Key => {
                        (0..size).for_each(|at| sorted.extend((0..prompts).map(|prompt| value(head, prompt, at))));
                    }
                    _ => (0..prompts).for_each(|prompt| sorted.extend((0..size).map(|at| value(head, prompt, at)))),
                }
            }
            Ok(sorted)
        })
    }

    /// Positions of every token, (tokens, D).
    fn positions(self) -> Result<Vec<f32>, ModelError> {
        match self.config.facts().positions {
            Positions::Tokens | Positions::Sinusoids => self.read(POSITIONS),
            Positions::Axes => {
                let [rows, columns] = AXES.map(|name| self.read(name));
                Ok(sums_of_axes(&rows?, &columns?, self.config.grid()))
            }
        }
    }

    /// What is added to the tokens of a patch stem, (1, tokens, D): positions, and beside them the class tokens (which
    /// stand on rows of zeros) and the patches' bias.
    pub(super) fn patch_table(self) -> Weights<'a> {
        Box::new(move || {
            let d = self.config.hidden;
            let bias = self.read("patch.bias")?;
            let mut table = self.positions()?;
            let mut class = Vec::new();
            for name in &CLASS_TOKENS[..self.config.class_tokens()] {
                class.extend(self.read(name)?);
            }
            let own = class.chunks_exact(d).chain(std::iter::repeat(bias.as_slice()));
            for (row, own) in table.chunks_exact_mut(d).zip(own) {
                row.iter_mut().zip(own).for_each(|(value, own)| *value += own);
            }
            Ok(table)
        })
    }
}

/// LayerNorm of one token, in float64.
fn normed(token: &[f32], [weight, bias]: &[Vec<f32>; 2], eps: f64) -> Vec<f64> {
    let n = token.len() as f64;
    let mean = token.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let variance = token.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
    let scale = (variance + eps).powf(-0.5);
    let values = token.iter().zip(weight).zip(bias);
    values.map(|((&x, &weight), &bias)| (f64::from(x) - mean) * scale * f64::from(weight) + f64::from(bias)).collect()
}

/// (rows, columns) as (columns, rows).
fn turn(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}
