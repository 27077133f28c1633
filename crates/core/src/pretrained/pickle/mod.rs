//! The part of Python's pickle format that `torch.save` uses for state dictionaries and plain values beside them.
//!
//! A pickle is a program for a stack machine that may call any Python function. This machine knows a handful: those that
//! describe tensors and their storages, and some whose values no tensor depends on. Every other name is refused; nothing
//! is ever executed.

mod format;
mod global;
mod input;
mod machine;

use super::Read;
pub(super) use format::Format;
use input::Input;
use machine::{Machine, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of the file that hold the elements of one or more tensors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// `None` where each tensor says it; the length is then in bytes.
    pub format: Option<Format>,
    /// Its name in the file.
    pub key: Arc<str>,
    pub length: usize,
    /// Which element counts as its first.
    pub start: usize,
}

impl Storage {
    /// How many bytes it has.
    pub fn bytes(&self) -> Option<u64> {
        (self.length as u64).checked_mul(self.format.map_or(1, |format| format.size() as u64))
    }
}

/// Where a tensor's elements lie in a storage, counted in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorLayout {
    pub storage: Arc<Storage>,
    pub format: Format,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl TensorLayout {
    /// The storage's element that is the tensor's first.
    pub fn start(&self) -> Option<usize> {
        self.storage.start.checked_add(self.offset)
    }
}

/// Tensors by name, in their order.
type StateDict = Vec<(String, TensorLayout)>;

/// Storages by their keys.
pub(super) type Storages = HashMap<Arc<str>, Arc<Storage>>;

/// Names and tensors of a pickled state dictionary, in its order; or what is wrong with it.
pub(super) fn read_state_dict(pickle: &[u8]) -> Read<StateDict> {
    Ok(Pickles::new(pickle).state_dict()?.0)
}

/// Pickles one after the other.
pub(super) struct Pickles<'a> {
    input: Input<'a>,
    length: usize,
}

impl<'a> Pickles<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { input: Input::new(bytes), length: bytes.len() }
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        (self.length - self.input.left()) as u64
    }

    pub fn skip(&mut self) -> Read<()> {
        self.run().map(drop)
    }

    pub fn state_dict(&mut self) -> Read<(StateDict, Storages)> {
        let (mut machine, value) = self.run()?;
        let Value::Dict(dict) = value else { return Err("expected a dictionary of tensors".into()) };
        let dict = state_dict_in(&machine, dict);
        let entries = machine.dicts.get_mut(dict).map(std::mem::take).unwrap_or_default();
        let tensors = entries.into_iter().filter_map(state_dict_entry).collect::<Read<_>>()?;
        Ok((tensors, machine.storages))
    }

    /// A list of strings.
    pub fn texts(&mut self) -> Read<Vec<Arc<str>>> {
        let (mut machine, value) = self.run()?;
        let Value::Tuple(list) = value else { return Err("expected the list of storages".into()) };
        let items = machine.tuples.get_mut(list).map(std::mem::take).unwrap_or_default();
        let text = |item| match item {
            Value::Text(text) => Ok(text),
            _ => Err("the name of a storage is not a string".into()),
        };
        items.into_iter().map(text).collect()
    }

    fn run(&mut self) -> Read<(Machine<'a>, Value)> {
        let mut machine = Machine::new(self.input);
        let value = machine.run()?;
        self.input = machine.input;
        Ok((machine, value))
    }
}

/// Under which key trainers put the weights, beside their own state.
const WRAPPERS: [&str; 3] = ["state_dict", "model", "module"];
/// A dictionary may contain itself.
const DEEPEST_WRAPPER: usize = 4;

/// The dictionary itself, or, where none of its entries is a tensor, the one under the key of a wrapper.
fn state_dict_in(machine: &Machine, root: usize) -> usize {
    let mut dict = root;
    for _ in 0..DEEPEST_WRAPPER {
        let entries = machine.dicts.get(dict).map(Vec::as_slice).unwrap_or_default();
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            entries.iter().find_map(|entry| match entry {
                (Value::Text(key), Value::Dict(inner)) if &**key == *wrapper => Some(*inner),
                _ => None,
            })
        });
        let has_tensor = entries.iter().any(|(_, value)| matches!(value, Value::Tensor(_)));
        match inner.filter(|_| !has_tensor) {
            Some(inner) => dict = inner,
            None => break,
        }
    }
    dict
}

