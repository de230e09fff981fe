//! Everything that is tried to get in (R20 of the reliability plan): each way to spoil a token by itself, and each two of
//! them together, for each family of algorithms. Only what is good in every respect may pass.

use std::fmt::Write as _;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret of the tests";

/// A family with the one key of it that is configured.
struct Family {
    algorithm: Algorithm,
    kid: &'static str,
    key: EncodingKey,
    strange: EncodingKey,
    /// What an attacker can read of the key.
    public: Vec<String>,
}

fn families() -> Vec<Family> {
    let public = |pair: &Pair| vec![pair.pem.clone(), pair.pem.trim_end().to_owned(), pair.jwk.to_string()];
    let family = |algorithm, kid, pair: &Pair, strange: Pair| Family {
        algorithm,
        kid,
        key: pair.signing.clone(),
        strange: strange.signing,
        public: public(pair),
    };
    let secret = Family {
        algorithm: Algorithm::HS256,
        kid: "hs",
        key: EncodingKey::from_secret(SECRET),
        strange: EncodingKey::from_secret(b"A secret of the tests"),
        public: public(&RSA),
    };
    vec![
        secret,
        family(Algorithm::RS256, "rs", &RSA, Pair::rsa()),
        family(Algorithm::ES256, "es", &P256, Pair::ecdsa(Algorithm::ES256)),
        family(Algorithm::ES384, "es384", &P384, Pair::ecdsa(Algorithm::ES384)),
        family(Algorithm::ES512, "es512", &P521, Pair::ecdsa(Algorithm::ES512)),
        family(Algorithm::EdDSA, "ed", &ED, Pair::ed25519()),
    ]
}

fn configured() -> Auth {
    auth(json!({
        "keys": [
            {"id": "hs", "algorithm": "HS256", "secret": std::str::from_utf8(SECRET).unwrap()},
            {"id": "rs", "algorithm": "RS256", "public_key": RSA.pem},
            {"id": "es", "algorithm": "ES256", "public_key": P256.pem},
            {"id": "es384", "algorithm": "ES384", "public_key": P384.pem},
            {"id": "es512", "algorithm": "ES512", "public_key": P521.pem},
            {"id": "ed", "algorithm": "EdDSA", "public_key": ED.pem},
        ],
        "audience": "chat",
    }))
}

/// How a token is made: the choice in each respect, of which the first is the good one.
#[derive(Clone, Copy, Default)]
struct Recipe {
    header: usize,
    key: usize,
    signature: usize,
    claims: usize,
    structure: usize,
}

impl Recipe {
    const SIZES: [usize; 5] = [HEADERS, KEYS, SIGNATURES, CLAIMS.len(), STRUCTURES];

    fn choices(&mut self) -> [&mut usize; 5] {
        [&mut self.header, &mut self.key, &mut self.signature, &mut self.claims, &mut self.structure]
    }
}

/// The good one, those with one respect changed, and those with two.
fn recipes() -> Vec<Recipe> {
    let mut recipes = vec![Recipe::default()];
    for first in 0..5 {
        for choice in 1..Recipe::SIZES[first] {
            let mut one = Recipe::default();
            *one.choices()[first] = choice;
            recipes.push(one);
            for second in first + 1..5 {
                for other in 1..Recipe::SIZES[second] {
                    let mut two = one;
                    *two.choices()[second] = other;
                    recipes.push(two);
                }
            }
        }
    }
    recipes
}

const HEADERS: usize = 37;

