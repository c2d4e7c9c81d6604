use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::key::Limit;
use super::load::{Finding, Origin, line_of};
use super::*;

fn overrides(env: &[(&str, &str)], flags: &[(&str, &str)]) -> Overrides {
    Overrides {
        file: None,
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        flags: flags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned(), format!("--set {k}"))).collect(),
    }
}

fn with_file(text: &str) -> (tempfile::TempDir, Overrides) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("argosy.toml");
    std::fs::write(&file, text).unwrap();
    (folder, Overrides { file: Some(file), ..Overrides::default() })
}

fn findings(overrides: &Overrides) -> Vec<Finding> {
    match load(overrides) {
        Err(LoadError::Findings(findings)) => findings,
        other => panic!("expected findings, got {other:?}"),
    }
}

/// Every leaf of the structs, as their own serialisation shows them.
fn leaves(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(&path, value, into);
            }
        }
        _ => {
            into.insert(prefix.to_owned());
        }
    }
}

#[test]
fn without_anything_everything_is_on_its_default() {
    let loaded = load(&overrides(&[], &[])).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn every_key_of_the_structs_stands_in_the_reference_and_no_other() {
    let mut structs = BTreeSet::new();
    leaves("", &serde_json::to_value(Config::default()).unwrap(), &mut structs);
    let table: BTreeSet<String> = all_keys().iter().map(|key| key.path().to_owned()).collect();
    assert_eq!(structs, table);
    let reference = reference();
    for key in all_keys() {
        assert!(reference.contains(&format!("### `{}`\n", key.path())), "{}", key.path());
        assert!(reference.contains(&format!("`{}`", key.env())), "{}", key.env());
        assert!(!key.about().is_empty(), "{} has no description", key.path());
    }
}

#[test]
fn the_committed_reference_is_current() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == reference(),
        "docs/configuration.md is not what the program says: run `cargo xtask openapi` and commit it"
    );
}

#[test]
fn flags_stand_over_the_environment_and_that_over_the_file() {
    let (_folder, mut all) = with_file("worker_threads = 1\n[ingest]\nqueue = 2000\nbatch = 100\n");
    all.env = overrides(&[("ARGOSY_INGEST__QUEUE", "3000"), ("ARGOSY_INGEST__BATCH", "200")], &[]).env;
    all.flags = overrides(&[], &[("ingest.batch", "300")]).flags;
    let loaded = load(&all).unwrap();
    assert_eq!(
        (loaded.config.worker_threads, loaded.config.ingest.queue, loaded.config.ingest.batch),
        (1, 3000, 300)
    );
    assert_eq!(loaded.origins.of("worker_threads"), Origin::File(all.file.clone().unwrap(), Some(1)));
    assert_eq!(loaded.origins.of("ingest.queue"), Origin::Env("ARGOSY_INGEST__QUEUE".to_owned()));
    assert_eq!(loaded.origins.of("ingest.batch"), Origin::Flag("--set ingest.batch".to_owned()));
    assert_eq!(loaded.origins.of("pki.organization"), Origin::Default);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one_and_its_place() {
    let (_folder, file) = with_file("\n[mqtt]\nlisten = \"0.0.0.0:1\"\n[mqtt.limit]\nmax_payload = 1\n");
    let found = findings(&file);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, "mqtt.limit.max_payload");
    assert_eq!(found[0].origin, Origin::File(file.file.unwrap(), Some(5)));
    assert_eq!(found[0].advice, "did you mean mqtt.limits.max_payload?");

    let found = findings(&overrides(&[("ARGOSY_HTTP__LISEN", "off")], &[("nothing.like.it", "1")]));
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "http.lisen (ARGOSY_HTTP__LISEN): there is no such key; did you mean http.listen?",
            "nothing.like.it (--set nothing.like.it): there is no such key; `argosy config reference` lists every key",
        ]
    );
    assert!(findings(&overrides(&[("ARGOSY_HTTP", "1")], &[]))[0].advice.contains("http is a section"));
}

