//! Every fault that health can report: a code for programs, the cause, and the next action.

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A camera is connected, but its picture stands still.
    CameraFrozen,
    /// A camera is there and gives no picture.
    CameraFailed,
    /// Frames come, and the encoder makes no picture of them.
    EncoderStalled,
    /// The encoder ended with an error or cannot be opened.
    EncoderFailed,
    /// A hardware encoder is not used for a while because it failed.
    EncoderAvoided,
    /// Viewers see the slate instead of the camera's picture.
    CameraOnSlate,
    /// A camera delivers, but MediaMTX does not get its picture.
    CameraNotPublished,
    /// A known camera is away.
    CameraDisconnected,
    /// A camera that must deliver was never seen.
    CameraMissing,
    /// No camera was ever seen.
    NoCamera,
    /// MediaMTX runs or should run, and does not answer.
    MediaUnreachable,
    /// MediaMTX's process is not running.
    MediaStopped,
    /// Little can be recorded any more.
    StorageLow,
    /// The storage does not answer.
    StorageSilent,
    /// What is recorded does not get onto the medium in time.
    RecordingUnflushed,
    /// The medium of the recordings is away.
    StorageGone,
    /// It cannot be written to.
    StorageReadOnly,
    /// It does not keep what is written to it.
    StorageFailing,
    /// It is so full that no recording begins.
    StorageFull,
    /// A limit on what is kept cannot be held.
    QuotaShort,
    /// A file that access rests on cannot be used as it lies there.
    CredentialsDamaged,
    /// The TLS certificate ends soon.
    CertificateEnding,
    /// The TLS certificate has ended.
    CertificateEnded,
    /// The TLS certificate's files were changed to something that cannot be used.
    CertificateRefused,
    /// The chain that proves recordings is not as the box left it.
    EvidenceBroken,
    /// Off-site copies cannot be made.
    OffsiteFailing,
    /// Files were deleted before their off-site copies were made.
    OffsiteShed,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 27] = [
        Self::CameraFrozen,
        Self::CameraFailed,
        Self::EncoderStalled,
        Self::EncoderFailed,
        Self::EncoderAvoided,
        Self::CameraOnSlate,
        Self::CameraNotPublished,
        Self::CameraDisconnected,
        Self::CameraMissing,
        Self::NoCamera,
        Self::MediaUnreachable,
        Self::MediaStopped,
        Self::StorageLow,
        Self::StorageSilent,
        Self::RecordingUnflushed,
        Self::StorageGone,
        Self::StorageReadOnly,
        Self::StorageFailing,
        Self::StorageFull,
        Self::QuotaShort,
        Self::CredentialsDamaged,
        Self::CertificateEnding,
        Self::CertificateEnded,
        Self::CertificateRefused,
        Self::EvidenceBroken,
        Self::OffsiteFailing,
        Self::OffsiteShed,
    ];

    /// The code in answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CameraFrozen => "camera_frozen",
            Self::CameraFailed => "camera_failed",
            Self::EncoderStalled => "encoder_stalled",
            Self::EncoderFailed => "encoder_failed",
            Self::EncoderAvoided => "encoder_avoided",
            Self::CameraOnSlate => "camera_on_slate",
            Self::CameraNotPublished => "camera_not_published",
            Self::CameraDisconnected => "camera_disconnected",
            Self::CameraMissing => "camera_missing",
            Self::NoCamera => "no_camera",
            Self::MediaUnreachable => "mediamtx_unreachable",
            Self::MediaStopped => "mediamtx_stopped",
            Self::StorageLow => "storage_low",
            Self::StorageSilent => "storage_silent",
            Self::RecordingUnflushed => "recording_unflushed",
            Self::StorageGone => "storage_gone",
            Self::StorageReadOnly => "storage_read_only",
            Self::StorageFailing => "storage_failing",
            Self::StorageFull => "storage_blocked",
            Self::QuotaShort => "quota_short",
            Self::CredentialsDamaged => "credentials_damaged",
            Self::CertificateEnding => "certificate_ending",
            Self::CertificateEnded => "certificate_ended",
            Self::CertificateRefused => "certificate_refused",
            Self::EvidenceBroken => "evidence_broken",
            Self::OffsiteFailing => "offsite_failing",
            Self::OffsiteShed => "offsite_shed",
        }
    }

    /// What is behind it, where nothing closer is known.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::CameraFrozen => "the driver delivers no frames although the stream is on",
            Self::CameraFailed => "the camera could not be opened or stopped delivering",
            Self::EncoderStalled => "the encoder takes frames and gives no picture",
            Self::EncoderFailed => "the encoder could not be opened or ended with an error",
            Self::EncoderAvoided => "a hardware encoder failed again and again; another one codes",
            Self::CameraOnSlate => "no picture comes, so viewers see the slate",
            Self::CameraNotPublished => {
                "the camera delivers, but MediaMTX does not get its picture"
            }
            Self::CameraDisconnected => "the device has left the bus",
            Self::CameraMissing => "a camera named in the configuration was never found",
            Self::NoCamera => "no video capture device was found",
            Self::MediaUnreachable => "the control API of MediaMTX does not answer",
            Self::MediaStopped => "the process of MediaMTX has ended",
            Self::StorageLow => "the file system that recordings are kept on is almost full",
            Self::StorageSilent => {
                "the file system that recordings are kept on does not answer; what is said of it is old"
            }
            Self::RecordingUnflushed => {
                "what was recorded last is not on the medium: a power cut would cost more than it should"
            }
            Self::StorageGone => {
                "the file system that recordings are kept on is not mounted any more"
            }
            Self::StorageReadOnly => "the file system that recordings are kept on is read-only",
            Self::StorageFailing => {
                "the medium that recordings are kept on does not keep what is written to it"
            }
            Self::StorageFull => {
                "the file system that recordings are kept on is so full that no recording begins"
            }
            Self::QuotaShort => {
                "what is kept exceeds a limit, and everything that is left is protected or runs"
            }
            Self::CredentialsDamaged => {
                "a file of API keys, revocations or trusted keys cannot be used"
            }
            Self::CertificateEnding => "the certificate that TLS is spoken with ends soon",
            Self::CertificateEnded => "the certificate that TLS is spoken with has ended",
            Self::CertificateRefused => {
                "the files of the TLS certificate were changed to something that cannot be used"
            }
            Self::EvidenceBroken => "the evidence of recordings is not as this box left it",
            Self::OffsiteFailing => "no off-site copies are made: the store refuses or is away",
            Self::OffsiteShed => {
                "files were deleted before they were copied off-site, because the medium was full"
            }
        }
    }

    /// What a person should do next, where nothing closer is known.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::CameraFrozen => {
                "the service reopens it by itself; if it stays, unplug the camera and plug it in again"
            }
            Self::CameraFailed => "read the reason, then unplug the camera and plug it in again",
            Self::EncoderStalled | Self::EncoderFailed => {
                "the service restarts the encoder and then codes in software; if it stays, choose a smaller size or rate"
            }
            Self::EncoderAvoided => {
                "nothing, it is tried again by itself; if it comes back, look for the encoder driver in the kernel log, and restart the machine at a quiet hour"
            }
            Self::CameraOnSlate => {
                "nothing for the slate itself: it ends with the camera's first picture; mend what is named beside it"
            }
            Self::CameraNotPublished => {
                "the service keeps trying; if it stays, read the reason and MediaMTX's log, then restart the service"
            }
            Self::CameraDisconnected => {
                "check the cable and the power of the camera, then plug it in again"
            }
            Self::CameraMissing => {
                "plug the camera in, or take it off the expected cameras in the configuration"
            }
            Self::NoCamera => {
                "plug a camera in, check that the service may open /dev/video*, or switch the test camera on"
            }
            Self::MediaUnreachable => {
                "wait some seconds, it is restarted by itself; if it stays, read MediaMTX's log"
            }
            Self::MediaStopped => {
                "wait some seconds, it is restarted by itself; if it stays, check that its program is installed and its ports are free"
            }
            Self::StorageLow => {
                "delete recordings, or let them be deleted by themselves with set_retention_policy"
            }
            Self::StorageSilent => {
                "look for the disk in the kernel log; check its cable or its network"
            }
            Self::RecordingUnflushed => {
                "look for the disk in the kernel log (dmesg), and replace the card if it is one; recording goes on"
            }
            Self::StorageGone => "check the plug and the cable of the medium, and mount it again",
            Self::StorageReadOnly => {
                "look at the medium with dmesg, repair it with fsck, or replace it"
            }
            Self::StorageFailing => {
                "look for the disk in the kernel log (dmesg), check its file system with fsck, or replace it"
            }
            Self::StorageFull => {
                "delete recordings, or have the oldest deleted with set_retention_policy or storage.quota_min_free"
            }
            Self::QuotaShort => {
                "take the protection off recordings that are not needed, or raise the limit"
            }
            Self::CredentialsDamaged => {
                "restore the file from a backup; the last good state counts until the service ends"
            }
            Self::CertificateEnding | Self::CertificateEnded => {
                "put a new certificate with its key in place; it is taken within two seconds"
            }
            Self::CertificateRefused => {
                "put a matching pair of certificate and key in place; the former one is shown until then"
            }
            Self::EvidenceBroken => {
                "keep the medium, and run camera-service verify on it; recording goes on"
            }
            Self::OffsiteFailing => {
                "ask get_offsite_status what is wrong; it is tried again by itself"
            }
            Self::OffsiteShed => {
                "mend the way to the store, raise offsite.bytes_per_second, or record less"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_code_a_cause_and_a_next_action() {
        let mut codes: Vec<&str> = Fault::ALL.iter().map(|f| f.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert!(
                fault.cause().len() > 20 && fault.action().len() > 20,
                "{fault:?}"
            );
        }
    }
}
