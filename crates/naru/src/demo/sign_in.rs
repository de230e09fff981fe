use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use naru_gateway::TokenKey;
use naru_ledger::User;
use serde::{Deserialize, Serialize};

/// How long a demo sign-in lasts.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

/// `POST /demo/sign-in`: a token for whoever asks, which is why only the demo has it.
pub(super) fn router(key: Arc<TokenKey>) -> Router {
    Router::new().route("/demo/sign-in", post(sign_in)).with_state(key)
}

async fn sign_in(
    State(key): State<Arc<TokenKey>>,
    Json(wish): Json<SignIn>,
) -> Result<Json<Token>, (StatusCode, Json<Refusal>)> {
    match User::parse(&wish.user) {
        Ok(user) => Ok(Json(Token { token: key.sign(&user, TTL) })),
        Err(error) => Err((StatusCode::BAD_REQUEST, Json(Refusal { error: error.to_string() }))),
    }
}
