//! Topics and filters: what is read is written back letter by letter, and no text reaches beyond its device's root.
#![no_main]

use argosy_proto::{Access, DeviceKey, belongs_to, belongs_to_aws, parse_down, parse_up};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok((key, topic)) = parse_up(text) {
        assert_eq!(topic.topic(&key), text);
        assert!(belongs_to(&key, Access::Publish, text));
        assert!(parse_down(text).is_err(), "one topic has one direction");
    }
    if let Ok((key, topic)) = parse_down(text) {
        assert_eq!(topic.topic(&key), text);
        assert!(belongs_to(&key, Access::Subscribe, text));
    }
    let seven = DeviceKey::new("7").expect("a key");
    for (root, allowed) in
        [("v1/7/", belongs_to as fn(&DeviceKey, Access, &str) -> bool), ("$aws/things/7/", belongs_to_aws)]
    {
        let publish = allowed(&seven, Access::Publish, text);
        let subscribe = allowed(&seven, Access::Subscribe, text);
        assert!(subscribe || !publish, "who may publish may subscribe");
        if subscribe {
            let rest = text.strip_prefix(root).expect("below the own root");
            assert!(!rest.is_empty() && !text.contains('\0') && !text.contains("//") && !text.ends_with('/'));
            let wildcard = rest.split('/').any(|level| matches!(level, "+" | "#"));
            assert_eq!(publish, !wildcard);
            assert!(wildcard || !rest.contains(['+', '#']), "a wildcard is a whole level");
        }
    }
});
