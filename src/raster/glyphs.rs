//! Our own stroke font: every character a few lines and arcs with round ends, drawn at any size.
//! Pure.
//!
//! A character lives in a box 4 wide; the baseline is at 0, small letters reach 4, capitals and
//! digits 6, descenders −2.

use super::{Plane, Point, at, blend, byte, coverage, distance, index};

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
pub(crate) const ADVANCE: f32 = 5.4;

/// Stands for every character without a drawing of its own.
pub(crate) const REPLACEMENT: char = '\u{FFFD}';

/// Between two characters of running text, in box units.
const GAP: f32 = ADVANCE - 4.0;

/// How wide a character's own box is: narrow ones sit closer in running text.
fn width(c: char) -> f32 {
    match c {
        'i' | 'I' | '.' | '·' | ':' | '!' | '|' | '\'' => 0.0,
        'l' | ',' | ';' => 0.9,
        '(' | ')' | '[' | ']' | '`' => 1.4,
        'j' => 1.6,
        ' ' => 2.0,
        '°' | '{' | '}' => 2.2,
        't' | 'f' | 'r' => 2.4,
        '-' | 'J' | '/' | '\\' | '*' | '<' | '>' | '^' => 3.0,
        '"' => 1.6,
        'k' | '?' => 3.4,
        'C' | 'O' | 'Q' | 'G' => 4.4,
        'M' => 4.8,
        'm' | 'w' | 'W' | '%' | '…' | '—' | '@' => 5.2,
        _ => 4.0,
    }
}

