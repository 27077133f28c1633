//! The stack machine: its instructions are those of protocols 0 to 5 of Python's `pickletools` that torch, with any
//! choice of protocol, writes for tensors and plain values.

use super::global::{Global, global};
use super::input::Input;
use super::{Storage, TensorLayout};
use crate::pretrained::Read;
use std::collections::HashMap;
use std::sync::Arc;

/// Containers are indices into the machine's lists, so that dropping deeply nested ones needs no recursion and a
/// dictionary that is filled after it was memorised is one dictionary.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// What no tensor depends on: `None`, flags, fractions, bytes, sets.
    Inert,
    Integer(i64),
    Text(Arc<str>),
    /// Also a list.
    Tuple(usize),
    Dict(usize),
    Global(Global),
    Storage(Arc<Storage>),
    Tensor(Arc<TensorLayout>),
}

/// As many as torch allows.
const MOST_AXES: usize = 64;

#[derive(PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    pub input: Input<'a>,
    stack: Vec<Value>,
    /// Heights of the stack at which a list of arguments began.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    pub tuples: Vec<Vec<Value>>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    /// By their keys.
    pub storages: HashMap<Arc<str>, Arc<Storage>>,
}

impl<'a> Machine<'a> {
    pub fn new(input: Input<'a>) -> Self {
        Self { input, ..Self::default() }
    }

    /// Runs one pickle to its end.
    pub fn run(&mut self) -> Read<Value> {
        while self.step()? == Flow::Continue {}
        self.pop()
    }

