//! Builds a graph node by node: operations, constants, and the names of both.

use std::collections::HashMap;

use half::f16;

use super::proto::{self, Attribute, Constant, F16, F32, Graph, I64, Node, Port, Tensor};
use crate::model::ModelError;

/// Beyond every axis: a slice to its end.
pub(super) const END: i64 = i64::MAX;

/// Values of a weight, when the file is written.
pub(super) type Weights<'a> = Box<dyn Fn() -> Result<Vec<f32>, ModelError> + 'a>;

/// A graph while it grows. An operation answers with the name of its result.
#[derive(Default)]
pub(super) struct Builder<'a> {
    nodes: Vec<Node>,
    constants: Vec<Constant<'a>>,
    /// Small constants that are there already, by numbers, shape and bytes.
    known: HashMap<(i32, Vec<i64>, Vec<u8>), String>,
    place: String,
    half: bool,
}

impl<'a> Builder<'a> {
    /// An empty one; with `half`, matrices are stored in half precision and computed with in single.
    pub(super) fn new(half: bool) -> Self {
        Self { half, ..Self::default() }
    }

    /// Names what follows after this part of the model: `front`, `blocks.3`.
    pub(super) fn at(&mut self, place: impl Into<String>) {
        self.place = place.into();
    }

    /// One operation with one result.
    pub(super) fn op(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let result = format!("{}/{operator}_{}_out", self.place, self.nodes.len());
        self.op_named(operator, inputs, attributes, &result);
        result
    }

    /// The same with a result of this name.
    pub(super) fn op_named(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>, result: &str) {
        self.push(operator, inputs, attributes, vec![result.to_owned()]);
    }

    /// Two halves of a value along an axis.
    pub(super) fn halves(&mut self, value: &str, axis: i64) -> [String; 2] {
        let result = |half: usize| format!("{}/Split_{}_out{half}", self.place, self.nodes.len());
        let halves = [result(0), result(1)];
        self.push("Split", &[value], vec![int("axis", axis)], halves.to_vec());
        halves
    }

