//! Which words stand where. Pure.
//!
//! Letters grow with the picture, because players scale it: on a telephone held upright a picture is
//! about 60 mm wide whatever its size. Capitals of the first line are a sixteenth of the height, of
//! the others a twenty-fourth, but never less than seven pixels, which is what our strokes need to be
//! told apart.

use super::wording::drawable;
use crate::raster::glyphs::Pencil;

/// One line of text.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Left edge and top of its sprite.
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) pen: Pencil,
    /// Which paragraph: 0 what, 1 why, 2 since when.
    pub(super) paragraph: usize,
}

/// The moving sign: dots in a row, one of them lit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    /// Centre of the first dot.
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) radius: f32,
    /// From a dot to the next.
    pub(super) pitch: f32,
}

/// Dots of the sign: with five frames a second, one round a second.
pub(super) const DOTS: u32 = 5;

/// Everything that lies on the picture.
#[derive(Debug, Clone)]
pub struct Layout {
    /// First row of the band and the first row below it, both even.
    pub(super) band: (usize, usize),
    /// Top to bottom.
    pub lines: Vec<Line>,
    pub(super) sign: Sign,
}

/// Between two baselines: for the upper line's descenders and for the lower line's capitals, each in
/// box units of its own pen.
const LEADING: (f32, f32) = (3.0, 6.6);
/// From the last baseline to the middle of the sign, in box units of the small pen.
const TO_SIGN: f32 = 6.5;
/// Above the first capitals and below the sign, in box units of the small pen.
const PADDING: f32 = 4.5;
/// Height of a capital in box units.
const CAPITAL: f32 = 6.0;
/// Pixels per box unit at which strokes can still be told apart.
const LEAST: f32 = 1.2;

/// How many lines what, why and since when may take, best first.
const SHARES: [[usize; 3]; 9] = [
    [2, 3, 3],
    [2, 3, 2],
    [2, 2, 2],
    [1, 2, 2],
    [1, 1, 2],
    [1, 1, 1],
    [1, 0, 1],
    [1, 0, 0],
    [0, 0, 0],
];

const fn pen(unit: f32, weight: f32) -> Pencil {
    Pencil {
        unit,
        thick: (unit * weight).max(1.3),
    }
}

impl Layout {
    /// Finds room for three paragraphs on a picture of this size.
    #[must_use]
    pub fn new(width: usize, height: usize, paragraphs: [&str; 3]) -> Self {
        let (w, h) = (width as f32, height as f32);
        let margin = w * 0.05;
        let room = w - 2.0 * margin;
        let scale = h.min(w * 0.75);
        let small = pen((scale / 144.0).max(LEAST), 0.72);
        let texts = paragraphs.map(drawable);
        let large = title(&texts[0], (scale / 96.0).max(small.unit), small.unit, room);
        let pens = [large, small, small];
        let mut found = Vec::new();
        let mut block = 0.0;
        for share in SHARES {
            found = (0..3)
                .map(|k| wrap(&texts[k], pens[k], room, share[k]))
                .collect();
            block = high(&found, &pens);
            if block <= h * 0.92 {
                break;
            }
        }
        let top = ((h - block) / 2.0).max(0.0);
        Self::place(&found, &pens, margin, top, block, height)
    }

    fn place(
        found: &[Vec<String>],
        pens: &[Pencil; 3],
        margin: f32,
        top: f32,
        block: f32,
        height: usize,
    ) -> Self {
        use crate::raster::index;
        let small = pens[1];
        let mut baseline = top + PADDING * small.unit;
        let mut lines = Vec::new();
        let mut above = None;
        for (paragraph, (texts, pen)) in found.iter().zip(pens).enumerate() {
            for text in texts {
                baseline += advance(above.replace(*pen), *pen);
                lines.push(Line {
                    text: text.clone(),
                    x: index(margin),
                    y: index(baseline - pen.ascent()),
                    pen: *pen,
                    paragraph,
                });
            }
        }
        let radius = 1.3 * small.unit;
        let sign = Sign {
            x: margin + small.unit + radius,
            y: baseline + TO_SIGN * small.unit,
            radius,
            pitch: 4.0 * radius,
        };
        let (from, to) = (index(top) & !1, (index(top + block) + 2) & !1);
        Self {
            band: (from, to.min(height)),
            lines,
            sign,
        }
    }
}

/// How far a line's baseline is from the one above it, or from the top.
fn advance(above: Option<Pencil>, pen: Pencil) -> f32 {
    above.map_or(CAPITAL * pen.unit, |above| {
        LEADING.0 * above.unit + LEADING.1 * pen.unit
    })
}

/// Height of the band.
fn high(found: &[Vec<String>], pens: &[Pencil; 3]) -> f32 {
    let lines = found
        .iter()
        .zip(pens)
        .flat_map(|(texts, pen)| texts.iter().map(|_| *pen));
    let mut above = None;
    let text: f32 = lines.map(|pen| advance(above.replace(pen), pen)).sum();
    text + (2.0 * PADDING + TO_SIGN) * pens[1].unit
}

/// The pen of the first line: as large as lets it stand in one line, between `least` and `unit`.
fn title(text: &str, unit: f32, least: f32, room: f32) -> Pencil {
    const WEIGHT: f32 = 0.85;
    let wide = pen(unit, WEIGHT).measure(text);
    if wide <= room {
        return pen(unit, WEIGHT);
    }
    let shrunk = pen((unit * room / wide * 0.98).max(least), WEIGHT);
    if shrunk.measure(text) <= room {
        shrunk
    } else {
        // It takes two lines anyway: then large ones.
        pen((unit * 0.8).max(least), WEIGHT)
    }
}

/// Breaks a text into at most `most` lines, at spaces where it can; what is left over is cut and
/// the cut is shown.
fn wrap(text: &str, pen: Pencil, room: f32, most: usize) -> Vec<String> {
    let fits = |text: &str| pen.measure(text) <= room;
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && lines.len() < most {
        if fits(rest) {
            lines.push(rest.to_owned());
            break;
        }
        let last = lines.len() + 1 == most;
        let (line, after) = if last {
            cut(rest, fits)
        } else {
            split(rest, fits)
        };
        if line.is_empty() {
            break;
        }
        lines.push(line);
        rest = after;
    }
    lines
}

/// The longest beginning that fits, at a space if there is one.
fn split(text: &str, fits: impl Fn(&str) -> bool) -> (String, &str) {
    let spaces = text.match_indices(' ').map(|(at, _)| at);
    let at = spaces.take_while(|at| fits(&text[..*at])).last();
    let at = at.unwrap_or_else(|| longest(text, |end| fits(&text[..end])));
    let (line, rest) = text.split_at(at);
    (line.to_owned(), rest.trim_start())
}

/// The longest beginning that fits with an ellipsis behind it.
fn cut(text: &str, fits: impl Fn(&str) -> bool) -> (String, &str) {
    let shown = |end: usize| format!("{}…", text[..end].trim_end());
    let end = longest(text, |end| fits(&shown(end)));
    if end == 0 {
        return (String::new(), "");
    }
    (shown(end), "")
}

/// The last character boundary that `fits`, 0 if none does.
fn longest(text: &str, fits: impl Fn(usize) -> bool) -> usize {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.take_while(|end| fits(*end)).last().unwrap_or(0)
}