/// Whether the character has a drawing of its own (a space counts).
pub(crate) fn has(c: char) -> bool {
    c == ' ' || !pens(c).is_empty()
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
        'A' => &[Line(0.0, 0.0, 2.0, 6.0), Line(2.0, 6.0, 4.0, 0.0), Line(0.7, 2.0, 3.3, 2.0)],
        'B' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 2.2, 6.0), Line(0.0, 3.2, 2.2, 3.2), Line(0.0, 0.0, 2.2, 0.0), Arc(2.2, 4.6, 1.5, 1.4, -90.0, 90.0), Arc(2.2, 1.6, 1.8, 1.6, -90.0, 90.0)],
        'D' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 1.4, 6.0), Line(0.0, 0.0, 1.4, 0.0), Arc(1.4, 3.0, 2.6, 3.0, -90.0, 90.0)],
        'E' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 3.8, 6.0), Line(0.0, 3.1, 3.2, 3.1), Line(0.0, 0.0, 3.8, 0.0)],
        'F' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 3.8, 6.0), Line(0.0, 3.1, 3.2, 3.1)],
        'G' => &[Arc(2.2, 3.0, 2.2, 3.0, 45.0, 360.0), Line(4.4, 3.0, 2.6, 3.0)],
        'H' => &[Line(0.0, 0.0, 0.0, 6.0), Line(4.0, 0.0, 4.0, 6.0), Line(0.0, 3.1, 4.0, 3.1)],
        'I' => &[Line(0.0, 6.0, 0.0, 0.0)],
        'J' => &[Line(3.0, 6.0, 3.0, 1.5), Arc(1.5, 1.5, 1.5, 1.5, 180.0, 360.0)],
        'K' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 2.2, 3.8, 6.0), Line(1.4, 3.4, 4.0, 0.0)],
        'L' => &[Line(0.0, 6.0, 0.0, 0.0), Line(0.0, 0.0, 3.8, 0.0)],
        'M' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 2.4, 2.0), Line(2.4, 2.0, 4.8, 6.0), Line(4.8, 6.0, 4.8, 0.0)],
        'N' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 4.0, 0.0), Line(4.0, 0.0, 4.0, 6.0)],
        'O' => &[Arc(2.2, 3.0, 2.2, 3.0, 0.0, 360.0)],
        'P' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 2.2, 6.0), Line(0.0, 2.8, 2.2, 2.8), Arc(2.2, 4.4, 1.7, 1.6, -90.0, 90.0)],
        'Q' => &[Arc(2.2, 3.0, 2.2, 3.0, 0.0, 360.0), Line(2.8, 1.4, 4.4, -0.4)],
        'R' => &[Line(0.0, 0.0, 0.0, 6.0), Line(0.0, 6.0, 2.2, 6.0), Line(0.0, 2.8, 2.2, 2.8), Arc(2.2, 4.4, 1.7, 1.6, -90.0, 90.0), Line(1.9, 2.8, 4.0, 0.0)],
        'S' => &[Arc(2.0, 4.55, 1.75, 1.45, 30.0, 270.0), Arc(2.0, 1.55, 1.95, 1.55, -150.0, 90.0)],
        'V' => &[Line(0.0, 6.0, 2.0, 0.0), Line(2.0, 0.0, 4.0, 6.0)],
        'W' => &[Line(0.0, 6.0, 1.3, 0.0), Line(1.3, 0.0, 2.6, 5.0), Line(2.6, 5.0, 3.9, 0.0), Line(3.9, 0.0, 5.2, 6.0)],
        'X' => &[Line(0.0, 0.0, 4.0, 6.0), Line(0.0, 6.0, 4.0, 0.0)],
        'Y' => &[Line(0.0, 6.0, 2.0, 3.0), Line(4.0, 6.0, 2.0, 3.0), Line(2.0, 3.0, 2.0, 0.0)],
        'Z' => &[Line(0.1, 6.0, 3.9, 6.0), Line(3.9, 6.0, 0.1, 0.0), Line(0.1, 0.0, 4.0, 0.0)],
        'b' => &[Arc(2.1, 2.0, 1.9, 2.0, 0.0, 360.0), Line(0.2, 6.0, 0.2, 0.0)],
        'd' => &[Arc(1.9, 2.0, 1.9, 2.0, 0.0, 360.0), Line(3.8, 6.0, 3.8, 0.0)],
        'g' => &[Arc(1.9, 2.0, 1.9, 2.0, 0.0, 360.0), Line(3.8, 4.0, 3.8, -0.4), Arc(1.9, -0.4, 1.9, 1.6, 200.0, 360.0)],
        'h' => &[Line(0.0, 6.0, 0.0, 0.0), Arc(1.9, 2.1, 1.9, 1.9, 0.0, 180.0), Line(3.8, 2.1, 3.8, 0.0)],
        'j' => &[Line(1.4, 4.0, 1.4, -0.8), Arc(0.2, -0.8, 1.2, 1.2, 270.0, 360.0), Line(1.4, 5.7, 1.4, 5.7)],
        'k' => &[Line(0.0, 6.0, 0.0, 0.0), Line(0.0, 1.5, 3.1, 4.0), Line(1.2, 2.5, 3.4, 0.0)],
        'l' => &[Line(0.0, 6.0, 0.0, 0.9), Arc(0.9, 0.9, 0.9, 0.9, 180.0, 270.0)],
        'n' => &[Line(0.0, 4.0, 0.0, 0.0), Arc(1.9, 2.1, 1.9, 1.9, 0.0, 180.0), Line(3.8, 2.1, 3.8, 0.0)],
        'o' => &[Arc(2.0, 2.0, 2.0, 2.0, 0.0, 360.0)],
        'q' => &[Arc(1.9, 2.0, 1.9, 2.0, 0.0, 360.0), Line(3.8, 4.0, 3.8, -2.0)],
        'u' => &[Line(0.0, 4.0, 0.0, 1.9), Arc(1.9, 1.9, 1.9, 1.9, 180.0, 360.0), Line(3.8, 4.0, 3.8, 0.0)],
        'w' => &[Line(0.0, 4.0, 1.3, 0.0), Line(1.3, 0.0, 2.6, 3.6), Line(2.6, 3.6, 3.9, 0.0), Line(3.9, 0.0, 5.2, 4.0)],
        'y' => &[Line(0.0, 4.0, 2.0, 0.0), Line(4.0, 4.0, 1.1, -2.0)],
        'z' => &[Line(0.2, 4.0, 3.7, 4.0), Line(3.7, 4.0, 0.2, 0.0), Line(0.2, 0.0, 3.8, 0.0)],
        '!' => &[Line(0.0, 6.0, 0.0, 1.9), Line(0.0, 0.0, 0.0, 0.0)],
        '"' => &[Line(0.2, 6.0, 0.2, 4.4), Line(1.5, 6.0, 1.5, 4.4)],
        '#' => &[Line(1.0, 0.4, 1.7, 5.6), Line(2.5, 0.4, 3.2, 5.6), Line(0.1, 2.0, 3.7, 2.0), Line(0.3, 4.0, 3.9, 4.0)],
        '$' => &[Arc(2.0, 4.2, 1.6, 1.1, 30.0, 270.0), Arc(2.0, 1.9, 1.8, 1.2, -150.0, 90.0), Line(2.0, 6.0, 2.0, 0.0)],
        '%' => &[Arc(1.1, 4.8, 1.1, 1.2, 0.0, 360.0), Arc(4.1, 1.2, 1.1, 1.2, 0.0, 360.0), Line(4.3, 6.0, 0.9, 0.0)],
        '&' => &[Line(4.0, 0.0, 0.9, 4.2), Arc(1.7, 4.8, 1.1, 1.2, -30.0, 215.0), Line(2.65, 4.2, 0.6, 2.6), Arc(1.7, 1.5, 1.6, 1.5, 130.0, 330.0), Line(3.1, 0.8, 3.9, 2.4)],
        '\'' => &[Line(0.0, 6.0, 0.0, 4.4)],
        '(' => &[Arc(2.2, 2.4, 2.2, 4.4, 125.0, 235.0)],
        ')' => &[Arc(-0.8, 2.4, 2.2, 4.4, -55.0, 55.0)],
        '*' => &[Line(1.5, 5.6, 1.5, 2.6), Line(0.2, 4.85, 2.8, 3.35), Line(0.2, 3.35, 2.8, 4.85)],
        '+' => &[Line(0.3, 2.6, 3.7, 2.6), Line(2.0, 4.3, 2.0, 0.9)],
        ',' => &[Line(0.7, 0.1, 0.2, -1.2)],
        '/' => &[Line(0.0, -0.6, 3.0, 6.2)],
        ';' => &[Line(0.7, 0.1, 0.2, -1.2), Line(0.7, 4.0, 0.7, 4.0)],
        '<' => &[Line(3.0, 4.6, 0.0, 2.6), Line(0.0, 2.6, 3.0, 0.6)],
        '=' => &[Line(0.3, 3.5, 3.7, 3.5), Line(0.3, 1.7, 3.7, 1.7)],
        '>' => &[Line(0.0, 4.6, 3.0, 2.6), Line(3.0, 2.6, 0.0, 0.6)],
        '?' => &[Arc(1.7, 4.4, 1.6, 1.6, -70.0, 165.0), Line(2.2, 2.9, 1.7, 1.8), Line(1.7, 0.0, 1.7, 0.0)],
        '@' => &[Arc(2.6, 2.4, 2.6, 3.2, 0.0, 320.0), Arc(2.6, 2.4, 1.2, 1.4, 0.0, 360.0), Line(3.8, 3.8, 3.8, 1.9), Arc(4.5, 1.9, 0.7, 0.7, 180.0, 360.0)],
        '[' => &[Line(1.4, 6.4, 0.2, 6.4), Line(0.2, 6.4, 0.2, -1.2), Line(0.2, -1.2, 1.4, -1.2)],
        '\\' => &[Line(0.0, 6.2, 3.0, -0.6)],
        ']' => &[Line(0.0, 6.4, 1.2, 6.4), Line(1.2, 6.4, 1.2, -1.2), Line(1.2, -1.2, 0.0, -1.2)],
        '^' => &[Line(0.3, 4.0, 1.5, 6.0), Line(1.5, 6.0, 2.7, 4.0)],
        '_' => &[Line(0.0, -1.0, 4.0, -1.0)],
        '`' => &[Line(0.2, 6.2, 1.2, 5.0)],
        '{' => &[Arc(2.0, 5.2, 1.0, 1.2, 90.0, 180.0), Line(1.0, 5.2, 1.0, 3.5), Line(1.0, 3.5, 0.2, 2.6), Line(0.2, 2.6, 1.0, 1.7), Line(1.0, 1.7, 1.0, 0.0), Arc(2.0, 0.0, 1.0, 1.2, 180.0, 270.0)],
        '|' => &[Line(0.0, 6.4, 0.0, -1.6)],
        '}' => &[Arc(0.2, 5.2, 1.0, 1.2, 0.0, 90.0), Line(1.2, 5.2, 1.2, 3.5), Line(1.2, 3.5, 2.0, 2.6), Line(2.0, 2.6, 1.2, 1.7), Line(1.2, 1.7, 1.2, 0.0), Arc(0.2, 0.0, 1.0, 1.2, -90.0, 0.0)],
        '~' => &[Arc(1.15, 2.3, 0.95, 0.9, 15.0, 180.0), Arc(2.95, 2.7, 0.95, 0.9, 195.0, 360.0)],
        '°' => &[Arc(1.1, 5.0, 1.0, 1.0, 0.0, 360.0)],
        '…' => &[Line(0.3, 0.0, 0.3, 0.0), Line(2.6, 0.0, 2.6, 0.0), Line(4.9, 0.0, 4.9, 0.0)],
        '–' => &[Line(0.2, 2.2, 3.8, 2.2)],
        '—' => &[Line(0.0, 2.2, 5.2, 2.2)],
        REPLACEMENT => &[Line(0.2, 0.0, 0.2, 6.0), Line(3.8, 0.0, 3.8, 6.0), Line(0.2, 6.0, 3.8, 6.0), Line(0.2, 0.0, 3.8, 0.0)],
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
pub(crate) struct Sprite {
    /// Samples in a line.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
    /// Line after line.
    pub(crate) alpha: Vec<u8>,
}

