//! Command ids: one text for each id.
#![no_main]

use argosy_proto::{CommandId, CommandKind, UpdateCommandId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let id = CommandId::new(text);
    if let Ok(id) = &id {
        assert_eq!(id.as_str(), text);
        assert!(text.len() <= CommandId::MAX_LEN && text.starts_with(id.kind().prefix()));
    }
    if let Ok(update) = text.parse::<UpdateCommandId>() {
        assert_eq!(update.to_string(), text);
        assert!(update.deployment.get() > 0 && update.device.get() > 0 && update.attempt > 0);
        assert_eq!(id.as_ref().ok(), Some(&update.command_id()));
        assert_eq!(update.command_id().kind(), CommandKind::from(update.kind));
    }
});
