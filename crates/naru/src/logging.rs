use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

/// What is logged unless told otherwise.
pub(crate) const DEFAULT: &str = "info";

/// How the process logs. Message bodies never reach a log.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to log: a level (error, warn, info, debug), or directives such as `info,naru_gateway=debug`.
    /// [default: info, and warn for the demo]
    #[arg(long, global = true, env = "NARU_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Lines for people, or one JSON object a line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Options {
    /// Starts logging to standard error.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        self.start_or(DEFAULT)
    }

    /// As [`Self::start`], with another default.
    pub(crate) fn start_or(&self, default: &str) -> anyhow::Result<()> {
        // Alone: beside anything that is no filter, be it nothing, all that is below what is wanted would be made and then dropped.
        tracing_subscriber::registry().with(self.lines(default)?).init();
        show_no_traffic();
        Ok(())
    }

    /// As [`Self::start`], with another default, and beside another reader of all events.
    pub(crate) fn start_beside<L>(&self, default: &str, also: L) -> anyhow::Result<()>
    where
        L: Layer<Registry> + Send + Sync,
    {
        tracing_subscriber::registry().with(also).with(self.lines(default)?).init();
        show_no_traffic();
        Ok(())
    }

    /// What is logged, as lines.
    fn lines<S>(&self, default: &str) -> anyhow::Result<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let directives = self.log.as_deref().unwrap_or(default);
        let filter = EnvFilter::try_new(directives).map_err(|error| {
            anyhow::anyhow!("--log {directives}: {error}. Give a level such as info, or crate=level pairs")
        })?;
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .with_target(false);
        let lines = match self.log_format {
            Format::Text => lines.boxed(),
            Format::Json => lines.json().flatten_event(true).with_target(true).boxed(),
        };
        Ok(lines.with_filter(filter))
    }
}

/// Below debug, libraries show what they read and write: a WebSocket's messages, tokens and bodies among them.
fn show_no_traffic() {
    log::set_max_level(log::max_level().min(log::LevelFilter::Debug));
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn what_is_below_what_is_wanted_is_not_even_looked_at() {
        let options = Options { log: None, log_format: Format::Text };
        let logging = tracing_subscriber::registry().with(options.lines(DEFAULT).unwrap());
        assert_eq!(logging.max_level_hint(), Some(LevelFilter::INFO));
    }
}
