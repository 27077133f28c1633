//! The part of Python's pickle format that `torch.save(model.state_dict())` uses, and nothing more.
//!
//! A pickle is a program for a stack machine that may call any Python function. This machine knows four: making an
//! `OrderedDict`, naming a storage's element type, referring to a storage, and describing a tensor in it. Every other
//! name is refused; nothing is ever executed. Instructions: protocol 2 of Python's `pickletools`.

mod input;

use super::Read;
use super::element::ElementType;
use input::Input;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of the archive that hold the elements of one or more tensors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub element: ElementType,
    /// The name of its file under `data/`.
    pub key: Rc<str>,
    pub length: usize,
}

/// Where a tensor's elements lie in a storage, counted in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorLayout {
    pub storage: Rc<Storage>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Names and tensors of a pickled state dictionary, in its order; or what is wrong with it.
pub(super) fn read_state_dict(pickle: &[u8]) -> Read<Vec<(String, TensorLayout)>> {
    let mut machine = Machine { input: Input::new(pickle), ..Machine::default() };
    while machine.step()? == Flow::Continue {}
    let Value::Dict(dict) = machine.pop()? else {
        return Err("expected a dictionary of tensors".into());
    };
    machine.dicts.swap_remove(dict).into_iter().map(state_dict_entry).collect()
}

fn state_dict_entry((key, value): (Value, Value)) -> Read<(String, TensorLayout)> {
    match (key, value) {
        (Value::Text(name), Value::Tensor(layout)) => Ok((name.to_string(), layout.as_ref().clone())),
        (Value::Text(name), _) => Err(format!("entry `{name}` is not a tensor; expected a plain state dictionary")),
        _ => Err("a key of the dictionary is not a string".into()),
    }
}

/// Containers are indices into the machine's lists, so that dropping deeply nested ones needs no recursion and a
/// dictionary that is filled after it was memorised is one dictionary.
#[derive(Debug, Clone)]
enum Value {
    /// `None`, `True`, `False`: flags that no tensor's values depend on.
    Flag,
    Integer(i64),
    Text(Rc<str>),
    Tuple(usize),
    Dict(usize),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<TensorLayout>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    StorageType(ElementType),
}

#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

#[derive(Default)]
struct Machine<'a> {
    input: Input<'a>,
    stack: Vec<Value>,
    /// Heights of the stack at which a list of arguments began.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    tuples: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
}

