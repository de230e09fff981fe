//! `LATENCY DOCTOR` and `LATENCY GRAPH`: what took long, for people to read. Redis's are in words of its own, which no
//! program reads.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::latencies::{Latencies, Samples};

/// The longest bar of a graph.
const BAR_LEN_MAX: u64 = 60;

/// What there is to say about all events.
pub(super) fn doctor(latencies: &Latencies, threshold: Option<u64>) -> String {
    let Some(threshold) = threshold else {
        return "Nothing is noted: switch it on with CONFIG SET latency-monitor-threshold <milliseconds>.\n"
            .into();
    };
    let events = latencies.all();
    if events.is_empty() {
        return format!("No command has taken {threshold} ms or more.\n");
    }
    let mut report = format!("What took {threshold} ms or more, seconds of it counted once:\n\n");
    for (event, samples) in &events {
        let count = samples.samples.len() as u64;
        let sum: u64 = samples.samples.iter().map(|(_, milliseconds)| milliseconds).sum();
        let (first, last) =
            (samples.samples.front().map_or(0, |at| at.0), samples.samples.back().map_or(0, |at| at.0));
        writeln!(
            report,
            "- {event}: {count} times in {} s, {} ms on average, {} ms at most; the last {}",
            last - first + 1,
            sum.checked_div(count).unwrap_or(0),
            samples.milliseconds_max,
            ago(last),
        )
        .expect("a String takes everything");
    }
    report
        + "\nSLOWLOG GET says which commands. Those of a few names or bytes take no time by themselves: then look for a \
              machine that is short of processors or memory.\n"
}

/// A bar for each sample, oldest first; none without samples.
pub(super) fn graph(event: &[u8], samples: &Samples) -> Option<String> {
    let longest = samples.samples.iter().map(|(_, milliseconds)| *milliseconds).max()?;
    let shortest = samples.samples.iter().map(|(_, milliseconds)| *milliseconds).min()?;
    let mut graph = format!(
        "{} - high {longest} ms, low {shortest} ms (all time high {} ms)\n",
        String::from_utf8_lossy(event),
        samples.milliseconds_max,
    );
    for (at, milliseconds) in &samples.samples {
        let len = (milliseconds * BAR_LEN_MAX).div_ceil(longest.max(1)).max(1);
        let bar = "#".repeat(usize::try_from(len).unwrap_or(1));
        writeln!(graph, "{milliseconds:>8} ms {bar} {}", ago(*at)).expect("a String takes everything");
    }
    Some(graph)
}

fn ago(second: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{} s ago", now.saturating_sub(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_says_what_is_the_matter() {
        let latencies = Latencies::default();
        assert!(doctor(&latencies, None).contains("latency-monitor-threshold"));
        assert!(doctor(&latencies, Some(7)).contains("No command has taken 7 ms"));
        latencies.add("command", 9);
        assert!(
            doctor(&latencies, Some(7)).contains("- command: 1 times in 1 s, 9 ms on average, 9 ms at most")
        );
    }

    #[test]
    fn a_graph_has_a_bar_for_each_sample_in_proportion() {
        assert_eq!(graph(b"command", &Samples::default()), None);
        let samples = Samples { samples: [(1, 30), (2, 60), (3, 1)].into(), milliseconds_max: 90 };
        let graph = graph(b"command", &samples).unwrap();
        let lines: Vec<&str> = graph.lines().collect();
        assert_eq!(lines[0], "command - high 60 ms, low 1 ms (all time high 90 ms)");
        let bars: Vec<usize> = lines[1..].iter().map(|line| line.matches('#').count()).collect();
        assert_eq!(bars, [30, 60, 1]);
    }
}
