//! RTCP sender reports: which wall time an RTP time stamp stands for.
//!
//! RFC 3550 §6.4.1 (SR) and §6.5 (SDES with CNAME, which every compound packet must carry). MediaMTX
//! with `useAbsoluteTimestamp` takes recording times from here.

use crate::clock::Wall;

/// Seconds from 1900-01-01 (NTP era 0) to 1970-01-01.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// What a sender report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The stream's synchronisation source.
    pub ssrc: u32,
    /// Wall time of `rtp`.
    pub wall: Wall,
    /// RTP time stamp of the same moment.
    pub rtp: u32,
    /// RTP packets sent in this session; wraps.
    pub packets: u32,
    /// RTP payload bytes sent in this session; wraps.
    pub octets: u32,
}

/// 64-bit NTP time (RFC 5905 §6): seconds, and the fraction of one in units of 2⁻³² s.
#[must_use]
pub const fn ntp(wall: Wall) -> u64 {
    let nanos = wall.as_nanos() % 1_000_000_000;
    ((wall.as_secs() + NTP_TO_UNIX) << 32) | ((nanos << 32) / 1_000_000_000)
}

/// Appends SR + SDES as one interleaved frame (RFC 2326 §10.12) on `channel`.
pub fn write(report: &SenderReport, cname: &str, channel: u8, out: &mut Vec<u8>) {
    let cname = &cname.as_bytes()[..cname.len().min(64)];
    // Chunk: SSRC, then item type, length, text, and at least one zero up to a 32-bit boundary.
    let chunk = 4 + (2 + cname.len() + 1).next_multiple_of(4);
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(0).to_be_bytes();

    out.extend([b'$', channel]);
    out.extend(length(28 + 4 + chunk));
    out.extend([0x80, 200, 0, 6]);
    out.extend(report.ssrc.to_be_bytes());
    out.extend(ntp(report.wall).to_be_bytes());
    out.extend(report.rtp.to_be_bytes());
    out.extend(report.packets.to_be_bytes());
    out.extend(report.octets.to_be_bytes());

    out.extend([0x81, 202]);
    out.extend(length(chunk / 4));
    out.extend(report.ssrc.to_be_bytes());
    let text = u8::try_from(cname.len()).unwrap_or(0);
    out.extend([1, text]);
    out.extend(cname);
    out.extend(std::iter::repeat_n(0, chunk - 6 - cname.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_is_half_of_the_ntp_fraction() {
        let wall = Wall::from_nanos(1_500_000_000);
        assert_eq!(ntp(wall), ((NTP_TO_UNIX + 1) << 32) | 0x8000_0000);
    }

    #[test]
    fn a_report_is_a_whole_compound_packet_whose_lengths_add_up() {
        for cname in ["", "a", "ab", "abc", "abcd", "camera0"] {
            let report = SenderReport {
                ssrc: 0x0102_0304,
                wall: Wall::from_secs(1),
                rtp: 0xA0B0_C0D0,
                packets: 7,
                octets: 9,
            };
            let mut out = Vec::new();
            write(&report, cname, 1, &mut out);
            assert_eq!(out[..2], [b'$', 1]);
            let whole = usize::from(u16::from_be_bytes([out[2], out[3]]));
            assert_eq!(out.len(), 4 + whole);
            let sr = &out[4..32];
            assert_eq!(sr[..4], [0x80, 200, 0, 6]);
            assert_eq!(sr[16..20], [0xA0, 0xB0, 0xC0, 0xD0]);
            let sdes = &out[32..];
            assert_eq!(sdes[..2], [0x81, 202]);
            let words = usize::from(u16::from_be_bytes([sdes[2], sdes[3]]));
            assert_eq!(sdes.len(), 4 + 4 * words, "{cname:?}");
            assert_eq!(usize::from(sdes[9]), cname.len());
            assert_eq!(sdes.last(), Some(&0), "the item list must end with a zero");
        }
    }
}
