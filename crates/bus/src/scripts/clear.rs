//! Taking a ledger away.

use super::Scripts;
use crate::ask::{ask, in_time};
use crate::connection::Connection;
use crate::error::BusError;
use crate::reply::{self, Fields};

/// Keys that are looked at in one turn of the server.
const KEYS_AT_ONCE: u32 = 1000;

impl Scripts {
    /// Removes every key under the prefix, which is looked for among all keys there are.
    pub(crate) async fn clear(&self, connection: &Connection) -> Result<(), BusError> {
        let special = ['*', '?', '[', ']', '\\'];
        let prefix = self.prefix.chars().fold(String::new(), |mut prefix, char| {
            if special.contains(&char) {
                prefix.push('\\');
            }
            prefix.push(char);
            prefix
        });
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{prefix}:*")).arg("COUNT").arg(KEYS_AT_ONCE);
            let mut found = Fields::of(ask(connection, &scan).await?)?;
            cursor = found.text()?;
            let keys: Vec<String> = found.list()?.into_iter().map(reply::text).collect::<Result<_, _>>()?;
            let mut unlink = redis::pipe();
            for key in &keys {
                unlink.cmd("UNLINK").arg(key);
            }
            if !keys.is_empty() {
                in_time(connection.pipeline(&unlink)).await?;
            }
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}
