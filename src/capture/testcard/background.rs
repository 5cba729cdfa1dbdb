//! The parts of the test picture that never move: field, grid, colour bars, dial, lettering. Pure.

use super::timecode;
use crate::capture::{Format, Matrix};
use crate::raster::glyphs::{ADVANCE, Pencil, stamp};
use crate::raster::{Plane, Point, Ycc, at, byte, index, mix, planes};

/// Where everything goes, in luma pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Picture width.
    pub(super) width: f32,
    /// First line of the time code strip.
    pub(super) strip: f32,
    /// First line of the colour bars.
    pub(super) bars: f32,
    /// First line of the grey ramp beneath the bars.
    pub(super) ramp: f32,
    /// Centre of the dial.
    pub(super) centre: Point,
    /// Radius of the dial's ring.
    pub(super) radius: f32,
    /// Left edge of the lettering.
    pub(super) left: f32,
    /// Baselines: name, clock, caption.
    pub(super) baselines: [f32; 3],
    /// One pixel at 720 lines.
    pub(super) unit: f32,
}

impl Layout {
    /// The layout of a picture of this size.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (w, h) = (width as f32, height as f32);
        let strip = (height - timecode::strip_height(width)) as f32;
        let unit = (w / 1280.0).min(h / 720.0);
        let bars = (strip * 0.80 / 2.0).round() * 2.0;
        let radius = (bars * 0.385).min(w * 0.17);
        let middle = bars * 0.5;
        Self {
            width: w,
            strip,
            bars,
            ramp: (strip * 0.935 / 2.0).round() * 2.0,
            centre: at(w * 0.775, middle),
            radius,
            left: w * 0.06,
            baselines: [
                middle - 88.0 * unit,
                middle + 40.0 * unit,
                middle + 122.0 * unit,
            ],
            unit,
        }
    }

    /// The pen of the name above the clock.
    pub(super) fn name_pen(&self) -> Pencil {
        Pencil {
            unit: 8.6 * self.unit,
            thick: 6.4 * self.unit,
        }
    }

    /// The pen of the clock.
    pub(super) fn clock_pen(&self) -> Pencil {
        Pencil {
            unit: 11.6 * self.unit,
            thick: 7.0 * self.unit,
        }
    }

    /// The pen of the small print; never thinner than can be read.
    pub(super) fn caption_pen(&self) -> Pencil {
        Pencil {
            unit: (4.0 * self.unit).max(1.6),
            thick: (2.6 * self.unit).max(1.2),
        }
    }

    /// Half the side of the square around the dial that moves.
    pub(super) fn reach(&self) -> f32 {
        self.radius + 16.0 * self.unit + 4.0
    }

    /// The characters of the clock from left to right: where each one's box begins, and what
    /// stands there at midnight. The marks sit closer than the digits.
    pub(super) fn clock(&self) -> impl Iterator<Item = (f32, char)> {
        const CLOSER: f32 = 1.35;
        let unit = self.clock_pen().unit;
        "00:00:00.000".chars().scan(self.left, move |x, c| {
            let mark = if c == '0' { 0.0 } else { CLOSER * unit };
            let here = *x - mark;
            *x += ADVANCE * unit - 2.0 * mark;
            Some((here, c))
        })
    }
}

/// Warm accent: comet and hand.
pub(super) const ACCENT: [f32; 3] = [255.0, 172.0, 64.0];
/// Luma of lettering.
pub(super) const INK: u8 = 226;

/// Three quarters of white.
const ON: f32 = 191.25;

/// R'G'B' of the bars, left to right.
pub(super) const BARS: [[f32; 3]; 8] = [
    [ON, ON, ON],
    [ON, ON, 0.0],
    [0.0, ON, ON],
    [0.0, ON, 0.0],
    [ON, 0.0, ON],
    [ON, 0.0, 0.0],
    [0.0, 0.0, ON],
    [0.0, 0.0, 0.0],
];

/// Draws everything that stands still.
pub(super) fn still(format: &Format, layout: &Layout) -> Vec<u8> {
    let (width, height) = (format.size.width as usize, format.size.height as usize);
    let mut data = vec![128; width * height * 3 / 2];
    let matrix = format.colour.matrix;
    let mut planes = planes(&mut data, width, height);
    field(&mut planes, layout, matrix);
    grid(&mut planes, layout);
    bars(&mut planes, layout, matrix);
    dial(&mut planes, layout, matrix);
    lettering(&mut planes[0], format, layout);
    for (plane, value) in planes.iter_mut().zip([16, 128, 128]) {
        let end = at(layout.width, height as f32);
        plane.block(at(0.0, layout.strip), end, value);
    }
    data
}

