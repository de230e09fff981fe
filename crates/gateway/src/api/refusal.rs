//! What a method answers that does not do what was asked: docs/server-api.md has the codes.

use std::borrow::Cow;

use axum::http::StatusCode;
use naru_bus::BusError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{codes::Refused, trouble};

/// Why a method was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Refusal {
    /// 100 internal error (again may help), 102 unknown channel, 103 permission denied (for this key), 104 not found,
    /// 106 limit exceeded (of the broker's channels, or of what one request is answered), 107 bad request, 108 not available, 112 unrecoverable position, 113 conflict.
    pub(crate) code: u32,
    /// What is wrong.
    #[schema(value_type = String)]
    pub(crate) message: Cow<'static, str>,
}

impl Refusal {
    const fn new(code: u32, message: &'static str) -> Refusal {
        Refusal { code, message: Cow::Borrowed(message) }
    }

    /// A bad request, with what is wrong about it.
    pub(crate) fn bad(what: impl std::fmt::Display) -> Refusal {
        Refusal { code: 107, message: format!("bad request: {what}").into() }
    }

    pub(crate) const fn internal() -> Refusal {
        Refusal::new(100, "internal server error")
    }

    pub(crate) const fn unknown_channel() -> Refusal {
        Refusal::new(102, "unknown channel")
    }

    pub(crate) const fn permission_denied() -> Refusal {
        Refusal::new(103, "permission denied")
    }

    pub(crate) const fn not_found() -> Refusal {
        Refusal::new(104, "not found")
    }

    pub(crate) const fn limit_exceeded() -> Refusal {
        Refusal::new(106, "limit exceeded")
    }

    pub(crate) const fn not_available() -> Refusal {
        Refusal::new(108, "not available")
    }

    pub(crate) const fn unrecoverable_position() -> Refusal {
        Refusal::new(112, "unrecoverable position")
    }

    /// The nearest status of HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            102 | 104 => StatusCode::NOT_FOUND,
            103 => StatusCode::FORBIDDEN,
            107 | 108 => StatusCode::BAD_REQUEST,
            112 => StatusCode::RANGE_NOT_SATISFIABLE,
            113 => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        Refusal { code: refused.code as u32, message: refused.message }
    }
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Refusal {
        match error {
            BusError::Unreachable => Refusal::new(100, "broker unreachable, try again"),
            BusError::Uncertain { code, message } => {
                trouble::say(&code, &message);
                // All that is asked here is one step.
                if code == trouble::NO_SPACE {
                    return Refusal::new(
                        100,
                        "the broker has no space left: nothing was done, try again later",
                    );
                }
                Refusal::new(100, "uncertain: it may be done, or be less safe than was asked for")
            }
            BusError::Refused { code, message } => match code.as_str() {
                "FORBIDDEN" => Refusal::permission_denied(),
                "INVALID" | "TOOBIG" => Refusal::bad(message),
                "NOTFOUND" => Refusal::not_found(),
                // As many channels as there may be, or keys of one.
                "OOM" => Refusal::limit_exceeded(),
                _ => {
                    tracing::warn!(code, message, "the broker refused");
                    Refusal::internal()
                }
            },
            error @ (BusError::Protocol(_) | BusError::Unusable(_) | BusError::BadTarget(_)) => {
                tracing::error!(%error, "the broker cannot be understood");
                Refusal::internal()
            }
        }
    }
}
