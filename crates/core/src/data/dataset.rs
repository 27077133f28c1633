//! Training pictures: brought to one size when added, or each time that they are read from their files; cropped, flipped
//! and normalised when drawn.

use super::butterflies::butterfly;
use super::file_name::FileName;
use super::fingerprint::{Content, Digest, is_sampled};
use super::fitted::Fitted;
use super::loader::Batch;
use super::read_ahead::ReadAhead;
use super::stored::{Place, StoredPicture};
use super::transforms::{draws_flip, flip_rows};
use super::{Image, decode, pixels_to_tensor};
use crate::handle::Footprint;
use crate::json::from_json_without_null;
use crate::memory::expect_room;
use crate::random::Generator;
use crate::{Error, Result};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What becomes of the pictures of a data set, named as in diffusers' `train_unconditional.py`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DatasetOptions {
    /// The size that pictures are brought to: one number for squares, or `[height, width]`. Only sets of raw values do without.
    #[cfg_attr(test, ts(optional))]
    pub resolution: Option<Resolution>,
    /// 3 for RGB, 1 for grey.
    #[cfg_attr(test, ts(type = "1 | 3"))]
    pub channels: usize,
    /// Cut out the centre; otherwise each batch cuts at random.
    pub center_crop: bool,
    /// Mirror every second picture, drawn anew for each batch.
    pub random_flip: bool,
    pub resize: Resize,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        Self { resolution: None, channels: 3, center_crop: false, random_flip: false, resize: Resize::ShorterSide }
    }
}

impl DatasetOptions {
    fn fit(&self, picture: Image) -> Result<Fitted> {
        Fitted::new(picture, self.resolution()?, self.channels, self.resize, self.center_crop)
    }

