//! Torch's `.bin` and `.pt` weight files: a zip archive of stored entries, one for each storage, with a pickle that
//! says which tensor lies where (`torch.save` since version 1.6).

use super::Read;
use super::element::ByteOrder;
use super::pickle::{TensorLayout, read_state_dict};
use super::weights::Tensor;
use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};
use std::collections::HashMap;

/// Names and tensors of a file, or what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Read<Vec<(String, Tensor)>> {
    let zip = ZipArchive::from_slice(bytes).map_err(broken)?;
    let archive = Archive::open(&zip)?;
    let order = archive.byte_order()?;
    let tensors = read_state_dict(archive.entry("data.pkl")?)?;
    let read_tensor = |(name, layout): (String, TensorLayout)| match archive.tensor(layout, order) {
        Ok(tensor) => Ok((name, tensor)),
        Err(problem) => Err(format!("tensor `{name}`: {problem}")),
    };
    tensors.into_iter().map(read_tensor).collect()
}

/// The entries by name, without the name of the archive that torch puts in front of them.
struct Archive<'a> {
    entries: HashMap<String, &'a [u8]>,
}

impl<'a> Archive<'a> {
    fn open(zip: &'a ZipSliceArchive<&[u8]>) -> Read<Self> {
        let mut entries = HashMap::new();
        for record in zip.entries() {
            let record = record.map_err(broken)?;
            let path = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
            let name = path.split_once('/').map_or(path.as_str(), |(_, name)| name);
            entries.insert(name.to_owned(), stored_data(zip, &record, name)?);
        }
        Ok(Self { entries })
    }

    fn entry(&self, name: &str) -> Read<&'a [u8]> {
        self.entries.get(name).copied().ok_or_else(|| format!("the archive has no `{name}`; torch.save writes one"))
    }

    /// Before torch 2.1 it was not written down, and little.
    fn byte_order(&self) -> Read<ByteOrder> {
        match self.entries.get("byteorder").map(|text| text.trim_ascii()) {
            None | Some(b"little") => Ok(ByteOrder::Little),
            Some(b"big") => Ok(ByteOrder::Big),
            Some(other) => Err(format!("unknown byte order `{}`", String::from_utf8_lossy(other))),
        }
    }

    fn tensor(&self, layout: TensorLayout, order: ByteOrder) -> Read<Tensor> {
        let element = layout.storage.element;
        let bytes = self.entry(&format!("data/{}", layout.storage.key))?;
        let length = layout.storage.length;
        if length.checked_mul(element.size()) != Some(bytes.len()) {
            return Err(format!("its storage should hold {length} elements, but has {} bytes", bytes.len()));
        }
        let data = elements(bytes, &layout, order).ok_or("shape and strides do not fit its storage")?;
        Ok(Tensor { shape: layout.shape, data })
    }
}

/// The bytes of an entry, as they lie in the file.
fn stored_data<'a>(zip: &'a ZipSliceArchive<&[u8]>, record: &ZipFileHeaderRecord, name: &str) -> Read<&'a [u8]> {
    if record.compression_method() != CompressionMethod::STORE {
        return Err(format!("`{name}` is compressed; torch.save only stores"));
    }
    let data = zip.get_entry(record.wayfinder()).map_err(broken)?.data();
    if rawzip::crc32(data) != record.crc32() {
        return Err(format!("the checksum of `{name}` is wrong; the file is damaged"));
    }
    Ok(data)
}

fn broken(error: rawzip::Error) -> String {
    format!("the zip archive is cut off or broken: {error}")
}

/// The elements in row-major order; `None` where the layout reaches outside the storage or repeats elements.
fn elements(storage: &[u8], layout: &TensorLayout, order: ByteOrder) -> Option<Vec<f32>> {
    let element = layout.storage.element;
    let count = layout.shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size))?;
    // An element that is read twice would let a small file ask for any amount of memory.
    if layout.shape.len() != layout.strides.len() || count > storage.len() / element.size() {
        return None;
    }
    if is_row_major(&layout.shape, &layout.strides) {
        let start = layout.offset.checked_mul(element.size())?;
        let end = start.checked_add(count * element.size())?;
        return Some(element.decode(storage.get(start..end)?, order));
    }
    gather(&element.decode(storage, order), layout, count)
}

fn gather(storage: &[f32], layout: &TensorLayout, count: usize) -> Option<Vec<f32>> {
    let mut index = vec![0; layout.shape.len()];
    let mut data = Vec::with_capacity(count);
    for _ in 0..count {
        let position = index
            .iter()
            .zip(&layout.strides)
            .try_fold(layout.offset, |sum, (at, stride)| sum.checked_add(usize::checked_mul(*at, *stride)?))?;
        data.push(*storage.get(position)?);
        advance(&mut index, &layout.shape);
    }
    Some(data)
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
    use std::rc::Rc;

    fn gathered(offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<f32>> {
        let storage = Rc::new(Storage { element: ElementType::F32, key: "0".into(), length: 6 });
        let layout = TensorLayout { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() };
        let bytes: Vec<u8> = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        elements(&bytes, &layout, ByteOrder::Little)
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
