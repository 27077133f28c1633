//! The tensors of a model folder, gathered from one file or several.

use super::content::{Content, FileTensor, Wanted};
use super::names::{current_shape, renamed};
use super::source::{Progress, Reading, Source};
use super::{Read, safetensors, torch_bin, torch_legacy};
use crate::handle::Footprint;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A tensor as it stands in a file: torch's axis order, row by row, as `f32` whatever the file's number format.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// Tensors by name. Attention weights under the names of old diffusers versions get today's names.
///
/// They stay in the number format of their file until they are taken, so that a file takes as much memory as it is long.
#[derive(Default)]
pub struct Weights {
    tensors: BTreeMap<String, Loaded>,
    wanted: Arc<Wanted>,
    /// The file that is being read.
    opened: Option<(Arc<str>, ReadingTensors)>,
}

type ReadingTensors = Reading<Read<Vec<FileTensor>>>;

struct Loaded {
    shape: Vec<usize>,
    content: Content,
    file: Arc<str>,
}

impl Footprint for Weights {
    fn bytes(&self) -> usize {
        let floats = |loaded: &Loaded| loaded.shape.iter().fold(1usize, |count, &size| count.saturating_mul(size));
        self.tensors.values().map(floats).fold(0usize, usize::saturating_add).saturating_mul(size_of::<f32>())
    }
}

impl Weights {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on only these tensors, in these shapes, are read; of others the name is kept.
    pub fn want_only(&mut self, tensors: impl IntoIterator<Item = (String, Vec<usize>)>) {
        self.wanted = Arc::new(Wanted::only(tensors.into_iter().collect()));
    }

    /// Adds the tensors of a safetensors or torch `.bin` file. The content decides which it is, the name stands in
    /// messages. A file that is refused adds nothing.
    pub fn add(&mut self, file_name: &str, bytes: &[u8]) -> Result<()> {
        let mut wanted = self.open(file_name, bytes.len() as u64)?;
        while let Some(range) = wanted {
            wanted = self.feed(bytes[range.start as usize..range.end as usize].to_vec())?;
        }
        Ok(())
    }

    /// [`add`](Self::add) for a file that need not be in memory: returns the bytes that it wants next, which are to be
    /// handed to [`feed`](Self::feed), or `None` when it has all.
    pub fn open(&mut self, file_name: &str, size: u64) -> Result<Option<Range<u64>>> {
        let wanted = self.wanted.clone();
        let reading = Reading::new(size, async move |mut source| read(&mut source, &wanted).await);
        self.opened = Some((file_name.into(), reading));
        self.go_on(None)
    }

    /// The bytes that were wanted last; returns what is wanted next.
    pub fn feed(&mut self, bytes: Vec<u8>) -> Result<Option<Range<u64>>> {
        self.go_on(Some(bytes))
    }

    fn go_on(&mut self, given: Option<Vec<u8>>) -> Result<Option<Range<u64>>> {
        let Some((file, mut reading)) = self.opened.take() else {
            return Err(Error::Internal("no weights file is being read".into()));
        };
        match reading.go_on(given) {
            Progress::Wants(range) => {
                self.opened = Some((file, reading));
                Ok(Some(range))
            }
            Progress::Done(tensors) => {
                let tensors = tensors.map_err(|problem| Error::file(&*file, problem))?;
                self.add_tensors(&file, tensors)?;
                Ok(None)
            }
        }
    }

    fn add_tensors(&mut self, file: &Arc<str>, tensors: Vec<FileTensor>) -> Result<()> {
        let mut added = BTreeMap::new();
        for FileTensor { name, mut shape, content } in tensors {
            let name = match renamed(&name) {
                Some(current) => {
                    shape.truncate(current_shape(&shape).len());
                    current
                }
                None => name,
            };
            if let Some(earlier) = self.tensors.get(&name) {
                return Err(Error::file(&**file, format!("tensor `{name}` was already in {}", earlier.file)));
            }
            if added.contains_key(&name) {
                return Err(Error::file(&**file, format!("tensor `{name}` is there twice")));
            }
            added.insert(name, Loaded { shape, content, file: file.clone() });
        }
        self.tensors.append(&mut added);
        Ok(())
    }

    /// A copy of a tensor, if its values were read.
    pub fn get(&self, name: &str) -> Option<Tensor> {
        match self.tensors.get(name)? {
            Loaded { shape, content: Content::Values(values), .. } => {
                Some(Tensor { shape: shape.clone(), data: values.decode() })
            }
            _ => None,
        }
    }

