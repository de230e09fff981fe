use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use super::{frame::STAMP_BYTES, publisher::Pace, target::Target};

#[derive(Args, Clone, Debug)]
pub(super) struct Pubsub {
    #[command(flatten)]
    pub(super) target: Target,
    /// Connections that subscribe, each to one channel.
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) subscribers: u32,
    /// Connections that publish, each to all channels in turn.
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) publishers: u32,
    /// Channels that the subscribers are spread over.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) channels: u32,
    /// Patterns that match none of the channels, all held by one more connection.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub(super) patterns: u32,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    pub(super) payload: usize,
    /// Publishes that each publisher sends ahead of the server's answers.
    #[arg(long, default_value_t = 32, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) in_flight: u32,
    /// Publish so many messages a second in all, at even distances, instead of as many as the server answers; a
    /// message's latency then counts from when it was due. The limits on what is in flight stand.
    #[arg(long, value_name = "PER SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,
    /// Messages that may be on their way to the subscribers, on average over them, before all publishers
    /// pause [default: 1 if one publish is in flight in all, else four times those in flight].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) lag_max: Option<u32>,
    /// How long to measure; longer, by 10 s at most, while nothing at all comes.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) seconds: Duration,
    /// How long to publish before that.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(super) warm_up: Duration,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: u16,
    /// Process id of the server, if it runs here: report its CPU time and memory.
    #[arg(long)]
    pub(super) pid: Option<u32>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

impl Pubsub {
    /// What the single options' bounds do not say.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.payload >= STAMP_BYTES,
            "--payload must be at least {STAMP_BYTES}: a message carries its publisher, number and time"
        );
        ensure!(self.subscribers >= self.channels, "--subscribers must be at least --channels: one for each");
        ensure!(!self.seconds.is_zero(), "--seconds must be more than 0");
        Ok(())
    }

    /// See the option of the same name.
    pub(super) fn lag_max(&self) -> u32 {
        self.lag_max.unwrap_or_else(|| lag_max(self.publishers, self.in_flight))
    }

    /// Of all publishers.
    pub(super) fn pace(&self) -> Pace {
        Pace { protocol: self.target.protocol, in_flight: self.in_flight, publishers: self.publishers }
    }

    /// Connections in all.
    pub(super) fn connections(&self) -> u64 {
        u64::from(self.subscribers) + u64::from(self.publishers) + u64::from(self.patterns.min(1))
    }

    /// Files that the load generator needs: connections, and what the event loops of its threads need.
    pub(super) fn files(&self) -> u64 {
        self.connections() + 4 * u64::from(self.threads)
    }

    /// Which channel a subscriber follows.
    pub(super) fn channel_of(&self, subscriber: u32) -> u32 {
        subscriber % self.channels
    }

    /// How many subscribers follow `channel`.
    pub(super) fn fan_out(&self, channel: u32) -> u32 {
        fan_out(self.subscribers, self.channels, channel)
    }
}

/// How far subscribers may lag if nothing is said: with one publish in flight in all it waits for its deliveries.
pub(super) fn lag_max(publishers: u32, in_flight: u32) -> u32 {
    let in_flight = publishers.saturating_mul(in_flight);
    if in_flight == 1 { 1 } else { in_flight.saturating_mul(4) }
}

/// How many of the subscribers follow one of the channels that they are spread over, one after the other.
pub(super) fn fan_out(subscribers: u32, channels: u32, channel: u32) -> u32 {
    (subscribers - channel).div_ceil(channels)
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) fn parsed(arguments: &[&str]) -> Pubsub {
    use clap::FromArgMatches as _;
    let command = Pubsub::augment_args(clap::Command::new("pubsub").no_binary_name(true));
    Pubsub::from_arg_matches(&command.get_matches_from(arguments)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscriber_is_counted_in_one_channel() {
        for (subscribers, channels) in [("1", "1"), ("100", "1"), ("100", "7"), ("64", "64")] {
            let options = parsed(&["--subscribers", subscribers, "--channels", channels]);
            for channel in 0..options.channels {
                let followers = (0..options.subscribers).filter(|&s| options.channel_of(s) == channel);
                assert_eq!(followers.count(), options.fan_out(channel) as usize);
            }
        }
    }

    #[test]
    fn one_publish_at_a_time_waits_for_its_deliveries() {
        assert_eq!(parsed(&["--publishers", "1", "--in-flight", "1"]).lag_max(), 1);
        assert_eq!(parsed(&["--publishers", "4", "--in-flight", "32"]).lag_max(), 512);
        assert_eq!(parsed(&["--lag-max", "128"]).lag_max(), 128);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        assert!(parsed(&["--payload", "20"]).check().is_ok());
        assert!(parsed(&["--payload", "19"]).check().is_err());
        assert!(parsed(&["--subscribers", "2", "--channels", "3"]).check().is_err());
        assert!(parsed(&["--seconds", "0"]).check().is_err());
    }
}
