use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use super::{
    payload::PAYLOAD_BYTES_MIN,
    place::{Place, To},
    server::Servers,
    tongue::Tongue,
};
use crate::bench::options::{fan_out, lag_max, seconds};

/// The namespace of channels, unless another is given: Naru has it open.
pub(super) const NAMESPACE: &str = "public";

#[derive(Args, Clone, Debug)]
pub(super) struct Load {
    #[command(flatten)]
    pub(super) servers: Servers,
    /// What messages are sent to. Of other servers than Naru, channels are what there is.
    #[arg(long, value_enum, default_value_t = To::Channels)]
    pub(super) to: To,
    /// What stands before the `:` in the name of a channel; empty for none.
    #[arg(long, default_value = NAMESPACE, value_name = "NAME")]
    pub(super) namespace: String,
    /// Connections that subscribe, each to one channel, or are one person each, or are in one room each.
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) subscribers: u32,
    /// Connections that publish, each to all channels, people or rooms in turn.
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) publishers: u32,
    /// Channels, people or rooms that the subscribers are spread over [default: 1, and each of them if to people].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    channels: Option<u32>,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    pub(super) payload: usize,
    /// Messages that each publisher sends ahead of the server's answers.
    #[arg(long, default_value_t = 32, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) in_flight: u32,
    /// What a message to people or rooms is to survive before it is answered: memory, fsync or replica [default: what
    /// Naru's broker is set to].
    #[arg(long, default_value = "", hide_default_value = true, value_name = "LEVEL")]
    pub(super) level: String,
    /// Send so many messages a second in all, at even distances, instead of as many as the server answers; a message's
    /// latency then counts from when it was due. The limits on what is in flight stand.
    #[arg(long, value_name = "PER SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,
    /// Messages that may be on their way to the subscribers, on average over them, before all publishers pause
    /// [default: 1 if one is in flight in all, else four times those in flight].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    lag_max: Option<u32>,
    /// How long to measure; longer, by 10 s at most, while nothing at all comes.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) seconds: Duration,
    /// How long to publish before that.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(super) warm_up: Duration,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: u16,
}

/// How publishers publish.
pub(super) struct Pace {
    /// Of each publisher.
    pub(super) in_flight: u64,
    /// How many hear what is sent to each place.
    pub(super) fan_out: Box<[u32]>,
}

impl Load {
    /// What the single options' bounds do not say.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.payload >= PAYLOAD_BYTES_MIN,
            "--payload must be at least {PAYLOAD_BYTES_MIN}: a message carries its publisher, number and time"
        );
        ensure!(
            self.subscribers >= self.channels(),
            "--subscribers must be at least --channels: one for each"
        );
        ensure!(!self.seconds.is_zero(), "--seconds must be more than 0");
        ensure!(
            self.to == To::Channels || matches!(self.servers.tongue(), Tongue::Json | Tongue::Protobuf),
            "there are only channels in this --dialect"
        );
        Ok(())
    }

    pub(super) fn channels(&self) -> u32 {
        self.channels.unwrap_or(if self.to == To::People { self.subscribers } else { 1 })
    }

    /// See the option of the same name. Those of a place are what counts: of one message to each of many there are as
    /// many under way as are in flight.
    pub(super) fn lag_max(&self) -> u32 {
        self.lag_max.unwrap_or_else(|| lag_max(self.publishers, self.in_flight))
    }

    pub(super) fn places(&self) -> Vec<Place> {
        (0..self.channels()).map(|number| Place::new(self.to, &self.namespace, number, &self.level)).collect()
    }

    pub(super) fn pace(&self) -> Pace {
        Pace {
            in_flight: self.in_flight.into(),
            fan_out: (0..self.channels()).map(|channel| self.fan_out(channel)).collect(),
        }
    }

    /// How many subscribers hear what is sent to a place.
    pub(super) fn fan_out(&self, channel: u32) -> u32 {
        fan_out(self.subscribers, self.channels(), channel)
    }

    /// Files that the load generator needs: connections, and what the event loops of its threads need.
    pub(super) fn files(&self) -> u64 {
        u64::from(self.subscribers) + u64::from(self.publishers) + 4 * u64::from(self.threads)
    }
}

#[cfg(test)]
pub(super) fn parsed(arguments: &[&str]) -> Load {
    use clap::FromArgMatches as _;
    let command = Load::augment_args(clap::Command::new("publish").no_binary_name(true));
    Load::from_arg_matches(&command.get_matches_from(arguments)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscriber_is_counted_in_one_place() {
        for (subscribers, channels) in [("1", "1"), ("100", "1"), ("100", "7"), ("64", "64")] {
            let load = parsed(&["--subscribers", subscribers, "--channels", channels]);
            assert_eq!(load.pace().fan_out.iter().sum::<u32>(), load.subscribers);
            assert_eq!(load.places().len(), load.channels() as usize);
        }
        assert_eq!(parsed(&["--to", "people", "--subscribers", "9"]).channels(), 9);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        assert!(parsed(&["--payload", "45"]).check().is_ok());
        assert!(parsed(&["--payload", "44"]).check().is_err());
        assert!(parsed(&["--subscribers", "2", "--channels", "3"]).check().is_err());
        assert!(parsed(&["--seconds", "0"]).check().is_err());
        assert!(parsed(&["--dialect", "plain", "--to", "rooms"]).check().is_err());
    }
}