/// A font at one size: `unit` pixels per box unit, strokes `thick` pixels wide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pencil {
    /// Pixels per box unit; a capital is 6 units high.
    pub(crate) unit: f32,
    /// Width of a stroke in pixels.
    pub(crate) thick: f32,
}

impl Pencil {
    /// Room left around the box for the stroke's width.
    fn margin(self) -> f32 {
        (self.thick / 2.0 + 1.0).ceil()
    }

    /// Lines from a sprite's top down to the baseline.
    pub(crate) fn ascent(self) -> f32 {
        6.4 * self.unit + self.margin()
    }

    /// One character in a box of its own, as wide as the advance.
    pub(crate) fn glyph(self, c: char) -> Sprite {
        self.draw(&[(c, (4.0 - width(c)) / 2.0)], 4.0)
    }

    /// Running text, each character as wide as it is.
    pub(crate) fn text(self, text: &str) -> Sprite {
        let mut x = 0.0;
        let mut placed = Vec::new();
        for c in text.chars() {
            placed.push((c, x));
            x += width(c) + GAP;
        }
        self.draw(&placed, (x - GAP).max(0.0))
    }

    /// Pixels across that [`Pencil::text`] will need.
    pub(crate) fn measure(self, text: &str) -> f32 {
        let units: f32 = text.chars().map(|c| width(c) + GAP).sum();
        ((units - GAP).max(0.0) * self.unit + 2.0 * self.margin()).ceil()
    }

