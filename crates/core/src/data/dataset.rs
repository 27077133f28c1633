//! Training pictures in memory: brought to one size when added; cropped, flipped and normalised when drawn.

use super::butterflies::butterfly;
use super::transforms::{center_crop, draws_flip, flip_rows, random_crop, resize_shorter_side};
use super::{Image, decode, pixels_to_tensor, resize_exact};
use crate::json::from_json;
use crate::random::Generator;
use crate::{Error, Result};
use serde::Deserialize;

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

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(untagged, expecting = "resolution: expected a number of pixels, or [height, width]")]
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
    /// Channels, height, width.
    shape: Option<[usize; 3]>,
    /// One an item, or none at all.
    class_labels: Vec<u32>,
}

#[derive(Debug)]
enum Item {
    /// Resized, not yet cropped.
    Picture(Image),
    /// CHW, as the user gave them.
    Values(Vec<f32>),
}

impl Dataset {
    /// `options`: JSON of [`DatasetOptions`].
    pub fn new(options: &str) -> Result<Self> {
        let options: DatasetOptions = from_json(options)?;
        if !matches!(options.channels, 1 | 3) {
            return Err(Error::argument("channels", "1 or 3", options.channels));
        }
        let size = options.resolution.map(Resolution::size);
        if let Some([height, width]) = size.filter(|size| size.contains(&0)) {
            return Err(Error::argument("resolution", "at least 1 pixel", format!("{height}x{width}")));
        }
        let shape = size.map(|[height, width]| [options.channels, height, width]);
        Ok(Self { options, items: Vec::new(), shape, class_labels: Vec::new() })
    }

    /// Decodes and resizes one file.
    pub fn add_image(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.add_picture(decode(name, bytes)?)
    }

    /// Pictures `first` to `first + count - 1` of the built-in set.
    pub fn add_butterflies(&mut self, first: usize, count: usize, seed: u64) -> Result<()> {
        let [height, width] = self.resolution()?;
        (first..first.saturating_add(count))
            .try_for_each(|index| self.add_picture(butterfly(seed, index as u64, height.max(width))?))
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
        self.items.extend(values.chunks_exact(length).map(|item| Item::Values(item.to_vec())));
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

    /// Channels, height and width of every item.
    pub fn item_shape(&self) -> Result<[usize; 3]> {
        self.shape.ok_or_else(|| Error::InvalidConfig("resolution: expected a size, as nothing was added yet".into()))
    }

    /// One item without random choices: centre crop, no flip. CHW in [-1, 1].
    pub fn item(&self, index: usize) -> Result<Vec<f32>> {
        match self.get(index)? {
            Item::Values(values) => Ok(values.clone()),
            Item::Picture(picture) => normalise(&center_crop(picture, self.resolution()?)?),
        }
    }

    /// Items one after the other, NCHW in [-1, 1]. For each the generator draws the crop, then the flip.
    pub fn batch(&self, indices: &[usize], generator: &mut Generator) -> Result<Vec<f32>> {
        let [channels, height, width] = self.item_shape()?;
        let mut batch = Vec::with_capacity(indices.len() * channels * height * width);
        for &index in indices {
            let start = batch.len();
            match self.get(index)? {
                Item::Values(values) => batch.extend(values),
                Item::Picture(picture) => batch.extend(normalise(&self.crop(picture, generator)?)?),
            }
            if self.options.random_flip && draws_flip(generator) {
                flip_rows(&mut batch[start..], width);
            }
        }
        Ok(batch)
    }

    fn crop(&self, picture: &Image, generator: &mut Generator) -> Result<Image> {
        let size = self.resolution()?;
        if self.options.center_crop { center_crop(picture, size) } else { random_crop(picture, size, generator) }
    }

    fn add_picture(&mut self, picture: Image) -> Result<()> {
        let [height, width] = self.resolution()?;
        let picture = picture.to_channels(self.options.channels)?;
        self.items.push(Item::Picture(match self.options.resize {
            Resize::ShorterSide => resize_shorter_side(&picture, [height, width])?,
            Resize::Exact => resize_exact(&picture, width, height)?,
        }));
        Ok(())
    }

    fn resolution(&self) -> Result<[usize; 2]> {
        let size = self.options.resolution.map(Resolution::size);
        size.ok_or_else(|| Error::argument("resolution", "the size that pictures are brought to", "nothing"))
    }

    fn get(&self, index: usize) -> Result<&Item> {
        let expected = || Error::argument("index", format!("less than {}, the number of items", self.len()), index);
        self.items.get(index).ok_or_else(expected)
    }
}

fn normalise(picture: &Image) -> Result<Vec<f32>> {
    pixels_to_tensor(picture.data(), picture.channels(), picture.height(), picture.width())
}
