use naru_ledger::User;
use serde::{Deserialize, Serialize};

use crate::numbered::Named;

/// One user: the index and the ring of their inbox, and their devices. The order of its fields is the format of checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    name: User,
}

impl Named for Person {
    fn name(&self) -> &[u8] {
        self.name.as_str().as_bytes()
    }
}