#[test]
fn variables_of_the_command_line_and_of_tests_are_no_keys() {
    let env = [
        ("ARGOSY_CONFIG", "x"),
        ("ARGOSY_TOKEN", "x"),
        ("ARGOSY_TEST_PYTHON", "x"),
        ("ARGOSY_SIM_DEVICES", "1"),
    ];
    assert!(load(&overrides(&env, &[])).is_ok());
}

#[test]
fn a_wrong_type_says_what_the_key_takes_and_where_it_stands() {
    let (_folder, file) = with_file("[http]\nlisten = \"localhost\"\n");
    let found = findings(&file);
    assert_eq!(found[0].key, "http.listen");
    assert_eq!(found[0].advice, "it takes: address and port, or `\"off\"`");
    assert!(matches!(found[0].origin, Origin::File(_, Some(2))));
    assert!(load(&overrides(&[("ARGOSY_WORKER_THREADS", "many")], &[])).is_err());
    assert!(load(&overrides(&[("ARGOSY_WORKER_THREADS", "-1")], &[])).is_err());
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_the_line() {
    let (_folder, file) = with_file("a = \n");
    let error = load(&file).unwrap_err();
    assert!(matches!(error, LoadError::Syntax { .. }) && error.to_string().contains("line 1"), "{error}");
    let missing = Overrides { file: Some(PathBuf::from("/nonexistent/argosy.toml")), ..Overrides::default() };
    assert!(matches!(load(&missing), Err(LoadError::Read { .. })));
}

#[test]
fn every_limit_holds_at_both_ends() {
    // Neighbours that would otherwise complain first.
    let room = [("mqtt.limits.max_connections", "10000000")];
    for key in all_keys() {
        match key.limit {
            Limit::Range(from, to) => {
                for (value, ok) in [
                    (Some(from), true),
                    (Some(to), true),
                    (from.checked_sub(1), false),
                    (to.checked_add(1), false),
                ] {
                    let Some(value) = value else { continue };
                    let value = value.to_string();
                    let flags: Vec<_> = room
                        .iter()
                        .filter(|(path, _)| *path != key.path())
                        .copied()
                        .chain([(key.path(), value.as_str())])
                        .collect();
                    assert_eq!(load(&overrides(&[], &flags)).is_ok(), ok, "{} = {value}", key.path());
                }
            }
            Limit::OneOf(words) => {
                for word in words {
                    assert!(load(&overrides(&[], &[(key.path(), word)])).is_ok(), "{} = {word}", key.path());
                }
                assert!(load(&overrides(&[], &[(key.path(), "other")])).is_err(), "{}", key.path());
            }
            Limit::Any | Limit::Said(_) => {}
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    for (key, value) in [
        ("log.level", "loud"),
        ("https.names", "https://ota.example.com"),
        ("mqtt.plain.listen", "0.0.0.0:1883"),
        ("mqtt.plain.allow", "5..1"),
        ("database.uri", "oracle://db"),
        ("database.uri_file", "/nonexistent/uri"),
        ("blobs.uri", "ftp://x"),
        ("download.public_url", "http://a:1"),
        ("download.public_url", "https://a:1/path"),
        ("download.plain_url", "https://a:1"),
        ("pki.organization", ""),
        ("mqtt.listen", "127.0.0.1:8443"),
    ] {
        let found = findings(&overrides(&[], &[(key, value)]));
        assert!(
            !found[0].advice.is_empty() && found[0].key.starts_with(key.split('.').next().unwrap()),
            "{found:?}"
        );
    }
    let both = overrides(&[], &[("database.uri", "sqlite:a"), ("database.uri_file", "b")]);
    assert!(findings(&both)[0].message.contains("both"));
}

#[test]
fn risky_pairs_are_warned_of() {
    let warned = |flags: &[(&str, &str)]| -> Vec<String> {
        load(&overrides(&[], flags)).unwrap().warnings.into_iter().map(|warning| warning.key).collect()
    };
    assert_eq!(warned(&[("http.listen", "0.0.0.0:8080")]), ["http.listen"]);
    assert_eq!(warned(&[("mqtt.plain.listen", "127.0.0.1:1883")]), ["mqtt.plain.allow"]);
    assert_eq!(warned(&[("mqtt.plain.allow", "1..5")]), ["mqtt.plain.allow"]);
    assert_eq!(
        warned(&[
            ("mqtt.plain.listen", "0.0.0.0:1883"),
            ("mqtt.plain.allow", "1..5"),
            ("mqtt.plain.beyond_loopback", "true")
        ]),
        ["mqtt.plain.listen"]
    );
    assert_eq!(warned(&[("download.plain_url", "http://a:1")]), ["download.plain_url"]);
    assert_eq!(warned(&[("fleet.expected_devices", "200000")]), ["mqtt.limits.max_connections"]);
    assert_eq!(warned(&[("database.accept_lossy_commits", "true")]), ["database.accept_lossy_commits"]);
    assert_eq!(warned(&[("database.uri", "postgres://a:secret@db/a")]), ["database.uri"]);
    assert_eq!(warned(&[("database.uri", "sqlite:a.db")]), [""; 0]);
}

#[test]
fn a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, overrides) = with_file("[database]\nuri = \"postgres://a:secret@db/a\"\n");
    let file = overrides.file.clone().unwrap();
    let other = folder.path().join("uri");
    std::fs::write(&other, "postgres://a:secret@db/a").unwrap();
    let by_file = Overrides {
        flags: vec![("database.uri_file".to_owned(), other.to_str().unwrap().to_owned(), "--set".to_owned())],
        ..Overrides::default()
    };
    for (mode, warnings) in [(0o644, 1), (0o640, 1), (0o600, 0)] {
        for path in [&file, &other] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        for overrides in [&overrides, &by_file] {
            let found = load(overrides).unwrap().warnings;
            assert_eq!(found.len(), warnings, "{mode:o} {found:?}");
            assert!(!format!("{found:?}").contains("secret"));
        }
    }
}

#[test]
fn a_uri_comes_by_value_or_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("uri");
    std::fs::write(&file, "postgres://argosy:secret@db/argosy\n").unwrap();
    let loaded = load(&overrides(&[("ARGOSY_DATABASE__URI_FILE", file.to_str().unwrap())], &[])).unwrap();
    let uri = loaded.config.database.uri(&loaded.config.data_dir).unwrap();
    assert_eq!(uri, "postgres://argosy:secret@db/argosy");
    assert!(!show(&loaded).contains("secret"));
    let loaded =
        load(&overrides(&[("ARGOSY_DATABASE__URI", "mysql://argosy:secret@db/argosy")], &[])).unwrap();
    assert!(!show(&loaded).contains("secret"));
    assert!(show(&loaded).contains("# ARGOSY_DATABASE__URI"));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let (_folder, file) =
        with_file("[https]\nnames = [\"a.example\", \"10.0.0.1\"]\n[mqtt.limits]\nmax_payload = \"32KiB\"\n");
    let first = load(&file).unwrap();
    let (_folder, again) = with_file(&show(&first));
    assert_eq!(load(&again).unwrap().config, first.config);
}

#[test]
fn lines_are_found_in_tables_and_inline() {
    let text = "a = 1\n# b\n[x.y]\n\"c\" = 2\nd.e = 3\nf = { g = 4 }\n";
    for (path, line) in [("a", 1), ("x.y.c", 4), ("x.y.d.e", 5), ("x.y.f.g", 6)] {
        assert_eq!(line_of(text, path), Some(line), "{path}");
    }
    assert_eq!(line_of(text, "nothing"), None);
}
