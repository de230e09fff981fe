//! How much a client may ask and get wrong, where that is limited.

use super::Session;
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    limits::{Bucket, Spent},
    protocol::command::Request,
};

/// What a client has spent. Two numbers: every connection has them.
#[derive(Default)]
pub(super) struct Rates {
    commands: Bucket,
    errors: Bucket,
}

impl Session {
    /// Counts a command. Pongs are asked for by us.
    pub(super) fn spend_command(&self, request: &Request) -> Result<(), Failure> {
        let limits = &self.shared().limits;
        let Some(rate) = limits.command_rate else { return Ok(()) };
        if matches!(request, Request::Pong) {
            return Ok(());
        }
        match self.rates.commands.spend(rate, limits.now()) {
            Spent::Enough => Ok(()),
            Spent::TooMuch => Err(Code::TooManyRequests.into()),
            Spent::FarTooMuch => Err(Disconnect::TooManyRequests.into()),
        }
    }

    /// Counts an error that is the client's fault.
    pub(super) fn spend_error(&self, refused: &Refused) -> Result<(), Disconnect> {
        let limits = &self.shared().limits;
        match limits.error_rate {
            Some(rate)
                if !refused.code.is_temporary()
                    && self.rates.errors.spend(rate, limits.now()) != Spent::Enough =>
            {
                Err(Disconnect::TooManyErrors)
            }
            Some(_) | None => Ok(()),
        }
    }
}
