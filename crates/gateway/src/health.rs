//! Whether the server is well, for whoever starts it and for whoever sends clients to it.

use std::sync::Arc;

use axum::{Json, Router, routing::get};
use http::StatusCode;
use naru_bus::Bus;
use serde_json::json;

use crate::draining::Draining;

/// `/health`: the process is alive, whatever else is not: starting it again would not help. `/ready`: clients can be sent here.
pub(crate) fn router(bus: Bus, draining: Arc<Draining>) -> Router {
    let ready = move || async move {
        let reason = if draining.is_begun() {
            "draining"
        } else if !bus.is_up() {
            "no broker"
        } else {
            return (StatusCode::OK, Json(json!({})));
        };
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "reason": reason })))
    };
    Router::new().route("/health", get(async || Json(json!({})))).route("/ready", get(ready))
}
