//! The log: on standard error, for people or for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Failure;
use crate::config::Log;

/// Starts the log. Panics go into it too.
pub(crate) fn start(log: &Log) -> Result<(), Failure> {
    let filter = log.filter().map_err(Failure::usage)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if log.format == "json" {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed()
    } else {
        layer.with_ansi(std::io::stderr().is_terminal()).with_target(false).with_filter(filter).boxed()
    };
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|error| Failure::because("cannot start the log", &error))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(place, "a panic at {place}: {said}");
    }));
    Ok(())
}
