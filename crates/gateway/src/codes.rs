//! What a client is told when something does not work: docs/clients.md has the codes.

use std::borrow::Cow;

use naru_bus::BusError;

use crate::{protocol::message::Error, proxy::Told, trouble};

/// Why a command was refused: those of the protocol that we say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something on our side; trying again helps.
    Internal = 100,
    UnknownChannel = 102,
    PermissionDenied = 103,
    MethodNotFound = 104,
    AlreadySubscribed = 105,
    LimitExceeded = 106,
    BadRequest = 107,
    NotAvailable = 108,
    /// The client gets a new token and tries again.
    TokenExpired = 109,
    Expired = 110,
    TooManyRequests = 111,
    UnrecoverablePosition = 112,
    /// What the protocol has no code for: an owner who is the only one.
    LastOwner = 400,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Code::Internal => "internal server error",
            Code::UnknownChannel => "unknown channel",
            Code::PermissionDenied => "permission denied",
            Code::MethodNotFound => "method not found",
            Code::AlreadySubscribed => "already subscribed",
            Code::LimitExceeded => "limit exceeded",
            Code::BadRequest => "bad request",
            Code::NotAvailable => "not available",
            Code::TokenExpired => "token expired",
            Code::Expired => "expired",
            Code::TooManyRequests => "too many requests",
            Code::UnrecoverablePosition => "unrecoverable position",
            Code::LastOwner => "last owner: make another member the room's owner first",
        }
    }

    pub(crate) fn is_temporary(self) -> bool {
        matches!(self, Code::Internal | Code::TooManyRequests)
    }
}

/// What was asked for may be done, half done, or done and not as safe as was asked for.
const UNCERTAIN: &str =
    "uncertain: it may be done, or be less safe than was asked for; sending the same again is safe";

/// The step for which there was no space was not done; one before it may have been.
const NO_SPACE: &str =
    "the broker has no space left: it is not done, or not to its end; sending the same again is safe";

/// Nothing was done, and will be once the broker is back.
const UNREACHABLE: &str = "broker unreachable, try again";

/// The error member of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: Cow<'static, str>,
}

impl Refused {
    /// A bad request, with what is wrong about it.
    pub(crate) fn bad(what: impl std::fmt::Display) -> Refused {
        Refused { code: Code::BadRequest, message: format!("bad request: {what}").into() }
    }

    /// Whether the broker was away, and nothing else is the matter.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.code == Code::Internal && self.message == UNREACHABLE
    }

    /// So many come that its turn has not come.
    pub(crate) fn crowd() -> Refused {
        Refused { code: Code::TooManyRequests, message: "too many come at once, try again".into() }
    }

    /// It comes faster than this option of a namespace lets it: who writes the client sees which one that is.
    pub(crate) fn faster_than(option: &str) -> Refused {
        let message = format!("too many requests: over the namespace's {option}");
        Refused { code: Code::TooManyRequests, message: message.into() }
    }

    /// Only subscribers may, and this one is about to be one again.
    pub(crate) fn returning() -> Refused {
        Refused { code: Code::Internal, message: "the subscription begins again, try again".into() }
    }

    /// Something that it takes cannot be had right now.
    pub(crate) fn later() -> Refused {
        Refused { code: Code::Internal, message: "it cannot be decided right now, try again".into() }
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Refused {
        Refused { code, message: code.text().into() }
    }
}

impl From<BusError> for Refused {
    fn from(error: BusError) -> Refused {
        match error {
            BusError::Unreachable => Refused { code: Code::Internal, message: UNREACHABLE.into() },
            BusError::Uncertain { code, message } => {
                trouble::say(&code, &message);
                let text = if code == trouble::NO_SPACE { NO_SPACE } else { UNCERTAIN };
                Refused { code: Code::Internal, message: text.into() }
            }
            BusError::Refused { code, message } => match code.as_str() {
                "FORBIDDEN" => Code::PermissionDenied.into(),
                "LASTOWNER" => Code::LastOwner.into(),
                // As many channels as there may be, or keys of one: trying again would only ask once more.
                "OOM" => {
                    tracing::debug!(message, "a bound of the broker is reached");
                    Code::LimitExceeded.into()
                }
                "INVALID" | "TOOBIG" | "NOTFOUND" => Refused::bad(message),
                _ => {
                    tracing::warn!(code, message, "the broker refused");
                    Code::Internal.into()
                }
            },
            error @ (BusError::Protocol(_) | BusError::Unusable(_) | BusError::BadTarget(_)) => {
                tracing::error!(%error, "the broker cannot be understood");
                Code::Internal.into()
            }
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        let Refused { code, message } = refused;
        Error { code: code as u32, message: message.into_owned(), temporary: code.is_temporary() }
    }
}

/// Why we end a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsubscribed {
    /// For good.
    Server = 2000,
    /// The client subscribes again, and recovers.
    InsufficientState = 2500,
    /// The client subscribes again, with a new token.
    Expired = 2501,
}

