//! Reading a JWKS document.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    algorithm::Algorithm,
    key::{Key, Kind},
};
use crate::limits::JWKS_KEYS_MAX;

/// The document as a whole is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotJwks {
    #[error("its answer is no JWKS document, JSON with a list of \"keys\"")]
    Json,
    #[error("its JWKS document has more than {JWKS_KEYS_MAX} keys")]
    TooMany,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// What a key says of its algorithm, of which the library does not know all.
#[derive(Deserialize)]
struct Pinned {
    #[serde(rename = "alg")]
    algorithm: Option<Algorithm>,
}

/// The keys of a document that tokens can be verified with. Others are passed over, so that one of a kind still unknown here
/// does not take the rest away: keys for encryption, secrets (which no public document may hold), weak ones.
pub(super) fn keys(document: &[u8]) -> Result<Vec<Key>, NotJwks> {
    let Document { keys } = serde_json::from_slice(document).map_err(|_| NotJwks::Json)?;
    if keys.len() > JWKS_KEYS_MAX {
        return Err(NotJwks::TooMany);
    }
    let usable: Vec<Key> = keys.iter().filter_map(|jwk| key(jwk)).collect();
    if usable.len() < keys.len() {
        tracing::debug!(
            keys = keys.len(),
            usable = usable.len(),
            "some keys of a JWKS document are of no use here"
        );
    }
    Ok(usable)
}

fn key(text: &RawValue) -> Option<Key> {
    let jwk: Jwk = serde_json::from_str(text.get()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    // A key that names no algorithm is for those of its kind, one that names an unknown one for none.
    let Pinned { algorithm } = serde_json::from_str(text.get()).ok()?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let (kind, decoding) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = bytes(&rsa.n)?;
            let modulus = &modulus[modulus.iter().take_while(|&&byte| byte == 0).count()..];
            let bits = (modulus.len() * 8).saturating_sub(modulus.first()?.leading_zeros() as usize);
            if !(2048..=8192).contains(&bits) {
                return None;
            }
            (Kind::Rsa, DecodingKey::from_rsa_raw_components(modulus, &bytes(&rsa.e)?))
        }
        AlgorithmParameters::EllipticCurve(point) => {
            let (kind, length) = match point.curve {
                EllipticCurve::P256 => (Kind::P256, 32),
                EllipticCurve::P384 => (Kind::P384, 48),
                EllipticCurve::P521 => (Kind::P521, 66),
                _ => return None,
            };
            let (x, y) = (bytes(&point.x)?, bytes(&point.y)?);
            if x.len() != length || y.len() != length {
                return None;
            }
            // As SEC 1 writes a point.
            let point = [&[4], &*x, &*y].concat();
            if kind == Kind::P521 {
                return Key::p521(jwk.common.key_id.as_deref(), algorithm, &point).ok();
            }
            (kind, DecodingKey::from_ec_der(&point))
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            let x = bytes(&pair.x).filter(|x| x.len() == 32)?;
            (Kind::Ed25519, DecodingKey::from_ed_der(&x))
        }
        _ => return None,
    };
    Key::of_kind(jwk.common.key_id.as_deref(), kind, algorithm, decoding).ok()
}
