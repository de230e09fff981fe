//! One key, pinned to what it may verify.

use aws_lc_rs::{
    rsa::PublicEncryptingKey,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation, errors::ErrorKind};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::value::RawValue;

use super::{
    algorithm::Algorithm,
    fault::Fault,
    header::{Header, parts},
};
use crate::secret::Secret;

/// All algorithms of a shared secret.
pub(super) const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Those of an RSA key that does not say which.
pub(super) const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

const RSA_PSS: &[Algorithm] = &[Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// A key with the algorithms it is for, all of one kind. What a token's header says only chooses among keys; it never
/// changes what a key is used for.
pub(super) struct Key {
    /// Tokens must name it, if there is one.
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    verifying: Verifying,
}

enum Verifying {
    Library {
        key: Box<DecodingKey>,
        validation: Box<Validation>,
    },
    /// ECDSA on P-521 with SHA-512, which the library does not know. What it does for the others is little: the rest is ours.
    P521(ParsedPublicKey),
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is no public key in PEM form.
    #[error(
        "it is no public key in PEM form, beginning with -----BEGIN PUBLIC KEY----- (openssl pkey -pubout makes it)"
    )]
    NotPem,
    /// It is of a kind that tokens are not verified with here.
    #[error("it is none of RSA with 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, Ed25519")]
    Kind,
    /// It is a good key, for another algorithm.
    #[error("it is not a key for this algorithm")]
    OtherAlgorithm,
    /// A secret that is none.
    #[error("the secret is empty; give at least 32 random characters")]
    Empty,
}

/// Kinds of public keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Kind {
    /// What a key of this kind is for that names no algorithm.
    pub(super) fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Kind::Rsa => RSA,
            Kind::P256 => &[Algorithm::ES256],
            Kind::P384 => &[Algorithm::ES384],
            Kind::P521 => &[Algorithm::ES512],
            Kind::Ed25519 => &[Algorithm::EdDSA],
        }
    }

    /// Those of a key of this kind that says for which it is, or says nothing.
    fn pinned(self, algorithm: Option<Algorithm>) -> Result<Vec<Algorithm>, BadKey> {
        match algorithm {
            Some(algorithm) if self.can(algorithm) => Ok(vec![algorithm]),
            Some(_) => Err(BadKey::OtherAlgorithm),
            None => Ok(self.algorithms().to_vec()),
        }
    }

    fn can(self, algorithm: Algorithm) -> bool {
        self.algorithms().contains(&algorithm) || self == Kind::Rsa && RSA_PSS.contains(&algorithm)
    }

    fn of(spki: &[u8]) -> Result<Kind, BadKey> {
        let is =
            |algorithm: &'static dyn VerificationAlgorithm| ParsedPublicKey::new(algorithm, spki).is_ok();
        if PublicEncryptingKey::from_der(spki).is_ok_and(|key| (2048..=8192).contains(&key.key_size_bits())) {
            Ok(Kind::Rsa)
        } else if is(&ECDSA_P256_SHA256_FIXED) {
            Ok(Kind::P256)
        } else if is(&ECDSA_P384_SHA384_FIXED) {
            Ok(Kind::P384)
        } else if is(&ECDSA_P521_SHA512_FIXED) {
            Ok(Kind::P521)
        } else if is(&ED25519) {
            Ok(Kind::Ed25519)
        } else {
            Err(BadKey::Kind)
        }
    }
}

impl Key {
    /// A shared secret, for one of the HMAC algorithms or for all.
    pub(super) fn secret(
        id: Option<&str>,
        algorithm: Option<Algorithm>,
        secret: &Secret,
    ) -> Result<Key, BadKey> {
        if secret.expose().is_empty() {
            return Err(BadKey::Empty);
        }
        let algorithms = match algorithm {
            Some(algorithm) if HMAC.contains(&algorithm) => vec![algorithm],
            Some(_) => return Err(BadKey::OtherAlgorithm),
            None => HMAC.to_vec(),
        };
        Ok(Key::new(id, algorithms, DecodingKey::from_secret(secret.expose().as_bytes())))
    }