    /// The values of a tensor that a model needs in exactly this shape; the tensor leaves the collection.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(loaded) = self.tensors.remove(name) else {
            return Err(Error::file(self.file_names(), format!("there is no tensor `{name}`")));
        };
        if loaded.shape != shape {
            let argument = format!("{} in {}", name, loaded.file);
            return Err(Error::shape(argument, format!("{shape:?}"), format!("{:?}", loaded.shape)));
        }
        let refuse = |problem: String| Err(Error::file(&*loaded.file, problem));
        match loaded.content {
            Content::Values(values) => Ok(values.decode()),
            Content::Foreign(format) => refuse(format!("tensor `{name}` has the unsupported number format {format}")),
            Content::Unwanted => refuse(format!("tensor `{name}` was not read")),
        }
    }

    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The file that a tensor came from.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|loaded| &*loaded.file)
    }

    /// All files, for messages.
    pub fn file_names(&self) -> String {
        let mut files: Vec<&str> = self.tensors.values().map(|loaded| &*loaded.file).collect();
        files.sort_unstable();
        files.dedup();
        if files.is_empty() { "weights".into() } else { files.join(", ") }
    }
}

/// The format is told by the first bytes.
async fn read(source: &mut Source, wanted: &Wanted) -> Read<Vec<FileTensor>> {
    let start = source.read(0, source.size().min(512)).await?;
    if let Some(problem) = foreign(&start) {
        return Err(problem.into());
    }
    if start.starts_with(b"PK\x03\x04") {
        torch_bin::read(source, wanted).await
    } else if torch_legacy::is_legacy(&start) {
        torch_legacy::read(source, wanted).await
    } else {
        safetensors::read(source, wanted).await
    }
}

/// What people have instead of a weights file, by its first bytes.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes.get(..64).unwrap_or(bytes).to_ascii_lowercase();
    if bytes.is_empty() {
        Some("the file is empty")
    } else if start.starts_with(b"version https://git-lfs") {
        Some("this is a git-lfs pointer, not the weights; download the real file (`git lfs pull`)")
    } else if start.starts_with(b"<!doctype") || start.starts_with(b"<html") {
        Some("this is a web page, not the weights; download the file itself")
    } else if bytes.get(257..262) == Some(b"ustar") {
        Some(
            "this is a tar archive, torch's format from before version 0.1.10; load and save it again with a newer torch",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FloatType;
    use crate::pretrained::safetensors::write_safetensors;

    fn file(names: &[&str]) -> Vec<u8> {
        let tensors = names.iter().map(|name| (*name, &[2usize, 1][..], &[1.0f32, -2.0][..]));
        write_safetensors(tensors, FloatType::Float32).unwrap()
    }

    #[test]
    fn files_are_merged_and_a_tensor_in_two_of_them_is_refused() {
        let mut weights = Weights::new();
        weights.add("one.safetensors", &file(&["b", "a"])).unwrap();
        weights.add("two.safetensors", &file(&["c"])).unwrap();
        assert_eq!(
            weights.add("three.safetensors", &file(&["a", "d"])).unwrap_err().to_string(),
            "[InvalidFile] three.safetensors: tensor `a` was already in one.safetensors"
        );
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(weights.file_of("c"), Some("two.safetensors"));
        assert_eq!(weights.get("c"), Some(Tensor { shape: vec![2, 1], data: vec![1.0, -2.0] }));
    }

    #[test]
    fn taking_checks_name_and_shape() {
        let mut weights = Weights::new();
        weights.add("one.safetensors", &file(&["a", "b"])).unwrap();
        assert_eq!(weights.take("a", &[2, 1]).unwrap(), [1.0, -2.0]);
        assert_eq!(
            weights.take("a", &[2, 1]).unwrap_err().to_string(),
            "[InvalidFile] one.safetensors: there is no tensor `a`"
        );
        assert_eq!(
            weights.take("b", &[2]).unwrap_err().to_string(),
            "[ShapeMismatch] b in one.safetensors: expected [2], got [2, 1]"
        );
    }

    /// The first bytes of a safetensors file are its header's length: `80 02` (a pickle) is 640, `3C` (`<`) is 60.
    #[test]
    fn a_header_of_any_length_is_no_foreign_file() {
        for length in 56..1100usize {
            let header = format!("{:length$}", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#);
            let bytes = [&(length as u64).to_le_bytes(), header.as_bytes(), &1.5f32.to_le_bytes()].concat();
            let mut weights = Weights::new();
            weights.add("model.safetensors", &bytes).unwrap();
            assert_eq!(weights.take("a", &[1]).unwrap(), [1.5]);
        }
    }

    #[test]
    fn foreign_files_are_called_what_they_are() {
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pointer"),
            (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "cut off"),
            (b"{\"error\":\"Repository not found\"}", "not a weights file"),
            (b"short", "not a weights file"),
            (b"PK\x03\x04 and then nothing", "zip"),
        ] {
            let message = Weights::new().add("model.bin", bytes).unwrap_err().to_string();
            assert!(message.starts_with("[InvalidFile] model.bin: ") && message.contains(expected), "{message}");
        }
    }
}
