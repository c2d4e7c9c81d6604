//! `log`: what is written, and how.

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::config::check::Findings;
use crate::config::key::section;

section! {
    /// The log, on standard error.
    Log at "log" {
        /// Lines for people (`text`, coloured on a terminal only) or one JSON object a line (`json`).
        format: String = "text".to_owned(), Limit::OneOf(&["text", "json"]);
        /// The least severe level that is written (`error`, `warn`, `info`, `debug`, `trace`, `off`), and after it where wanted
        /// levels of single parts: `info,argosy_mqtt=debug`.
        level: String = "info".to_owned(), Limit::Said("a level, and `part=level` pairs after commas");
    }
}

impl Log {
    /// The filter, with the broker library kept to its errors unless it is named.
    pub(crate) fn filter(&self) -> Result<Targets, String> {
        // `Targets` takes any lone word for the name of a part.
        for part in self.level.split(',') {
            let (name, level) =
                part.rsplit_once('=').map_or((None, part), |(name, level)| (Some(name), level));
            let level_known = level.trim().parse::<LevelFilter>().is_ok();
            if !level_known
                || level.trim().parse::<u8>().is_ok()
                || name.is_some_and(|name| name.trim().is_empty())
            {
                return Err(format!("{part:?} is neither a level nor part=level"));
            }
        }
        let quiet = if self.level.contains("rmqtt") { "" } else { ",rmqtt=error,rmqtt_net=error" };
        format!("{}{quiet}", self.level).parse::<Targets>().map_err(|error| error.to_string())
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        if let Err(error) = self.filter() {
            found.error(
                "log.level",
                format!("{:?} is not a log level ({error})", self.level),
                "write error, warn, info, debug or trace, and after commas levels of parts: info,argosy_mqtt=debug",
            );
        }
    }
}
