//! Topics: what is ours, whose it is, and what must not get past.

use argosy_proto::topic::MAX_TOPIC_LEN;
use argosy_proto::{
    Access, DeviceKey, DownTopic, StreamName, TopicError, UpTopic, belongs_to, belongs_to_aws, down_filters,
    parse_down, parse_up,
};
use proptest::prelude::*;

fn key(text: &str) -> DeviceKey {
    DeviceKey::new(text).unwrap()
}

pub(crate) fn any_key() -> impl Strategy<Value = DeviceKey> {
    "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}".prop_map(|text| DeviceKey::new(text).unwrap())
}

fn any_up_topic() -> impl Strategy<Value = UpTopic> {
    let stream = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
        .prop_map(|text| UpTopic::Data { stream: StreamName::new(text).unwrap() });
    prop_oneof![4 => prop::sample::select(UpTopic::FIXED.to_vec()), 1 => stream]
}

#[test]
fn topics_are_those_of_the_protocol() {
    let seven = key("7");
    let up = [
        ("v1/7/update/request/ack", UpTopic::UpdateAck),
        ("v1/7/update/progress", UpTopic::Progress),
        ("v1/7/update/result", UpTopic::Result),
        ("v1/7/update/cancel/ack", UpTopic::CancelAck),
        ("v1/7/status/system", UpTopic::StatusSystem),
        ("v1/7/status/error_log", UpTopic::StatusErrorLog),
        ("v1/7/sales/data", UpTopic::SalesData),
        ("v1/7/regist", UpTopic::Regist),
        ("v1/7/cert/request", UpTopic::CertRequest),
        ("v1/7/test", UpTopic::Test),
        ("v1/7/hello", UpTopic::Hello),
        ("v1/7/data/machine", UpTopic::Data { stream: StreamName::new("machine").unwrap() }),
        ("v1/7/command/response", UpTopic::CommandResponse),
    ];
    for (text, topic) in up {
        assert_eq!(topic.topic(&seven), text);
        assert_eq!(parse_up(text), Ok((seven.clone(), topic)));
        assert_eq!(parse_down(text), Err(TopicError::Unknown), "{text} is no topic of the server");
    }
    let down = [
        ("v1/7/update/request/firmware", DownTopic::UpdateFirmware),
        ("v1/7/update/request/advertisement", DownTopic::UpdateAdvertisement),
        ("v1/7/update/cancel", DownTopic::UpdateCancel),
        ("v1/7/regist/ack", DownTopic::RegistAck),
        ("v1/7/cert/request/ack", DownTopic::CertAck),
        ("v1/7/hello/ack", DownTopic::HelloAck),
        ("v1/7/command/request", DownTopic::CommandRequest),
    ];
    for (text, topic) in down {
        assert_eq!(topic.topic(&seven), text);
        assert_eq!(parse_down(text), Ok((seven.clone(), topic)));
        assert_eq!(parse_up(text), Err(TopicError::Unknown), "{text} is no topic of a device");
    }
    assert_eq!(down_filters(&seven), down.map(|(text, _)| text));
}

