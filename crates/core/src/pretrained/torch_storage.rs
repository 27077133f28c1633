//! Tensors of torch's files: which bytes of a storage they are.

use super::Read;
use super::content::{Content, FileTensor, Values, Wanted};
use super::element::ByteOrder;
use super::pickle::{Format, TensorLayout};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tensors of a file by their storages, so that each storage is read once.
pub(super) struct ByStorage {
    /// Those without values.
    pub passed: Vec<FileTensor>,
    pub storages: BTreeMap<Arc<str>, Vec<(String, TensorLayout)>>,
}

impl ByStorage {
    pub fn new(tensors: Vec<(String, TensorLayout)>, wanted: &Wanted) -> Self {
        let mut sorted = Self { passed: Vec::new(), storages: BTreeMap::new() };
        for (name, layout) in tensors {
            let content = match layout.format {
                Format::Foreign(format) => Content::Foreign(format.name.into()),
                Format::Known(_) if !wanted.has(&name, &layout.shape) => Content::Unwanted,
                Format::Known(_) => {
                    sorted.storages.entry(layout.storage.key.clone()).or_default().push((name, layout));
                    continue;
                }
            };
            sorted.passed.push(FileTensor { name, shape: layout.shape, content });
        }
        sorted
    }
}

/// Cuts tensors out of the bytes of their storage.
pub(super) fn cut(mut bytes: Vec<u8>, tensors: Vec<(String, TensorLayout)>, order: ByteOrder) -> Read<Vec<FileTensor>> {
    let count = tensors.len();
    let mut cut = Vec::with_capacity(count);
    for (index, (name, layout)) in tensors.into_iter().enumerate() {
        // The last one takes the bytes themselves, where it is all of them.
        let values = if index + 1 == count && covers(&bytes, &layout) {
            whole(std::mem::take(&mut bytes), &layout, order)
        } else {
            values(&bytes, &layout, order)
        };
        let values = values.map_err(|problem| format!("tensor `{name}`: {problem}"))?;
        cut.push(FileTensor { name, shape: layout.shape, content: Content::Values(values) });
    }
    Ok(cut)
}

fn covers(storage: &[u8], layout: &TensorLayout) -> bool {
    let size = layout.format.size();
    layout.start() == Some(0)
        && is_row_major(&layout.shape, &layout.strides)
        && count(&layout.shape).and_then(|count| count.checked_mul(size)) == Some(storage.len())
}

fn whole(bytes: Vec<u8>, layout: &TensorLayout, order: ByteOrder) -> Read<Values> {
    check_length(&bytes, layout)?;
    Ok(Values { element: layout.format.element()?, order, bytes })
}

fn values(storage: &[u8], layout: &TensorLayout, order: ByteOrder) -> Read<Values> {
    check_length(storage, layout)?;
    let bytes = elements(storage, layout).ok_or("shape and strides do not fit its storage")?;
    Ok(Values { element: layout.format.element()?, order, bytes })
}

fn check_length(bytes: &[u8], layout: &TensorLayout) -> Read<()> {
    match layout.storage.bytes() {
        Some(expected) if expected == bytes.len() as u64 => Ok(()),
        _ => Err(format!("its storage should hold {} elements, but has {} bytes", layout.storage.length, bytes.len())),
    }
}

/// The elements in row-major order; `None` where the layout reaches outside the storage or repeats elements.
fn elements(storage: &[u8], layout: &TensorLayout) -> Option<Vec<u8>> {
    let size = layout.format.size();
    let count = count(&layout.shape)?;
    // An element that is read twice would let a small file ask for any amount of memory.
    if layout.shape.len() != layout.strides.len() || count > storage.len() / size {
        return None;
    }
    if is_row_major(&layout.shape, &layout.strides) {
        let start = layout.start()?.checked_mul(size)?;
        return storage.get(start..start.checked_add(count * size)?).map(<[u8]>::to_vec);
    }
    let mut index = vec![0; layout.shape.len()];
    let mut data = Vec::with_capacity(count * size);
    for _ in 0..count {
        let position = index
            .iter()
            .zip(&layout.strides)
            .try_fold(layout.start()?, |sum, (at, stride)| sum.checked_add(usize::checked_mul(*at, *stride)?))?;
        let start = position.checked_mul(size)?;
        data.extend_from_slice(storage.get(start..start.checked_add(size)?)?);
        advance(&mut index, &layout.shape);
    }
    Some(data)
}

fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size))
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = Some(1usize);
    shape.iter().zip(strides).rev().all(|(size, stride)| {
        // The stride of an axis of one element is never used, and torch writes any value there.
        let fits = *size == 1 || Some(*stride) == expected;
        expected = expected.and_then(|expected| expected.checked_mul(*size));
        fits
    })
}

/// The next index in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (at, size) in index.iter_mut().zip(shape).rev() {
        *at += 1;
        if *at < *size {
            return;
        }
        *at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::ElementType;
    use super::super::pickle::Storage;
    use super::*;

    fn gathered(offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<f32>> {
        let format = Format::Known(ElementType::F32);
        let storage = Arc::new(Storage { format: Some(format), key: "0".into(), length: 6, start: 0 });
        let layout = TensorLayout { storage, format, offset, shape: shape.to_vec(), strides: strides.to_vec() };
        let bytes: Vec<u8> = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        Some(ElementType::F32.decode(&elements(&bytes, &layout)?, ByteOrder::Little))
    }

    #[test]
    fn strides_and_offsets_are_followed() {
        assert_eq!(gathered(0, &[2, 3], &[3, 1]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(gathered(0, &[3, 2], &[1, 3]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(gathered(1, &[2, 2], &[3, 1]).unwrap(), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(gathered(4, &[1, 2], &[99, 1]).unwrap(), [4.0, 5.0]);
        assert_eq!(gathered(5, &[], &[]).unwrap(), [5.0]);
        assert_eq!(gathered(0, &[0, 3], &[3, 1]).unwrap(), [0.0; 0]);
    }

    #[test]
    fn layouts_outside_the_storage_are_refused() {
        assert_eq!(gathered(1, &[2, 3], &[3, 1]), None);
        assert_eq!(gathered(0, &[2, 2], &[5, 1]), None);
        assert_eq!(gathered(0, &[2, 2], &[1]), None);
        assert_eq!(gathered(0, &[1 << 40], &[0]), None);
        assert_eq!(gathered(0, &[2, 2], &[usize::MAX, 2]), None);
        assert_eq!(gathered(usize::MAX, &[2], &[1]), None);
        assert_eq!(gathered(0, &[usize::MAX, 2], &[1, 1]), None);
    }
}