impl Unsubscribed {
    pub(crate) fn code(self) -> u16 {
        self as u16
    }

    /// Whether the client subscribes again by itself.
    pub(crate) fn is_for_now(self) -> bool {
        self.code() >= 2500
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Unsubscribed::Server => "server unsubscribe",
            Unsubscribed::InsufficientState => "insufficient state",
            Unsubscribed::Expired => "subscription expired",
        }
    }
}

/// Why a connection is closed by us: the code and the reason of the close frame. From 3500 on the client does not come back. What an
/// application says is its own: `Ending::Steered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disconnect {
    ConnectionClosed = 3000,
    Shutdown = 3001,
    /// It wants the end of what is still on its way.
    InternalError = 3004,
    Expired = 3005,
    SubscriptionExpired = 3006,
    /// It does not read, or not fast enough.
    Slow = 3008,
    /// It took nothing for too long, or could not be written to any more.
    WriteError = 3009,
    InsufficientState = 3010,
    NoPong = 3012,
    TooManyRequests = 3013,
    InvalidToken = 3500,
    BadRequest = 3501,
    Stale = 3502,
    ConnectionLimit = 3504,
    ChannelLimit = 3505,
    /// A payload cannot be written in the client's encoding.
    InappropriateProtocol = 3506,
    NotAvailable = 3508,
    TooManyErrors = 3509,
}

impl Disconnect {
    pub(crate) fn code(self) -> u16 {
        self as u16
    }

    /// The code, as text.
    pub(crate) fn digits(self) -> &'static str {
        match self {
            Disconnect::ConnectionClosed => "3000",
            Disconnect::Shutdown => "3001",
            Disconnect::InternalError => "3004",
            Disconnect::Expired => "3005",
            Disconnect::SubscriptionExpired => "3006",
            Disconnect::Slow => "3008",
            Disconnect::WriteError => "3009",
            Disconnect::InsufficientState => "3010",
            Disconnect::NoPong => "3012",
            Disconnect::TooManyRequests => "3013",
            Disconnect::InvalidToken => "3500",
            Disconnect::BadRequest => "3501",
            Disconnect::Stale => "3502",
            Disconnect::ConnectionLimit => "3504",
            Disconnect::ChannelLimit => "3505",
            Disconnect::InappropriateProtocol => "3506",
            Disconnect::NotAvailable => "3508",
            Disconnect::TooManyErrors => "3509",
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Disconnect::ConnectionClosed => "connection closed",
            Disconnect::Shutdown => "shutdown",
            Disconnect::InternalError => "internal server error",
            Disconnect::Expired => "expired",
            Disconnect::SubscriptionExpired => "subscription expired",
            Disconnect::Slow => "slow",
            Disconnect::WriteError => "write error",
            Disconnect::InsufficientState => "insufficient state",
            Disconnect::NoPong => "no pong",
            Disconnect::TooManyRequests => "too many requests",
            Disconnect::InvalidToken => "invalid token",
            Disconnect::BadRequest => "bad request",
            Disconnect::Stale => "stale",
            Disconnect::ConnectionLimit => "connection limit",
            Disconnect::ChannelLimit => "channel limit",
            Disconnect::InappropriateProtocol => "inappropriate protocol",
            Disconnect::NotAvailable => "not available",
            Disconnect::TooManyErrors => "too many errors",
        }
    }
}

/// How a command fails: the client is told and stays, or it is sent away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused(Refused),
    Disconnect(Disconnect),
    /// The same in the application's words.
    Told(Told),
}

