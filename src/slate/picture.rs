//! What a slate looks like. Pure: told the words and the beat, it draws.
//!
//! The picture is composed once for each set of words; a frame repaints the few samples of the
//! moving sign and nothing else, so that the encoder skips nearly every macroblock.

use super::Text;
use super::layout::{DOTS, Layout, Sign};
use super::wording::Since;
use crate::capture::Format;
use crate::clock::Now;
use crate::encode::convert::Planar;
use crate::raster::glyphs::stamp;
use crate::raster::{Plane, Ycc, at, byte, planes};

/// Luma of the band, and of a background without a picture.
const BAND: u8 = 24;
pub(super) const BLANK: u8 = 38;
/// Luma of what, why, and since when.
const INKS: [u8; 3] = [235, 205, 180];
/// The lit dot; the others are grey.
const LIT: [f32; 3] = [255.0, 172.0, 64.0];
const UNLIT: u8 = 70;

/// A composed slate.
#[derive(Debug)]
pub struct Picture {
    width: usize,
    height: usize,
    text: Text,
    since: Since,
    layout: Layout,
    /// The camera's last picture, dimmed: planar 4:2:0 without padding, like `frame`.
    base: Vec<u8>,
    frame: Vec<u8>,
    lit: Ycc,
}

impl Picture {
    /// Composes a slate of `format`, which must be one of [`super::coded`]: `YU12`, even, no padding.
    #[must_use]
    pub fn new(last: Option<&Planar>, format: Format, text: Text, now: Now) -> Self {
        let (width, height) = (format.size.width as usize, format.size.height as usize);
        let base = match last {
            Some(last) => dimmed(last, width, height),
            None => blank(width, height),
        };
        let since = Since::new(text.since, now);
        let mut picture = Self {
            width,
            height,
            layout: layout(width, height, &text, since),
            text,
            since,
            frame: base.clone(),
            base,
            lit: Ycc::new(format.colour.matrix, LIT),
        };
        picture.compose();
        picture
    }

    /// Other words from the next frame on.
    pub fn retitle(&mut self, text: Text, now: Now) {
        self.since = Since::new(text.since, now);
        self.text = text;
        self.compose();
    }

    /// The frame of beat `beat`: one dot further each time.
    pub fn draw(&mut self, beat: u32, now: Now) -> &[u8] {
        if self.since.update(self.text.since, now) {
            self.compose();
        }
        self.dots(beat % DOTS);
        &self.frame
    }

    /// Where the words stand.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Draws everything but the lit dot.
    fn compose(&mut self) {
        let (width, height) = (self.width, self.height);
        self.layout = layout(width, height, &self.text, self.since);
        self.frame.copy_from_slice(&self.base);
        let mut planes = planes(&mut self.frame, width, height);
        let (from, to) = self.layout.band;
        for (plane, value) in planes.iter_mut().zip([BAND, 128, 128]) {
            let end = at(width as f32, to as f32);
            plane.block(at(0.0, from as f32), end, value);
        }
        for line in &self.layout.lines {
            let sprite = line.pen.text(&line.text);
            let ink = INKS[line.paragraph];
            stamp(&mut planes[0], &sprite, line.x, line.y, ink, 255);
        }
    }

    /// Repaints the sign.
    fn dots(&mut self, lit: u32) {
        let Sign {
            x,
            y,
            radius,
            pitch,
        } = self.layout.sign;
        let mut planes = planes(&mut self.frame, self.width, self.height);
        let reach = radius + 2.0;
        let end = at(x + pitch * (DOTS - 1) as f32 + reach, y + reach);
        for (i, plane) in planes.iter_mut().enumerate() {
            plane.block(at(x - reach, y - reach), end, [BAND, 128, 128][i]);
            for dot in 0..DOTS {
                let value = match dot == lit {
                    true => self.lit.0[i],
                    false => [UNLIT, 128, 128][i],
                };
                plane.disc(at(x + pitch * dot as f32, y), radius, value, 1.0);
            }
        }
    }
}

fn layout(width: usize, height: usize, text: &Text, since: Since) -> Layout {
    let since = since.to_string();
    Layout::new(width, height, [&text.what, &text.why, &since])
}

/// A plain dark background.
fn blank(width: usize, height: usize) -> Vec<u8> {
    let mut data = vec![128; width * height * 3 / 2];
    data[..width * height].fill(BLANK);
    data
}

/// Luma at two fifths, chroma at two fifths of its distance from grey: clearly not live, and still
/// to be recognised.
const DIM: f32 = 0.4;

/// The picture, darker and nearly grey, in the size asked for. Another size is stretched by taking
/// the nearest sample: seldom needed, and good enough for what is only a memory.
fn dimmed(last: &Planar, width: usize, height: usize) -> Vec<u8> {
    let mut data = blank(width, height);
    let (from_width, from_height) = last.dimensions();
    let sources = last.planes();
    for (i, plane) in planes(&mut data, width, height).into_iter().enumerate() {
        let half = usize::from(i > 0);
        let zero = if i > 0 { 128.0 } else { 16.0 };
        let map: [u8; 256] = std::array::from_fn(|v| byte(zero + (v as f32 - zero) * DIM));
        stretch(
            plane,
            sources[i],
            (from_width >> half, from_height >> half),
            &map,
        );
    }
    data
}

/// Fills a plane from another of any size, sample by sample through `map`.
fn stretch(to: Plane<'_>, from: &[u8], (width, height): (usize, usize), map: &[u8; 256]) {
    if width == 0 || height == 0 || to.width == 0 {
        return;
    }
    let columns: Vec<usize> = (0..to.width).map(|x| x * width / to.width).collect();
    let rows = to.data.chunks_exact_mut(to.width).enumerate();
    for (y, line) in rows {
        let Some(source) = from
            .get(y * height / to.height * width..)
            .and_then(|s| s.get(..width))
        else {
            return;
        };
        for (v, x) in line.iter_mut().zip(&columns) {
            *v = map[usize::from(source[*x])];
        }
    }
}
