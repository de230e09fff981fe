//! Tokens that open one connection: whoever comes first with one, at whichever gateway, has used it.
//!
//! The broker says who that is. It recognises what is published twice under a key, for a time and across its own restarts; nothing is
//! kept but that, and nobody hears it.

use bytes::Bytes;
use naru_bus::{BusError, Keep};

use super::{Nodes, channels::of_used};
use crate::auth::{Once, hex_digest};

impl Nodes {
    /// Whether nobody has come with this token before. Where the answer is lost on the way, it counts as used.
    pub(crate) async fn is_first_use(&self, Once { id, window }: Once) -> Result<bool, BusError> {
        // Another cluster's names are its own. No name of one has a line break.
        let key = hex_digest(format!("{}\n{id}", self.me.cluster.as_str()).as_bytes());
        let keep = Keep { size: 0, ttl: window, meta_ttl: window };
        let channel = of_used(&key);
        let once = naru_bus::Once { key, window };
        Ok(!self.bus.publish_kept(&channel, Bytes::new(), keep, Some(once)).await?.repeat)
    }
}
