//! Kernel device events as the netlink socket delivers them: `ACTION@DEVPATH`, then `KEY=VALUE`
//! fields, each ended by a zero byte. Only video nodes come through.

use super::CameraId;
use super::discovery::node_number;

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It came.
    Add,
    /// It went.
    Remove,
}

/// One event of a `/dev/videoN` node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uevent {
    /// What happened.
    pub action: Action,
    /// To which node.
    pub id: CameraId,
}

/// Reads one datagram. `None` for other subsystems, other nodes (VBI, radio, sub-devices), other
/// actions and anything malformed.
#[must_use]
pub fn parse(datagram: &[u8]) -> Option<Uevent> {
    let mut fields = datagram.split(|byte| *byte == 0);
    let (action, path) = split(fields.next()?, b'@')?;
    let mut video = false;
    let mut name = None;
    for field in fields {
        match split(field, b'=') {
            Some((b"SUBSYSTEM", value)) => video = value == b"video4linux",
            Some((b"DEVNAME", value)) => name = Some(value),
            _ => {}
        }
    }
    if !video {
        return None;
    }
    // DEVNAME is what devtmpfs calls the node; without devtmpfs the path ends in the same name.
    let name = match name {
        Some(name) => name.strip_prefix(b"/dev/").unwrap_or(name),
        None => path.rsplit(|byte| *byte == b'/').next()?,
    };
    Some(Uevent {
        action: match action {
            b"add" => Action::Add,
            b"remove" => Action::Remove,
            _ => return None,
        },
        id: node_number(std::str::from_utf8(name).ok()?)?,
    })
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let middle = bytes.iter().position(|byte| *byte == at)?;
    Some((bytes.get(..middle)?, bytes.get(middle + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fixture(lines: &str) -> Vec<u8> {
        lines.replace('\n', "\0").into_bytes()
    }

    #[test]
    fn a_camera_that_comes_and_goes_is_recognised() {
        let add = fixture(include_str!(
            "../../tests/fixtures/v4l2/uevent_vivid_add.txt"
        ));
        let id = CameraId::new(0).unwrap();
        assert_eq!(
            parse(&add),
            Some(Uevent {
                action: Action::Add,
                id
            })
        );
        let remove = fixture(include_str!(
            "../../tests/fixtures/v4l2/uevent_vivid_remove.txt"
        ));
        assert_eq!(
            parse(&remove),
            Some(Uevent {
                action: Action::Remove,
                id
            })
        );
    }

    #[test]
    fn other_nodes_subsystems_and_actions_are_ignored() {
        for other in [
            "add@/devices/x/video4linux/vbi0\0SUBSYSTEM=video4linux\0DEVNAME=vbi0\0",
            "add@/devices/x/video4linux/v4l-subdev0\0SUBSYSTEM=video4linux\0DEVNAME=v4l-subdev0\0",
            "add@/devices/x/media0\0SUBSYSTEM=media\0DEVNAME=video0\0",
            "change@/devices/x/video4linux/video0\0SUBSYSTEM=video4linux\0DEVNAME=video0\0",
            "libudev\0SUBSYSTEM=video4linux\0DEVNAME=video0\0",
            "add@/devices/x/video4linux/video0\0DEVNAME=video0\0",
            "add@/x/video4linux/video00\0SUBSYSTEM=video4linux\0DEVNAME=video00\0",
            "",
        ] {
            assert_eq!(parse(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn without_a_device_name_the_path_tells_the_node() {
        let event = parse(b"remove@/devices/x/video4linux/video12\0SUBSYSTEM=video4linux\0");
        assert_eq!(event.unwrap().id.number(), 12);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_mangled_event_makes_the_parser_panic(
            action in "(add|remove|bind|[a-z@=]{0,4})",
            name in "(video[0-9]{0,6}|/dev/video1|[a-z/\u{e9}]{0,8})",
            subsystem in "(video4linux|video|=)",
            cut in 0_usize..120,
        ) {
            let whole =
                format!("{action}@/devices/{name}\0SUBSYSTEM={subsystem}\0DEVNAME={name}\0SEQNUM=1\0");
            let cut = cut.min(whole.len());
            if let Some(event) = parse(&whole.as_bytes()[..cut]) {
                prop_assert!(event.id.number() <= 9999);
            }
        }
    }
}
