//! The configuration as the binary takes it.

use super::harness::{Place, argosy, run};

#[test]
fn a_wrong_key_stops_the_start_with_the_nearest_one() {
    let place = Place::new();
    std::fs::write(place.path().join("argosy.toml"), "[mqtt]\nlistn = \"0.0.0.0:8883\"\n").unwrap();
    let said = run(&mut place.serve(), "").failed(2);
    assert!(
        said.contains("mqtt.listn (argosy.toml:2)") && said.contains("did you mean mqtt.listen?"),
        "{said}"
    );
    assert!(!place.data().exists());
    let said = run(argosy().current_dir(place.path()).args(["config", "check"]), "").failed(2);
    assert!(said.contains("did you mean mqtt.listen?"), "{said}");
}

#[test]
fn check_and_show_start_nothing() {
    let place = Place::new();
    let file = place.path().join("other.toml");
    std::fs::write(
        &file,
        "[http]\nlisten = \"0.0.0.0:8080\"\n[database]\nuri = \"postgres://a:secret@db/a\"\n",
    )
    .unwrap();
    let ran = run(argosy().current_dir(place.path()).args(["config", "check"]).arg(&file), "");
    assert!(ran.err.contains("warning: http.listen") && !ran.err.contains("secret"), "{}", ran.err);
    assert!(ran.ok().contains("good (2 warnings)"));
    let shown = run(
        argosy()
            .current_dir(place.path())
            .env("ARGOSY_LOG__FORMAT", "json")
            .args(["config", "show", "--config"])
            .arg(&file),
        "",
    )
    .ok();
    assert!(shown.contains("# ARGOSY_LOG__FORMAT") && shown.contains("other.toml:2"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    let all =
        run(argosy().current_dir(place.path()).args(["config", "show", "--json", "--config"]).arg(&file), "")
            .json();
    assert_eq!(all["http.listen"]["value"], "0.0.0.0:8080");
    assert_eq!(all["ingest.queue"]["origin"], "default");
}

#[test]
fn what_is_generated_is_printed_whole() {
    let reference = run(argosy().args(["config", "reference"]), "").ok();
    assert!(reference.starts_with("# Configuration\n") && reference.contains("### `shutdown.soft_seconds`"));
    let openapi: serde_json::Value = run(argosy().arg("openapi"), "").json();
    assert!(openapi["paths"]["/api/v1/deployments"]["post"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(argosy().args(["completions", shell]), "").ok().contains("dead-letters"), "{shell}");
    }
}

#[test]
fn wrong_words_are_a_wrong_use() {
    for words in
        [vec!["nonsense"], vec!["deploy"], vec!["product", "create", "x"], vec!["serve", "--set", "x"]]
    {
        run(argosy().args(&words), "").failed(2);
    }
}
