//! Training pictures: decoding, torchvision's transforms, data sets and batches, and a set that is drawn here.

mod butterflies;
mod dataset;
mod decode;
mod file_name;
mod fingerprint;
mod fitted;
mod image;
mod jpeg;
mod loader;
mod png_end;
mod read_ahead;
mod resample;
mod stored;
pub mod transforms;

pub use butterflies::butterfly;
pub use dataset::{Dataset, DatasetOptions, Resize, Resolution};
pub use decode::decode;
pub use file_name::FileName;
pub use image::{Image, pixels_to_mask, pixels_to_tensor, tensor_to_pixels, to_unit_images};
pub use loader::{Batch, DataLoader, DataLoaderOptions};
pub use resample::{resize_exact, resize_part};
