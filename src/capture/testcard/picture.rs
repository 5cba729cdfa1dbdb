//! The test picture. Pure: told the frame's number and the time, it draws.
//!
//! Everything that stands still is drawn once; a frame restores and redraws the dial, the
//! characters that changed and the time code, and nothing else.

use super::background::{ACCENT, BARS, INK, Layout, on_circle, still};
use super::timecode::{self, Timecode};
use crate::capture::Format;
use crate::clock::Wall;
use crate::raster::glyphs::{ADVANCE, Sprite, stamp};
use crate::raster::{Plane, Ycc, blend, byte, coverage, index, length_of, planes};

/// Digits that change: `HHMMSSmmm`, then the frame number.
const CLOCK: usize = 9;
const COUNTER: usize = 8;
const FADE: usize = 1024;

/// A character's place and what stands there now.
#[derive(Debug)]
struct Slot {
    x: usize,
    y: usize,
    font: usize,
    shown: u8,
}

/// One sample of the comet's track.
#[derive(Debug, Clone, Copy)]
struct Track {
    offset: usize,
    /// Angle, a turn being 65536.
    angle: u16,
    cover: u8,
}

/// The picture and everything prepared for drawing it cheaply.
#[derive(Debug)]
pub struct Picture {
    format: Format,
    layout: Layout,
    still: Vec<u8>,
    frame: Vec<u8>,
    /// `0`…`9` for the clock and for the caption.
    fonts: [Vec<Sprite>; 2],
    slots: Vec<Slot>,
    tracks: [Vec<Track>; 3],
    accent: Ycc,
    fade: Vec<u8>,
}

impl Picture {
    /// Prepares a picture of a format made by [`super::format`].
    #[must_use]
    pub fn new(format: Format) -> Self {
        let (width, height) = (format.size.width as usize, format.size.height as usize);
        let layout = Layout::new(width, height);
        let still = still(&format, &layout);
        let mut frame = still.clone();
        let tracks = planes(&mut frame, width, height).map(|plane| track(&plane, &layout));
        let fade = (0..FADE)
            .map(|lag| {
                let t = lag as f32 / FADE as f32;
                byte(255.0 * (1.0 - t / 0.62).max(0.0).powi(2))
            })
            .collect();
        let pens = [layout.clock_pen(), layout.caption_pen()];
        Self {
            format,
            fonts: pens.map(|pen| ('0'..='9').map(|c| pen.glyph(c)).collect()),
            slots: slots(&layout),
            tracks,
            accent: Ycc::new(format.colour.matrix, ACCENT),
            fade,
            layout,
            still,
            frame,
        }
    }

    /// The format it was made for.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Draws frame `counter` taken at `wall`; the picture is planar 4:2:0 (`YU12`) without padding.
    pub fn draw(&mut self, counter: u32, wall: Wall) -> &[u8] {
        let (width, height) = (
            self.format.size.width as usize,
            self.format.size.height as usize,
        );
        self.dial(width, height, wall);
        self.characters(width, height, counter, wall);
        let code = Timecode {
            counter,
            captured: wall,
        };
        timecode::draw(
            &mut self.frame[..width * height],
            width,
            height,
            width,
            code,
        );
        &self.frame
    }

    /// The comet goes round once a second, the hand once a minute; neither ever ticks.
    fn dial(&mut self, width: usize, height: usize, wall: Wall) {
        let nanos = wall.as_nanos();
        let second = (nanos % 1_000_000_000) as f32 / 1e9;
        let minute = (nanos % 60_000_000_000) as f32 / 6e10;
        let phase = u16::try_from(nanos % 1_000_000_000 * 65_536 / 1_000_000_000).unwrap_or(0);
        let Layout {
            centre,
            radius,
            unit,
            ..
        } = self.layout;
        let reach = self.layout.reach();
        let mut from = planes(&mut self.still, width, height);
        let mut to = planes(&mut self.frame, width, height);
        for (i, (to, from)) in to.iter_mut().zip(&mut from).enumerate() {
            let value = self.accent.0[i];
            restore(
                to,
                from,
                self.layout.centre.x - reach,
                self.layout.centre.y - reach,
                2.0 * reach,
            );
            for t in &self.tracks[i] {
                let lag = usize::from(phase.wrapping_sub(t.angle)) * FADE / 65_536;
                let alpha = blend(0, self.fade[lag], t.cover);
                to.data[t.offset] = blend(from.data[t.offset], value, alpha);
            }
            to.disc(on_circle(centre, radius, second), 9.0 * unit, value, 1.0);
            to.line(
                on_circle(centre, -0.14 * radius, minute),
                on_circle(centre, radius - 46.0 * unit, minute),
                3.6 * unit.max(0.5),
                value,
                1.0,
            );
            to.disc(centre, 8.0 * unit, value, 1.0);
        }
    }

