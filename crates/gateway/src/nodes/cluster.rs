//! Which gateways belong together.

use std::fmt;

/// The name of the gateways that work together at a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster(String);

/// A name that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a cluster's name is 1 to {CLUSTER_BYTES_MAX} of a-z A-Z 0-9 - _ . ; this one is {0:?}")]
pub struct BadCluster(String);

/// Bytes of a name: it is in every message.
const CLUSTER_BYTES_MAX: usize = 64;

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster("naru".into())
    }
}

impl Cluster {
    /// Reads a name.
    pub fn parse(name: &str) -> Result<Cluster, BadCluster> {
        let is_good = (1..=CLUSTER_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if is_good { Ok(Cluster(name.into())) } else { Err(BadCluster(name.into())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_short_plain_name() {
        for name in ["naru", "prod-1.eu_west"] {
            assert_eq!(Cluster::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "a\n", "나루", &"x".repeat(65)] {
            Cluster::parse(name).unwrap_err();
        }
    }
}
