//! Drawing into planes, for the test picture and the slate: colours, coverage, thick anti-aliased
//! lines, and [`glyphs`]. Pure.
//!
//! Positions are in luma pixels with the centre of the first pixel at (0.5, 0.5); a plane of
//! subsampled chroma draws the same shapes at half scale.

pub(crate) mod glyphs;

use crate::capture::Matrix;

/// A position or a vector in luma pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// To the right.
    pub(crate) x: f32,
    /// Down.
    pub(crate) y: f32,
}

/// Shorthand for a [`Point`].
pub(crate) const fn at(x: f32, y: f32) -> Point {
    Point { x, y }
}

/// Rounds to a sample.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to 0…255 on the same line"
)]
pub(crate) fn byte(v: f32) -> u8 {
    (v + 0.5).clamp(0.0, 255.0) as u8
}

/// Rounds down to a pixel index; negative becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to int saturates, and pictures are far smaller"
)]
pub(crate) fn index(v: f32) -> usize {
    v.max(0.0) as usize
}

/// Y', Cb, Cr in limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ycc(pub(crate) [u8; 3]);

impl Ycc {
    /// From R'G'B' in 0…255.
    pub(crate) fn new(matrix: Matrix, rgb: [f32; 3]) -> Self {
        Self(Self::exact(matrix, rgb).map(byte))
    }

    /// The same before rounding.
    pub(crate) fn exact(matrix: Matrix, rgb: [f32; 3]) -> [f32; 3] {
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let [r, g, b] = rgb.map(|v| v / 255.0);
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        [
            16.0 + 219.0 * y,
            128.0 + 112.0 * (b - y) / (1.0 - kb),
            128.0 + 112.0 * (r - y) / (1.0 - kr),
        ]
    }
}

/// `under` with `alpha`/255 of `over` on it.
pub(crate) fn blend(under: u8, over: u8, alpha: u8) -> u8 {
    let (u, o, a) = (u32::from(under), u32::from(over), u32::from(alpha));
    let sum = u * (255 - a) + o * a + 127;
    u8::try_from(sum / 255).unwrap_or(u8::MAX)
}

/// Linear mix of two colours.
pub(crate) fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * t)
}

