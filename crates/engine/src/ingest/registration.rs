//! `regist` does not go through the group commits: each is judged by itself, in turn, and nothing of its payload is ever kept.

use argosy_domain::ports::{Door, InboundMessage, PortError};
use argosy_proto::{UpMessage, UpTopic, decode_up, parse_up};

use crate::Engine;

impl Engine {
    /// Judges a registration; `None` if the message is not one, or not a good one: then it goes the way of all others, and
    /// [`may_hold_code`] keeps its payload out of the dead letters.
    pub(super) async fn registration(&self, message: &InboundMessage) -> Option<Result<(), PortError>> {
        let (key, topic) = parse_up(&message.topic).ok()?;
        if topic != UpTopic::Regist || key != message.key {
            return None;
        }
        match decode_up(&topic, &message.payload) {
            Ok(UpMessage::Regist(regist)) => Some(self.on_regist(&key, &regist).await),
            _ => None,
        }
    }
}

/// Whether it is a good request for a certificate, by a door that may ask for one.
pub(super) fn asks_for_certificate(message: &InboundMessage) -> bool {
    if message.door == Door::Plain {
        return false;
    }
    let Ok((key, topic)) = parse_up(&message.topic) else { return false };
    topic == UpTopic::CertRequest && key == message.key && decode_up(&topic, &message.payload).is_ok()
}

/// Whether a message that was not understood may hold a registration code: its payload is not kept then.
pub(crate) fn may_hold_code(topic: &str, payload: &[u8]) -> bool {
    const FIELD: &[u8] = b"auth_key";
    topic.ends_with("/regist") || payload.windows(FIELD.len()).any(|part| part.eq_ignore_ascii_case(FIELD))
}

#[cfg(test)]
mod tests {
    use super::may_hold_code;

    #[test]
    fn what_may_hold_a_code() {
        assert!(may_hold_code("v1/1/regist", b"junk 012345"));
        assert!(may_hold_code("v1/1/test", br#"{"Auth_Key": "012345"}"#));
        assert!(!may_hold_code("v1/1/status/system", br#"{"auth": 1}"#));
        assert!(!may_hold_code("v1/1/test", b""));
    }
}
