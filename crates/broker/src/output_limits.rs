use std::{fmt, time::Duration};

use naru_fanout::OutboxLimit;

use crate::{
    class::Class,
    memory_size::{in_units, memory_size},
};

/// One class's part of `client-output-buffer-limit`; a 0 stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimit {
    hard_bytes: u64,
    soft_bytes: u64,
    soft_seconds: u64,
}

impl From<OutputLimit> for OutboxLimit {
    fn from(limit: OutputLimit) -> Self {
        let bytes = |bytes: u64| match usize::try_from(bytes) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(bytes) => bytes,
        };
        let hard_bytes = bytes(limit.hard_bytes);
        OutboxLimit {
            hard_bytes,
            soft_bytes: bytes(limit.soft_bytes).min(hard_bytes),
            soft_time: Duration::from_secs(limit.soft_seconds),
        }
    }
}

/// Redis's `client-output-buffer-limit`. There are no replicas; what is set for them is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputLimits {
    normal: OutputLimit,
    replica: OutputLimit,
    pubsub: OutputLimit,
}

impl Default for OutputLimits {
    /// Redis's defaults. Normal clients have no limit, since who does not read its replies is not read either.
    fn default() -> Self {
        OutputLimits {
            normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
            replica: OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
            pubsub: OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
        }
    }
}

impl OutputLimits {
    pub(crate) fn of(&self, class: Class) -> OutputLimit {
        match class {
            Class::Pubsub => self.pubsub,
            Class::Replica => self.replica,
            Class::Normal | Class::Master => self.normal,
        }
    }

    /// Each class's part, as a value of the parameter.
    pub(crate) fn parts(&self) -> [String; 3] {
        [("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub)].map(|(name, limit)| {
            let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
            format!("{name} {} {} {soft_seconds}", in_units(hard_bytes), in_units(soft_bytes))
        })
    }

    /// These, changed by `class hard soft seconds [class …]`. The errors are Redis's.
    pub(crate) fn with(&self, text: &[u8]) -> Result<OutputLimits, String> {
        let words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = self.clone();
        for part in words.chunks_exact(4) {
            let limit = match Class::named(part[0]) {
                Some(Class::Normal) => &mut limits.normal,
                Some(Class::Replica) => &mut limits.replica,
                Some(Class::Pubsub) => &mut limits.pubsub,
                Some(Class::Master) | None => {
                    return Err("Invalid client class specified in buffer limit configuration.".into());
                }
            };
            let seconds = str::from_utf8(part[3]).ok().and_then(|seconds| seconds.parse::<u32>().ok());
            let (Some(hard_bytes), Some(soft_bytes), Some(seconds)) =
                (memory_size(part[1]), memory_size(part[2]), seconds)
            else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()
                );
            };
            *limit = OutputLimit { hard_bytes, soft_bytes, soft_seconds: seconds.into() };
        }
        Ok(limits)
    }
}

impl fmt::Display for OutputLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [("normal", self.normal), (" slave", self.replica), (" pubsub", self.pubsub)];
        for (name, OutputLimit { hard_bytes, soft_bytes, soft_seconds }) in classes {
            write!(f, "{name} {hard_bytes} {soft_bytes} {soft_seconds}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_classes_that_are_named_change() {
        let limits = OutputLimits::default().with(b"pubsub 1mb 1k 5  replica 0 0 0").unwrap();
        assert_eq!(limits.to_string(), "normal 0 0 0 slave 0 0 0 pubsub 1048576 1000 5");
        assert_eq!(OutputLimits::default().with(b"").unwrap(), OutputLimits::default());
    }

    #[test]
    fn a_hard_limit_without_a_soft_one_is_a_limit() {
        let limit: OutboxLimit = OutputLimit { hard_bytes: 7, soft_bytes: 0, soft_seconds: 0 }.into();
        assert_eq!((limit.hard_bytes, limit.soft_bytes), (7, 7));
        let limit: OutboxLimit = OutputLimit { hard_bytes: 0, soft_bytes: 7, soft_seconds: 1 }.into();
        assert_eq!((limit.hard_bytes, limit.soft_bytes), (usize::MAX, 7));
    }
}
