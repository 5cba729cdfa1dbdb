//! What a close code of ours is counted as.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::system::doors::Closed;

/// The reason behind a code; `None` where it was counted when it was decided (two reasons share a code), or where it is
/// nobody's doing.
#[must_use]
pub const fn reason(code: CloseCode) -> Option<Closed> {
    match code {
        CloseCode::Size => Some(Closed::TooLong),
        CloseCode::Unsupported | CloseCode::Invalid | CloseCode::Protocol => Some(Closed::Protocol),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_service_is_nobodys_doing() {
        assert_eq!(reason(CloseCode::Away), None);
        assert_eq!(reason(CloseCode::Policy), None);
        assert_eq!(reason(CloseCode::Size), Some(Closed::TooLong));
        assert_eq!(reason(CloseCode::Unsupported), Some(Closed::Protocol));
    }
}
