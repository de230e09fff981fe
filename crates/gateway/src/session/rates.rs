//! How much a client may ask and get wrong, where that is limited.

use super::Session;
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    limits::{Bucket, Doing, Rate, Spent, Whose},
    namespaces::Namespace,
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
        if matches!(request, Request::Pong) {
            return Ok(());
        }
        let limits = &self.shared().limits;
        let rates = &self.shared().admission.rates;
        if let Some(rate) = limits.command_rate {
            told(self.rates.commands.spend(rate, limits.now()))?;
        }
        if let Some((rate, user)) =
            limits.user_command_rate.zip(Some(self.user_name()).filter(|user| !user.is_empty()))
        {
            told(rates.spend(Whose::CommandsOf(user), rate, limits.now()))?;
        }
        // Others may come from there, too: they get their part of what comes back.
        match limits.address_command_rate.zip(self.pass.address()) {
            Some((rate, address)) if !rates.take(Whose::CommandsFrom(address), rate, limits.now()) => {
                Err(Code::TooManyRequests.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts what this client does in a namespace: together with what its user does elsewhere at this server.
    pub(super) fn spend_in(&self, namespace: &Namespace, doing: Doing) -> Result<(), Refused> {
        let (rate, all) = match doing {
            Doing::Publishing => (namespace.publish_rate(), namespace.total_publish_rate()),
            Doing::Subscribing => (namespace.subscribe_rate(self.shared().limits.channels_max), None),
        };
        let user = self.user_name();
        let client: String;
        let who = if user.is_empty() {
            client = self.client();
            &*client
        } else {
            user
        };
        let name = &*namespace.name;
        let take = |whose, rate: Option<Rate>, option| {
            let (rates, limits) = (&self.shared().admission.rates, &self.shared().limits);
            let is_enough = rate.is_none_or(|rate| rates.take(whose, rate, limits.now()));
            if is_enough { Ok(()) } else { Err(Refused::faster_than(option)) }
        };
        let option = match doing {
            Doing::Publishing => "publish_rate_limit",
            Doing::Subscribing => "subscribe_rate_limit",
        };
        take(Whose::In { namespace: name, doing, who }, rate, option)?;
        take(Whose::Publishing(name), all, "total_publish_rate_limit")
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

/// What a client hears whose commands are its own business.
fn told(spent: Spent) -> Result<(), Failure> {
    match spent {
        Spent::Enough => Ok(()),
        Spent::TooMuch => Err(Code::TooManyRequests.into()),
        Spent::FarTooMuch => Err(Disconnect::TooManyRequests.into()),
    }
}
