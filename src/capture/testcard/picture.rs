//! The test picture. Pure: told the frame's number and the time, it draws.
//!
//! Everything that stands still is drawn once; a frame restores and redraws the dial, the
//! characters that changed and the time code, and nothing else.

use super::background::{ACCENT, INK, Layout, on_circle, stamp, still};
use super::glyphs::Sprite;
use super::raster::{Plane, Ycc, blend, byte, coverage, index, planes};
use super::timecode::{self, Timecode};
use crate::capture::Format;
use crate::clock::Wall;

/// Characters that change: `HH:MM:SS.mmm`, then the frame number.
const CLOCK: usize = 12;
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
    /// `0`…`9`, `:`, `.` for the clock and for the caption.
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
            fonts: pens.map(|pen| "0123456789:.".chars().map(|c| pen.glyph(c)).collect()),
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
            let which = match c {
                b'.' => 11,
                b':' => 10,
                digit => usize::from(digit - b'0'),
            };
            let sprite = &self.fonts[slot.font][which];
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
            let cover = coverage((half - (x.hypot(y) - layout.radius).abs()) * s);
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

/// Where the changing characters stand.
fn slots(layout: &Layout) -> Vec<Slot> {
    let [_, clock, caption] = layout.baselines;
    let (big, small) = (layout.clock_pen(), layout.caption_pen());
    let mut slots = Vec::new();
    let mut place = |mut x: f32, baseline: f32, pen: super::glyphs::Pencil, font, text: &[u8]| {
        for c in text {
            let step = Layout::step(pen, char::from(*c));
            let narrow = (pen.unit * super::glyphs::ADVANCE - step) / 2.0;
            slots.push(Slot {
                x: index(x - narrow),
                y: index(baseline - pen.ascent()),
                font,
                shown: 0,
            });
            x += step;
        }
    };
    place(layout.left, clock, big, 0, b"00:00:00.000");
    let label = small.text("frame").width as f32;
    let lower = caption + 11.0 * small.unit;
    place(
        layout.left + label + 2.0 * small.unit,
        lower,
        small,
        1,
        &[b'0'; COUNTER],
    );
    slots
}

/// The changing characters: the time of day in UTC and the frame's number.
fn text(counter: u32, wall: Wall) -> [u8; CLOCK + COUNTER] {
    let mut text = *b"00:00:00.00000000000";
    let millis = wall.as_nanos() / 1_000_000;
    let mut write = |range: std::ops::Range<usize>, mut value: u64| {
        for c in text[range].iter_mut().rev() {
            *c = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    write(0..2, millis / 3_600_000 % 24);
    write(3..5, millis / 60_000 % 60);
    write(6..8, millis / 1000 % 60);
    write(9..12, millis % 1000);
    write(CLOCK..CLOCK + COUNTER, u64::from(counter));
    text
}