/// Length of a vector; `hypot` guards against overflow, which costs more than all the rest.
pub(crate) fn length_of(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Distance from `p` to the segment `a`–`b`.
pub(crate) fn distance(p: Point, a: Point, b: Point) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 {
        (((p.x - a.x) * dx + (p.y - a.y) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    length_of(p.x - a.x - t * dx, p.y - a.y - t * dy)
}

/// How much of a pixel lies inside an edge `inside` pixels away (negative: outside).
pub(crate) fn coverage(inside: f32) -> f32 {
    (inside + 0.5).clamp(0.0, 1.0)
}

/// One plane of a picture.
pub(crate) struct Plane<'a> {
    /// The samples, without padding.
    pub(crate) data: &'a mut [u8],
    /// Samples in a line.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
    /// Samples per luma pixel: 1, or 0.5 for 4:2:0 chroma.
    pub(crate) scale: f32,
}

impl Plane<'_> {
    /// Blends `value` wherever `alpha` (0…1, given the distance to a shape in samples) says so,
    /// inside the box from `from` to `to`.
    pub(crate) fn paint(
        &mut self,
        from: Point,
        to: Point,
        value: u8,
        alpha: impl Fn(Point) -> f32,
    ) {
        let s = self.scale;
        let columns = index(from.x * s)..(index(to.x * s) + 1).min(self.width);
        let rows = index(from.y * s)..(index(to.y * s) + 1).min(self.height);
        if columns.is_empty() {
            return;
        }
        for row in rows {
            let line = &mut self.data[row * self.width..][columns.clone()];
            for (v, column) in line.iter_mut().zip(columns.clone()) {
                let a = alpha(at((column as f32 + 0.5) / s, (row as f32 + 0.5) / s));
                if a > 0.0 {
                    *v = blend(*v, value, byte(a * 255.0));
                }
            }
        }
    }

    /// A line with round ends.
    pub(crate) fn line(&mut self, a: Point, b: Point, thick: f32, value: u8, alpha: f32) {
        let reach = thick / 2.0 + 1.0 / self.scale;
        let s = self.scale;
        self.paint(
            at(a.x.min(b.x) - reach, a.y.min(b.y) - reach),
            at(a.x.max(b.x) + reach, a.y.max(b.y) + reach),
            value,
            |p| alpha * coverage((thick / 2.0 - distance(p, a, b)) * s),
        );
    }

    /// A circle's outline.
    pub(crate) fn ring(&mut self, centre: Point, radius: f32, thick: f32, value: u8, alpha: f32) {
        let reach = radius + thick / 2.0 + 1.0 / self.scale;
        let s = self.scale;
        self.paint(
            at(centre.x - reach, centre.y - reach),
            at(centre.x + reach, centre.y + reach),
            value,
            |p| {
                let off = (length_of(p.x - centre.x, p.y - centre.y) - radius).abs();
                alpha * coverage((thick / 2.0 - off) * s)
            },
        );
    }

    /// A filled circle.
    pub(crate) fn disc(&mut self, centre: Point, radius: f32, value: u8, alpha: f32) {
        self.line(centre, centre, radius * 2.0, value, alpha);
    }

    /// A filled rectangle with borders on whole samples.
    pub(crate) fn block(&mut self, from: Point, to: Point, value: u8) {
        let s = self.scale;
        let columns = index(from.x * s + 0.5)..index(to.x * s + 0.5).min(self.width);
        let rows = index(from.y * s + 0.5)..index(to.y * s + 0.5).min(self.height);
        for row in rows {
            if let Some(line) = self.data[row * self.width..].get_mut(columns.clone()) {
                line.fill(value);
            }
        }
    }
}

/// The three planes of an I420 picture of even size.
pub(crate) fn planes(data: &mut [u8], width: usize, height: usize) -> [Plane<'_>; 3] {
    let (y, chroma) = data.split_at_mut(width * height);
    let (cb, cr) = chroma.split_at_mut(width / 2 * (height / 2));
    let plane = |data, width, height, scale| Plane {
        data,
        width,
        height,
        scale,
    };
    [
        plane(y, width, height, 1.0),
        plane(cb, width / 2, height / 2, 0.5),
        plane(cr, width / 2, height / 2, 0.5),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_get_the_values_of_their_standard() {
        // 75 % red: BT.601 (65, 100, 212), BT.709 (51, 109, 212).
        let red = [191.25, 0.0, 0.0];
        assert_eq!(Ycc::new(Matrix::Bt601, red), Ycc([65, 100, 212]));
        assert_eq!(Ycc::new(Matrix::Bt709, red), Ycc([51, 109, 212]));
        assert_eq!(
            Ycc::new(Matrix::Bt709, [255.0; 3]),
            Ycc([235, 128, 128]),
            "white is 235"
        );
    }

    #[test]
    fn a_line_covers_its_middle_fully_and_nothing_far_away() {
        let mut data = vec![0; 16 * 16 * 3 / 2];
        let [mut y, ..] = planes(&mut data, 16, 16);
        y.line(at(4.0, 8.0), at(12.0, 8.0), 4.0, 200, 1.0);
        assert_eq!(y.data[7 * 16 + 8], 200);
        assert_eq!(y.data[3 * 16 + 8], 0);
    }

    #[test]
    fn shapes_beyond_the_borders_are_cut_not_fatal() {
        let mut data = vec![0; 16 * 16 * 3 / 2];
        for mut plane in planes(&mut data, 16, 16) {
            plane.disc(at(-3.0, 40.0), 30.0, 200, 1.0);
            plane.line(at(100.0, 100.0), at(120.0, 90.0), 3.0, 200, 1.0);
            plane.block(at(10.0, 10.0), at(99.0, 99.0), 200);
        }
    }
}