    fn resolution(&self) -> Result<[usize; 2]> {
        let size = self.resolution.map(Resolution::size);
        size.ok_or_else(|| Error::argument("resolution", "the size that pictures are brought to", "nothing"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(untagged, expecting = "a number of pixels, or [height, width]")]
pub enum Resolution {
    Square(usize),
    Rectangle([usize; 2]),
}

impl Resolution {
    /// Height and width.
    fn size(self) -> [usize; 2] {
        match self {
            Self::Square(size) => [size; 2],
            Self::Rectangle(size) => size,
        }
    }
}

/// How a picture gets to the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Keep the proportions, cover the resolution, crop the rest: torchvision's `Resize(size)`.
    ShorterSide,
    /// Stretch to the resolution: torchvision's `Resize((height, width))`.
    Exact,
}

/// Pictures and raw values, all of one shape once drawn.
#[derive(Debug)]
pub struct Dataset {
    options: DatasetOptions,
    items: Vec<Item>,
    /// Of each item, where it is held in memory.
    contents: Vec<Option<Content>>,
    fingerprint: OnceLock<String>,
    /// What [`Dataset::add_parts`] speaks of.
    parts: Option<Arc<Mutex<File>>>,
    /// Where items are in files.
    read_ahead: Option<ReadAhead<Fitted>>,
    /// Stored pictures that turned out not to decode, with what is still to be told of them.
    broken: Mutex<BTreeMap<usize, Option<String>>>,
    /// Channels, height, width.
    shape: Option<[usize; 3]>,
    /// One an item, or none at all.
    class_labels: Vec<u32>,
    /// Of all items.
    bytes: usize,
}

#[derive(Debug)]
enum Item {
    /// Decoded, not yet cropped.
    Picture(Fitted),
    /// Read, decoded and resized whenever it is drawn.
    Stored(StoredPicture),
    /// CHW, as the user gave them.
    Values(Vec<f32>),
}

/// A picture in a file of many: its name, where its bytes start and how many they are.
#[derive(Debug, Deserialize)]
pub struct Part(String, u64, usize);

impl Footprint for Dataset {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Dataset {
    /// `options`: JSON of [`DatasetOptions`].
    pub fn new(options: &str) -> Result<Self> {
        let options: DatasetOptions = from_json_without_null(options)?;
        if !matches!(options.channels, 1 | 3) {
            return Err(Error::argument("channels", "1 or 3", options.channels));
        }
        let size = options.resolution.map(Resolution::size);
        if let Some([height, width]) = size.filter(|size| size.contains(&0)) {
            return Err(Error::argument("resolution", "at least 1 pixel", format!("{height}x{width}")));
        }
        if let Some([height, width]) = size {
            // Its pixels, and its numbers in a batch.
            let one = format_args!("resolution: one image of {height}x{width}");
            expect_room(one, &[options.channels, height, width, 5])?;
        }
        let shape = size.map(|[height, width]| [options.channels, height, width]);
        Ok(Self {
            options,
            items: Vec::new(),
            contents: Vec::new(),
            fingerprint: OnceLock::new(),
            parts: None,
            read_ahead: None,
            broken: Mutex::default(),
            shape,
            class_labels: Vec::new(),
            bytes: 0,
        })
    }

    /// Decodes and resizes one file.
    pub fn add_image(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.add_picture(decode(name, bytes)?, Content::of(bytes))
    }

    /// Picture files of a folder, by name, that are read whenever they are drawn.
    pub fn add_files(&mut self, folder: &Path, names: Vec<FileName>, strict: bool) -> Result<()> {
        let place = |name: FileName| {
            let shown = name.shown();
            (Place::File(folder.join(name.into_os())), shown)
        };
        self.add_stored(names.into_iter().map(place), strict)
    }

    /// The file of many pictures that [`Self::add_parts`] speaks of. It is opened now: its name may go.
    pub fn open_parts(&mut self, path: &str) -> Result<()> {
        can_stream()?;
        let file = File::open(path).map_err(|error| Error::file(path, format!("cannot be read ({error})")))?;
        self.parts = Some(Arc::new(Mutex::new(file)));
        Ok(())
    }

    /// Pictures in that file, read whenever they are drawn.
    pub fn add_parts(&mut self, parts: Vec<Part>, strict: bool) -> Result<()> {
        let Some(file) = self.parts.clone() else {
            return Err(Error::Internal("parts of a file were added before it was opened".into()));
        };
        let place = |Part(name, offset, length)| (Place::Part { file: file.clone(), offset, length }, name);
        self.add_stored(parts.into_iter().map(place), strict)
    }

    fn add_stored(&mut self, places: impl Iterator<Item = (Place, String)>, strict: bool) -> Result<()> {
        can_stream()?;
        self.resolution()?;
        self.read_ahead.get_or_insert_with(ReadAhead::new);
        self.items.extend(places.map(|(place, name)| Item::Stored(StoredPicture { name, place, strict })));
        self.contents.resize(self.items.len(), None);
        Ok(())
    }

    /// Pictures `first` to `first + count - 1` of the built-in set.
    pub fn add_butterflies(&mut self, first: usize, count: usize, seed: u64) -> Result<()> {
        let [height, width] = self.resolution()?;
        (first..first.saturating_add(count)).try_for_each(|index| {
            let size = height.max(width);
            let content = Content::of(&[seed, index as u64, size as u64].map(u64::to_le_bytes).concat());
            self.add_picture(butterfly(seed, index as u64, size)?, content)
        })
    }

    /// Values, NCHW, that are used as they are except for `randomFlip`. The first ones say the shape where
    /// `resolution` does not.
    pub fn add_pixels(&mut self, values: &[f32], shape: &[usize]) -> Result<()> {
        let &[count, channels, height, width] = shape else {
            return Err(Error::shape("shape", "[count, channels, height, width]", format!("{shape:?}")));
        };
        let item = [channels, height, width];
        let expected = *self.shape.get_or_insert(item);
        if item != expected || item.contains(&0) {
            return Err(Error::shape("shape", format!("count x {expected:?}, none of them 0"), format!("{shape:?}")));
        }
        let length: usize = item.iter().product();
        if count.checked_mul(length) != Some(values.len()) {
            return Err(Error::shape("values", format!("as many as {shape:?} says"), values.len()));
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            let got = format!("{} at position {position}", values[position]);
            return Err(Error::NotFinite { argument: "values".into(), got });
        }
        expect_room(format_args!("{count} items of {item:?}"), &[values.len(), size_of::<f32>()])?;
        self.bytes += size_of_val(values);
        for item in values.chunks_exact(length) {
            self.items.push(Item::Values(item.to_vec()));
            self.contents.push(Some(Content::of_values(item)));
        }
        Ok(())
    }

    /// The class of every item, to be called when all are there.
    pub fn set_class_labels(&mut self, labels: &[u32]) -> Result<()> {
        if labels.len() != self.len() {
            return Err(Error::shape("classLabels", format!("one for each of the {} items", self.len()), labels.len()));
        }
        self.class_labels = labels.to_vec();
        Ok(())
    }

    /// The class of every item; empty where there are none.
    pub fn class_labels(&self) -> &[u32] {
        &self.class_labels
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Tells these images, in their order and with their classes, from others: the length of each and the content of some
    /// at even distances, wherever they lie. Files are read for it once.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            let count = self.len();
            let digest = (0..count).fold(Digest::default().with_number(count as u64), |digest, index| {
                let whole = is_sampled(index, count);
                let Content { length, digest: of_item } = self.content(index, whole);
                let digest = digest.with_number(length);
                if whole { digest.with_number(of_item) } else { digest }
            });
            self.class_labels.iter().fold(digest, |digest, &label| digest.with_number(label.into())).text()
        })
    }

    fn content(&self, index: usize, whole: bool) -> Content {
        match (self.contents.get(index), self.items.get(index)) {
            (Some(Some(content)), _) => *content,
            (_, Some(Item::Stored(stored))) => stored.place.content(whole),
            _ => Content::default(),
        }
    }

    /// Channels, height and width of every item.
    pub fn item_shape(&self) -> Result<[usize; 3]> {
        self.shape.ok_or_else(|| Error::InvalidConfig("resolution: expected a size, as nothing was added yet".into()))
    }

    /// One item without random choices: centre crop, no flip. CHW in [-1, 1].
    pub fn item(&self, index: usize) -> Result<Vec<f32>> {
        match self.get(index)? {
            Item::Values(values) => Ok(values.clone()),
            _ => normalise(&self.picture(index)?.center()?),
        }
    }

    /// Items one after the other. For each the generator draws the crop, then the flip. Where a stored picture cannot be
    /// read or does not decode, the next one that does takes its place, unless it is `strict`.
    pub fn batch(&self, indices: &[usize], generator: &mut Generator) -> Result<Batch> {
        let [channels, height, width] = self.item_shape()?;
        let mut batch = Batch { shape: [indices.len(), channels, height, width], ..Batch::default() };
        let numbers = [indices.len(), channels, height, width, size_of::<f32>()];
        expect_room(
            format_args!("batchSize: a batch of {} items of {channels}x{height}x{width}", indices.len()),
            &numbers,
        )?;
        batch.values.reserve(batch.shape.iter().product());
        for &index in indices {
            let index = self.append(index, &mut batch.values, generator)?;
            batch.indices.push(index);
            batch.class_labels.extend(self.class_labels.get(index).map(|&label| label as f32));
        }
        Ok(batch)
    }

    /// Says which items [`Self::batch`] will be asked for next, so that other threads read them from their files.
    pub fn read_ahead(&self, indices: &[usize]) {
        let Some(ahead) = &self.read_ahead else { return };
        ahead.want(indices.iter().filter_map(|&index| match self.items.get(index) {
            Some(Item::Stored(stored)) if !self.broken().contains_key(&index) => {
                let (stored, options) = (stored.clone(), self.options.clone());
                Some((index, Box::new(move || options.fit(stored.decode()?)) as Box<_>))
            }
            _ => None,
        }));
    }

    /// A picture that was found not to decode, to be told to the user; each once.
    pub fn take_problem(&self) -> Option<String> {
        self.broken().values_mut().find_map(Option::take)
    }

    /// Appends an item to a batch; returns which it was.
    fn append(&self, index: usize, values: &mut Vec<f32>, generator: &mut Generator) -> Result<usize> {
        let start = values.len();
        let index = match self.get(index)? {
            Item::Values(item) => {
                values.extend(item);
                index
            }
            _ => {
                let (index, picture) = self.picture_or_next(index)?;
                values.extend(normalise(&picture.draw(generator)?)?);
                index
            }
        };
        if self.options.random_flip && draws_flip(generator) {
            let [_, _, width] = self.item_shape()?;
            flip_rows(&mut values[start..], width);
        }
        Ok(index)
    }

    /// The picture, or the next after it that decodes.
    fn picture_or_next(&self, wanted: usize) -> Result<(usize, Cow<'_, Fitted>)> {
        let mut first_problem = None;
        for index in (wanted..self.len()).chain(0..wanted) {
            if self.broken().contains_key(&index) {
                continue;
            }
            match (self.picture(index), self.get(index)?) {
                (Ok(picture), _) => return Ok((index, picture)),
                (
                    Err(error @ (Error::InvalidImage { .. } | Error::InvalidFile { .. })),
                    Item::Stored(StoredPicture { strict: false, .. }),
                ) => {
                    self.broken().insert(index, Some(error.message()));
                    first_problem.get_or_insert(error);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Err(first_problem.unwrap_or_else(|| {
            let (file, problem) = ("dataset".into(), "expected at least one image that can be read".into());
            Error::MissingFile { file, problem }
        }))
    }

    fn picture(&self, index: usize) -> Result<Cow<'_, Fitted>> {
        match self.get(index)? {
            Item::Picture(picture) => Ok(Cow::Borrowed(picture)),
            Item::Values(_) => Err(Error::Internal("a picture was asked for where there are values".into())),
            Item::Stored(stored) => {
                let read = || self.options.fit(stored.decode()?);
                let picture = self.read_ahead.as_ref().map_or_else(read, |ahead| ahead.take(index, read));
                picture.map(Cow::Owned)
            }
        }
    }

    fn add_picture(&mut self, picture: Image, content: Content) -> Result<()> {
        let fitted = self.options.fit(picture)?;
        self.bytes += fitted.bytes();
        self.items.push(Item::Picture(fitted));
        self.contents.push(Some(content));
        Ok(())
    }

    fn broken(&self) -> MutexGuard<'_, BTreeMap<usize, Option<String>>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolution(&self) -> Result<[usize; 2]> {
        self.options.resolution()
    }

    fn get(&self, index: usize) -> Result<&Item> {
        let expected = || Error::argument("index", format!("less than {}, the number of items", self.len()), index);
        self.items.get(index).ok_or_else(expected)
    }
}

fn can_stream() -> Result<()> {
    if !cfg!(target_family = "wasm") {
        return Ok(());
    }
    Err(Error::Unsupported("streaming: WebAssembly cannot read files by itself; load them at once".into()))
}

fn normalise(picture: &Image) -> Result<Vec<f32>> {
    pixels_to_tensor(picture.data(), picture.channels(), picture.height(), picture.width())
}
