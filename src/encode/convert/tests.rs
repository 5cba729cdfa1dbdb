//! Tests of the conversions.

use super::*;
use crate::capture::{Colour, Matrix};
use crate::units::{Rate, Size};
use proptest::prelude::*;

fn format(pixel: PixelFormat, width: u32, height: u32, stride: u32, range: Range) -> Format {
    Format {
        pixel,
        size: Size::new(width, height),
        stride,
        rate: Rate::fps(30),
        colour: Colour {
            matrix: Matrix::Bt601,
            range,
            srgb: true,
        },
    }
}

fn converted(format: &Format, data: &[u8]) -> Planar {
    let mut picture = Planar::new(format.size.width as usize, format.size.height as usize);
    convert(format, data, &mut picture).unwrap();
    picture
}

/// Two lines of four pixels: luma 10…17; chroma of the upper line 100, 110, of the lower 103, 110.
const YUYV: [u8; 20] = [
    10, 100, 11, 200, 12, 110, 13, 210, 0, 0, 14, 103, 15, 204, 16, 110, 17, 210, 0, 0,
];

fn assert_sample(picture: &Planar) {
    let [y, cb, cr] = picture.planes();
    assert_eq!(y, [10, 11, 12, 13, 14, 15, 16, 17]);
    assert_eq!(cb, [102, 110], "101.5 rounds up");
    assert_eq!(cr, [202, 210]);
}

#[test]
fn packed_4_2_2_is_taken_apart_and_two_lines_share_their_chroma() {
    let yuyv = format(PixelFormat::Yuyv, 4, 2, 10, Range::Limited);
    assert_sample(&converted(&yuyv, &YUYV));
    let mut swapped = YUYV;
    swapped.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    let uyvy = format(PixelFormat::Uyvy, 4, 2, 10, Range::Limited);
    assert_sample(&converted(&uyvy, &swapped));
}

#[test]
fn planar_layouts_lose_their_padding() {
    let nv12 = [10, 11, 12, 13, 0, 14, 15, 16, 17, 0, 102, 202, 110, 210, 0];
    let format_nv12 = format(PixelFormat::Nv12, 4, 2, 5, Range::Limited);
    assert_sample(&converted(&format_nv12, &nv12));
    let yu12 = [
        10, 11, 12, 13, 0, 0, 14, 15, 16, 17, 0, 0, 102, 110, 0, 202, 210, 0,
    ];
    let format_yu12 = format(PixelFormat::Yu12, 4, 2, 6, Range::Limited);
    assert_sample(&converted(&format_yu12, &yu12));
    let ([y, cb, cr], ..) = planar_as_is(&format_yu12, &yu12).unwrap();
    assert_eq!((y.len(), cb, cr), (12, &yu12[12..15], &yu12[15..]));
    assert!(
        planar_as_is(&format_yu12, &yu12[..17]).is_none(),
        "openh264 wants whole lines"
    );
}

#[test]
fn full_range_becomes_limited_range_exactly() {
    for v in 0..=255_u8 {
        let luma = 16.0 + f64::from(v) * 219.0 / 255.0;
        let chroma = 128.0 + (f64::from(v) - 128.0) * 224.0 / 255.0;
        assert_eq!(f64::from(limit_luma(v)), luma.round(), "luma {v}");
        assert_eq!(f64::from(limit_chroma(v)), chroma.round(), "chroma {v}");
    }
    let full = format(PixelFormat::Nv12, 2, 2, 2, Range::Full);
    let picture = converted(&full, &[0, 255, 255, 0, 0, 255]);
    assert_eq!(picture.planes(), [&[16, 235, 235, 16][..], &[16], &[240]]);
    assert!(planar_as_is(&full, &[0; 64]).is_none());
}

#[test]
fn odd_sizes_lose_the_last_column_and_line() {
    let odd = format(PixelFormat::Yuyv, 5, 3, 12, Range::Limited);
    let picture = converted(&odd, &[50; 36]);
    assert_eq!(picture.dimensions(), (4, 2));
    assert!(picture.planes()[0].iter().all(|v| *v == 50));
}

#[test]
fn the_shortest_whole_frame_is_taken_and_one_byte_less_is_refused() {
    for (pixel, length) in [
        (PixelFormat::Yuyv, 20 + 16),
        (PixelFormat::Uyvy, 20 + 16),
        (PixelFormat::Nv12, 2 * 20 + 8),
        (PixelFormat::Yu12, 2 * 20 + 10 + 4),
    ] {
        let format = format(pixel, 8, 2, 20, Range::Limited);
        let mut picture = Planar::new(8, 2);
        convert(&format, &vec![1; length], &mut picture).unwrap();
        let error = convert(&format, &vec![1; length - 1], &mut picture).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient, "{pixel}");
    }
}

proptest! {
    #[test]
    fn no_size_stride_or_length_panics(
        which in 0..PixelFormat::ALL.len(), w in 0..70_u32, h in 0..40_u32, stride in 0..200_u32,
        full: bool, length in 0..20_000_usize,
    ) {
        let range = if full { Range::Full } else { Range::Limited };
        let format = format(PixelFormat::ALL[which], w, h, stride, range);
        let data = vec![7; length];
        let mut picture = Planar::new(w as usize, h as usize);
        let _ = convert(&format, &data, &mut picture);
        let _ = planar_as_is(&format, &data);
    }
}
