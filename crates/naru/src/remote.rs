//! A broker elsewhere, by its address: in the clear, or with TLS.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use naru_bus::Target;

use crate::tls_client::{self, Trust};

/// The broker at an address. `authorities` and `shown` (this side's certificate and its key) are for one that is reached by TLS.
pub(crate) fn target(
    url: &str,
    authorities: Option<&Path>,
    shown: Option<(&Path, &Path)>,
) -> anyhow::Result<Target> {
    if url.starts_with("rediss://") {
        let trust = authorities.map_or(Trust::System, Trust::Authorities);
        let terms = tls_client::terms(&trust, shown).context("--broker with TLS")?;
        return Ok(Target::Encrypted { url: url.to_owned(), terms: Arc::new(terms) });
    }
    if authorities.is_some() || shown.is_some() {
        bail!("--broker-tls-… are for a broker that is reached by TLS: --broker rediss://host:port");
    }
    Ok(Target::Url(url.to_owned()))
}
