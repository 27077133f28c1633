//! The safetensors format: <https://github.com/huggingface/safetensors#format>.

use super::Read;
use super::content::{Content, FileTensor, Values, Wanted};
use super::element::{ByteOrder, ElementType};
use super::source::Source;
use crate::{Error, FloatType, Result};
use ::safetensors::tensor::{Dtype, Metadata, TensorInfo, View, serialize};
use half::{bf16, f16};
use std::borrow::Cow;

/// The bytes that diffusers' `save_pretrained` writes: metadata `{"format": "pt"}`, tensors sorted by name, the header
/// padded with spaces to a multiple of eight.
pub fn write_safetensors<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    float_type: FloatType,
) -> Result<Vec<u8>> {
    let views = tensors.into_iter().map(|(name, shape, data)| {
        check_range(name, data, float_type)?;
        Ok((name, FloatView { shape, data, float_type }))
    });
    let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))
        .map_err(|error| Error::Internal(format!("cannot write safetensors: {error}")))
}

/// A number too large for the format would be saved as infinity.
fn check_range(name: &str, data: &[f32], float_type: FloatType) -> Result<()> {
    let largest = match float_type {
        FloatType::Float32 => f32::MAX,
        FloatType::Float16 => f16::MAX.to_f32(),
        FloatType::BFloat16 => bf16::MAX.to_f32(),
    };
    match data.iter().find(|value| value.is_finite() && value.abs() > largest) {
        Some(value) => {
            let expected = format!("\"float32\": {} holds numbers up to {largest}", float_type.name());
            Err(Error::argument("dtype", expected, format!("the weight {value} in {name}")))
        }
        None => Ok(()),
    }
}

struct FloatView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
    float_type: FloatType,
}

impl View for FloatView<'_> {
    fn dtype(&self) -> Dtype {
        match self.float_type {
            FloatType::Float32 => Dtype::F32,
            FloatType::Float16 => Dtype::F16,
            FloatType::BFloat16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.float_type {
            FloatType::Float32 => self.data.iter().flat_map(|value| value.to_le_bytes()).collect(),
            FloatType::Float16 => self.data.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
            FloatType::BFloat16 => self.data.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        match self.float_type {
            FloatType::Float32 => size_of_val(self.data),
            FloatType::Float16 | FloatType::BFloat16 => size_of_val(self.data) / 2,
        }
    }
}

/// The tensors of a file, or what is wrong with it.
pub(super) async fn read(source: &mut Source, wanted: &Wanted) -> Read<Vec<FileTensor>> {
    let (metadata, data) = header(source).await?;
    let mut tensors = Vec::new();
    // In the order of the file, in which the metadata hold them.
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        tensors.push(FileTensor {
            content: content(source, data, &name, info, wanted).await?,
            name,
            shape: info.shape.clone(),
        });
    }
    Ok(tensors)
}

/// The header, and where the data begin. `SafeTensors::deserialize` does the same but adds up the sizes of a hostile
/// header unchecked.
async fn header(source: &mut Source) -> Read<(Metadata, u64)> {
    const LENGTH: u64 = 8;
    let Some(rest) = source.size().checked_sub(LENGTH + 1) else { return Err(not_weights()) };
    let rest = rest + 1;
    let start = source.read(0, LENGTH + 1).await?;
    let (length, first) = start.split_first_chunk().ok_or_else(not_weights)?;
    let header_length = u64::from_le_bytes(*length);
    // A safetensors header is a JSON object: this tells a file cut off inside its header from a foreign one.
    if first != b"{" {
        return Err(not_weights());
    }
    let Some(there) = rest.checked_sub(header_length) else {
        return Err(format!("the file is cut off: {header_length} bytes of header expected, {rest} there"));
    };
    let header = source.read(LENGTH, header_length).await?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| format!("the safetensors header is broken: {error}"))?;
    let expected = metadata.data_len() as u64;
    if there < expected {
        return Err(format!("the file is cut off: {expected} bytes of tensors expected, {there} there"));
    }
    if there > expected {
        return Err(format!("{} bytes too many after the last tensor", there - expected));
    }
    Ok((metadata, LENGTH + header_length))
}

fn not_weights() -> String {
    "not a weights file: expected safetensors or a torch .bin".into()
}

