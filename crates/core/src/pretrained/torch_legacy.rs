//! Torch's weight files from before version 1.6: five pickles (a magic number, the version of the format, the machine,
//! the state dictionary, the keys of its storages), then the storages in the order of the keys, each with its number of
//! elements before it. Whatever the machine was, they are little-endian.

use super::Read;
use super::content::{FileTensor, Wanted};
use super::element::ByteOrder;
use super::pickle::{Pickles, Storage, TensorLayout};
use super::source::Source;
use super::torch_storage::{ByStorage, cut};
use std::collections::HashMap;
use std::sync::Arc;

/// 0x1950a86a20f9469cfc6c, as a pickle has it.
const MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";
/// How much is read at first for the pickles, whose length stands nowhere.
const FIRST_READ: u64 = 1 << 20;
/// Before a storage: its number of elements.
const COUNT_LENGTH: u64 = 8;

/// The magic number comes first, after the mark of a protocol and perhaps of a frame.
pub(super) fn is_legacy(start: &[u8]) -> bool {
    start.first() == Some(&0x80) && start.get(..32).unwrap_or(start).windows(MAGIC.len()).any(|bytes| bytes == MAGIC)
}

struct Contents {
    tensors: Vec<(String, TensorLayout)>,
    storages: HashMap<Arc<str>, Arc<Storage>>,
    keys: Vec<Arc<str>>,
    length: u64,
}

/// The tensors of a file, or what is wrong with it.
pub(super) async fn read(source: &mut Source, wanted: &Wanted) -> Read<Vec<FileTensor>> {
    let contents = contents(source).await?;
    let places = places(source, &contents).await?;
    let ByStorage { passed: mut tensors, storages } = ByStorage::new(contents.tensors, wanted);
    for (key, parts) in storages {
        let (start, length) = places.get(&key).ok_or_else(|| format!("the file has no storage `{key}`"))?;
        let bytes = source.read(*start, *length).await?;
        tensors.append(&mut cut(bytes, parts, ByteOrder::Little)?);
    }
    Ok(tensors)
}

async fn contents(source: &mut Source) -> Read<Contents> {
    let mut length = source.size().min(FIRST_READ);
    loop {
        let bytes = source.read(0, length).await?;
        match parse(&bytes) {
            Err(_) if length < source.size() => length = source.size().min(length * 2),
            contents => return contents,
        }
    }
}

fn parse(bytes: &[u8]) -> Read<Contents> {
    let mut pickles = Pickles::new(bytes);
    for _ in ["magic number", "version", "machine"] {
        pickles.skip()?;
    }
    let (tensors, storages) = pickles.state_dict()?;
    let keys = pickles.texts()?;
    Ok(Contents { tensors, storages, keys, length: pickles.position() })
}

/// Where the bytes of each storage are, and how many.
async fn places(source: &mut Source, contents: &Contents) -> Read<HashMap<Arc<str>, (u64, u64)>> {
    let (mut places, mut position) = (HashMap::new(), contents.length);
    for key in &contents.keys {
        let storage = contents.storages.get(key).ok_or_else(|| format!("no tensor has the storage `{key}`"))?;
        let count = source.read(position, COUNT_LENGTH).await?;
        let count = count.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        let length = storage
            .bytes()
            .filter(|_| count == storage.length as u64)
            .ok_or_else(|| format!("storage `{key}` should hold {} elements, but has {count}", storage.length))?;
        let start = position + COUNT_LENGTH;
        position = start
            .checked_add(length)
            .filter(|end| *end <= source.size())
            .ok_or_else(|| format!("the file is cut off: {length} bytes of storage `{key}` expected"))?;
        places.insert(key.clone(), (start, length));
    }
    Ok(places)
}
