//! Batches of a data set, epoch after epoch.

use super::Dataset;
use crate::handle::Footprint;
use crate::json::from_json;
use crate::random::Generator;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of torch's `DataLoader` that have a meaning here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DataLoaderOptions {
    pub batch_size: usize,
    /// Draw a new order for each epoch.
    pub shuffle: bool,
    /// Leave out the last batch of an epoch where it is not full.
    pub drop_last: bool,
}

impl Default for DataLoaderOptions {
    fn default() -> Self {
        Self { batch_size: 16, shuffle: true, drop_last: false }
    }
}

/// How many batches are read from their files while the one before them is learned from; torch's `prefetch_factor`.
const BATCHES_AHEAD: usize = 2;

/// Items of a data set that are used together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// NCHW in [-1, 1].
    pub values: Vec<f32>,
    pub shape: [usize; 4],
    /// One an item; empty where the data set has none.
    pub class_labels: Vec<f32>,
    /// Their places in the data set.
    pub indices: Vec<usize>,
}

/// Where in which epoch a loop over the data stands. Plain data, so that a checkpoint can hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataLoader {
    options: DataLoaderOptions,
    /// The order of the current epoch; none between two epochs.
    order: Option<Vec<usize>>,
    /// How many of `order` were handed out.
    position: usize,
}

impl Footprint for DataLoader {
    fn bytes(&self) -> usize {
        size_of::<usize>() * self.order.as_ref().map_or(0, Vec::len)
    }
}

impl DataLoader {
    /// `options`: JSON of [`DataLoaderOptions`].
    pub fn new(options: &str) -> Result<Self> {
        let options: DataLoaderOptions = from_json(options)?;
        if options.batch_size == 0 {
            return Err(Error::argument("batchSize", "at least 1", 0));
        }
        Ok(Self { options, order: None, position: 0 })
    }

    /// The next batch; `None` at the end of an epoch, after which the next one starts.
    pub fn next(&mut self, dataset: &Dataset, generator: &mut Generator) -> Result<Option<Batch>> {
        self.steps_per_epoch(dataset)?;
        let DataLoaderOptions { batch_size, shuffle, .. } = self.options;
        let (length, count) = (dataset.len(), self.remaining(dataset).min(batch_size));
        let order = self.order.get_or_insert_with(|| epoch_order(length, shuffle, generator));
        if order.len() != length {
            let expected = format!("the {} items that the epoch began with", order.len());
            return Err(Error::argument("dataset", expected, length));
        }
        if count == 0 {
            self.order = None;
            self.position = 0;
            return Ok(None);
        }
        let (batch, rest) = order[self.position..].split_at(count);
        self.position += count;
        let soon = count + rest.len().min(batch_size.saturating_mul(BATCHES_AHEAD));
        dataset.read_ahead(&order[self.position - count..][..soon]);
        dataset.batch(batch, generator).map(Some)
    }

    /// Whether this is a place in an epoch of `items`: an order of all of them, and a position in it.
    pub fn is_place_in(&self, items: usize) -> bool {
        let Some(order) = &self.order else { return self.position == 0 };
        let mut seen = vec![false; items];
        let all_once =
            order.iter().all(|&index| seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true)));
        all_once && order.len() == items && self.position <= items
    }

    /// Goes on where another loader of the same data set stood.
    pub fn restore(&mut self, other: Self) {
        self.order = other.order;
        self.position = other.position;
    }

    /// How many items of the epoch are still to be handed out.
    pub fn remaining(&self, dataset: &Dataset) -> usize {
        let DataLoaderOptions { batch_size, drop_last, .. } = self.options;
        let stop = if drop_last { dataset.len() - dataset.len() % batch_size } else { dataset.len() };
        stop.saturating_sub(self.position)
    }

    /// An error where an epoch would have no batch at all.
    pub fn steps_per_epoch(&self, dataset: &Dataset) -> Result<usize> {
        let DataLoaderOptions { batch_size, drop_last, .. } = self.options;
        let steps = if drop_last { dataset.len() / batch_size } else { dataset.len().div_ceil(batch_size) };
        match (dataset.len(), steps) {
            (0, _) => Err(Error::argument("dataset", "at least one image", "an empty data set")),
            (length, 0) => {
                Err(Error::argument("batchSize", format!("at most {length} (the images) with dropLast"), batch_size))
            }
            (_, steps) => Ok(steps),
        }
    }
}

fn epoch_order(length: usize, shuffle: bool, generator: &mut Generator) -> Vec<usize> {
    if shuffle {
        generator.randperm(length).into_iter().map(|index| index as usize).collect()
    } else {
        (0..length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(order: Option<&[usize]>, position: usize) -> DataLoader {
        DataLoader { options: DataLoaderOptions::default(), order: order.map(<[usize]>::to_vec), position }
    }

    #[test]
    fn a_place_in_an_epoch_has_every_item_once_and_a_position_within() {
        for (order, position) in [(Some(&[2, 0, 1][..]), 0), (Some(&[0, 1, 2][..]), 3), (None, 0)] {
            assert!(loader(order, position).is_place_in(3), "{order:?} {position}");
        }
        for (order, position) in [
            (Some(&[2, 0, 3][..]), 0),
            (Some(&[0, 1, usize::MAX][..]), 0),
            (Some(&[0, 0, 1][..]), 0),
            (Some(&[0, 1][..]), 0),
            (Some(&[0, 1, 2, 0][..]), 0),
            (Some(&[0, 1, 2][..]), 4),
            (None, 1),
        ] {
            assert!(!loader(order, position).is_place_in(3), "{order:?} {position}");
        }
    }
}
