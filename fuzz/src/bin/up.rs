//! Every message from a device: nothing panics, and what was understood is written and read back the same.
#![no_main]

use argosy_fuzz::pick;
use argosy_proto::{EncodeError, StreamName, UpTopic, decode_up};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let stream = StreamName::new("s").expect("a stream name");
    let mut topics = UpTopic::FIXED.to_vec();
    topics.push(UpTopic::Data { stream });
    let Some((topic, payload)) = pick(input, &topics) else { return };
    match decode_up(topic, payload) {
        Ok(message) => {
            let _ = (format!("{message:?}"), message.device_time(), message.command_id());
            assert_eq!(&message.topic(), topic);
            match message.encode() {
                Ok(again) => assert_eq!(decode_up(topic, &again), Ok(message)),
                Err(error) => assert!(matches!(error, EncodeError::TooLarge { .. }), "{error}"),
            }
        }
        Err(error) => assert!(error.to_string().len() < 200, "a reason is short: {error}"),
    }
});