    fn draw(self, text: &[(char, f32)], units: f32) -> Sprite {
        let margin = self.margin();
        let size = |v: f32| index(v.ceil());
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
                let mut plane = Plane {
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

impl Plane<'_> {
    /// Raises coverage to that of a stroke; strokes that meet do not add up at the joint.
    fn lighten(&mut self, a: Point, b: Point, thick: f32) {
        let reach = thick / 2.0 + 1.0;
        let columns =
            index(a.x.min(b.x) - reach)..(index(a.x.max(b.x) + reach) + 1).min(self.width);
        let rows = index(a.y.min(b.y) - reach)..(index(a.y.max(b.y) + reach) + 1).min(self.height);
        for row in rows {
            for column in columns.clone() {
                let p = at(column as f32 + 0.5, row as f32 + 0.5);
                let v = &mut self.data[row * self.width + column];
                *v = (*v).max(byte(255.0 * coverage(thick / 2.0 - distance(p, a, b))));
            }
        }
    }
}

/// Puts a sprite's coverage on a luma plane; parts beyond the picture are cut.
pub(crate) fn stamp(luma: &mut Plane<'_>, sprite: &Sprite, x: usize, y: usize, ink: u8, alpha: u8) {
    for (line, row) in sprite.alpha.chunks_exact(sprite.width).zip(y..luma.height) {
        let Some(target) = luma.data[row * luma.width..][..luma.width].get_mut(x..) else {
            return;
        };
        for (v, cover) in target.iter_mut().zip(line).filter(|(_, cover)| **cover > 0) {
            *v = blend(*v, ink, blend(0, *cover, alpha));
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
    fn every_printable_ascii_character_is_drawn_inside_its_sprite_and_unlike_all_others() {
        let pencil = Pencil {
            unit: 8.0,
            thick: 3.0,
        };
        let mut seen = std::collections::HashMap::new();
        for c in ('!'..='~').chain(['…', '–', '—', '°', '·', REPLACEMENT]) {
            let sprite = pencil.text(&c.to_string());
            assert!(sprite.alpha.contains(&255), "{c:?} is empty");
            let (w, h) = (sprite.width, sprite.height);
            // A trace of a soft edge may be lost, a stroke may not.
            let border = |at: usize| {
                let (x, y) = (at % w, at / w);
                x == 0 || y == 0 || x == w - 1 || y == h - 1
            };
            let edge = (0..w * h)
                .filter(|at| border(*at))
                .map(|at| sprite.alpha[at]);
            assert!(edge.max() < Some(128), "{c:?} is cut");
            if let Some(twin) = seen.insert(pencil.glyph(c).alpha, c) {
                panic!("{c:?} looks like {twin:?}");
            }
        }
        assert!(has(' ') && has('x') && !has('漢') && !has('\u{202E}'));
    }

    #[test]
    fn text_is_as_wide_as_it_was_measured() {
        let pencil = Pencil {
            unit: 3.3,
            thick: 2.0,
        };
        for text in ["", "x", "No picture from camera0", "………"] {
            assert_eq!(
                pencil.text(text).width,
                index(pencil.measure(text)),
                "{text:?}"
            );
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
