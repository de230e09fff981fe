//! TLS towards a broker: whom to believe, and what to show.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::tls::{certificates, key, not_together, roots};

/// Whose certificates are believed.
pub(crate) enum Trust<'a> {
    /// Those of the authorities that this machine knows.
    System,
    /// Those of the authorities that this machine knows, if it knows any, and of those in this file.
    SystemAnd(&'a Path),
    /// Those of the authorities in this file.
    Authorities(&'a Path),
    /// Anybody's.
    Everybody,
}

/// What a connection to a broker is encrypted with. `shown` are this side's own certificate and its key.
pub(crate) fn terms(trust: &Trust<'_>, shown: Option<(&Path, &Path)>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::System => config.with_root_certificates(system_roots()?),
        Trust::SystemAnd(file) => {
            let mut all = roots(file).with_context(|| file.display().to_string())?;
            all.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            config.with_root_certificates(all)
        }
        Trust::Authorities(file) => {
            config.with_root_certificates(roots(file).with_context(|| file.display().to_string())?)
        }
        Trust::Everybody => {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
        }
    };
    let Some((certificate_file, key_file)) = shown else { return Ok(config.with_no_client_auth()) };
    let certificate =
        certificates(certificate_file).with_context(|| certificate_file.display().to_string())?;
    let key = key(key_file).with_context(|| key_file.display().to_string())?;
    config
        .with_client_auth_cert(certificate, key)
        .map_err(|error| not_together(&error, certificate_file, key_file))
}

fn system_roots() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if known == 0 {
        bail!("this machine knows no authorities (ca-certificates is not installed); name the broker's own");
    }
    Ok(roots)
}

/// What went wrong with TLS, and what to do about it, for who has asked for the connection.
pub(crate) fn explained(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => "it does not speak TLS on that port".to_owned(),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is of no authority that is known here".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other)) if format!("{other:?}").contains("CaUsed") => {
            "its certificate is an authority's own; let that sign another, or make it without being one: openssl \
             req -x509 -addext basicConstraints=critical,CA:FALSE"
                .to_owned()
        }
        Error::AlertReceived(alert) => format!("it refused ({alert:?}): perhaps it wants a certificate shown"),
        error => error.to_string(),
    }
}

/// Believes everybody (`--insecure`): who listens in the middle is not noticed.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
