//! Loading: layers over one another, unknown keys refused, every value with where it came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};

use super::nearest::nearest_key;
use super::{Config, all_keys, check};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "argosy.toml";

/// `ARGOSY_` variables that are not keys: they belong to the command line, the simulator and the tests.
const OTHER_VARIABLES: [&str; 5] = ["CONFIG", "SERVER", "TOKEN", "CA", "NAME"];
const OTHER_PREFIXES: [&str; 3] = ["SIM_", "TEST_", "MQTT_TEST_"];

/// What stands over the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub env: Vec<(OsString, OsString)>,
    /// Flags: key, value, and the flag as it was written.
    pub flags: Vec<(String, String, String)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// A file, and the line if it was found.
    File(PathBuf, Option<usize>),
    /// A variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(file, Some(line)) => write!(f, "{}:{line}", file.display()),
            Self::File(file, None) => write!(f, "{}", file.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Where every value that somebody set came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Of a key.
    pub(crate) fn of(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// Something wrong or risky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Which key.
    pub key: String,
    /// Where its value came from.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.origin, self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {message}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Line, column and what is wrong there.
        message: String,
    },
    /// Keys or values that cannot be.
    #[error("the configuration cannot be used:{}", list(.0))]
    Findings(Vec<Finding>),
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// It.
    pub config: Config,
    /// Where its values came from.
    pub origins: Origins,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is risky in it.
    pub warnings: Vec<Finding>,
}

/// One layer: values by dotted path, and where they came from.
struct Layer(Vec<(String, Value, Origin)>);

/// Loads the configuration.
///
/// # Errors
/// [`LoadError`]: a file that cannot be read, unknown keys, wrong types, values out of their limits. All findings of one kind are
/// reported at once.
pub(crate) fn load(overrides: &Overrides) -> Result<Loaded, LoadError> {
    let file =
        overrides.file.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
    let mut layers = Vec::new();
    if let Some(file) = &file {
        layers.push(file_layer(file)?);
    }
    layers.push(env_layer(&overrides.env));
    layers.push(flag_layer(&overrides.flags));

    let mut origins = Origins::default();
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    let mut unknown = Vec::new();
    let keys = all_keys();
    let known: Vec<&str> = keys.iter().map(|key| key.path()).collect();
    for Layer(values) in layers {
        for (path, value, origin) in values {
            if known.contains(&path.as_str()) {
                figment = figment.merge(Serialized::global(&path, &value));
                origins.0.insert(path, origin);
            } else {
                unknown.push(unknown_key(path, origin, &known));
            }
        }
    }
    if !unknown.is_empty() {
        return Err(LoadError::Findings(unknown));
    }
    let config: Config =
        figment.extract().map_err(|error| LoadError::Findings(type_errors(error, &origins)))?;
    let (errors, warnings) = check::check(&config, &origins);
    if !errors.is_empty() {
        return Err(LoadError::Findings(errors));
    }
    Ok(Loaded { config, origins, file, warnings })
}

fn unknown_key(path: String, origin: Origin, known: &[&str]) -> Finding {
    let section = format!("{path}.");
    let advice = if known.iter().any(|key| key.starts_with(&section)) {
        format!("{path} is a section: set a key in it")
    } else {
        match nearest_key(&path, known) {
            Some(near) => format!("did you mean {near}?"),
            None => "`argosy config reference` lists every key".to_owned(),
        }
    };
    Finding { key: path, origin, message: "there is no such key".to_owned(), advice }
}

fn type_errors(error: figment::Error, origins: &Origins) -> Vec<Finding> {
    let keys = all_keys();
    let one = |error: figment::Error| {
        let path = error.path.join(".");
        let key = keys.iter().find(|key| path == key.path() || path.starts_with(&format!("{}.", key.path())));
        let message = if key.is_some_and(|key| key.secret) {
            "its value is not of its type".to_owned()
        } else {
            error.kind.to_string()
        };
        let advice = key.map(|key| format!("it takes: {}", (key.words)())).unwrap_or_default();
        let path = key.map_or(path, |key| key.path().to_owned());
        Finding { origin: origins.of(&path), key: path, message, advice }
    };
    error.into_iter().map(one).collect()
}

fn file_layer(path: &Path) -> Result<Layer, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let syntax = |message: String| LoadError::Syntax { path: path.to_owned(), message };
    let table: toml::Table = toml::from_str(&text).map_err(|error| syntax(error.to_string()))?;
    let dict =
        Value::serialize(&table).map_err(|error| syntax(error.to_string()))?.into_dict().unwrap_or_default();
    let mut values = Vec::new();
    flatten(String::new(), dict, &mut |key, value| {
        let origin = Origin::File(path.to_owned(), line_of(&text, &key));
        values.push((key, value, origin));
    });
    Ok(Layer(values))
}

/// Walks to the leaves; an empty table is a leaf, so that an unknown section is found too.
fn flatten(prefix: String, dict: Dict, leaf: &mut impl FnMut(String, Value)) {
    for (name, value) in dict {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => flatten(path, inner, leaf),
            // A known section without keys in it says nothing.
            Value::Dict(_, _) if super::all_sections().iter().any(|section| section.name == path) => {}
            value => leaf(path, value),
        }
    }
}

/// The line (from 1) that sets a dotted path, by reading lines: enough for a message.
pub(super) fn line_of(text: &str, path: &str) -> Option<usize> {
    let mut section = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = bare(header);
            if section == path {
                return Some(at + 1);
            }
            continue;
        }
        let Some((name, _)) = line.split_once('=') else { continue };
        let name = bare(name);
        let full = if section.is_empty() { name } else { format!("{section}.{name}") };
        // An inline table sets everything below its name.
        if full == path || path.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.')) {
            return Some(at + 1);
        }
    }
    None
}

/// A dotted name without blanks and quotes.
fn bare(name: &str) -> String {
    name.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}

fn env_layer(env: &[(OsString, OsString)]) -> Layer {
    let mut values = Vec::new();
    for (name, value) in env {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let Some(rest) = name.strip_prefix("ARGOSY_") else { continue };
        if OTHER_VARIABLES.contains(&rest) || OTHER_PREFIXES.iter().any(|prefix| rest.starts_with(prefix)) {
            continue;
        }
        let path = rest.to_ascii_lowercase().replace("__", ".");
        values.push((path.clone(), read(&path, value), Origin::Env(name.to_owned())));
    }
    Layer(values)
}

fn flag_layer(flags: &[(String, String, String)]) -> Layer {
    let one = |(path, value, flag): &(String, String, String)| {
        (path.clone(), read(path, value), Origin::Flag(flag.clone()))
    };
    Layer(flags.iter().map(one).collect())
}

/// A value that came as text: as it is for a key that takes text, else a number, a word or a list.
fn read(path: &str, text: &str) -> Value {
    if all_keys().iter().any(|key| key.path() == path && key.text) {
        return Value::from(text);
    }
    text.parse().unwrap_or_else(|_| Value::from(text))
}
