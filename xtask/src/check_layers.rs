//! Who may use whom. The rooms of the house, from the design, as one table that `cargo metadata` is held against.
//!
//! Two rules: a crate of ours uses another only where [`ROOMS`] allows it, and a foreign crate that decides a layer's nature
//! (a runtime, a driver, a web framework) is used only where [`CONFINED`] says, or not even reached from where
//! [`UNREACHABLE`] says. Normal and build dependencies count; a test may use what it likes.
//!
//! A new crate needs a line in [`ROOMS`]: one without is refused, so that its place is decided and not drifted into.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::shell;

/// A crate of ours, and those of ours it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("argosy-proto", &[]),
    ("argosy-agent-core", &["argosy-proto"]),
    ("argosy-domain", &["argosy-proto"]),
    ("argosy-engine", &["argosy-proto", "argosy-domain"]),
    ("argosy-store", &["argosy-proto", "argosy-domain"]),
    ("argosy-pki", &["argosy-proto", "argosy-domain"]),
    ("argosy-media", &["argosy-domain"]),
    ("argosy-mqtt", &["argosy-proto", "argosy-domain", "argosy-engine"]),
    ("argosy-api", &["argosy-proto"]),
    ("argosy-http", &["argosy-api", "argosy-proto", "argosy-domain", "argosy-engine"]),
    (
        "argosy",
        &[
            "argosy-proto",
            "argosy-domain",
            "argosy-engine",
            "argosy-store",
            "argosy-pki",
            "argosy-media",
            "argosy-mqtt",
            "argosy-api",
            "argosy-http",
        ],
    ),
    ("argosy-agent", &["argosy-proto", "argosy-agent-core"]),
    ("argosy-sim", &["argosy-proto", "argosy-agent-core", "argosy-api"]),
    ("xtask", &[]),
];

/// A foreign crate, and the only ones of ours that may name it.
const CONFINED: &[(&str, &[&str])] = &[
    ("sqlx", &["argosy-store"]),
    ("object_store", &["argosy-store"]),
    ("rmqtt", &["argosy-mqtt"]),
    ("rmqtt-net", &["argosy-mqtt"]),
    ("rumqttc", &["argosy-mqtt", "argosy-sim"]),
    ("axum", &["argosy-http"]),
    ("tower-http", &["argosy-http"]),
    ("rcgen", &["argosy-pki", "argosy-sim"]),
    ("image", &["argosy-media"]),
    ("figment", &["argosy"]),
    ("clap", &["argosy", "argosy-agent", "argosy-sim", "xtask"]),
];

/// A crate of ours, and foreign crates that must not even be reached through its dependencies.
const UNREACHABLE: &[(&str, &[&str])] = &[
    ("argosy-proto", IO),
    ("argosy-agent-core", IO),
    ("argosy-domain", IO),
    ("argosy-api", IO),
    ("argosy-engine", &["sqlx", "axum", "hyper", "rmqtt", "rustls", "object_store"]),
    ("argosy-http", &["sqlx", "rmqtt", "object_store"]),
    ("argosy-media", IO),
    ("argosy-mqtt", &["sqlx", "axum", "object_store"]),
    ("xtask", IO),
];

/// What brings input and output with it: a runtime, a driver, a server, a wall clock's randomness.
const IO: &[&str] =
    &["tokio", "sqlx", "axum", "hyper", "rmqtt", "rustls", "object_store", "rand", "mio", "socket2"];

pub(crate) fn run() -> Result<()> {
    let text = shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let graph = Graph::from_metadata(&text)?;
    let found = graph.violations();
    if !found.is_empty() {
        bail!("forbidden dependencies:\n  {}", found.join("\n  "));
    }
    println!("layers: {} crates of ours keep to their rooms", graph.ours.len());
    Ok(())
}