impl Machine<'_> {
    /// Runs one instruction.
    fn step(&mut self) -> Read<Flow> {
        match self.input.byte()? {
            b'.' => return Ok(Flow::Stop),                            // STOP
            0x80 => self.protocol()?,                                 // PROTO
            b'(' => self.marks.push(self.stack.len()),                // MARK
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Flag),       // NONE, NEWTRUE, NEWFALSE
            b'K' => self.integer::<1>()?,                             // BININT1
            b'M' => self.integer::<2>()?,                             // BININT2
            b'J' => self.integer_32()?,                               // BININT
            0x8A => self.long()?,                                     // LONG1
            b'X' => self.text()?,                                     // BINUNICODE
            b'c' => self.global()?,                                   // GLOBAL
            b')' => self.tuple(self.stack.len()),                     // EMPTY_TUPLE
            0x85 => self.tuple_of(1)?,                                // TUPLE1
            0x86 => self.tuple_of(2)?,                                // TUPLE2
            0x87 => self.tuple_of(3)?,                                // TUPLE3
            b't' => self.tuple_from_mark()?,                          // TUPLE
            b'}' => self.dict(),                                      // EMPTY_DICT
            b's' => self.set_items(self.stack.len().checked_sub(2))?, // SETITEM
            b'u' => self.set_items_from_mark()?,                      // SETITEMS
            b'q' => self.memorise::<1>()?,                            // BINPUT
            b'r' => self.memorise::<4>()?,                            // LONG_BINPUT
            b'h' => self.recall::<1>()?,                              // BINGET
            b'j' => self.recall::<4>()?,                              // LONG_BINGET
            b'Q' => self.storage()?,                                  // BINPERSID
            b'R' => self.call()?,                                     // REDUCE
            b'b' => self.build()?,                                    // BUILD
            other => return Err(format!("instruction 0x{other:02x} does not occur in a plain state dictionary")),
        }
        Ok(Flow::Continue)
    }

    fn protocol(&mut self) -> Read<()> {
        match self.input.byte()? {
            2 => Ok(()),
            other => Err(format!("expected pickle protocol 2, which torch writes, got {other}")),
        }
    }

    fn integer<const SIZE: usize>(&mut self) -> Read<()> {
        let value = self.input.unsigned::<SIZE>()?;
        self.stack.push(Value::Integer(i64::from(value)));
        Ok(())
    }

    fn integer_32(&mut self) -> Read<()> {
        let value = i32::from_le_bytes(self.input.array()?);
        self.stack.push(Value::Integer(i64::from(value)));
        Ok(())
    }

    /// Two's complement of up to eight bytes.
    fn long(&mut self) -> Read<()> {
        let length = usize::from(self.input.byte()?);
        let digits = self.input.bytes(length)?;
        let negative = digits.last().is_some_and(|high| high & 0x80 != 0);
        let mut extended = [if negative { 0xFF } else { 0 }; 8];
        extended.get_mut(..length).ok_or("an integer has more than 64 bits")?.copy_from_slice(digits);
        self.stack.push(Value::Integer(i64::from_le_bytes(extended)));
        Ok(())
    }

    fn text(&mut self) -> Read<()> {
        let length = u32::from_le_bytes(self.input.array()?) as usize;
        let text = std::str::from_utf8(self.input.bytes(length)?).map_err(|_| "a string is not UTF-8")?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn global(&mut self) -> Read<()> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch", "FloatStorage") => Global::StorageType(ElementType::F32),
            ("torch", "HalfStorage") => Global::StorageType(ElementType::F16),
            ("torch", "BFloat16Storage") => Global::StorageType(ElementType::BF16),
            ("torch", "DoubleStorage") => Global::StorageType(ElementType::F64),
            ("torch", "LongStorage") => Global::StorageType(ElementType::I64),
            _ => {
                let refusal = "which does not belong in a plain state dictionary; nothing of it was run";
                return Err(format!("the file asks Python for `{module}.{name}`, {refusal}"));
            }
        };
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// Replaces the stack from `start` on by one tuple.
    fn tuple(&mut self, start: usize) {
        let items = self.stack.drain(start.min(self.stack.len())..).collect();
        self.tuples.push(items);
        self.stack.push(Value::Tuple(self.tuples.len() - 1));
    }

    fn tuple_of(&mut self, count: usize) -> Read<()> {
        self.tuple(self.stack.len().checked_sub(count).ok_or_else(underflow)?);
        Ok(())
    }

    fn tuple_from_mark(&mut self) -> Read<()> {
        let start = self.marks.pop().ok_or_else(underflow)?;
        self.tuple(start);
        Ok(())
    }

    fn dict(&mut self) {
        self.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.dicts.len() - 1));
    }

    /// Moves the keys and values from `start` on into the dictionary below them.
    fn set_items(&mut self, start: Option<usize>) -> Read<()> {
        let start = start.filter(|start| *start <= self.stack.len()).ok_or_else(underflow)?;
        let mut items = self.stack.split_off(start).into_iter();
        let Some(Value::Dict(dict)) = self.stack.last() else {
            return Err("entries are added to something that is not a dictionary".into());
        };
        let dict = self.dicts.get_mut(*dict).ok_or_else(underflow)?;
        while let Some(key) = items.next() {
            dict.push((key, items.next().ok_or("a key without a value")?));
        }
        Ok(())
    }

    fn set_items_from_mark(&mut self) -> Read<()> {
        let start = self.marks.pop();
        self.set_items(start)
    }

    fn memorise<const SIZE: usize>(&mut self) -> Read<()> {
        let index = self.input.unsigned::<SIZE>()?;
        let value = self.stack.last().cloned().ok_or_else(underflow)?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn recall<const SIZE: usize>(&mut self) -> Read<()> {
        let index = self.input.unsigned::<SIZE>()?;
        let value = self.memo.get(&index).cloned().ok_or("a value is used before it was made")?;
        self.stack.push(value);
        Ok(())
    }

    /// A persistent id: `("storage", torch.FloatStorage, key, device, length)`.
    fn storage(&mut self) -> Read<()> {
        let storage = match self.pop_tuple()? {
            [Value::Text(kind), Value::Global(Global::StorageType(element)), Value::Text(key), _, length]
                if &**kind == "storage" =>
            {
                Storage { element: *element, key: key.clone(), length: size(length)? }
            }
            _ => return Err("a reference to a storage is malformed".into()),
        };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    fn call(&mut self) -> Read<()> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        self.stack.push(arguments);
        match function {
            Value::Global(Global::RebuildTensor) => self.rebuild_tensor(),
            Value::Global(Global::OrderedDict) if self.pop_tuple()?.is_empty() => {
                self.dict();
                Ok(())
            }
            _ => Err("something is called that is not a function of a state dictionary".into()),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`.
    fn rebuild_tensor(&mut self) -> Read<()> {
        let [Value::Storage(storage), offset, Value::Tuple(shape), Value::Tuple(strides), ..] = self.pop_tuple()?
        else {
            return Err("a tensor is described in an unknown way".into());
        };
        let (storage, offset, shape, strides) = (storage.clone(), size(offset)?, *shape, *strides);
        let layout = TensorLayout { storage, offset, shape: self.sizes(shape)?, strides: self.sizes(strides)? };
        self.stack.push(Value::Tensor(Rc::new(layout)));
        Ok(())
    }

    fn sizes(&self, tuple: usize) -> Read<Vec<usize>> {
        self.tuples.get(tuple).ok_or_else(underflow)?.iter().map(size).collect()
    }

    /// Attributes of a dictionary (`_metadata`: versions of the modules) are read and left out.
    fn build(&mut self) -> Read<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err("attributes are set on something that is not a dictionary".into()),
        }
    }

    fn pop(&mut self) -> Read<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn pop_tuple(&mut self) -> Read<&[Value]> {
        match self.pop()? {
            Value::Tuple(index) => self.tuples.get(index).map(Vec::as_slice).ok_or_else(underflow),
            _ => Err("expected a tuple of arguments".into()),
        }
    }
}

fn size(value: &Value) -> Read<usize> {
    match value {
        Value::Integer(number) => usize::try_from(*number).map_err(|_| format!("{number} is not a size")),
        _ => Err("a size is not an integer".into()),
    }
}

fn underflow() -> String {
    "the list of tensors is malformed".into()
}

#[cfg(test)]
mod tests {
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
        let storage = Rc::new(Storage { element: ElementType::F32, key: "7".into(), length: 6 });
        let layout = TensorLayout { storage, offset: 1, shape: vec![2, 2], strides: vec![3, 1] };
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
            (b"\x80\x04", "expected pickle protocol 2"),
            (b"\x80\x02N.", "expected a dictionary of tensors"),
            (b"\x80\x02]", "instruction 0x5d"),
            (b".", "malformed"),
            (b"t", "malformed"),
            (b"u", "malformed"),
            (b"N\x87", "malformed"),
            (b"Ns", "malformed"),
            (b"(NNu", "not a dictionary"),
            (b"}(Nu", "a key without a value"),
            (b"}NNs.", "a key of the dictionary is not a string"),
            (b"}X\x01\x00\x00\x00aNs.", "entry `a` is not a tensor"),
            (b"h\x05", "used before it was made"),
            (b"NR", "malformed"),
            (b"NNR", "not a function"),
            (b"ccollections\nOrderedDict\nNR", "expected a tuple"),
            (b")Q", "reference to a storage is malformed"),
            (b"NNb", "not a dictionary"),
            (b"X\xff\xff\xff\xff", "cut off"),
            (b"X\x01\x00\x00\x00\xff", "not UTF-8"),
            (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", "more than 64 bits"),
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