    fn push(&mut self, operator: &str, inputs: &[&str], attribute: Vec<Attribute>, output: Vec<String>) {
        self.nodes.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output,
            name: Some(format!("{}/{operator}_{}", self.place, self.nodes.len())),
            op_type: Some(operator.to_owned()),
            attribute,
        });
    }

    /// A single number. Its tensor has no axes: that is what Pad and Clip ask for.
    pub(super) fn number(&mut self, value: f32) -> String {
        self.small(F32, Vec::new(), value.to_le_bytes().to_vec())
    }

    /// A list of whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.small(I64, vec![values.len() as i64], bytes)
    }

    fn small(&mut self, kind: i32, dims: Vec<i64>, bytes: Vec<u8>) -> String {
        let key = (kind, dims, bytes);
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let (name, values) = (format!("constant_{}", self.known.len()), key.2.clone());
        let head = Tensor { dims: key.1.clone(), data_type: Some(kind), name: Some(name.clone()), raw_data: None };
        self.constants.push(Constant { head, values: Box::new(move || Ok(values.clone())) });
        self.known.insert(key, name.clone());
        name
    }

    /// A table of this name and shape, always in single precision.
    pub(super) fn table(&mut self, name: impl Into<String>, shape: &[usize], values: Weights<'a>) -> String {
        let name = name.into();
        let head = Tensor { dims: sizes(shape), data_type: Some(F32), name: Some(name.clone()), raw_data: None };
        let bytes = move || Ok(values()?.into_iter().flat_map(f32::to_le_bytes).collect());
        self.constants.push(Constant { head, values: Box::new(bytes) });
        name
    }

    /// A matrix of the model, in half precision where that is asked for; runtimes widen it once, while they load.
    pub(super) fn matrix(&mut self, name: impl Into<String>, shape: &[usize], values: Weights<'a>) -> String {
        if !self.half {
            return self.table(name, shape, values);
        }
        let name = name.into();
        let head = Tensor { dims: sizes(shape), data_type: Some(F16), name: Some(name.clone()), raw_data: None };
        let checked = name.clone();
        let bytes = move || {
            let values = values()?;
            let narrow: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
            match values.iter().zip(&narrow).find(|(value, narrow)| value.is_finite() && !narrow.is_finite()) {
                Some((value, _)) => Err(ModelError::Shape(format!(
                    "{checked} holds {value}, which is beyond half precision; export it as f32"
                ))),
                None => Ok(narrow.into_iter().flat_map(f16::to_le_bytes).collect()),
            }
        };
        self.constants.push(Constant { head, values: Box::new(bytes) });
        self.op("Cast", &[&name], vec![int("to", i64::from(F32))])
    }

    /// `value[start..end]` along an axis; `end` is the name of a list of one number.
    pub(super) fn slice_to(&mut self, value: &str, start: i64, end: &str, axis: i64) -> String {
        let (start, axis) = (self.ints(&[start]), self.ints(&[axis]));
        self.op("Slice", &[value, &start, end, &axis], Vec::new())
    }

    /// `value[start..end]` along an axis.
    pub(super) fn slice(&mut self, value: &str, start: i64, end: i64, axis: i64) -> String {
        let end = self.ints(&[end]);
        self.slice_to(value, start, &end, axis)
    }

    /// The same values in another shape; 0 keeps the size of that axis.
    pub(super) fn reshape(&mut self, value: &str, shape: &[i64]) -> String {
        let shape = self.ints(shape);
        self.op("Reshape", &[value, &shape], Vec::new())
    }

    /// Axes in another order.
    pub(super) fn transpose(&mut self, value: &str, order: &[i64]) -> String {
        self.op("Transpose", &[value], vec![ints("perm", order)])
    }

    /// A new axis of size 1.
    pub(super) fn unsqueeze(&mut self, value: &str, axis: i64) -> String {
        let axis = self.ints(&[axis]);
        self.op("Unsqueeze", &[value, &axis], Vec::new())
    }

    /// A convolution with nothing left to defaults, which not every runtime has.
    pub(super) fn conv(&mut self, inputs: &[&str], kernel: &[usize], strides: &[usize], pad: i64) -> String {
        let pads = vec![pad; 2 * strides.len()];
        let attributes =
            vec![ints("kernel_shape", &sizes(kernel)), ints("strides", &sizes(strides)), ints("pads", &pads)];
        self.op("Conv", inputs, attributes)
    }

    /// The exact GELU, in the order that onnxruntime recognises and joins with the bias before it.
    pub(super) fn gelu(&mut self, x: &str) -> String {
        let (root, one, half) = (self.number(std::f32::consts::SQRT_2), self.number(1.0), self.number(0.5));
        let scaled = self.op("Div", &[x, &root], Vec::new());
        let erf = self.op("Erf", &[&scaled], Vec::new());
        let share = self.op("Add", &[&erf, &one], Vec::new());
        let product = self.op("Mul", &[x, &share], Vec::new());
        self.op("Mul", &[&product, &half], Vec::new())
    }

    /// The graph without its constants, and these.
    pub(super) fn finish(self, input: Vec<Port>, output: Vec<Port>) -> (Graph, Vec<Constant<'a>>) {
        let graph = Graph { node: self.nodes, name: Some("aat-tui".into()), initializer: Vec::new(), input, output };
        (graph, self.constants)
    }
}

/// Sizes as the format has them.
fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&size| size as i64).collect()
}

/// A setting that is a whole number.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: Some(name.to_owned()), i: Some(value), kind: Some(2), ..Attribute::default() }
}

/// A setting that is a number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute { name: Some(name.to_owned()), f: Some(value), kind: Some(1), ..Attribute::default() }
}

/// A setting that is text.
pub(super) fn text(name: &str, value: &str) -> Attribute {
    Attribute { name: Some(name.to_owned()), s: Some(value.into()), kind: Some(3), ..Attribute::default() }
}

/// A setting that is a list of whole numbers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: Some(name.to_owned()), ints: values.to_vec(), kind: Some(7), ..Attribute::default() }
}

/// An input or output of single precision; an axis is a size or the name of one that is left open.
pub(super) fn port(name: &str, axes: &[Result<usize, &str>]) -> Port {
    let axis = |axis: &Result<usize, &str>| match *axis {
        Ok(size) => proto::Axis { value: Some(size as i64), name: None },
        Err(name) => proto::Axis { value: None, name: Some(name.to_owned()) },
    };
    let shape = proto::Shape { dim: axes.iter().map(axis).collect() };
    let tensor = proto::TensorType { elem_type: Some(F32), shape: Some(shape) };
    Port { name: Some(name.to_owned()), r#type: Some(proto::Type { tensor: Some(tensor) }) }
}