    /// Runs one instruction.
    fn step(&mut self) -> Read<Flow> {
        match self.input.byte()? {
            b'.' => return Ok(Flow::Stop),                            // STOP
            0x80 => self.protocol()?,                                 // PROTO
            0x95 => drop(self.input.array::<8>()?),                   // FRAME
            b'(' => self.marks.push(self.stack.len()),                // MARK
            b'0' => self.drop_top()?,                                 // POP
            b'1' => drop(self.since_mark()?),                         // POP_MARK
            b'2' => self.duplicate()?,                                // DUP
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Inert),      // NONE, NEWTRUE, NEWFALSE
            b'G' => self.skip(8)?,                                    // BINFLOAT
            b'F' => self.skip_line()?,                                // FLOAT
            b'I' | b'L' => self.decimal()?,                           // INT, LONG
            b'K' => self.integer::<1>()?,                             // BININT1
            b'M' => self.integer::<2>()?,                             // BININT2
            b'J' => self.integer_32()?,                               // BININT
            0x8A => self.long::<1>()?,                                // LONG1
            0x8B => self.long::<4>()?,                                // LONG4
            b'U' | 0x8C => self.text::<1>()?,                         // SHORT_BINSTRING, SHORT_BINUNICODE
            b'T' | b'X' => self.text::<4>()?,                         // BINSTRING, BINUNICODE
            0x8D => self.text::<8>()?,                                // BINUNICODE8
            b'C' => self.skip_counted::<1>()?,                        // SHORT_BINBYTES
            b'B' => self.skip_counted::<4>()?,                        // BINBYTES
            0x8E | 0x96 => self.skip_counted::<8>()?,                 // BINBYTES8, BYTEARRAY8
            b']' | b')' | 0x8F => self.tuple(Vec::new()),             // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
            0x85 => self.tuple_of(1)?,                                // TUPLE1
            0x86 => self.tuple_of(2)?,                                // TUPLE2
            0x87 => self.tuple_of(3)?,                                // TUPLE3
            b't' | b'l' | 0x91 => self.tuple_from_mark()?,            // TUPLE, LIST, FROZENSET
            b'a' => self.append(self.stack.len().checked_sub(1))?,    // APPEND
            b'e' | 0x90 => self.append_from_mark()?,                  // APPENDS, ADDITEMS
            b'}' => self.dict(),                                      // EMPTY_DICT
            b'd' => self.dict_from_mark()?,                           // DICT
            b's' => self.set_items(self.stack.len().checked_sub(2))?, // SETITEM
            b'u' => self.set_items_from_mark()?,                      // SETITEMS
            b'p' => self.memorise_line()?,                            // PUT
            b'q' => self.memorise::<1>()?,                            // BINPUT
            b'r' => self.memorise::<4>()?,                            // LONG_BINPUT
            0x94 => self.memorise_as(self.memo.len() as u32)?,        // MEMOIZE
            b'g' => self.recall_line()?,                              // GET
            b'h' => self.recall::<1>()?,                              // BINGET
            b'j' => self.recall::<4>()?,                              // LONG_BINGET
            b'c' => self.global()?,                                   // GLOBAL
            0x93 => self.global_from_stack()?,                        // STACK_GLOBAL
            b'Q' => self.storage()?,                                  // BINPERSID
            b'R' | 0x81 => self.call()?,                              // REDUCE, NEWOBJ
            b'b' => self.build()?,                                    // BUILD
            other => return Err(format!("instruction 0x{other:02x} does not occur in a plain state dictionary")),
        }
        Ok(Flow::Continue)
    }

    fn protocol(&mut self) -> Read<()> {
        match self.input.byte()? {
            0..=5 => Ok(()),
            other => Err(format!("expected pickle protocol 0 to 5, got {other}")),
        }
    }

    /// The values that were pushed since the last mark.
    fn since_mark(&mut self) -> Read<Vec<Value>> {
        let start = self.marks.pop().filter(|start| *start <= self.stack.len()).ok_or_else(malformed)?;
        Ok(self.stack.split_off(start))
    }

    fn drop_top(&mut self) -> Read<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn duplicate(&mut self) -> Read<()> {
        let top = self.stack.last().cloned().ok_or_else(malformed)?;
        self.stack.push(top);
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Read<()> {
        self.input.bytes(count)?;
        self.stack.push(Value::Inert);
        Ok(())
    }

    fn skip_line(&mut self) -> Read<()> {
        self.input.line()?;
        self.stack.push(Value::Inert);
        Ok(())
    }

    fn skip_counted<const SIZE: usize>(&mut self) -> Read<()> {
        let count = self.input.length::<SIZE>()?;
        self.skip(count)
    }

    /// A line of digits; Python 2 writes `L` after long ones.
    fn decimal(&mut self) -> Read<()> {
        let line = self.input.line()?;
        let number = line.strip_suffix('L').unwrap_or(line).parse().map_or(Value::Inert, Value::Integer);
        self.stack.push(number);
        Ok(())
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

    /// Two's complement; one of more than 64 bits is no size of anything.
    fn long<const SIZE: usize>(&mut self) -> Read<()> {
        let length = self.input.length::<SIZE>()?;
        let digits = self.input.bytes(length)?;
        let negative = digits.last().is_some_and(|high| high & 0x80 != 0);
        let mut extended = [if negative { 0xFF } else { 0 }; 8];
        let value = match extended.get_mut(..length) {
            Some(place) => {
                place.copy_from_slice(digits);
                Value::Integer(i64::from_le_bytes(extended))
            }
            None => Value::Inert,
        };
        self.stack.push(value);
        Ok(())
    }

    fn text<const SIZE: usize>(&mut self) -> Read<()> {
        let length = self.input.length::<SIZE>()?;
        let text = std::str::from_utf8(self.input.bytes(length)?).map_err(|_| "a string is not UTF-8")?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn global(&mut self) -> Read<()> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        self.stack.push(Value::Global(global(module, name)?));
        Ok(())
    }

    fn global_from_stack(&mut self) -> Read<()> {
        let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
            return Err("a name of Python is not a string".into());
        };
        self.stack.push(Value::Global(global(&module, &name)?));
        Ok(())
    }

    fn tuple(&mut self, items: Vec<Value>) {
        self.tuples.push(items);
        self.stack.push(Value::Tuple(self.tuples.len() - 1));
    }

    fn tuple_of(&mut self, count: usize) -> Read<()> {
        let start = self.stack.len().checked_sub(count).ok_or_else(malformed)?;
        let items = self.stack.split_off(start);
        self.tuple(items);
        Ok(())
    }

    fn tuple_from_mark(&mut self) -> Read<()> {
        let items = self.since_mark()?;
        self.tuple(items);
        Ok(())
    }

    /// Moves the values from `start` on into the list below them.
    fn append(&mut self, start: Option<usize>) -> Read<()> {
        let start = start.filter(|start| *start <= self.stack.len()).ok_or_else(malformed)?;
        let mut items = self.stack.split_off(start);
        match self.stack.last() {
            Some(Value::Tuple(list)) => self.tuples.get_mut(*list).ok_or_else(malformed)?.append(&mut items),
            // Something that no tensor depends on.
            Some(Value::Inert) => {}
            _ => return Err("items are added to something that is not a list".into()),
        }
        Ok(())
    }

    fn append_from_mark(&mut self) -> Read<()> {
        let start = self.marks.pop();
        self.append(start)
    }

    fn dict(&mut self) {
        self.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.dicts.len() - 1));
    }

    fn dict_from_mark(&mut self) -> Read<()> {
        let mut items = self.since_mark()?;
        self.dict();
        let start = self.stack.len();
        self.stack.append(&mut items);
        self.set_items(Some(start))
    }

    /// Moves the keys and values from `start` on into the dictionary below them.
    fn set_items(&mut self, start: Option<usize>) -> Read<()> {
        let start = start.filter(|start| *start <= self.stack.len()).ok_or_else(malformed)?;
        let mut items = self.stack.split_off(start).into_iter();
        let Some(Value::Dict(dict)) = self.stack.last() else {
            return Err("entries are added to something that is not a dictionary".into());
        };
        let dict = self.dicts.get_mut(*dict).ok_or_else(malformed)?;
        while let Some(key) = items.next() {
            dict.push((key, items.next().ok_or("a key without a value")?));
        }
        Ok(())
    }

    fn set_items_from_mark(&mut self) -> Read<()> {
        let start = self.marks.pop();
        self.set_items(start)
    }

    fn memorise_as(&mut self, index: u32) -> Read<()> {
        let value = self.stack.last().cloned().ok_or_else(malformed)?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn memorise<const SIZE: usize>(&mut self) -> Read<()> {
        let index = self.input.unsigned::<SIZE>()?;
        self.memorise_as(index)
    }

    fn memorise_line(&mut self) -> Read<()> {
        let index = self.input.line()?.parse().map_err(|_| malformed())?;
        self.memorise_as(index)
    }

    fn recall_from(&mut self, index: u32) -> Read<()> {
        let value = self.memo.get(&index).cloned().ok_or("a value is used before it was made")?;
        self.stack.push(value);
        Ok(())
    }

    fn recall<const SIZE: usize>(&mut self) -> Read<()> {
        let index = self.input.unsigned::<SIZE>()?;
        self.recall_from(index)
    }

    fn recall_line(&mut self) -> Read<()> {
        let index = self.input.line()?.parse().map_err(|_| malformed())?;
        self.recall_from(index)
    }

    /// A persistent id: `("storage", torch.FloatStorage, key, device, length)`, before version 1.6 with the part of the
    /// storage that is meant: `None` or `(key, start, length)`.
    fn storage(&mut self) -> Read<()> {
        let malformed = || "a reference to a storage is malformed".to_string();
        let Value::Tuple(id) = self.pop()? else { return Err(malformed()) };
        let id = self.tuples.get(id).ok_or_else(malformed)?;
        let [Value::Text(kind), Value::Global(class), Value::Text(key), _, length, view @ ..] = &id[..] else {
            return Err(malformed());
        };
        let format = match class {
            Global::Storage(format) => Some(*format),
            Global::UntypedStorage => None,
            _ => return Err(malformed()),
        };
        if &**kind != "storage" {
            return Err(malformed());
        }
        let start = match view.first() {
            Some(Value::Tuple(view)) => match self.tuples.get(*view).map(Vec::as_slice) {
                Some([_, start, _]) => size(start)?,
                _ => return Err(malformed()),
            },
            _ => 0,
        };
        let storage = Arc::new(Storage { format, key: key.clone(), length: size(length)?, start });
        self.storages.insert(storage.key.clone(), storage.clone());
        self.stack.push(Value::Storage(storage));
        Ok(())
    }

    fn call(&mut self) -> Read<()> {
        let arguments = self.pop()?;
        let Value::Global(function) = self.pop()? else { return Err(not_a_function()) };
        let Value::Tuple(arguments) = arguments else { return Err("expected a tuple of arguments".into()) };
        let value = self.result(function, arguments)?;
        self.stack.push(value);
        Ok(())
    }

    /// What a function gives for the tuple of this index.
    fn result(&mut self, function: Global, arguments: usize) -> Read<Value> {
        let arguments = self.tuples.get(arguments).ok_or_else(malformed)?;
        match (function, &arguments[..]) {
            (Global::Inert, _) => Ok(Value::Inert),
            (Global::OrderedDict, []) => {
                self.dicts.push(Vec::new());
                Ok(Value::Dict(self.dicts.len() - 1))
            }
            (Global::Size, [shape @ Value::Tuple(_)]) => Ok(shape.clone()),
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            (Global::RebuildFromType, &[Value::Global(function), _, Value::Tuple(arguments), ..])
                if function != Global::RebuildFromType =>
            {
                self.result(function, arguments)
            }
            (Global::RebuildTensor, parts) => self.tensor(parts, None),
            (Global::RebuildTensorOf, [_, _, _, _, _, _, Value::Global(dtype), ..]) => {
                self.tensor(arguments, Some(*dtype))
            }
            _ => Err(not_a_function()),
        }
    }

    fn tensor(&self, parts: &[Value], dtype: Option<Global>) -> Read<Value> {
        let [Value::Storage(storage), offset, Value::Tuple(shape), Value::Tuple(strides), ..] = parts else {
            return Err("a tensor is described in an unknown way".into());
        };
        let format = match (dtype, storage.format) {
            (Some(Global::Dtype(format)), _) | (None, Some(format)) => format,
            _ => return Err("a tensor is described without its number format".into()),
        };
        let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
        Ok(Value::Tensor(Arc::new(TensorLayout {
            storage: storage.clone(),
            format,
            offset: size(offset)?,
            shape,
            strides,
        })))
    }

    fn sizes(&self, tuple: usize) -> Read<Vec<usize>> {
        let sizes = self.tuples.get(tuple).ok_or_else(malformed)?;
        // Sizes that many tensors share are copied for each.
        if sizes.len() > MOST_AXES {
            return Err(format!("a tensor has more than {MOST_AXES} axes"));
        }
        sizes.iter().map(size).collect()
    }

    /// Attributes (`_metadata` of a dictionary: versions of the modules) are read and left out.
    fn build(&mut self) -> Read<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_) | Value::Tensor(_)) => Ok(()),
            _ => Err("attributes are set on something that is not a dictionary".into()),
        }
    }

    fn pop(&mut self) -> Read<Value> {
        self.stack.pop().ok_or_else(malformed)
    }
}

fn size(value: &Value) -> Read<usize> {
    match value {
        Value::Integer(number) => usize::try_from(*number).map_err(|_| format!("{number} is not a size")),
        _ => Err("a size is not an integer".into()),
    }
}

fn malformed() -> String {
    "the list of tensors is malformed".into()
}

fn not_a_function() -> String {
    "something is called that is not a function of a state dictionary".into()
}
