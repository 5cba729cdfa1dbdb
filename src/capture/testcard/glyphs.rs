//! Our own stroke font: every character a few lines and arcs with round ends, drawn at any size.
//! Pure.
//!
//! A character lives in a box 4 wide; the baseline is at 0, small letters reach 4, capitals and
//! digits 6, descenders −2.

use super::raster::{Point, at, byte, coverage, distance};

/// One pen movement.
#[derive(Debug, Clone, Copy)]
enum Pen {
    /// From (x, y) to (x, y).
    Line(f32, f32, f32, f32),
    /// Centre, radii, from and to angle in degrees, anticlockwise from the right.
    Arc(f32, f32, f32, f32, f32, f32),
}

use Pen::{Arc, Line};

/// Distance from one character to the next, in box units.
pub(super) const ADVANCE: f32 = 5.4;

/// How wide a character's own box is: narrow ones sit closer in running text.
fn width(c: char) -> f32 {
    match c {
        'i' | '.' | '·' | ':' => 0.0,
        '-' => 3.0,
        't' | 'f' | 'r' => 2.4,
        ' ' => 2.0,
        'm' => 5.2,
        _ => 4.0,
    }
}

#[rustfmt::skip]
fn pens(c: char) -> &'static [Pen] {
    match c {
        '0' => &[Line(0.0, 2.0, 0.0, 4.0), Line(4.0, 2.0, 4.0, 4.0), Arc(2.0, 4.0, 2.0, 2.0, 0.0, 180.0), Arc(2.0, 2.0, 2.0, 2.0, 180.0, 360.0)],
        '1' => &[Line(0.9, 4.6, 2.7, 6.0), Line(2.7, 6.0, 2.7, 0.0)],
        '2' => &[Arc(2.0, 4.1, 1.9, 1.9, -25.0, 170.0), Line(3.72, 3.3, 0.1, 0.0), Line(0.1, 0.0, 4.0, 0.0)],
        '3' => &[Arc(1.9, 4.55, 1.7, 1.45, -90.0, 160.0), Arc(1.9, 1.55, 2.0, 1.55, -165.0, 90.0), Line(1.3, 3.1, 1.9, 3.1)],
        '4' => &[Line(3.0, 0.0, 3.0, 6.0), Line(3.0, 6.0, 0.0, 1.6), Line(0.0, 1.6, 4.1, 1.6)],
        '5' => &[Line(3.7, 6.0, 0.6, 6.0), Line(0.6, 6.0, 0.3, 3.2), Arc(1.9, 1.95, 2.05, 1.95, -155.0, 140.0)],
        '6' => &[Arc(2.0, 1.95, 2.0, 1.95, 0.0, 360.0), Line(0.25, 2.9, 2.6, 6.0)],
        '7' => &[Line(0.0, 6.0, 4.0, 6.0), Line(4.0, 6.0, 1.3, 0.0)],
        '8' => &[Arc(2.0, 4.6, 1.65, 1.4, 0.0, 360.0), Arc(2.0, 1.6, 2.0, 1.6, 0.0, 360.0)],
        '9' => &[Arc(2.0, 4.05, 2.0, 1.95, 0.0, 360.0), Line(3.75, 3.1, 1.4, 0.0)],
        ':' => &[Line(0.0, 1.2, 0.0, 1.2), Line(0.0, 4.0, 0.0, 4.0)],
        '.' => &[Line(0.0, 0.0, 0.0, 0.0)],
        '-' => &[Line(0.2, 2.2, 2.8, 2.2)],
        '·' => &[Line(0.0, 2.4, 0.0, 2.4)],
        'C' => &[Arc(2.2, 3.0, 2.2, 3.0, 45.0, 315.0)],
        'T' => &[Line(0.0, 6.0, 4.0, 6.0), Line(2.0, 6.0, 2.0, 0.0)],
        'U' => &[Line(0.0, 6.0, 0.0, 2.0), Line(4.0, 6.0, 4.0, 2.0), Arc(2.0, 2.0, 2.0, 2.0, 180.0, 360.0)],
        'a' => &[Arc(1.9, 2.0, 1.9, 2.0, 0.0, 360.0), Line(3.8, 4.0, 3.8, 0.0)],
        'c' => &[Arc(2.0, 2.0, 2.0, 2.0, 45.0, 315.0)],
        'e' => &[Arc(2.0, 2.0, 2.0, 2.0, 0.0, 315.0), Line(0.0, 2.0, 4.0, 2.0)],
        'f' => &[Arc(2.1, 4.7, 1.3, 1.3, 70.0, 180.0), Line(0.8, 4.7, 0.8, 0.0), Line(0.0, 3.6, 2.2, 3.6)],
        'i' => &[Line(0.0, 4.0, 0.0, 0.0), Line(0.0, 5.7, 0.0, 5.7)],
        'm' => &[Line(0.0, 4.0, 0.0, 0.0), Arc(1.3, 2.7, 1.3, 1.3, 0.0, 180.0), Line(2.6, 2.7, 2.6, 0.0), Arc(3.9, 2.7, 1.3, 1.3, 0.0, 180.0), Line(5.2, 2.7, 5.2, 0.0)],
        'p' => &[Arc(2.1, 2.0, 1.9, 2.0, 0.0, 360.0), Line(0.2, 4.0, 0.2, -2.0)],
        'r' => &[Line(0.0, 4.0, 0.0, 0.0), Arc(1.8, 2.2, 1.8, 1.8, 65.0, 180.0)],
        's' => &[Arc(1.8, 3.0, 1.55, 1.0, 35.0, 270.0), Arc(1.8, 1.0, 1.7, 1.0, -145.0, 90.0)],
        't' => &[Line(0.9, 5.4, 0.9, 1.2), Arc(2.1, 1.2, 1.2, 1.2, 180.0, 290.0), Line(0.0, 4.0, 2.4, 4.0)],
        'v' => &[Line(0.0, 4.0, 2.0, 0.0), Line(2.0, 0.0, 4.0, 4.0)],
        'x' => &[Line(0.2, 0.4, 3.6, 3.8), Line(0.2, 3.8, 3.6, 0.4)],
        _ => &[],
    }
}