    /// Redraws the characters that differ from what stands there.
    fn characters(&mut self, width: usize, height: usize, counter: u32, wall: Wall) {
        let text = text(counter, wall);
        let (from, to) = (&mut self.still, &mut self.frame);
        let [from, ..] = planes(from, width, height);
        let [mut to, ..] = planes(to, width, height);
        for (slot, c) in self.slots.iter_mut().zip(text) {
            if slot.shown == c {
                continue;
            }
            slot.shown = c;
            let sprite = &self.fonts[slot.font][usize::from(c - b'0')];
            for row in slot.y..(slot.y + sprite.height).min(height) {
                let span = row * width + slot.x.min(width)
                    ..row * width + (slot.x + sprite.width).min(width);
                to.data[span.clone()].copy_from_slice(&from.data[span]);
            }
            let alpha = if slot.font == 0 { 255 } else { 190 };
            stamp(&mut to, sprite, slot.x, slot.y, INK, alpha);
        }
    }
}

/// The middle of each of the eight colour bars, and the Y', Cb, Cr drawn there: for whoever wants
/// to know whether colours survive.
#[must_use]
pub fn bars(format: &Format) -> [(usize, usize, [u8; 3]); 8] {
    let layout = Layout::new(format.size.width as usize, format.size.height as usize);
    let y = index(f32::midpoint(layout.bars, layout.ramp));
    [0, 1, 2, 3, 4, 5, 6, 7].map(|k: usize| {
        let x = format.size.width as usize * (2 * k + 1) / 16;
        (x, y, Ycc::new(format.colour.matrix, BARS[k]).0)
    })
}

/// Copies a square, given in luma pixels, from one plane to its twin.
fn restore(to: &mut Plane<'_>, from: &Plane<'_>, x: f32, y: f32, side: f32) {
    let s = to.scale;
    let columns = index(x * s).min(to.width)..index((x + side) * s + 1.0).min(to.width);
    for row in index(y * s)..index((y + side) * s + 1.0).min(to.height) {
        let span = row * to.width + columns.start..row * to.width + columns.end;
        to.data[span.clone()].copy_from_slice(&from.data[span]);
    }
}

/// The samples of one plane that the comet's tail passes.
fn track(plane: &Plane<'_>, layout: &Layout) -> Vec<Track> {
    let s = plane.scale;
    let half = 6.0 * layout.unit;
    let mut found = Vec::new();
    for row in 0..plane.height {
        for column in 0..plane.width {
            let x = (column as f32 + 0.5) / s - layout.centre.x;
            let y = (row as f32 + 0.5) / s - layout.centre.y;
            let cover = coverage((half - (length_of(x, y) - layout.radius).abs()) * s);
            if cover > 0.0 {
                let turn = (x.atan2(-y) / std::f32::consts::TAU).rem_euclid(1.0);
                found.push(Track {
                    offset: row * plane.width + column,
                    angle: u16::try_from(index(turn * 65_536.0)).unwrap_or(u16::MAX),
                    cover: byte(cover * 255.0),
                });
            }
        }
    }
    found
}

