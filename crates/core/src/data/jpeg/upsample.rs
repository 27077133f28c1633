//! Rows of a component at the image's resolution, as libjpeg-turbo's "fancy upsampling" makes them (`jdsample.c`): a
//! triangle filter where chroma is halved, repeated samples elsewhere. Behind an edge stands the last sample of the image,
//! never the padding of the block.

use super::frame::{Component, Frame};

/// How the samples of a component become those of the image.
enum Filter {
    Same,
    Across,
    Down,
    Both,
    Repeat,
}

pub struct Upsampler<'a> {
    filter: Filter,
    component: &'a Component,
    plane: &'a [u8],
    /// How many pixels one sample stands for.
    across: usize,
    down: usize,
}

impl<'a> Upsampler<'a> {
    pub fn new(frame: &Frame, component: &'a Component, plane: &'a [u8]) -> Self {
        let (across, down) = (frame.across / component.across, frame.down / component.down);
        let filter = match (across, down) {
            (1, 1) => Filter::Same,
            (2, 1) if component.width > 2 => Filter::Across,
            (2, 2) if component.width > 2 => Filter::Both,
            (1, 2) => Filter::Down,
            _ => Filter::Repeat,
        };
        Self { filter, component, plane, across, down }
    }

    /// Row `y` of the image, into `result`; up to a sample too much at its end.
    pub fn row(&self, y: usize, result: &mut Vec<u8>) {
        result.clear();
        let near = self.source(y / self.down);
        match self.filter {
            Filter::Same => result.extend_from_slice(near),
            Filter::Repeat => near.iter().for_each(|&sample| result.extend(std::iter::repeat_n(sample, self.across))),
            Filter::Across => across(near.len(), |x| u32::from(near[x]), [4, 1, 2], result),
            Filter::Down => {
                let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
                let mixed = |(&near, &far): (&u8, &u8)| (3 * u32::from(near) + u32::from(far) + rounding) >> 2;
                result.extend(near.iter().zip(self.far(y)).map(|pair| mixed(pair) as u8));
            }
            Filter::Both => {
                let far = self.far(y);
                across(near.len(), |x| 3 * u32::from(near[x]) + u32::from(far[x]), [16, 8, 7], result);
            }
        }
    }

    /// The second nearest row of samples.
    fn far(&self, y: usize) -> &[u8] {
        let near = y / 2;
        self.source(if y.is_multiple_of(2) {
            near.saturating_sub(1)
        } else {
            (near + 1).min(self.component.height - 1)
        })
    }

    fn source(&self, row: usize) -> &[u8] {
        &self.plane[row * 8 * self.component.block_columns..][..self.component.width]
    }
}

/// Two pixels a sample: three quarters of the nearest, one of the next. `total` is what the weights add up to; each side has
/// its rounding, so that halves do not always go up.
fn across(width: usize, at: impl Fn(usize) -> u32, [total, left, right]: [u32; 3], result: &mut Vec<u8>) {
    let shift = total.ilog2();
    let mixed = |near: u32, far: u32, rounding: u32| ((3 * near + far + rounding) >> shift) as u8;
    let edge = |sample: u32, rounding: u32| mixed(sample, sample, rounding);
    for x in 0..width {
        let near = at(x);
        result.push(if x == 0 { edge(near, left) } else { mixed(near, at(x - 1), left) });
        result.push(if x + 1 == width { edge(near, right) } else { mixed(near, at(x + 1), right) });
    }
}
