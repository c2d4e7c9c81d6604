//! Every message to a device, as the agent and the simulator read it.
#![no_main]

use argosy_fuzz::pick;
use argosy_proto::{DownTopic, EncodeError, decode_down};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((topic, payload)) = pick(input, &DownTopic::ALL) else { return };
    match decode_down(*topic, payload) {
        Ok(message) => {
            let _ = format!("{message:?}");
            assert_eq!(message.topic(), *topic);
            match message.encode() {
                Ok(again) => assert_eq!(decode_down(*topic, &again), Ok(message)),
                Err(error) => assert!(matches!(error, EncodeError::TooLarge { .. }), "{error}"),
            }
        }
        Err(error) => assert!(error.to_string().len() < 200, "a reason is short: {error}"),
    }
});