impl Failure {
    /// Whether a client that subscribes asks again by itself: at once, with a new token, or from another position.
    pub(crate) fn is_asked_again(&self) -> bool {
        match self {
            Failure::Refused(Refused { code, .. }) => {
                code.is_temporary() || matches!(code, Code::TokenExpired | Code::UnrecoverablePosition)
            }
            Failure::Told(Told::Error(error)) => error.temporary || error.code == Code::TokenExpired as u32,
            Failure::Told(Told::Disconnect(..)) | Failure::Disconnect(_) => false,
        }
    }
}

impl<T: Into<Refused>> From<T> for Failure {
    fn from(refused: T) -> Failure {
        Failure::Refused(refused.into())
    }
}

impl From<Told> for Failure {
    fn from(told: Told) -> Failure {
        Failure::Told(told)
    }
}

impl From<Disconnect> for Failure {
    fn from(disconnect: Disconnect) -> Failure {
        Failure::Disconnect(disconnect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(refused: impl Into<Refused>) -> String {
        serde_json::to_string(&Error::from(refused.into())).unwrap()
    }

    #[test]
    fn errors_carry_the_protocols_code_and_text() {
        assert_eq!(json(Code::UnknownChannel), r#"{"code":102,"message":"unknown channel"}"#);
        assert_eq!(json(Code::TokenExpired), r#"{"code":109,"message":"token expired"}"#);
        assert_eq!(json(Refused::bad("no id")), r#"{"code":107,"message":"bad request: no id"}"#);
    }

    #[test]
    fn a_client_asks_again_after_what_passes_or_what_it_can_change_itself() {
        let told = |code, temporary| Told::Error(Error { code, message: String::new(), temporary });
        for (failure, is_asked_again) in [
            (Failure::from(Code::Internal), true),
            (Code::TooManyRequests.into(), true),
            (Code::TokenExpired.into(), true),
            (Code::UnrecoverablePosition.into(), true),
            (Code::PermissionDenied.into(), false),
            (Code::LimitExceeded.into(), false),
            (told(1_000, true).into(), true),
            (told(1_000, false).into(), false),
            (told(109, false).into(), true),
            (Disconnect::BadRequest.into(), false),
        ] {
            assert_eq!(failure.is_asked_again(), is_asked_again, "{failure:?}");
        }
    }

    #[test]
    fn what_the_broker_refuses_is_the_clients_fault_or_ours() {
        let code =
            |code: &str| Refused::from(BusError::Refused { code: code.into(), message: "why".into() }).code;
        assert_eq!(code("FORBIDDEN"), Code::PermissionDenied);
        assert_eq!(code("LASTOWNER"), Code::LastOwner);
        assert_eq!(code("INVALID"), Code::BadRequest);
        assert_eq!(code("TOOBIG"), Code::BadRequest);
        assert_eq!(code("NOTFOUND"), Code::BadRequest);
        assert_eq!(code("OOM"), Code::LimitExceeded);
        assert_eq!(code("DISKFULL"), Code::Internal);
        assert!(!Code::LimitExceeded.is_temporary(), "SDKs would try for ever");
    }

    #[test]
    fn only_a_broker_that_is_away_is_waited_for() {
        assert!(Refused::from(BusError::Unreachable).is_unreachable());
        let uncertain = BusError::Uncertain { code: "OOM".into(), message: "used memory".into() };
        assert!(!Refused::from(uncertain).is_unreachable());
        assert!(!Refused::from(Code::Internal).is_unreachable());
    }

    #[test]
    fn digits_are_of_the_code() {
        for disconnect in [Disconnect::ConnectionClosed, Disconnect::Shutdown, Disconnect::TooManyErrors] {
            assert_eq!(disconnect.digits(), disconnect.code().to_string());
        }
    }

    #[test]
    fn only_errors_that_pass_are_temporary() {
        assert_eq!(
            json(Code::Internal),
            r#"{"code":100,"message":"internal server error","temporary":true}"#
        );
        assert_eq!(
            json(BusError::Unreachable),
            r#"{"code":100,"message":"broker unreachable, try again","temporary":true}"#
        );
        let uncertain = json(BusError::Uncertain { code: "LEVEL".into(), message: "x".into() });
        assert!(
            uncertain.contains("uncertain: ") && uncertain.ends_with(r#""temporary":true}"#),
            "{uncertain}"
        );
        let full = json(BusError::Uncertain { code: "DISKFULL".into(), message: "x".into() });
        assert!(full.contains("no space left: ") && full.ends_with(r#""temporary":true}"#), "{full}");
    }
}