#[test]
fn hostile_topics_are_not_read() {
    let long_key = format!("v1/{}/test", "k".repeat(65));
    let long_stream = format!("v1/7/data/{}", "s".repeat(65));
    let long = format!("v1/7/{}", "x".repeat(MAX_TOPIC_LEN));
    for text in [
        "",
        "/",
        "v1",
        "v1/",
        "v1//",
        "v1//test",
        "v1/7",
        "v1/7/",
        "v1/7//",
        "v1/7/test/",
        "/v1/7/test",
        "V1/7/test",
        "v1/7/TEST",
        "v2/7/test",
        "v1/+/test",
        "v1/#",
        "v1/7/#",
        "v1/7/+",
        "v1/7/status/+",
        "v1/7/status/#",
        "v1/7/status",
        "v1/7/status/system/x",
        "v1/7\0/test",
        "v1/7/test\0",
        "v1/\x007/test",
        "v1/7 /test",
        "v1/ 7/test",
        "v1/.7/test",
        "v1/-/test",
        "v1/７/test",
        "v1/7/data",
        "v1/7/data/",
        "v1/7/data/+",
        "v1/7/data/#",
        "v1/7/data/a/b",
        "v1/7/data/.a",
        "v1/7/data/a b",
        "v1/7/data/é",
        "v1/7/data/a\0",
        "$share/g/v1/7/test",
        "$SYS/broker/uptime",
        "$aws/things/7/shadow/update",
        "v1/7/../8/test",
        &long_key,
        &long_stream,
        &long,
    ] {
        assert!(parse_up(text).is_err(), "{text:?}");
        assert!(parse_down(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_device_may_use_its_own_topics() {
    let seven = key("7");
    for topic in ["v1/7/test", "v1/7/data/machine", "v1/7/anything/below/it", "v1/7/$x"] {
        assert!(belongs_to(&seven, Access::Publish, topic), "{topic}");
        assert!(belongs_to(&seven, Access::Subscribe, topic), "{topic}");
    }
    for filter in ["v1/7/#", "v1/7/+", "v1/7/update/+", "v1/7/update/#", "v1/7/+/request/+", "v1/7/+/#"] {
        assert!(belongs_to(&seven, Access::Subscribe, filter), "{filter}");
        assert!(!belongs_to(&seven, Access::Publish, filter), "{filter}");
    }
    for filter in down_filters(&seven) {
        assert!(belongs_to(&seven, Access::Subscribe, &filter), "{filter}");
    }
    // A key with every kind of character is still one level.
    let odd = key("a_b.c-D9");
    assert!(belongs_to(&odd, Access::Publish, "v1/a_b.c-D9/test"));
}

#[test]
fn nothing_else_belongs_to_a_device() {
    let seven = key("7");
    let long = format!("v1/7/{}", "x".repeat(MAX_TOPIC_LEN));
    for text in [
        "",
        "#",
        "+",
        "/",
        "//",
        "+/+/+",
        "+/7/test",
        "v1",
        "v1/",
        "v1/#",
        "v1/+",
        "v1/+/#",
        "v1/+/test",
        "v1/7",
        "v1/7/",
        "v1/7//",
        "v1/7//test",
        "v1/7/test/",
        "v1//7/test",
        "/v1/7/test",
        "v1/8/test",
        "v1/77/test",
        "v1/7x/test",
        "v1/07/test",
        "v1/7+/test",
        "v1/7#",
        "v1/7/te+st",
        "v1/7/te#st",
        "v1/7/#/test",
        "v1/7/test#",
        "v1/7/+test",
        "v1/7/++",
        "v1/7/##",
        "v1/7/te\0st",
        "v1/7\0/test",
        "v1/7/\0",
        "v1/7/te st",
        "v1/7/te\nst",
        "v1/7/té",
        "v1/７/test",
        "v1/7/\u{feff}test",
        "V1/7/test",
        "v2/7/test",
        "$share/g/v1/7/test",
        "$share/v1/7/test",
        "$queue/v1/7/test",
        "$exclusive/v1/7/test",
        "$delayed/10/v1/7/test",
        "$SYS/#",
        "$aws/things/7/shadow/get",
        "$aws/things/8/shadow/get",
        "v1/7\u{2044}test",
        "v1\\7\\test",
        "v1%2f7%2ftest",
        &long,
    ] {
        assert!(!belongs_to(&seven, Access::Publish, text), "publish {text:?}");
        assert!(!belongs_to(&seven, Access::Subscribe, text), "subscribe {text:?}");
    }
    // The key is a text, not a pattern.
    assert!(!belongs_to(&key("a.c"), Access::Publish, "v1/abc/test"));
    assert!(!belongs_to(&key("a"), Access::Publish, "v1/A/test"));
}

#[test]
fn the_reserved_shadow_topics_are_a_separate_right() {
    let seven = key("7");
    assert!(belongs_to_aws(&seven, Access::Publish, "$aws/things/7/shadow/update"));
    assert!(belongs_to_aws(&seven, Access::Subscribe, "$aws/things/7/shadow/name/+/update/#"));
    for text in
        ["$aws/things/8/shadow/update", "$aws/things/+/shadow/update", "$aws/things/7", "$aws/#", "v1/7/test"]
    {
        assert!(!belongs_to_aws(&seven, Access::Publish, text), "{text}");
        assert!(!belongs_to_aws(&seven, Access::Subscribe, text), "{text}");
    }
}

/// Topic matching as the MQTT 5 specification (4.7) has it.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

fn hostile_text() -> impl Strategy<Value = String> {
    let level = prop_oneof![
        Just("v1"),
        Just("7"),
        Just("8"),
        Just("77"),
        Just("+"),
        Just("#"),
        Just(""),
        Just("\0"),
        Just("$share"),
        Just("g"),
        Just("test"),
        Just("$aws"),
        Just("things"),
        Just("7+"),
        Just("update"),
    ];
    prop_oneof![
        prop::collection::vec(level, 0..7).prop_map(|levels| levels.join("/")),
        "v1/7/[ -~]{0,20}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn topics_round_trip(key in any_key(), up in any_up_topic(), down in prop::sample::select(DownTopic::ALL.to_vec())) {
        let text = up.topic(&key);
        prop_assert!(text.len() <= MAX_TOPIC_LEN);
        prop_assert!(belongs_to(&key, Access::Publish, &text));
        prop_assert_eq!(parse_up(&text), Ok((key.clone(), up)));
        let text = down.topic(&key);
        prop_assert!(belongs_to(&key, Access::Subscribe, &text));
        prop_assert_eq!(parse_down(&text), Ok((key, down)));
    }

    #[test]
    fn what_is_read_is_written_back_letter_by_letter(text in hostile_text()) {
        if let Ok((key, topic)) = parse_up(&text) {
            prop_assert_eq!(topic.topic(&key), &*text);
        }
        if let Ok((key, topic)) = parse_down(&text) {
            prop_assert_eq!(topic.topic(&key), &*text);
        }
    }

    #[test]
    fn no_device_reaches_a_topic_of_another(mine in any_key(), other in any_key(), up in any_up_topic()) {
        prop_assume!(mine != other);
        prop_assert!(!belongs_to(&mine, Access::Publish, &up.topic(&other)));
        prop_assert!(!belongs_to(&mine, Access::Subscribe, &up.topic(&other)));
    }

    #[test]
    fn no_allowed_filter_matches_a_topic_of_another(filter in hostile_text(), up in any_up_topic()) {
        if belongs_to(&key("7"), Access::Subscribe, &filter) {
            for other in ["8", "77", "v1"] {
                prop_assert!(!matches(&filter, &up.topic(&key(other))), "{}", filter);
            }
        }
    }

    #[test]
    fn no_allowed_topic_has_a_wildcard_or_leaves_the_own_root(text in hostile_text()) {
        if belongs_to(&key("7"), Access::Publish, &text) {
            prop_assert!(text.starts_with("v1/7/") && text.len() > 5);
            prop_assert!(!text.contains(['+', '#', '\0']) && !text.contains("//"));
        }
    }
}