/// Dependencies by crate name. Two versions of a crate count as one: no rule here is about versions.
#[derive(Debug, Default)]
struct Graph {
    ours: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the output of `cargo metadata` with its resolved graph.
    fn from_metadata(text: &str) -> Result<Self> {
        let metadata: Metadata = serde_json::from_str(text).context("could not read `cargo metadata`")?;
        let names: BTreeMap<&str, &str> =
            metadata.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let name = |id: &str| {
            names.get(id).copied().with_context(|| format!("`cargo metadata` names an unknown package {id}"))
        };
        let mut graph = Self::default();
        for member in &metadata.workspace_members {
            graph.ours.insert(name(member)?.to_owned());
        }
        for node in &metadata.resolve.nodes {
            let uses = graph.edges.entry(name(&node.id)?.to_owned()).or_default();
            for dependency in &node.deps {
                if dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev")) {
                    uses.insert(name(&dependency.pkg)?.to_owned());
                }
            }
        }
        Ok(graph)
    }

    /// Every broken rule, as a sentence that says what to do.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for krate in &self.ours {
            let uses = self.edges.get(krate).cloned().unwrap_or_default();
            match look_up(ROOMS, krate) {
                None => found.push(format!(
                    "{krate} has no room: give it a line in xtask/src/check_layers.rs and the design"
                )),
                Some(allowed) => {
                    for used in uses.intersection(&self.ours).filter(|used| !allowed.contains(&used.as_str()))
                    {
                        found.push(format!(
                            "{krate} uses {used}: it may use of ours only [{}]",
                            allowed.join(", ")
                        ));
                    }
                }
            }
            for (foreign, allowed) in CONFINED {
                if uses.contains(*foreign) && !allowed.contains(&krate.as_str()) {
                    found.push(format!("{krate} uses {foreign}: only {} may", allowed.join(", ")));
                }
            }
            for foreign in look_up(UNREACHABLE, krate).unwrap_or_default() {
                if let Some(path) = self.path(krate, foreign) {
                    found.push(format!("{krate} reaches {foreign} through {}", path.join(" -> ")));
                }
            }
        }
        found
    }

    /// The shortest way from one crate to another, both included.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([from]);
        while let Some(krate) = queue.pop_front() {
            for next in self.edges.get(krate).into_iter().flatten() {
                if next == from || came_from.contains_key(next.as_str()) {
                    continue;
                }
                came_from.insert(next, krate);
                if next == to {
                    let mut path = vec![to.to_owned()];
                    let mut at = to;
                    while let Some(before) = came_from.get(at) {
                        path.push((*before).to_owned());
                        at = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                queue.push_back(next);
            }
        }
        None
    }
}

fn look_up<'a>(table: &[(&str, &'a [&'a str])], krate: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(name, _)| *name == krate).map(|(_, list)| *list)
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

/// `kind` is absent for a normal dependency, else `build` or `dev`.
#[derive(Debug, Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of `(user, used)` edges; the names that start with `argosy` (and xtask) are ours.
    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (user, used) in edges {
            graph.edges.entry((*user).to_owned()).or_default().insert((*used).to_owned());
            for name in [user, used].into_iter().filter(|n| n.starts_with("argosy") || **n == "xtask") {
                graph.ours.insert((*name).to_owned());
            }
        }
        graph
    }

    #[test]
    fn allowed_edges_pass() {
        let allowed = [
            ("argosy-engine", "argosy-domain"),
            ("argosy-engine", "tokio"),
            ("argosy-store", "sqlx"),
            ("argosy", "argosy-store"),
            ("argosy-http", "axum"),
        ];
        assert_eq!(graph(&allowed).violations(), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_edge_between_our_crates_is_found() {
        let found = graph(&[("argosy-engine", "argosy-store")]).violations();
        assert_eq!(
            found,
            ["argosy-engine uses argosy-store: it may use of ours only [argosy-proto, argosy-domain]"]
        );
    }

    #[test]
    fn a_driver_outside_its_room_is_found() {
        let found = graph(&[("argosy-sim", "sqlx"), ("argosy-sim", "argosy-proto")]).violations();
        assert_eq!(found, ["argosy-sim uses sqlx: only argosy-store may"]);
    }

    #[test]
    fn a_runtime_that_is_only_reached_is_found() {
        let found = graph(&[("argosy-domain", "helper"), ("helper", "tokio")]).violations();
        assert_eq!(found, ["argosy-domain reaches tokio through argosy-domain -> helper -> tokio"]);
    }

    #[test]
    fn a_crate_without_a_room_is_found() {
        let found = graph(&[("argosy-shed", "serde")]).violations();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("argosy-shed has no room"), "{found:?}");
    }

    #[test]
    fn only_dev_dependencies_are_left_out() {
        let metadata = |kind: &str| {
            format!(
                r#"{{"packages": [{{"id": "1", "name": "argosy-engine"}}, {{"id": "2", "name": "argosy-store"}}],
                    "workspace_members": ["1", "2"],
                    "resolve": {{"nodes": [{{"id": "2", "deps": []}},
                        {{"id": "1", "deps": [{{"pkg": "2", "dep_kinds": [{{"kind": {kind}}}]}}]}}]}}}}"#
            )
        };
        let violations = |kind| Graph::from_metadata(&metadata(kind)).expect("valid").violations().len();
        assert_eq!(violations("null"), 1);
        assert_eq!(violations("\"build\""), 1);
        assert_eq!(violations("\"dev\""), 0);
    }

    #[test]
    fn every_room_names_rooms_that_exist() {
        for (krate, allowed) in ROOMS {
            for used in *allowed {
                assert!(look_up(ROOMS, used).is_some(), "{krate} may use {used}, which has no room");
            }
        }
    }
}