/// What is no tensor (numbers, strings, lists, other dictionaries) is left out.
fn state_dict_entry((key, value): (Value, Value)) -> Option<Read<(String, TensorLayout)>> {
    match (key, value) {
        (Value::Text(name), Value::Tensor(layout)) => Some(Ok((name.to_string(), layout.as_ref().clone()))),
        (Value::Text(_), _) => None,
        (_, Value::Tensor(_)) => Some(Err("a key of the dictionary is not a string".into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::ElementType;
    use super::*;

    /// `{"a": _rebuild_tensor_v2(storage("FloatStorage", "7", 6), 1, (2, 2), (3, 1), False, OrderedDict())}` with the
    /// given bytes after the tensor's entry was made.
    fn state_dict(ending: &[u8]) -> Vec<u8> {
        let tensor: [&[u8]; 7] = [
            b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((",
            b"X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x007q\x05",
            b"X\x03\x00\x00\x00cpuq\x06K\x06tq\x07QK\x01",
            b"M\x02\x00J\x02\x00\x00\x00\x86q\x08",
            b"\x8a\x01\x03K\x01\x86q\x09\x89",
            b"ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0d",
            ending,
        ];
        tensor.concat()
    }

    fn problem(pickle: &[u8]) -> String {
        read_state_dict(pickle).unwrap_err()
    }

    #[test]
    fn a_tensor_is_described_by_storage_offset_shape_and_strides() {
        let format = Format::Known(ElementType::F32);
        let storage = Arc::new(Storage { format: Some(format), key: "7".into(), length: 6, start: 0 });
        let layout = TensorLayout { storage, format, offset: 1, shape: vec![2, 2], strides: vec![3, 1] };
        assert_eq!(read_state_dict(&state_dict(b"u.")).unwrap(), [("a".to_owned(), layout)]);
    }

    #[test]
    fn attributes_of_the_dictionary_are_left_out() {
        assert_eq!(read_state_dict(&state_dict(b"u}X\x09\x00\x00\x00_metadata}sb.")).unwrap().len(), 1);
    }

    #[test]
    fn every_other_function_is_refused_by_name() {
        let message = problem(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.");
        assert!(
            message.contains("asks Python for `os.system`") && message.contains("nothing of it was run"),
            "{message}"
        );
        assert!(problem(b"\x80\x02ctorch\nFloatStorage\n)R.").contains("not a function of a state dictionary"));
    }

    #[test]
    fn malformed_programs_are_refused() {
        for (pickle, expected) in [
            (&b""[..], "cut off"),
            (b"\x80\x06", "expected pickle protocol 0 to 5"),
            (b"\x80\x02N.", "expected a dictionary of tensors"),
            (b"\x80\x02o", "instruction 0x6f"),
            (b".", "malformed"),
            (b"t", "malformed"),
            (b"u", "malformed"),
            (b"N\x87", "malformed"),
            (b"Ns", "malformed"),
            (b"(NNu", "not a dictionary"),
            (b"}(Nu", "a key without a value"),
            (b"h\x05", "used before it was made"),
            (b"NR", "malformed"),
            (b"NNR", "not a function"),
            (b"ccollections\nOrderedDict\nNR", "expected a tuple"),
            (b")Q", "reference to a storage is malformed"),
            (b"NNb", "not a dictionary"),
            (b"X\xff\xff\xff\xff", "cut off"),
            (b"X\x01\x00\x00\x00\xff", "not UTF-8"),
            (b"ctorch", "cut off"),
        ] {
            assert!(problem(pickle).contains(expected), "{pickle:?}: {}", problem(pickle));
        }
    }

    /// Most damage is refused; a few bytes, such as memo numbers that are never recalled, do not matter.
    #[test]
    fn no_damaged_byte_makes_a_panic() {
        let good = state_dict(b"u.");
        let mut refused = 0;
        for position in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = good.clone();
                damaged[position] = byte;
                refused += usize::from(read_state_dict(&damaged).is_err());
            }
        }
        assert!(refused > good.len() * 180, "{refused} of {}", good.len() * 256);
    }

    #[test]
    fn a_million_nested_tuples_do_not_exhaust_the_stack() {
        assert!(problem(&[b")".as_slice(), &[0x85; 1_000_000], b"."].concat()).contains("expected a dictionary"));
    }
}