/// A deep blue field, lighter behind the dial.
fn field(planes: &mut [Plane<'_>; 3], layout: &Layout, matrix: Matrix) {
    const DEEP: [f32; 3] = [9.0, 13.0, 26.0];
    const GLOW: [f32; 3] = [30.0, 66.0, 92.0];
    /// Ordered dither: without it, a gradient this dark shows its steps.
    const BAYER: [[u8; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    for (i, plane) in planes.iter_mut().enumerate() {
        let s = plane.scale;
        for (row, line) in plane.data.chunks_exact_mut(plane.width).enumerate() {
            for (column, v) in line.iter_mut().enumerate() {
                let x = ((column as f32 + 0.5) / s - layout.centre.x) / layout.width;
                let y = ((row as f32 + 0.5) / s - layout.centre.y) / layout.width;
                let glow = (-(x * x + 1.6 * y * y) * 5.5).exp();
                let dither = f32::from(BAYER[row % 4][column % 4]) / 16.0 - 0.47;
                *v = byte(Ycc::exact(matrix, mix(DEEP, GLOW, glow))[i] + dither);
            }
        }
    }
}

/// Squares, a great circle and brackets in the corners: geometry and cropping at a glance.
fn grid(planes: &mut [Plane<'_>; 3], layout: &Layout) {
    let luma = &mut planes[0];
    let pitch = layout.width / 32.0;
    let mut lines = 1.0;
    while lines * pitch < layout.width {
        let x = (lines * pitch).floor() + 0.5;
        luma.line(at(x, 0.0), at(x, layout.bars), 1.0, INK, 0.07);
        let y = (lines * pitch).floor() + 0.5;
        if y < layout.bars {
            luma.line(at(0.0, y), at(layout.width, y), 1.0, INK, 0.07);
        }
        lines += 1.0;
    }
    let middle = at(layout.width / 2.0, layout.bars / 2.0);
    let thick = 1.5 * layout.unit.max(0.7);
    luma.ring(middle, layout.bars * 0.475, thick, INK, 0.16);
    let (arm, edge) = (34.0 * layout.unit, 9.0 * layout.unit);
    for (x, dx) in [(edge, arm), (layout.width - edge, -arm)] {
        for (y, dy) in [(edge, arm), (layout.bars - edge, -arm)] {
            luma.line(at(x, y), at(x + dx, y), 2.0 * thick, INK, 0.75);
            luma.line(at(x, y), at(x, y + dy), 2.0 * thick, INK, 0.75);
        }
    }
}

/// The eight 75 % bars and a grey ramp from black to white.
fn bars(planes: &mut [Plane<'_>; 3], layout: &Layout, matrix: Matrix) {
    for (k, rgb) in BARS.into_iter().enumerate() {
        let edge = |k: usize| (k as f32 * layout.width / 16.0).round() * 2.0;
        let Ycc(values) = Ycc::new(matrix, rgb);
        for (plane, value) in planes.iter_mut().zip(values) {
            plane.block(
                at(edge(k), layout.bars),
                at(edge(k + 1), layout.ramp),
                value,
            );
        }
    }
    for (i, plane) in planes.iter_mut().enumerate() {
        plane.block(at(0.0, layout.ramp), at(layout.width, layout.strip), 128);
        if i == 0 {
            let width = plane.width;
            let rows = index(layout.ramp)..index(layout.strip);
            for line in plane
                .data
                .chunks_exact_mut(width)
                .skip(rows.start)
                .take(rows.len())
            {
                for (x, v) in line.iter_mut().enumerate() {
                    *v = byte(16.0 + 219.0 * x as f32 / (width - 1) as f32);
                }
            }
        }
    }
}

/// The dial: a track for the comet, sixty ticks, a hub.
fn dial(planes: &mut [Plane<'_>; 3], layout: &Layout, matrix: Matrix) {
    let Ycc(face) = Ycc::new(matrix, [14.0, 26.0, 42.0]);
    let Ycc(track) = Ycc::new(matrix, [64.0, 104.0, 128.0]);
    let (centre, radius, unit) = (layout.centre, layout.radius, layout.unit);
    for (i, plane) in planes.iter_mut().enumerate() {
        plane.disc(centre, radius + 14.0 * unit, face[i], 0.85);
        plane.ring(centre, radius, 12.0 * unit, track[i], 0.45);
        plane.ring(
            centre,
            radius + 14.0 * unit,
            1.6 * unit.max(0.7),
            track[i],
            0.9,
        );
    }
    for tick in 0..60 {
        let (long, alpha) = if tick % 5 == 0 {
            (20.0, 0.85)
        } else {
            (9.0, 0.4)
        };
        let outer = radius - 16.0 * unit;
        let thick = if tick % 5 == 0 { 3.0 } else { 2.0 } * unit.max(0.5);
        let turn = tick as f32 / 60.0;
        planes[0].line(
            on_circle(centre, outer, turn),
            on_circle(centre, outer - long * unit, turn),
            thick,
            INK,
            alpha,
        );
    }
}

/// The point `turn` (0…1, clockwise from the top) of a circle.
pub(super) fn on_circle(centre: Point, radius: f32, turn: f32) -> Point {
    let (sin, cos) = (turn * std::f32::consts::TAU).sin_cos();
    at(centre.x + radius * sin, centre.y - radius * cos)
}

/// Name and caption.
fn lettering(luma: &mut Plane<'_>, format: &Format, layout: &Layout) {
    let mut write = |pen: Pencil, text: &str, baseline: f32, alpha: u8| {
        let sprite = pen.text(text);
        stamp(
            luma,
            &sprite,
            index(layout.left),
            index(baseline - pen.ascent()),
            INK,
            alpha,
        );
    };
    let [name, _, caption] = layout.baselines;
    write(layout.name_pen(), "camera-service", name, 255);
    let text = format!("UTC · {} · {} fps", format.size, format.rate);
    write(layout.caption_pen(), &text, caption, 190);
    let lower = caption + 11.0 * layout.caption_pen().unit;
    write(layout.caption_pen(), "frame", lower, 190);
    for (x, c) in layout.clock().filter(|(_, c)| *c != '0') {
        let pen = layout.clock_pen();
        let y = index(layout.baselines[1] - pen.ascent());
        stamp(luma, &pen.glyph(c), index(x), y, INK, 255);
    }
}
