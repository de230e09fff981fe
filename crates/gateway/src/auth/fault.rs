//! Why a token is not accepted.

/// What a token deserves that is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Not ours, or not well made.
    Invalid(Fault),
    /// It was good once, or will be.
    Expired,
    /// It was called back. What happens is as if it had expired: the client is to get a new one, if the application gives it one.
    Revoked,
    /// It is good, and what it grants is over: its `expire_at` has passed.
    Over,
    /// The key that it names cannot be had right now.
    Undecided,
}

impl From<Fault> for BadToken {
    fn from(fault: Fault) -> BadToken {
        BadToken::Invalid(fault)
    }
}

/// What is wrong about an invalid token. None of the texts quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is larger than any token")]
    TooLarge,
    #[error("it is no JWT, or signed in a way that is not known here")]
    Malformed,
    #[error("its header brings a key, names a place of keys, or asks for what is not known here")]
    Header,
    #[error("no configured key is of its algorithm and key id")]
    NoKey,
    #[error("no configured key has signed it")]
    Signature,
    #[error("a claim is missing, doubled or of the wrong type")]
    Claims,
    #[error(
        "it has no exp: give tokens one; or set require_exp = false in [token] (NARU__TOKEN__REQUIRE_EXP), or \
         in [subscription_token] if that has its key, without lifetime_limit and connect_once"
    )]
    Endless,
    #[error("its expiry is further away than lifetime_limit, or 7 days with connect_once")]
    Lasting,
    #[error("it has no jti, and opens one connection only (connect_once)")]
    Unnamed,
    #[error("it is for another audience")]
    Audience,
    #[error("it is of another issuer")]
    Issuer,
    #[error("it names a user whose name is none")]
    User,
    #[error("its sub is empty, and nobody may connect without a name")]
    Nameless,
    #[error("a subscription token opens no connection")]
    ForSubscription,
    #[error("it names no channel, so it opens no subscription")]
    ForConnection,
    #[error("it is another user's, another client's or another channel's")]
    NotTheirs,
    #[error("info or data is not base64")]
    NotBase64,
    #[error("it grants more capabilities, or larger ones, than a token may")]
    TooManyCapabilities,
    #[error("a pattern of its capabilities is no regular expression, or a large one")]
    BadPattern,
}
