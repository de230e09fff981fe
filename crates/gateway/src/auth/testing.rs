//! Keys and tokens of tests, made when they are needed: none is kept in the repository.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Value, json};

use super::algorithm::Algorithm;

/// A time that is now in tests.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A private key and its public side.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) signing: EncodingKey,
    /// As `-----BEGIN PUBLIC KEY-----`.
    pub(crate) pem: String,
    /// The public side's members of a JWK.
    pub(crate) jwk: Value,
}

impl Pair {
    pub(crate) fn rsa() -> Pair {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        // PKCS #8 of a key of this size has 26 bytes around that of PKCS #1, which in turn has the modulus from its tenth.
        let signing = EncodingKey::from_rsa_der(&private.as_ref()[26..]);
        let n = URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[9..265]);
        let jwk = serde_json::json!({"kty": "RSA", "n": n, "e": "AQAB"});
        Pair { signing, pem: pem(public.as_ref()), jwk }
    }

    pub(crate) fn ecdsa(algorithm: Algorithm) -> Pair {
        let curve: &'static EcdsaSigningAlgorithm = match algorithm {
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Algorithm::ES512 => &ECDSA_P521_SHA512_FIXED_SIGNING,
            _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
        };
        let private = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let signing = EncodingKey::from_ec_der(private.as_ref());
        // As SEC 1 writes it: a four, and both coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let curve = match algorithm {
            Algorithm::ES256 => "P-256",
            Algorithm::ES512 => "P-521",
            _ => "P-384",
        };
        let jwk = json!({"kty": "EC", "crv": curve, "x": x, "y": y});
        Pair { signing, pem: pem(public.as_ref()), jwk }
    }

    pub(crate) fn ed25519() -> Pair {
        let private = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Pair {
            signing: EncodingKey::from_ed_der(private.as_ref()),
            pem: pem(public.as_ref()),
            jwk: serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    /// As an entry of a JWKS document, under that name.
    pub(crate) fn published(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = kid.into();
        jwk
    }
}

fn pem(spki: &[u8]) -> String {
    let text = STANDARD.encode(spki);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// Made once: they take long.
pub(crate) static RSA: LazyLock<Pair> = LazyLock::new(Pair::rsa);
pub(crate) static P256: LazyLock<Pair> = LazyLock::new(|| Pair::ecdsa(Algorithm::ES256));
pub(crate) static P384: LazyLock<Pair> = LazyLock::new(|| Pair::ecdsa(Algorithm::ES384));
pub(crate) static P521: LazyLock<Pair> = LazyLock::new(|| Pair::ecdsa(Algorithm::ES512));
pub(crate) static ED: LazyLock<Pair> = LazyLock::new(Pair::ed25519);

pub(crate) fn signed(algorithm: Algorithm, kid: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    let header = match kid {
        Some(kid) => json!({"typ": "JWT", "alg": algorithm, "kid": kid}),
        None => json!({"typ": "JWT", "alg": algorithm}),
    };
    forged(&header.to_string(), &claims.to_string(), |message| sign_with(message, key, algorithm))
}

/// A signature as a token has it.
pub(crate) fn sign_with(message: &[u8], key: &EncodingKey, algorithm: Algorithm) -> String {
    if let Some(known) = algorithm.library() {
        return crypto::sign(message, key, known).unwrap();
    }
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, key.as_bytes()).unwrap();
    URL_SAFE_NO_PAD.encode(pair.sign(&SystemRandom::new(), message).unwrap())
}

/// A token of these texts, whatever they are, with the signature that the key makes of them.
pub(crate) fn forged(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> String) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{signature}")
}
