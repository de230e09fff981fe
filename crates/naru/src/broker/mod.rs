//! `naru broker`

mod acl;
mod config;
mod ports;
mod settings;

use std::{convert::Infallible, future::pending, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use naru_broker::{Broker, Password};
use naru_fanout::TlsTerms;

use crate::{
    cores, listen, logging,
    signals::{self, Ends, Hangups},
    tls::TlsPort,
};
use config::Configuration;
use ports::Ways;
use settings::Settings;

pub(crate) use settings::parse_set;

/// Exit status after the log could not be written any more.
pub(crate) const EXIT_LOG_FAILED: u8 = 70;

#[derive(Args)]
pub(crate) struct Options {
    /// A configuration file in Redis's syntax; the command line wins over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(options: Options, logging: &logging::Options) -> anyhow::Result<ExitCode> {
    let configuration = options.config.as_deref().map(Configuration::read).transpose()?;
    let settings = match &configuration {
        Some(configuration) => options.settings.or(configuration.settings.clone()),
        None => options.settings,
    };
    logging.start_or(settings.log.unwrap_or(logging::DEFAULT))?;
    if let Some(configuration) = &configuration {
        configuration.log();
    }
    // As in Redis, it is the same file wherever the process goes.
    let config_file = options.config.map(std::path::absolute).transpose()?;
    serve(&settings, config_file)
}

fn serve(settings: &Settings, config_file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let tls = settings.tls.port()?;
    let terms = tls.as_ref().map(|tls| tls.files.load()).transpose()?.map(TlsTerms::new);
    let listeners = ports::listen(settings, tls.as_ref(), terms.as_ref())?;
    let unix_listener = match &settings.unixsocket {
        Some(path) => Some(listen::bind_unix(path, settings.unixsocketperm)?),
        None => None,
    };
    let ways = Ways::of(&listeners, settings.unixsocket.as_deref());
    let cores = settings.cores.map_or_else(cores::default_count, usize::from);
    let password = settings.requirepass.as_deref().map(Password::new).transpose().context("--requirepass")?;
    let mut broker = Broker::start(naru_broker::Options {
        unix_listener,
        password,
        acl: settings.acl.options()?,
        parameters: settings.parameters()?,
        config_file,
        stays_awake: cores::leave_some(cores),
        ..naru_broker::Options::new(listeners, settings.storage(), cores)
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whoever reads that it is ready may ask it to end in the same moment.
    let (ends, hangups) = {
        let _in_runtime = runtime.enter();
        (Ends::of_servers()?, tls.as_ref().map(|_| Hangups::new()).transpose()?)
    };
    ways.log(cores, !broker.needed_no_password());
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = signals::asked_to_end_or_failed(ends, Some(&mut broker)) => ended,
            never = renew_at(hangups, tls.as_ref().zip(terms.as_ref())) => match never {},
        }
    });
    if let Some(failed) = &ended {
        tracing::error!("{failed}");
    }
    // Whoever waits is told what became of it, also of a failure.
    broker.stop();
    if ended.is_some() {
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Reads certificate and key again at every SIGHUP, for connections from then on. Without TLS it waits for ever, and
/// SIGHUP does what it does to any process.
async fn renew_at(hangups: Option<Hangups>, tls: Option<(&TlsPort, &TlsTerms)>) -> Infallible {
    let (Some(mut hangups), Some((tls, terms))) = (hangups, tls) else { return pending().await };
    let act = || match tls.files.load() {
        Ok(config) => {
            terms.replace(config);
            tracing::info!("SIGHUP: certificate and key were read again");
        }
        Err(error) => tracing::error!("SIGHUP: certificate and key stay as they were: {error:#}"),
    };
    hangups.act(act).await
}