/// A character's straight pieces, in box units with y upwards.
fn segments(c: char) -> Vec<(Point, Point)> {
    const STEPS: usize = 20;
    let mut found = Vec::new();
    for pen in pens(c) {
        match *pen {
            Line(x0, y0, x1, y1) => found.push((at(x0, y0), at(x1, y1))),
            Arc(x, y, rx, ry, from, to) => {
                let on = |step: usize| {
                    let t = (from + (to - from) * step as f32 / STEPS as f32).to_radians();
                    at(x + rx * t.cos(), y + ry * t.sin())
                };
                found.extend((0..STEPS).map(|step| (on(step), on(step + 1))));
            }
        }
    }
    found
}

/// A small picture of coverage, 0…255.
#[derive(Debug, Clone)]
pub(super) struct Sprite {
    /// Samples in a line.
    pub(super) width: usize,
    /// Lines.
    pub(super) height: usize,
    /// Line after line.
    pub(super) alpha: Vec<u8>,
}

/// A font at one size: `unit` pixels per box unit, strokes `thick` pixels wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pencil {
    /// Pixels per box unit; a capital is 6 units high.
    pub(super) unit: f32,
    /// Width of a stroke in pixels.
    pub(super) thick: f32,
}

impl Pencil {
    /// Room left around the box for the stroke's width.
    fn margin(self) -> f32 {
        (self.thick / 2.0 + 1.0).ceil()
    }

    /// Lines from a sprite's top down to the baseline.
    pub(super) fn ascent(self) -> f32 {
        6.4 * self.unit + self.margin()
    }

    /// One character in a box of its own, as wide as the advance.
    pub(super) fn glyph(self, c: char) -> Sprite {
        self.draw(&[(c, (4.0 - width(c)) / 2.0)], 4.0)
    }

    /// Running text, each character as wide as it is.
    pub(super) fn text(self, text: &str) -> Sprite {
        let gap = ADVANCE - 4.0;
        let mut x = 0.0;
        let mut placed = Vec::new();
        for c in text.chars() {
            placed.push((c, x));
            x += width(c) + gap;
        }
        self.draw(&placed, (x - gap).max(0.0))
    }

    fn draw(self, text: &[(char, f32)], units: f32) -> Sprite {
        let margin = self.margin();
        let size = |v: f32| super::raster::index(v.ceil());
        let width = size(units * self.unit + 2.0 * margin);
        let height = size(self.ascent() + 2.2 * self.unit + margin);
        let mut alpha = vec![0; width * height];
        for (c, x) in text {
            for (a, b) in segments(*c) {
                let place = |p: Point| {
                    at(
                        margin + (x + p.x) * self.unit,
                        self.ascent() - p.y * self.unit,
                    )
                };
                let (a, b) = (place(a), place(b));
                let mut plane = super::raster::Plane {
                    data: &mut alpha,
                    width,
                    height,
                    scale: 1.0,
                };
                plane.lighten(a, b, self.thick);
            }
        }
        Sprite {
            width,
            height,
            alpha,
        }
    }
}

impl super::raster::Plane<'_> {
    /// Raises coverage to that of a stroke; strokes that meet do not add up at the joint.
    fn lighten(&mut self, a: Point, b: Point, thick: f32) {
        let reach = thick / 2.0 + 1.0;
        let columns = super::raster::index(a.x.min(b.x) - reach)
            ..(super::raster::index(a.x.max(b.x) + reach) + 1).min(self.width);
        let rows = super::raster::index(a.y.min(b.y) - reach)
            ..(super::raster::index(a.y.max(b.y) + reach) + 1).min(self.height);
        for row in rows {
            for column in columns.clone() {
                let p = at(column as f32 + 0.5, row as f32 + 0.5);
                let v = &mut self.data[row * self.width + column];
                *v = (*v).max(byte(255.0 * coverage(thick / 2.0 - distance(p, a, b))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_the_picture_needs_is_drawn() {
        for c in "camera-service0123456789:.·xfpsUTCframe".chars() {
            let sprite = Pencil {
                unit: 4.0,
                thick: 3.0,
            }
            .glyph(c);
            assert!(sprite.alpha.contains(&255), "{c:?} is empty");
        }
    }

    #[test]
    fn digits_have_one_width_so_that_the_clock_does_not_jitter() {
        let pencil = Pencil {
            unit: 7.3,
            thick: 5.0,
        };
        let widths: Vec<usize> = "0123456789:."
            .chars()
            .map(|c| pencil.glyph(c).width)
            .collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{widths:?}");
    }
}
