//! An image on its way to a data set's resolution: at its new size already, or as it came and enlarged as far as a crop shows.

use super::transforms::{center_offsets, covering_size, random_offsets};
use super::{Image, Resize, resample::resize_part};
use crate::Result;
use crate::random::Generator;

/// Up to so many times what is cropped from it, an image is kept at its new size, so that it is resized once.
const ROOM: usize = 4;

#[derive(Debug, Clone)]
pub struct Fitted {
    image: Image,
    /// Height and width that it is resized to before the crop; the image's own where that is done.
    size: [usize; 2],
    /// Height and width of the crop.
    crop: [usize; 2],
    /// Grey becomes RGB last, so that three equal channels lie in no memory.
    channels: usize,
}

impl Fitted {
    /// `center`: whatever is asked for later, it is the centre.
    pub fn new(image: Image, crop: [usize; 2], channels: usize, resize: Resize, center: bool) -> Result<Self> {
        let image = if channels < image.channels() { image.to_channels(channels)? } else { image };
        let from = [image.height(), image.width()];
        let size = match resize {
            Resize::ShorterSide => covering_size(from, crop)?,
            Resize::Exact => crop,
        };
        if center {
            let image = resize_part(&image, size, center_offsets(size, crop), crop)?;
            return Ok(Self { image, size: crop, crop, channels });
        }
        // A thin image at its new size can take millions of times the memory that it takes as it is.
        let pixels = |[height, width]: [usize; 2]| height.saturating_mul(width);
        if size != from && pixels(size) <= pixels(from).max(pixels(crop).saturating_mul(ROOM)) {
            let image = resize_part(&image, size, [0, 0], size)?;
            return Ok(Self { image, size, crop, channels });
        }
        Ok(Self { image, size, crop, channels })
    }

    /// The middle of it.
    pub fn center(&self) -> Result<Image> {
        self.part(center_offsets(self.size, self.crop))
    }

    /// Any part of it, as the generator draws.
    pub fn draw(&self, generator: &mut Generator) -> Result<Image> {
        self.part(random_offsets(self.size, self.crop, generator)?)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.image.data().len()
    }

    fn part(&self, offsets: [usize; 2]) -> Result<Image> {
        resize_part(&self.image, self.size, offsets, self.crop)?.to_channels(self.channels)
    }
}