    /// A public key in PEM form, for one algorithm or for those that its kind is for.
    pub(super) fn public(id: Option<&str>, algorithm: Option<Algorithm>, pem: &str) -> Result<Key, BadKey> {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadKey::NotPem)?;
        let kind = Kind::of(&spki)?;
        let decoding = match kind {
            Kind::Rsa => DecodingKey::from_rsa_der(&spki),
            Kind::P256 | Kind::P384 => DecodingKey::from_ec_der(&spki),
            Kind::P521 => return Key::p521(id, algorithm, &spki),
            Kind::Ed25519 => DecodingKey::from_ed_der(&spki),
        };
        Key::of_kind(id, kind, algorithm, decoding)
    }

    /// A public key of that kind.
    pub(super) fn of_kind(
        id: Option<&str>,
        kind: Kind,
        algorithm: Option<Algorithm>,
        decoding: DecodingKey,
    ) -> Result<Key, BadKey> {
        Ok(Key::new(id, kind.pinned(algorithm)?, decoding))
    }

    /// A point on P-521, or a whole public key with it.
    pub(super) fn p521(id: Option<&str>, algorithm: Option<Algorithm>, key: &[u8]) -> Result<Key, BadKey> {
        let algorithms = Kind::P521.pinned(algorithm)?;
        let curve: &'static dyn VerificationAlgorithm = &ECDSA_P521_SHA512_FIXED;
        let key = ParsedPublicKey::new(curve, key).map_err(|_| BadKey::Kind)?;
        Ok(Key { id: id.map(Into::into), algorithms, verifying: Verifying::P521(key) })
    }

    fn new(id: Option<&str>, algorithms: Vec<Algorithm>, decoding: DecodingKey) -> Key {
        let known = algorithms.iter().filter_map(|algorithm| algorithm.library()).collect();
        // The claims are checked on types of our own: the library takes an `exp` it cannot read for none.
        let mut validation = Validation { algorithms: known, ..Validation::default() };
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let verifying = Verifying::Library { key: Box::new(decoding), validation: Box::new(validation) };
        Key { id: id.map(Into::into), algorithms, verifying }
    }

    /// Whether it may verify with this algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether it is a shared secret.
    pub(super) fn is_symmetric(&self) -> bool {
        self.algorithms.iter().all(|algorithm| HMAC.contains(algorithm))
    }

    /// Whether this key may be meant by a token with this header.
    pub(super) fn is_meant(&self, header: &Header) -> bool {
        self.is_for(header.alg) && self.id.as_deref().is_none_or(|id| header.kid.as_deref() == Some(id))
    }

    /// The claims of a token that this key has signed.
    pub(super) fn open(&self, token: &str) -> Result<Box<RawValue>, Fault> {
        let (key, validation) = match &self.verifying {
            Verifying::Library { key, validation } => (key, validation),
            Verifying::P521(key) => return open_p521(key, token),
        };
        match jsonwebtoken::decode::<Box<RawValue>>(token, key, validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => Fault::Signature,
                ErrorKind::Json(_) => Fault::Claims,
                _ => Fault::Malformed,
            }),
        }
    }
}

/// The same for a key that the library does not know. That the token is of its algorithm has been seen.
fn open_p521(key: &ParsedPublicKey, token: &str) -> Result<Box<RawValue>, Fault> {
    let [header, claims, signature] = parts(token).ok_or(Fault::Malformed)?;
    let signed = &token[..header.len() + 1 + claims.len()];
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Fault::Malformed)?;
    key.verify_sig(signed.as_bytes(), &signature).map_err(|_| Fault::Signature)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Fault::Malformed)?;
    serde_json::from_slice(&claims).map_err(|_| Fault::Claims)
}
