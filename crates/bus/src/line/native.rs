//! What only Naru's broker is asked, by who looks after it or tests it.

use std::collections::BTreeMap;

use naru_ledger::Generation;
use redis::{Cmd, Value};

use super::{Line, Spoken};
use crate::ask::ask;
use crate::error::BusError;
use crate::reply;

impl Line {
    /// In which generation Naru's broker gives numbers.
    pub async fn generation(&self) -> Result<Generation, BusError> {
        let info = reply::text(self.of_native(redis::cmd("INFO").arg("ledger")).await?)?;
        let number = info.lines().find_map(|line| line.strip_prefix("ledger_generation:"));
        let number = number.and_then(|number| number.parse().ok());
        number.map(Generation).ok_or_else(|| reply::wrong("no generation in INFO"))
    }

    /// Has Naru's broker begin another generation.
    pub async fn raise(&self) -> Result<Generation, BusError> {
        let number = reply::number(self.of_native(&redis::cmd("NARU.GENERATION")).await?)?;
        Ok(Generation(u32::try_from(number).map_err(|_| reply::wrong("a generation out of range"))?))
    }

    /// The bounds that are set in Naru's broker: parameters and their values.
    pub async fn bounds(&self) -> Result<BTreeMap<String, String>, BusError> {
        let given = self.of_native(redis::cmd("CONFIG").arg("GET").arg("ledger-*")).await?;
        let Value::Map(pairs) = given else { return Err(reply::wrong("no map where one belongs")) };
        pairs.into_iter().map(|(name, value)| Ok((reply::text(name)?, reply::text(value)?))).collect()
    }

    /// Sets bounds in Naru's broker.
    pub async fn set_bounds(&self, bounds: &[(&str, String)]) -> Result<(), BusError> {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET");
        for (name, value) in bounds {
            command.arg(name).arg(value);
        }
        self.of_native(&command).await.map(drop)
    }

    async fn of_native(&self, command: &Cmd) -> Result<Value, BusError> {
        match self.spoken {
            Spoken::Native => ask(&self.connection.clone(), command).await,
            Spoken::Scripts { .. } => Err(BusError::Unusable("this is no broker of Naru's".to_owned())),
        }
    }
}