/// Where the changing digits stand.
fn slots(layout: &Layout) -> Vec<Slot> {
    let [_, clock, caption] = layout.baselines;
    let (big, small) = (layout.clock_pen(), layout.caption_pen());
    let slot = |x: f32, y: f32, font| Slot {
        x: index(x),
        y: index(y),
        font,
        shown: 0,
    };
    let label = small.text("frame").width as f32;
    let start = layout.left + label + 2.0 * small.unit;
    let lower = caption + 11.0 * small.unit - small.ascent();
    let digits = layout.clock().filter(|(_, c)| *c == '0');
    digits
        .map(|(x, _)| slot(x, clock - big.ascent(), 0))
        .chain((0..COUNTER).map(|k| slot(start + k as f32 * ADVANCE * small.unit, lower, 1)))
        .collect()
}

/// The changing digits: the time of day in UTC and the frame's number.
fn text(counter: u32, wall: Wall) -> [u8; CLOCK + COUNTER] {
    let mut text = [b'0'; CLOCK + COUNTER];
    let millis = wall.as_nanos() / 1_000_000;
    let mut write = |range: std::ops::Range<usize>, mut value: u64| {
        for c in text[range].iter_mut().rev() {
            *c = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    write(0..2, millis / 3_600_000 % 24);
    write(2..4, millis / 60_000 % 60);
    write(4..6, millis / 1000 % 60);
    write(6..9, millis % 1000);
    write(CLOCK..CLOCK + COUNTER, u64::from(counter));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testcard;
    use crate::units::{Rate, Size};

    fn picture(width: u32, height: u32) -> Picture {
        Picture::new(testcard::format(Size::new(width, height), Rate::fps(30)).unwrap())
    }

    const NOON: Wall = Wall::from_secs(1_790_078_400);

    #[test]
    fn a_frame_depends_on_nothing_but_its_number_and_time() {
        let mut one = picture(640, 480);
        let mut other = picture(640, 480);
        for number in 0..7_u32 {
            let later = Wall::from_nanos(NOON.as_nanos() + u64::from(number) * 777_777_777);
            one.draw(number, later);
        }
        let (a, b) = (one.draw(9, NOON), other.draw(9, NOON));
        assert!(a == b, "a trace of earlier frames is left");
    }

    #[test]
    fn the_time_code_in_the_picture_is_the_one_asked_for() {
        for (width, height) in [(160, 90), (320, 180), (854, 480), (480, 640)] {
            let mut picture = picture(width, height);
            let (w, h) = (width as usize, height as usize);
            let data = picture.draw(4711, NOON);
            assert_eq!(data.len(), w * h * 3 / 2);
            let code = timecode::decode(&data[..w * h], w, h, w).unwrap();
            assert_eq!((code.counter, code.captured), (4711, NOON));
        }
    }

    #[test]
    fn something_large_moves_from_every_frame_to_the_next() {
        let mut picture = picture(640, 480);
        let strip = (480 - timecode::strip_height(640)) * 640;
        let mut before = picture.draw(0, NOON)[..strip].to_vec();
        for number in 1..40_u32 {
            let later = Wall::from_nanos(NOON.as_nanos() + u64::from(number) * 33_333_333);
            let now = &picture.draw(number, later)[..strip];
            let moved = before.iter().zip(now).filter(|(a, b)| a.abs_diff(**b) > 8);
            assert!(
                moved.count() > 200,
                "frame {number} looks like the one before"
            );
            before.copy_from_slice(now);
        }
    }

    #[test]
    fn the_digits_show_the_time_of_day_and_the_number() {
        let wall = Wall::from_nanos(1_790_000_000_123_456_789);
        assert_eq!(&text(1_234_567_890, wall), b"14132012334567890");
    }

    #[test]
    fn the_bars_are_where_they_are_said_to_be() {
        let mut picture = picture(640, 360);
        let format = picture.format();
        let data = picture.draw(0, NOON);
        for (x, y, [luma, cb, cr]) in bars(&format) {
            let chroma = 640 * 360 + y / 2 * 320 + x / 2;
            assert_eq!(data[y * 640 + x], luma);
            assert_eq!((data[chroma], data[chroma + 320 * 180]), (cb, cr));
        }
    }
}