/// Headers, as text.
fn header(choice: usize, family: &Family) -> String {
    let (alg, kid) = (format!("{:?}", family.algorithm), family.kid);
    let algorithm = |alg: &str| format!(r#"{{"alg":{alg},"kid":"{kid}","typ":"JWT"}}"#);
    let named = |kid: &str| format!(r#"{{"alg":"{alg}","kid":{kid}}}"#);
    let with = |more: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}",{more}}}"#);
    let other = if family.algorithm == Algorithm::HS256 { "RS256" } else { "HS256" };
    match choice {
        0 => algorithm(&format!("{alg:?}")),
        1 => algorithm(r#""none""#),
        2 => algorithm(r#""None""#),
        3 => algorithm(r#""nOnE""#),
        4 => algorithm(r#""""#),
        5 => algorithm("null"),
        6 => algorithm(&format!("[{alg:?}]")),
        7 => algorithm("0"),
        8 => algorithm(&format!("{:?}", alg.to_lowercase())),
        9 => algorithm(&format!("{other:?}")),
        10 => algorithm(r#""HS384""#),
        11 => algorithm(r#""HS512""#),
        12 => algorithm(r#""RS384""#),
        13 => algorithm(r#""PS256""#),
        14 => algorithm(if alg == "ES512" { r#""ES384""# } else { r#""ES512""# }),
        15 => algorithm(r#""ES256K""#),
        16 => algorithm(r#""XX256""#),
        17 => format!(r#"{{"kid":"{kid}"}}"#),
        18 => format!(r#"{{"alg":"{alg}","alg":"none","kid":"{kid}"}}"#),
        19 => format!(r#"{{"alg":"none","alg":"{alg}","kid":"{kid}"}}"#),
        20 => format!(r#"{{"alg":"{alg}"}}"#),
        21 => named(r#""removed""#),
        22 => named(r#""../../../dev/null""#),
        23 => named(r#""x' OR '1'='1""#),
        24 => named(r#""""#),
        25 => named("null"),
        26 => named(&format!("[{kid:?}]")),
        27 => named(if kid == "es" { r#""es384""# } else { r#""es""# }),
        28 => named(&format!("{:?}", kid.to_uppercase())),
        29 => with(r#""jku":"https://evil.example/keys""#),
        30 => with(r#""x5u":"https://evil.example/cert""#),
        31 => with(&format!(r#""jwk":{}"#, P256.jwk)),
        32 => with(r#""crit":["b64"],"b64":false"#),
        33 => with(r#""crit":[]"#),
        34 => "{}".into(),
        35 => format!("[{alg:?}]"),
        36 => String::new(),
        _ => unreachable!("there are {HEADERS}"),
    }
}

const KEYS: usize = 8;

/// Who signs, in the way of the family unless it says otherwise.
fn signature_of(choice: usize, family: &Family, message: &[u8]) -> String {
    let by_secret = |secret: &[u8]| sign_with(message, &EncodingKey::from_secret(secret), Algorithm::HS256);
    match choice {
        0 => sign_with(message, &family.key, family.algorithm),
        1 => sign_with(message, &family.strange, family.algorithm),
        2..=4 => by_secret(family.public[choice - 2].as_bytes()),
        5 => by_secret(b""),
        6 => by_secret(&[0; 32]),
        7 => by_secret(family.kid.as_bytes()),
        _ => unreachable!("there are {KEYS}"),
    }
}

const SIGNATURES: usize = 12;

fn spoiled(choice: usize, signature: &str, other: impl FnOnce() -> String) -> String {
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match choice {
        0 => signature.to_owned(),
        1 => encode(&raw[..raw.len() - 1]),
        2 => String::new(),
        3 => other(),
        4 => encode(&der(&raw)),
        5 => encode(&vec![0; raw.len()]),
        6 => format!("{signature}="),
        7 => format!("{signature}=="),
        // Its other alphabet, and a signature that is not good in either.
        8 => format!("+/{}", STANDARD.encode(&raw)),
        9 => encode(&[&*raw, b"\0"].concat()),
        10 => format!("{signature} "),
        11 => {
            let mut flipped = raw;
            flipped[0] ^= 1;
            encode(&flipped)
        }
        _ => unreachable!("there are {SIGNATURES}"),
    }
}

/// Both halves as ASN.1 has an ECDSA signature.
fn der(raw: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let half = &half[half.iter().take_while(|&&byte| byte == 0).count()..];
        let pad: &[u8] = if half.first().is_some_and(|&byte| byte > 127) { &[0] } else { &[] };
        [&[2, (pad.len() + half.len()) as u8], pad, half].concat()
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let (r, s) = (integer(r), integer(s));
    let length = r.len() + s.len();
    let long: &[u8] = if length > 127 { &[0x81] } else { &[] };
    [&[0x30], long, &[length as u8], &*r, &*s].concat()
}

/// Claims as text, and whether they are good. `@` stands for a minute from now, `#` for an hour ago.
const CLAIMS: [(&str, bool); 50] = [
    (r#"{"sub":"alice","aud":"chat","exp":@}"#, true),
    (r#"{"sub":"alice","aud":["other","chat"],"exp":@,"iat":#,"nbf":#,"jti":"x","iss":"y"}"#, true),
    (r#"{"sub":"alice","aud":"chat","exp":@,"iat":1.5}"#, true),
    (r#"{"sub":"alice","aud":"chat"}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":#}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":"@"}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@.5}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@e1}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":-1}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":0}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":9223372036854775808}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":18446744073709551616}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":1e400}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":[@]}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":{}}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":null}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":true}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"exp":@}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":#,"exp":@}"#, false),
    (r#"{"sub":"alice","aud":"chat","EXP":@}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":@@}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":"1"}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":1.5}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":-1}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":null}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"nbf":[1]}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"iat":"1"}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"iat":-1}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"iat":9223372036854775808}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@,"iat":[1]}"#, false),
    (r#"{"sub":"alice","exp":@}"#, false),
    (r#"{"sub":"alice","aud":"other","exp":@}"#, false),
    (r#"{"sub":"alice","aud":"chat2","exp":@}"#, false),
    (r#"{"sub":"alice","aud":["other"],"exp":@}"#, false),
    (r#"{"sub":"alice","aud":[],"exp":@}"#, false),
    (r#"{"sub":"alice","aud":[["chat"]],"exp":@}"#, false),
    (r#"{"sub":"alice","aud":["chat",1],"exp":@}"#, false),
    (r#"{"sub":"alice","aud":{"chat":1},"exp":@}"#, false),
    (r#"{"sub":"alice","aud":null,"exp":@}"#, false),
    (r#"{"sub":"alice","aud":"other","aud":"chat","exp":@}"#, false),
    (r#"{"aud":"chat","exp":@}"#, false),
    (r#"{"sub":"","aud":"chat","exp":@}"#, false),
    (r#"{"sub":null,"aud":"chat","exp":@}"#, false),
    (r#"{"sub":["alice"],"aud":"chat","exp":@}"#, false),
    (r#"{"sub":1,"aud":"chat","exp":@}"#, false),
    (r#"{"sub":"alice\u0000","aud":"chat","exp":@}"#, false),
    (r#"{"sub":"bob","sub":"alice","aud":"chat","exp":@}"#, false),
    (r#"{"sub":"alice","channel":"news","aud":"chat","exp":@}"#, false),
    (r#"{"sub":"alice","aud":"chat","exp":@"#, false),
    ("%", false),
];

fn claims(choice: usize) -> String {
    let mut text = String::new();
    for letter in CLAIMS[choice].0.chars() {
        match letter {
            // Twice, it is a time beyond all.
            '@' => write!(text, "{}", NOW + 60).unwrap(),
            '#' => write!(text, "{}", NOW - 3600).unwrap(),
            '%' => {
                write!(text, r#"{{"sub":"{}","aud":"chat","exp":{}}}"#, "x".repeat(129), NOW + 60).unwrap()
            }
            letter => text.push(letter),
        }
    }
    text
}

const STRUCTURES: usize = 16;

fn arranged(choice: usize, token: &str, family: &Family) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { unreachable!("a token has three parts") };
    match choice {
        0 => token.to_owned(),
        1 => format!("{header}.{claims}"),
        2 => format!("{header}.{claims}."),
        3 => format!("{token}.{signature}"),
        4 => format!("{token}."),
        5 => format!(".{token}"),
        6 => format!(" {token}"),
        7 => format!("{token}\n"),
        8 => format!("{header}. {claims}.{signature}"),
        9 => token.replace('.', "。"),
        10 => token.replace('.', "\u{2024}"),
        11 => format!("{header}.{claims}=.{signature}"),
        // A token that says another token.
        12 => {
            let outer = format!(r#"{{"alg":"{:?}","kid":"{}","cty":"JWT"}}"#, family.algorithm, family.kid);
            forged(&outer, token, |message| sign_with(message, &family.key, family.algorithm))
        }
        13 => format!("{header}.{claims}.{signature}{}", "A".repeat(1 << 20)),
        14 => format!("Bearer {token}"),
        15 => format!("{header}..{signature}"),
        _ => unreachable!("there are {STRUCTURES}"),
    }
}

fn made(recipe: Recipe, family: &Family) -> String {
    let sign = |message: &[u8]| {
        let signature = signature_of(recipe.key, family, message);
        spoiled(recipe.signature, &signature, || signature_of(recipe.key, family, b"another message"))
    };
    let token = forged(&header(recipe.header, family), &claims(recipe.claims), sign);
    arranged(recipe.structure, &token, family)
}

#[tokio::test]
async fn of_all_that_is_tried_only_the_good_token_gets_in() {
    let auth = configured();
    let mut tried = 0;
    for family in families() {
        for recipe in recipes() {
            let Recipe { header, key, signature, claims, structure } = recipe;
            let is_good = (header, key, signature, structure) == (0, 0, 0, 0) && CLAIMS[claims].1;
            let token = made(recipe, &family);
            let opened = auth.connection(&token, NOW).await;
            let case = format!(
                "{:?}: header {header}, key {key}, signature {signature}, claims {claims}, structure {structure}",
                family.algorithm
            );
            assert_eq!(opened.is_ok(), is_good, "{case}: {opened:?}");
            if let Ok(identity) = opened {
                assert_eq!(identity.user_name(), "alice", "{case}");
            }
            tried += 1;
        }
    }
    assert!(tried > 10_000, "{tried}");
}

/// The classic one: the public key, which everybody has, taken as a secret. Tried where nothing but the keys' places stands
/// against it: no key ids, no pinned algorithm.
#[tokio::test]
async fn a_public_key_is_never_a_secret() {
    for (name, pair) in [
        ("rsa_public_key", &*RSA),
        ("ecdsa_public_key", &P256),
        ("ecdsa_public_key", &P521),
        ("eddsa_public_key", &ED),
    ] {
        for settings in [json!({name: pair.pem}), json!({name: pair.pem, "hmac_secret_key": "secret"})] {
            let auth = auth(settings);
            let der =
                STANDARD.decode(pair.pem.lines().filter(|line| !line.starts_with('-')).collect::<String>());
            for secret in [
                pair.pem.as_bytes(),
                pair.pem.trim().as_bytes(),
                &der.unwrap(),
                pair.jwk.to_string().as_bytes(),
            ] {
                for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let key = EncodingKey::from_secret(secret);
                    let token = signed(algorithm, None, &json!({"sub": "alice", "exp": NOW + 60}), &key);
                    assert!(auth.connection(&token, NOW).await.is_err(), "{name} {algorithm:?}");
                }
            }
        }
    }
}
