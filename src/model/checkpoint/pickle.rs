//! Python's pickle, as far as a state dict needs it: tensors, texts, numbers and what holds them.
//!
//! A pickle is a program. This one is never run: what it may name is the short list in [`Global`], and
//! anything else ends the reading. Values that hold others live in one arena and refer to each other by
//! index, so that no nesting, however deep or circular, costs stack. The file is long because it is one machine: its
//! operations share the stack, the memo and the arena.

use crate::limits;
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use super::place::Dtype;

/// A tensor as the pickle describes it: a view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The storage's file in the archive, `data/KEY`.
    pub key: Rc<str>,
    pub dtype: Dtype,
    /// First value, in values from the storage's beginning.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(Dtype),
}

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "Size") => Self::Size,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::Bf16),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            ("torch", "IntStorage") => Self::Storage(Dtype::I32),
            ("torch", "ByteStorage" | "BoolStorage") => Self::Storage(Dtype::U8),
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    Global(Global),
    /// Of the arena: a tuple or a list.
    Sequence(usize),
    /// Of the arena.
    Dict(usize),
    Storage(Rc<str>, Dtype),
    Tensor(Rc<View>),
}

enum Held {
    Sequence(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

/// What a pickle holds, wherever in it: keys of dicts within dicts are joined by dots.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Tensors by name: `model.conv1.weight` of `{"model": {"conv1.weight": ...}}`.
    pub tensors: Vec<(String, View)>,
    /// Whole numbers likewise: `dims.n_mels`.
    pub numbers: Vec<(String, i64)>,
}

/// Dicts within dicts that are looked into; an optimizer's state has four.
const DEEPEST: usize = 8;
/// Whole numbers that are kept.
const NUMBERS: usize = 256;

/// A value that is still to be looked at, and where it is.
struct Inside {
    within: Rc<str>,
    key: Value,
    depth: usize,
    value: Value,
}

impl Inside {
    /// Its name; none for what has no sensible one.
    fn path(&self) -> Option<String> {
        let key: &dyn std::fmt::Display = match &self.key {
            Value::Text(key) => key,
            Value::Int(key) => key,
            Value::None if self.depth == 0 => &"",
            _ => return None,
        };
        let text = match &self.key {
            Value::Text(key) => key.len(),
            _ => 20,
        };
        let dot = if self.within.is_empty() { "" } else { "." };
        (self.within.len() + text < limits::TENSOR_NAME).then(|| format!("{}{dot}{key}", self.within))
    }
}

/// What a pickle holds.
///
/// # Errors
/// A sentence on what the pickle is or wants instead.
pub(super) fn state(pickle: &[u8]) -> Result<State, String> {
    let mut machine = Machine { bytes: pickle, ..Machine::default() };
    let root = machine.run()?;
    let mut state = State::default();
    let mut seen = HashSet::new();
    let mut open: Vec<Inside> = vec![Inside { within: "".into(), key: Value::None, depth: 0, value: root }];
    while let Some(inside) = open.pop() {
        let Some(path) = inside.path() else { continue };
        match &inside.value {
            Value::Tensor(_) if state.tensors.len() >= limits::PICKLE_TENSORS => {
                return Err(format!("it holds more than {} tensors", limits::PICKLE_TENSORS));
            }
            Value::Tensor(view) => state.tensors.push((path, View::clone(view))),
            Value::Int(number) if state.numbers.len() < NUMBERS => state.numbers.push((path, *number)),
            // One that is referred to twice, or by itself, is looked into once.
            Value::Dict(i) | Value::Sequence(i) if inside.depth < DEEPEST && seen.insert(*i) => {
                let (within, depth): (Rc<str>, _) = (path.into(), inside.depth + 1);
                let next = |key, value: &Value| Inside { within: within.clone(), key, depth, value: value.clone() };
                // Backwards, because the last is taken first.
                match &machine.arena[*i] {
                    Held::Dict(entries) => {
                        open.extend(entries.iter().rev().map(|(key, value)| next(key.clone(), value)));
                    }
                    Held::Sequence(items) => {
                        let numbered = items.iter().enumerate().rev();
                        open.extend(numbered.map(|(at, value)| next(Value::Int(at as i64), value)));
                    }
                }
            }
            _ => {}
        }
    }
    if state.tensors.is_empty() {
        return Err("it holds no state dict: there is no tensor in it".to_owned());
    }
    Ok(state)
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    arena: Vec<Held>,
}

type Step<T> = Result<T, String>;

impl Machine<'_> {
    fn sequence(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::Sequence(i) => match &self.arena[*i] {
                Held::Sequence(items) => Some(items),
                Held::Dict(_) => None,
            },
            _ => None,
        }
    }

    /// Reads to the end and gives what the pickle is.
    fn run(&mut self) -> Step<Value> {
        loop {
            let code = self.byte()?;
            match code {
                b'.' => return self.pop(),
                // What the protocol says of itself and of its framing.
                0x80 => self.skip(1)?,
                0x95 => self.skip(8)?,
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.pop_mark()?),
                b'2' => {
                    let top = self.stack.last().ok_or(EMPTY)?.clone();
                    self.stack.push(top);
                }
                b'N' => self.stack.push(Value::None),
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'K' => {
                    let value = self.byte()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.skip(8)?;
                    self.stack.push(Value::Float);
                }
                b'X' | b'T' | b'B' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length.into())?;
                }
                0x8c | b'U' | b'C' => {
                    let length = self.byte()?;
                    self.text(length.into())?;
                }
                0x8d => {
                    let length = u64::from_le_bytes(self.array()?);
                    self.text(length)?;
                }
                b')' | b']' => self.hold(Held::Sequence(Vec::new())),
                b't' | b'l' => {
                    let items = self.pop_mark()?;
                    self.hold(Held::Sequence(items));
                }
                0x85..=0x87 => {
                    let from = self.stack.len().checked_sub(usize::from(code - 0x84)).ok_or(EMPTY)?;
                    let items = self.stack.split_off(from);
                    self.hold(Held::Sequence(items));
                }
                b'}' => self.hold(Held::Dict(Vec::new())),
                b'd' => {
                    let items = self.pop_mark()?;
                    self.hold(Held::Dict(Vec::new()));
                    self.set(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.extend(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.set(items)?;
                }
                b'q' => {
                    let slot = self.byte()?;
                    self.remember(slot.into())?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.remember(slot.into())?;
                }
                0x94 => self.remember(self.memo.len() as u64)?,
                b'h' => {
                    let slot = self.byte()?;
                    self.recall(slot.into())?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.recall(slot.into())?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => match (self.pop()?, self.pop()?) {
                    (Value::Text(name), Value::Text(module)) => self.global(&module, &name)?,
                    _ => return Err(MALFORMED.into()),
                },
                b'R' => {
                    let (arguments, callee) = (self.pop()?, self.pop()?);
                    let made = self.call(&callee, &arguments)?;
                    self.stack.push(made);
                }
                // State given to an object: torch's `_metadata` on a state dict. Nothing in it is a tensor.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(&id).ok_or("it refers to something outside itself")?;
                    self.stack.push(storage);
                }
                other => {
                    return Err(format!("its pickle holds the instruction {other:#04x}, which no state dict needs"));
                }
            }
        }
    }

    /// The calls of a state dict: making a dict, a tensor of a storage, a parameter of a tensor, a size of a tuple.
    fn call(&mut self, callee: &Value, arguments: &Value) -> Step<Value> {
        let Value::Global(callee) = callee else { return Err(MALFORMED.into()) };
        let arguments = self.sequence(arguments).ok_or(MALFORMED)?;
        match (callee, arguments) {
            (Global::OrderedDict, []) => {
                self.arena.push(Held::Dict(Vec::new()));
                Ok(Value::Dict(self.arena.len() - 1))
            }
            (Global::RebuildTensor, [Value::Storage(key, dtype), Value::Int(offset), shape, strides, ..]) => {
                let sizes = |value: &Value| {
                    let items = self.sequence(value)?;
                    let size = |item: &Value| match item {
                        Value::Int(n) => usize::try_from(*n).ok(),
                        _ => None,
                    };
                    items.iter().map(size).collect::<Option<Vec<_>>>()
                };
                let (shape, strides) = sizes(shape).zip(sizes(strides)).ok_or(MALFORMED)?;
                let offset = usize::try_from(*offset).map_err(|_| MALFORMED)?;
                // Far more axes than any weight has, and every one of them costs work later.
                if shape.len() != strides.len() || shape.len() > 8 {
                    return Err(MALFORMED.into());
                }
                Ok(Value::Tensor(Rc::new(View { key: key.clone(), dtype: *dtype, offset, shape, strides })))
            }
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            (Global::Size, [size]) => Ok(size.clone()),
            _ => Err(MALFORMED.into()),
        }
    }

    /// `("storage", kind, key, place, length)`.
    fn storage(&self, id: &Value) -> Option<Value> {
        match self.sequence(id)? {
            [Value::Text(what), Value::Global(Global::Storage(dtype)), Value::Text(key), ..]
                if &**what == "storage" =>
            {
                Some(Value::Storage(key.clone(), *dtype))
            }
            _ => None,
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let global = Global::named(module, name)
            .ok_or_else(|| format!("it asks Python for {module}.{name}; only tensors are read here, nothing is run"))?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn hold(&mut self, held: Held) {
        self.stack.push(match held {
            Held::Sequence(_) => Value::Sequence(self.arena.len()),
            Held::Dict(_) => Value::Dict(self.arena.len()),
        });
        self.arena.push(held);
    }

    /// Sets keys to values, taken in turn from `items`, in the dict on top.
    fn set(&mut self, items: Vec<Value>) -> Step<()> {
        let Some(Value::Dict(i)) = self.stack.last() else { return Err(MALFORMED.into()) };
        let Held::Dict(entries) = &mut self.arena[*i] else { return Err(MALFORMED.into()) };
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            entries.push((key, items.next().ok_or(MALFORMED)?));
        }
        Ok(())
    }

    fn extend(&mut self, items: Vec<Value>) -> Step<()> {
        let Some(Value::Sequence(i)) = self.stack.last() else { return Err(MALFORMED.into()) };
        let Held::Sequence(held) = &mut self.arena[*i] else { return Err(MALFORMED.into()) };
        held.extend(items);
        Ok(())
    }

    fn remember(&mut self, slot: u64) -> Step<()> {
        let top = self.stack.last().ok_or(EMPTY)?.clone();
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u64) -> Step<()> {
        let value = self.memo.get(&slot).ok_or(MALFORMED)?.clone();
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Step<Value> {
        // What is under an open mark belongs to the operation that closes it.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor { Err(EMPTY.into()) } else { self.stack.pop().ok_or_else(|| EMPTY.into()) }
    }

    fn pop_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().ok_or(MALFORMED)?;
        if mark > self.stack.len() {
            return Err(MALFORMED.into());
        }
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Step<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
        self.at += N;
        Ok(*bytes)
    }

    fn skip(&mut self, count: usize) -> Step<()> {
        self.take(count as u64).map(drop)
    }

    fn take(&mut self, count: u64) -> Step<&[u8]> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count)).ok_or(SHORT)?;
        let bytes = self.bytes.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(bytes)
    }

    fn text(&mut self, length: u64) -> Step<()> {
        let text: Rc<str> = String::from_utf8_lossy(self.take(length)?).into();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    /// A little-endian integer of so many bytes; those beyond 64 bits are nothing a shape could be.
    fn long(&mut self) -> Step<()> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        let sign = if bytes.last().is_some_and(|top| top & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        wide.get_mut(..bytes.len()).ok_or(MALFORMED)?.copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn line(&mut self) -> Step<String> {
        let rest = self.bytes.get(self.at..).ok_or(SHORT)?;
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(SHORT)?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }
}

const SHORT: &str = "its pickle ends too early";
const EMPTY: &str = "its pickle takes more than it gave";
const MALFORMED: &str = "its pickle is no state dict of tensors";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `{"w": tensor of two values}` as torch writes it.
    fn state_dict(global: &str) -> Vec<u8> {
        let mut bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01c".to_vec();
        bytes.extend_from_slice(global.as_bytes());
        bytes.extend_from_slice(b"\nq\x02((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rtq\x03Rs.");
        bytes
    }

    #[test]
    fn a_tensor_is_read() {
        let found = state(&state_dict("torch._utils\n_rebuild_tensor_v2")).unwrap();
        let view = View { key: "0".into(), dtype: Dtype::F32, offset: 0, shape: vec![2], strides: vec![1] };
        assert_eq!(found.tensors, [("w".to_owned(), view)]);
    }

    #[test]
    fn nothing_is_run() {
        for global in ["os\nsystem", "builtins\neval", "torch\nload"] {
            let refusal = state(&state_dict(global)).unwrap_err();
            assert!(refusal.contains(&global.replace('\n', ".")), "{refusal}");
        }
        let by_stack = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.";
        assert!(state(by_stack).unwrap_err().contains("os.system"));
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = state_dict("torch._utils\n_rebuild_tensor_v2");
        for end in 0..whole.len() {
            assert!(state(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 1_000_000));
        deep.push(b'.');
        assert!(state(&deep).unwrap_err().contains("no state dict"));
        // A list that holds itself.
        assert!(state(b"\x80\x02]q\x00h\x00a.").is_err());
    }
}
