//! What tokens are signed with.

use serde::{Deserialize, Serialize};

/// An algorithm, by the name that JWTs have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say it, to whoever knows them")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    /// As the library has it that verifies tokens; ES512 it has not.
    pub(super) fn library(self) -> Option<jsonwebtoken::Algorithm> {
        use jsonwebtoken::Algorithm as Its;
        Some(match self {
            Algorithm::HS256 => Its::HS256,
            Algorithm::HS384 => Its::HS384,
            Algorithm::HS512 => Its::HS512,
            Algorithm::RS256 => Its::RS256,
            Algorithm::RS384 => Its::RS384,
            Algorithm::RS512 => Its::RS512,
            Algorithm::PS256 => Its::PS256,
            Algorithm::PS384 => Its::PS384,
            Algorithm::PS512 => Its::PS512,
            Algorithm::ES256 => Its::ES256,
            Algorithm::ES384 => Its::ES384,
            Algorithm::EdDSA => Its::EdDSA,
            Algorithm::ES512 => return None,
        })
    }
}