async fn content(source: &mut Source, data: u64, name: &str, info: &TensorInfo, wanted: &Wanted) -> Read<Content> {
    let element = match info.dtype {
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::BF16,
        Dtype::F64 => ElementType::F64,
        Dtype::I64 => ElementType::I64,
        Dtype::F8_E4M3 => ElementType::F8E4M3,
        Dtype::F8_E5M2 => ElementType::F8E5M2,
        other => return Ok(Content::Foreign(other.to_string())),
    };
    if !wanted.has(name, &info.shape) {
        return Ok(Content::Unwanted);
    }
    let (start, end) = info.data_offsets;
    let bytes = source.read(data + start as u64, (end - start) as u64).await?;
    Ok(Content::Values(Values { element, order: ByteOrder::Little, bytes }))
}

#[cfg(test)]
mod tests {
    use super::super::weights::{Tensor, Weights};
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
        let mut weights = Weights::new();
        weights.add("f", bytes)?;
        Ok(weights.names().map(|name| (name.to_string(), weights.get(name).unwrap())).collect())
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn half_precision_is_widened() {
        let header = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[],"data_offsets":[4,6]}}"#;
        let tensors = read(&file(header, &[0x00, 0x3C, 0x00, 0xBE, 0xC0, 0xBF])).unwrap();
        assert_eq!(tensors[0], ("a".into(), Tensor { shape: vec![2], data: vec![1.0, -1.5] }));
        assert_eq!(tensors[1], ("b".into(), Tensor { shape: vec![], data: vec![-1.5] }));
    }

    #[test]
    fn broken_files_say_what_is_broken() {
        let good = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        for (bytes, expected) in [
            (file(good, &[0; 3]), "cut off: 4 bytes of tensors expected, 3 there"),
            (file(good, &[0; 5]), "1 bytes too many"),
            (file(good, &[])[..40].to_vec(), "cut off: 54 bytes of header expected, 32 there"),
            (file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, &[0; 4]), "header is broken"),
            (file("no JSON here", &[]), "not a weights file"),
        ] {
            let problem = read(&bytes).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    /// Sixteen tensors of 2^60 bytes, the last a little shorter: with the header, the sum passes 2^64.
    #[test]
    fn sizes_that_overflow_are_refused() {
        let size = |index: u64| (1u64 << 60) - if index == 15 { 64 } else { 0 };
        let tensors: Vec<String> = (0..16u64)
            .map(|index| {
                let (start, size) = (index << 60, size(index));
                format!(
                    r#""{index}":{{"dtype":"F32","shape":[{}],"data_offsets":[{start},{}]}}"#,
                    size / 4,
                    start + size
                )
            })
            .collect();
        let problem = read(&file(&format!("{{{}}}", tensors.join(",")), &[0; 64])).unwrap_err().to_string();
        assert!(problem.contains("cut off"), "{problem}");
    }

    #[test]
    fn half_precision_is_written_where_it_holds_the_numbers() {
        let write = |values: &[f32]| write_safetensors([("a", &[2usize][..], values)], FloatType::Float16);
        let bytes = write(&[1.5, 0.1]).unwrap();
        assert_eq!(read(&bytes).unwrap(), [("a".into(), Tensor { shape: vec![2], data: vec![1.5, 0.099975586] })]);
        let message = write(&[1.5, 70_000.0]).unwrap_err().to_string();
        assert!(message.contains("70000 in a"), "{message}");
        assert!(FloatType::parse("half").is_err());
    }

    #[test]
    fn bfloat16_is_written_with_the_range_of_single_precision() {
        let write = |values: &[f32]| write_safetensors([("a", &[2usize][..], values)], FloatType::BFloat16);
        let bytes = write(&[1e38, 0.1]).unwrap();
        let data = vec![bf16::from_f32(1e38).to_f32(), bf16::from_f32(0.1).to_f32()];
        assert_eq!(read(&bytes).unwrap(), [("a".into(), Tensor { shape: vec![2], data })]);
        let message = write(&[f32::MAX, 0.1]).unwrap_err().to_string();
        assert!(message.contains("bfloat16") && message.contains("in a"), "{message}");
    }

    #[test]
    fn a_shape_that_does_not_fit_its_values_is_refused() {
        let message =
            write_safetensors([("a", &[3usize][..], &[0.0f32][..])], FloatType::Float32).unwrap_err().to_string();
        assert!(message.contains("cannot write safetensors"), "{message}");
    }
}
