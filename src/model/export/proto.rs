//! The part of ONNX's protocol buffers that an exported model needs, and its writing.
//!
//! Tags and types are those of `onnx.proto3` (IR version 8). [`write`] streams: a weight is in memory only while it is
//! written, and the file's size is known before its first byte.

use std::io::Write;

use prost::{Message, length_delimiter_len};

use crate::model::ModelError;

/// The most bytes that a protocol buffer may have, so that every reader takes it.
pub(super) const LARGEST: u64 = i32::MAX as u64;

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the format.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// The program that wrote it.
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    /// Its version.
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    /// The computation.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Which operators it uses.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Text by name: labels, sample rate, licence.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

/// A set of operators.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Whose; empty for ONNX's own.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Which version.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// A line of the metadata.
#[derive(Clone, PartialEq, Message)]
pub struct Property {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// What it says.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// Operations and constants.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Operations, each after those whose results it takes.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Its name, which onnx's checker demands.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Constants; empty while a graph is built, because [`write`] adds them one by one.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// What it is given.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<Port>,
    /// What it answers.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<Port>,
}

/// An operation.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the values it takes.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values it makes.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its own name.
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    /// The operator.
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    /// Its settings.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// A setting of an operation: one of `f`, `i`, `s`, `ints`, as `kind` says.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A number.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// A whole number.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// Text.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// Whole numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// 1 for `f`, 2 for `i`, 3 for `s`, 7 for `ints`.
    #[prost(int32, optional, tag = "20")]
    pub kind: Option<i32>,
}

/// A constant.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Its shape; none for a single number.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// Its numbers: [`F32`], [`I64`], [`F16`].
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Its name.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Its values, little-endian.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
}

/// Single precision.
pub const F32: i32 = 1;
/// Whole numbers of 64 bits.
pub const I64: i32 = 7;
/// Half precision.
pub const F16: i32 = 10;

/// An input or output.
#[derive(Clone, PartialEq, Message)]
pub struct Port {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// What it holds.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// What an input or output holds.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// A tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

/// Numbers and shape of an input or output.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// As [`Tensor::data_type`].
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// Its shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// A shape that may have sizes left open.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// Its axes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Axis>,
}

/// An axis: a size, or the name of one that is left open.
#[derive(Clone, PartialEq, Message)]
pub struct Axis {
    /// Its size.
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    /// Its name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}

/// A constant whose values are asked for when their turn comes.
pub(super) struct Constant<'a> {
    /// Its name, shape and numbers, without values.
    pub(super) head: Tensor,
    /// Its values, little-endian: as many bytes as shape and numbers make.
    pub(super) values: Box<dyn Fn() -> Result<Vec<u8>, ModelError> + 'a>,
}

impl Constant<'_> {
    fn bytes(&self) -> u64 {
        let size = match self.head.data_type {
            Some(F16) => 2,
            Some(I64) => 8,
            _ => 4,
        };
        self.head.dims.iter().map(|&axis| axis.unsigned_abs()).product::<u64>() * size
    }

    /// Bytes of the whole tensor message, with its values.
    fn length(&self) -> u64 {
        self.head.encoded_len() as u64 + field_length(self.bytes())
    }
}

/// Bytes of the graph with its constants.
fn graph_length(graph: &Graph, constants: &[Constant<'_>]) -> u64 {
    graph.encoded_len() as u64 + constants.iter().map(|constant| field_length(constant.length())).sum::<u64>()
}

/// Bytes that [`write`] writes.
pub(super) fn length(model: &Model, graph: &Graph, constants: &[Constant<'_>]) -> u64 {
    model.encoded_len() as u64 + field_length(graph_length(graph, constants))
}

/// Why a file was not written: the disk, or a weight.
pub(super) enum Failure {
    Io(std::io::Error),
    Model(ModelError),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes a model whose `graph` is given apart, its constants after its operations; the metadata come last, so that a
/// reader that walks the file's outermost fields finds them.
pub(super) fn write(
    out: &mut impl Write,
    mut model: Model,
    graph: &Graph,
    constants: &[Constant<'_>],
) -> Result<(), Failure> {
    let behind = Model {
        opset_import: std::mem::take(&mut model.opset_import),
        metadata_props: std::mem::take(&mut model.metadata_props),
        ..Model::default()
    };
    let mut bytes = model.encode_to_vec();
    begin(&mut bytes, 7, graph_length(graph, constants));
    bytes.extend(graph.encode_to_vec());
    out.write_all(&bytes)?;
    for constant in constants {
        bytes.clear();
        begin(&mut bytes, 5, constant.length());
        bytes.extend(constant.head.encode_to_vec());
        begin(&mut bytes, 9, constant.bytes());
        out.write_all(&bytes)?;
        let values = (constant.values)().map_err(Failure::Model)?;
        if values.len() as u64 != constant.bytes() {
            let name = constant.head.name();
            let problem = format!("{name} has {} bytes and must have {}", values.len(), constant.bytes());
            return Err(Failure::Model(ModelError::Shape(problem)));
        }
        out.write_all(&values)?;
    }
    out.write_all(&behind.encode_to_vec())?;
    Ok(())
}

/// Begins a field of so many bytes, whose number is below 16: its key is one byte, the number and the wire type 2.
fn begin(bytes: &mut Vec<u8>, field: u8, length: u64) {
    bytes.push(field << 3 | 2);
    // A vector has room for any length.
    let _ = prost::encode_length_delimiter(length as usize, bytes);
}

/// Bytes of a field that [`begin`] began, with so many bytes in it.
fn field_length(length: u64) -> u64 {
    1 + length_delimiter_len(length as usize) as u64 + length
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Streaming writes what encoding the whole message at once would: the same message, and as many bytes as promised.
    #[test]
    fn a_streamed_file_is_the_message() {
        let axis = Attribute { name: Some("axis".into()), i: Some(-1), kind: Some(2), ..Attribute::default() };
        let node = Node { op_type: Some("Softmax".into()), attribute: vec![axis], ..Node::default() };
        let graph = Graph { node: vec![node], name: Some("graph".into()), ..Graph::default() };
        let weights = [Vec::from([1, 2, 3, 4]), vec![7; 600]];
        let head = |i: usize| Tensor {
            dims: vec![weights[i].len() as i64 / 2],
            data_type: Some(F16),
            name: Some(format!("weight.{i}")),
            raw_data: None,
        };
        let constant = |(i, bytes): (usize, &Vec<u8>)| {
            let bytes = bytes.clone();
            Constant { head: head(i), values: Box::new(move || Ok(bytes.clone())) }
        };
        let constants: Vec<Constant<'_>> = weights.iter().enumerate().map(constant).collect();
        let property = Property { key: Some("labels".into()), value: Some("[\"a\"]".into()) };
        let model = Model { ir_version: Some(8), metadata_props: vec![property], ..Model::default() };
        let mut written = Vec::new();
        assert!(write(&mut written, model.clone(), &graph, &constants).is_ok());
        assert_eq!(written.len() as u64, length(&model, &graph, &constants));
        let initializer = (0..2).map(|i| Tensor { raw_data: Some(weights[i].clone()), ..head(i) }).collect();
        let whole = Model { graph: Some(Graph { initializer, ..graph }), ..model };
        assert_eq!(Model::decode(written.as_slice()).unwrap(), whole);
    }
}
