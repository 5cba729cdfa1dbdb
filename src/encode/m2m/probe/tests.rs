use super::*;

const M2M: u32 = caps::M2M | caps::STREAMING;
const MULTI: u32 = caps::M2M_MPLANE | caps::STREAMING;
const OLD_MULTI: u32 = caps::CAPTURE_MPLANE | caps::OUTPUT_MPLANE | caps::STREAMING;

/// What is to come out.
enum Is {
    Encoder(&'static [Raw]),
    Not(&'static str),
}
use Is::{Encoder, Not};

/// One node of a machine, as its driver's source says that it answers.
struct Node {
    /// The driver and what its node is for.
    driver: &'static str,
    /// Where the formats were read. None of these boards was tested by us.
    source: &'static str,
    caps: u32,
    takes: &'static str,
    gives: &'static str,
    is: Is,
}

/// Formats as read from drivers' sources (`source`); no board was at hand, so the table proves the
/// decision, not the boards.
const NODES: &[Node] = &[
    Node {
        driver: "bcm2835-codec, encode (Raspberry Pi to 4)",
        source: "raspberrypi/linux bcm2835-v4l2-codec.c: supported_formats, roles",
        caps: MULTI,
        takes: "YU12 YV12 NV12 NV21 RGBP YUYV UYVY YVYU VYUY NC12 RGB3 BGR3 BGR4 AB24",
        gives: "H264",
        is: Encoder(&[Raw::Nv12, Raw::Yu12, Raw::Yuyv, Raw::Uyvy]),
    },
    Node {
        driver: "bcm2835-codec, decode",
        source: "as above",
        caps: MULTI,
        takes: "H264 MJPG MPG4 H263 MPG2 VC1G",
        gives: "YU12 YV12 NV12 NV21 RGBP NC12",
        is: Not("decodes"),
    },
    Node {
        driver: "bcm2835-codec, isp",
        source: "as above",
        caps: MULTI,
        takes: "YU12 NV12 YUYV UYVY RGB3 pBAA BA81 RGGB",
        gives: "YU12 NV12 YUYV UYVY RGB3 BGR4",
        is: Not("converts"),
    },
    Node {
        driver: "bcm2835-codec, image_fx (deinterlacer)",
        source: "as above",
        caps: MULTI,
        takes: "YU12",
        gives: "YU12",
        is: Not("converts"),
    },
    Node {
        driver: "bcm2835-codec, encode_image",
        source: "as above",
        caps: MULTI,
        takes: "YU12 NV12 YUYV UYVY RGB3",
        gives: "JPEG",
        is: Not("gives JPEG"),
    },
    Node {
        driver: "mtk-vcodec-enc (MT8173, MT8183)",
        source: "torvalds/linux mtk_vcodec_enc_drv.c: mtk_video_formats_output, _capture",
        caps: MULTI,
        takes: "NM12 NM21 YM12 YM21",
        gives: "H264",
        is: Encoder(&[Raw::Nm12, Raw::Ym12]),
    },
    Node {
        driver: "qcom-venus, encoder",
        source: "torvalds/linux venus/venc.c: venc_formats",
        caps: MULTI,
        takes: "NV12",
        gives: "MPG4 H263 H264 VP80 HEVC",
        is: Encoder(&[Raw::Nv12]),
    },
    Node {
        driver: "qcom-venus, decoder",
        source: "torvalds/linux venus/vdec.c: vdec_formats",
        caps: MULTI,
        takes: "MPG4 MPG2 H263 H264 VP80 VP90 HEVC",
        gives: "NV12 Q08C",
        is: Not("decodes"),
    },
    Node {
        driver: "coda, video encoder (i.MX 6)",
        source: "torvalds/linux coda-common.c: coda_bit_encoder",
        caps: M2M,
        takes: "NV12 YU12 YV12",
        gives: "H264 MPG4",
        is: Encoder(&[Raw::Nv12, Raw::Yu12]),
    },
    Node {
        driver: "coda, JPEG encoder (i.MX 6)",
        source: "torvalds/linux coda-common.c: coda9_jpeg_encoder",
        caps: M2M,
        takes: "NV12 YU12 YV12 422P GREY",
        gives: "JPEG",
        is: Not("gives JPEG"),
    },
    Node {
        driver: "coda, video decoder (i.MX 6)",
        source: "torvalds/linux coda-common.c: coda_bit_decoder",
        caps: M2M,
        takes: "H264 MPG2 MPG4",
        gives: "NV12 YU12 YV12 YUYV",
        is: Not("decodes"),
    },
    Node {
        driver: "s5p-mfc, encoder (Exynos, MFC v6)",
        source: "torvalds/linux s5p_mfc_enc.c: formats",
        caps: MULTI,
        takes: "VM12 NM12 NM21",
        gives: "H264 MPG4 H263",
        is: Encoder(&[Raw::Nm12]),
    },
    Node {
        driver: "vsi_v4l2enc (Hantro VC8000E of the i.MX 8M Plus)",
        source: "nxp-imx/linux-imx vsi-v4l2-config.c: vsi_raw_fmt with an enc_fmt",
        caps: MULTI,
        takes: "NV12 NM12 YM12 YU12 NM21 NV21 YUYV RGBP",
        gives: "H264 HEVC",
        is: Encoder(&[Raw::Nv12, Raw::Nm12, Raw::Yu12, Raw::Ym12, Raw::Yuyv]),
    },
    Node {
        driver: "amphion, encoder (i.MX 8QuadMax)",
        source: "torvalds/linux amphion/venc.c: venc_formats",
        caps: MULTI,
        takes: "NM12 NV12",
        gives: "H264",
        is: Encoder(&[Raw::Nv12, Raw::Nm12]),
    },
    Node {
        driver: "hantro-vpu, encoder (Rockchip RK3399 and PX30)",
        source: "torvalds/linux rk3399_vpu_hw.c: rk3399_vpu_enc_fmts",
        caps: MULTI,
        takes: "YM12 NM12 YUYV UYVY",
        gives: "JPEG",
        is: Not("gives JPEG"), // its H.264 encoder has no V4L2 driver in Linux
    },
    Node {
        driver: "iris, encoder (newer Qualcomm)",
        source: "not read; by what its predecessor venus does",
        caps: MULTI,
        takes: "NV12 Q08C",
        gives: "H264 HEVC",
        is: Encoder(&[Raw::Nv12]),
    },
    Node {
        driver: "vicodec, stateful encoder (test driver)",
        source: "seen with Linux 6.12 in the rig",
        caps: MULTI,
        takes: "YU12 YV12 422P NV12 NV21 NV16 NV61 NV24 NV42 YUYV YVYU UYVY VYUY BGR3 RGB3 GREY",
        gives: "FWHT",
        is: Not("gives FWHT"),
    },
    Node {
        driver: "an old driver that has two queues and no bit for it",
        source: "linux/videodev2.h: V4L2_CAP_VIDEO_M2M came later than such drivers",
        caps: OLD_MULTI,
        takes: "NV12",
        gives: "H264",
        is: Encoder(&[Raw::Nv12]),
    },
    Node {
        driver: "a camera that gives H.264",
        source: "UVC 1.1 and later",
        caps: caps::CAPTURE | caps::STREAMING,
        takes: "",
        gives: "H264 MJPG YUYV",
        is: Not("is no codec"),
    },
    Node {
        driver: "single-planar, and yet it lists planes apart",
        source: "made up: what cannot be must not be used",
        caps: M2M,
        takes: "NM12",
        gives: "H264",
        is: Not("takes only NM12"),
    },
];

fn fourccs(text: &str) -> Vec<[u8; 4]> {
    let words = text.split_whitespace();
    words.map(|w| w.as_bytes().try_into().unwrap()).collect()
}

fn facts(number: usize, node: &Node) -> Facts {
    Facts {
        node: format!("/dev/video{number}").into(),
        card: node.driver.to_owned(),
        caps: node.caps,
        takes: fourccs(node.takes),
        gives: fourccs(node.gives),
        sizes: Sizes::ANY,
    }
}

#[test]
fn every_driver_we_know_of_is_taken_for_what_it_is() {
    for (number, node) in NODES.iter().enumerate() {
        let verdict = judge(&facts(number, node));
        match (&node.is, verdict) {
            (Encoder(takes), Ok(found)) => assert_eq!(found.takes, *takes, "{}", node.driver),
            (Not(why), Err(unfit)) => assert_eq!(unfit.to_string(), *why, "{}", node.driver),
            (_, verdict) => panic!("{} ({}): {verdict:?}", node.driver, node.source),
        }
    }
}

#[test]
fn names_and_numbers_do_not_matter() {
    let mut encoder = facts(0, &NODES[0]);
    encoder.card = "decoder".to_owned();
    encoder.node = "/dev/video10".into();
    assert!(judge(&encoder).is_ok());
    let mut decoder = facts(11, &NODES[1]);
    decoder.card = "bcm2835-codec-encode".to_owned();
    assert!(judge(&decoder).is_err());
}

#[test]
fn an_encoder_for_contiguous_pictures_goes_before_one_that_wants_planes_apart() {
    let apart = NODES.iter().find(|n| n.driver.starts_with("mtk")).unwrap();
    let together = NODES
        .iter()
        .find(|n| n.driver.starts_with("coda, video e"))
        .unwrap();
    let found = pick(&[facts(0, apart), facts(1, together)], &[]).unwrap();
    assert_eq!(found[0].node, PathBuf::from("/dev/video1"));
    assert_eq!(found.len(), 2);
}

#[test]
fn the_reason_for_none_names_what_was_found_instead() {
    let pi: Vec<Facts> = (10..)
        .zip(&NODES[1..5])
        .map(|(n, node)| facts(n, node))
        .collect();
    assert_eq!(
        pick(&pi, &[]).unwrap_err(),
        "this machine has no hardware encoder for H.264 that fits: /dev/video10 decodes, \
         /dev/video11 converts, /dev/video12 converts, /dev/video13 gives JPEG"
    );
    assert_eq!(
        pick(&[], &[]).unwrap_err(),
        "this machine has no hardware encoder that V4L2 knows of"
    );
}

#[test]
fn an_encoder_to_be_avoided_is_left_alone_and_the_next_one_taken() {
    let two = [facts(0, &NODES[0]), facts(1, &NODES[6])];
    let avoid = [PathBuf::from("/dev/video0")];
    assert_eq!(
        pick(&two, &avoid).unwrap()[0].node,
        PathBuf::from("/dev/video1")
    );
    let why = pick(&two[..1], &avoid).unwrap_err();
    assert!(
        why.ends_with("/dev/video0 failed and is left alone"),
        "{why}"
    );
}
