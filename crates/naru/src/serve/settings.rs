//! What a chat server is started with: the command line over the environment over the file over the defaults.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use naru_gateway::{RoomRules, Secret, api, auth, limits, metrics, namespaces, proxy};

use super::{
    Options,
    config::{Broker, File},
};
use crate::cores;

/// The port for clients unless it is set.
const PORT: u16 = 8000;
/// The embedded broker's folder unless it is set.
const DATA: &str = "naru-data";

/// All that was said and all defaults.
pub(super) struct Settings {
    pub(super) bind: IpAddr,
    pub(super) port: u16,
    pub(super) name: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) cores: usize,
    pub(super) origins: Vec<String>,
    pub(super) broker: At,
    /// Parameters of the broker. The later holds.
    pub(super) set: Vec<(String, String)>,
    pub(super) token: auth::Settings,
    pub(super) subscription_token: Option<auth::Settings>,
    pub(super) inboxes: bool,
    pub(super) rooms: RoomRules,
    pub(super) channel: namespaces::Settings,
    pub(super) client: proxy::Client,
    pub(super) rpc: proxy::Rpc,
    pub(super) proxies: Vec<proxy::Named>,
    /// Who is believed beside whom the machine knows, where back ends and publishers of keys are asked.
    pub(super) outbound_authorities: Option<PathBuf>,
    pub(super) api: api::Settings,
    pub(super) limits: limits::Settings,
    pub(super) metrics: metrics::Settings,
    pub(super) drain: Duration,
}

/// Where the broker is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In this process.
    Inside { data: PathBuf, resp_port: Option<u16> },
    /// Elsewhere.
    Url { url: String, authorities: Option<PathBuf>, shown: Option<(PathBuf, PathBuf)> },
}

impl Settings {
    pub(super) fn of(options: &Options, file: File) -> anyhow::Result<Settings> {
        let listed =
            |flags: &[String], file: Vec<String>| if flags.is_empty() { file } else { flags.to_vec() };
        let set = file.broker.set.iter().map(|(name, value)| (name.clone(), value.0.clone()));
        let mut api = file.http_api;
        if let Some(key) = &options.api_key {
            api.key = Some(api::SecretKey::new(key).context(
                "--api-key is empty: give 32 random characters or more, or leave it out to have no server API",
            )?);
        }
        api.address = options.api_address.or(api.address);
        let mut token = file.token;
        if let Some(secret) = &options.token_secret {
            token.hmac_secret_key = Some(Secret::new(secret.as_str()));
        }
        Ok(Settings {
            bind: options.bind.or(file.server.bind).unwrap_or(Ipv4Addr::LOCALHOST.into()),
            port: options.port.or(file.server.port).unwrap_or(PORT),
            name: options.name.clone().or(file.server.name),
            cluster: options.cluster.clone().or(file.server.cluster),
            cores: options.cores.or(file.server.cores).map_or_else(cores::default_count, usize::from),
            origins: listed(&options.origins, file.server.origins),
            set: set.chain(options.set.iter().cloned()).collect(),
            broker: At::of(options, file.broker)?,
            token,
            subscription_token: file.subscription_token,
            inboxes: file.inbox.enabled,
            rooms: RoomRules {
                made: listed(&options.new_rooms, file.rooms.new),
                open: listed(&options.open_rooms, file.rooms.open),
            },
            channel: file.channel,
            client: file.client,
            rpc: file.rpc,
            proxies: file.proxies,
            outbound_authorities: file.outbound.tls_ca_cert_file,
            api,
            limits: file.limits,
            metrics: file.metrics,
            drain: options.drain.or(file.server.drain).unwrap_or_default(),
        })
    }
}

impl At {
    /// Which of the two it is, is taken from the command line if that says so.
    fn of(options: &Options, file: Broker) -> anyhow::Result<At> {
        let is_said_to_be_inside = options.data.is_some() || options.resp_port.is_some();
        let url = options.broker.clone().or(file.url.filter(|_| !is_said_to_be_inside));
        let authorities = options.broker_tls_ca_cert_file.clone();
        let certificate = options.broker_tls_cert_file.clone();
        let key = options.broker_tls_key_file.clone();
        let Some(url) = url else {
            if authorities.is_some() || certificate.is_some() {
                anyhow::bail!("--broker-tls-… are for a broker elsewhere: --broker rediss://host:port");
            }
            return Ok(At::Inside {
                data: options.data.clone().or(file.data).unwrap_or_else(|| DATA.into()),
                resp_port: options.resp_port.or(file.resp_port),
            });
        };
        let shown = certificate.or(file.tls_cert_file).zip(key.or(file.tls_key_file));
        Ok(At::Url { url, authorities: authorities.or(file.tls_ca_cert_file), shown })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::serve::config;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn settings(line: &str, file: &str) -> Settings {
        let options = Line::parse_from(["serve"].into_iter().chain(line.split_whitespace())).options;
        Settings::of(&options, config::read(file, "naru.toml", std::iter::empty()).unwrap()).unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_that_over_the_defaults() {
        let file = "[server]\nport = 1\nname = \"file\"\norigins = [\"https://a\", \"https://b\"]\n[rooms]\nnew = [\"x\"]\n\
                    [broker.set]\nledger-members-max = 7\n[token]\nhmac_secret_key = \"file\"";
        let line = "--port 2 --origin https://c --set ledger-members-max=8";
        let both = settings(line, file);
        assert_eq!((both.port, both.name.as_deref()), (2, Some("file")));
        assert_eq!((both.origins, both.rooms.made), (vec!["https://c".to_owned()], vec!["x".to_owned()]));
        assert_eq!(both.set.last().unwrap(), &("ledger-members-max".to_owned(), "8".to_owned()));
        let by_file = settings("", file);
        assert_eq!((by_file.port, by_file.origins.len()), (1, 2));
        assert_eq!(by_file.set, [("ledger-members-max".to_owned(), "7".to_owned())]);
        let neither = settings("", "");
        assert_eq!((neither.port, neither.bind), (PORT, Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn where_the_broker_is_is_taken_from_the_command_line_if_that_says_so() {
        let at = |line, file| settings(line, file).broker;
        let inside = |data: &str, resp_port| At::Inside { data: data.into(), resp_port };
        let url = |url: &str| At::Url { url: url.into(), authorities: None, shown: None };
        let (elsewhere, here) = ("[broker]\nurl = \"redis://f\"", "[broker]\ndata = \"f\"\nresp_port = 1");
        assert_eq!(at("", ""), inside(DATA, None));
        assert_eq!(at("", elsewhere), url("redis://f"));
        assert_eq!(at("", here), inside("f", Some(1)));
        assert_eq!(at("--data l", elsewhere), inside("l", None));
        assert_eq!(at("--resp-port 0", here), inside("f", Some(0)));
        assert_eq!(at("--broker redis://l", here), url("redis://l"));
    }
}
