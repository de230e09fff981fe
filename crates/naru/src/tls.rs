//! TLS for the broker's port: options under Redis's names, and what the files hold.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

#[derive(Args, Clone, Default)]
#[group(skip)]
pub(crate) struct Options {
    /// Port for Redis clients with TLS; with --port 0 there is no other [default: none].
    #[arg(long, value_name = "PORT")]
    pub(crate) tls_port: Option<u16>,
    /// The broker's certificate and those up to the authority, in PEM form.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// The certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key_file: Option<PathBuf>,
    /// Authorities whose certificates clients may show, in PEM form.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca_cert_file: Option<PathBuf>,
    /// Whether clients must show a certificate, as in Redis [default: yes].
    #[arg(long, value_name = "WHETHER", value_enum)]
    pub(crate) tls_auth_clients: Option<AuthClients>,
}

/// Whether clients must show a certificate of a known authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthClients {
    Yes,
    No,
    Optional,
}

/// A TLS port, as asked for.
pub(crate) struct TlsPort {
    pub(crate) port: u16,
    pub(crate) files: Files,
}

/// Where certificate and key are.
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authorities: Option<(PathBuf, AuthClients)>,
}

impl Options {
    /// These, and what they leave open as `other` has it.
    pub(crate) fn or(self, other: Options) -> Options {
        Options {
            tls_port: self.tls_port.or(other.tls_port),
            tls_cert_file: self.tls_cert_file.or(other.tls_cert_file),
            tls_key_file: self.tls_key_file.or(other.tls_key_file),
            tls_ca_cert_file: self.tls_ca_cert_file.or(other.tls_ca_cert_file),
            tls_auth_clients: self.tls_auth_clients.or(other.tls_auth_clients),
        }
    }

    /// The port asked for, if there is one. As in Redis, port 0 is none.
    pub(crate) fn port(&self) -> anyhow::Result<Option<TlsPort>> {
        let Some(port) = self.tls_port.filter(|&port| port != 0) else { return Ok(None) };
        let certificate = self.tls_cert_file.clone().ok_or_else(|| missing("--tls-cert-file"))?;
        let key = self.tls_key_file.clone().ok_or_else(|| missing("--tls-key-file"))?;
        let authorities = match (self.tls_auth_clients, &self.tls_ca_cert_file) {
            (Some(AuthClients::No), _) => None,
            (asked, Some(file)) => Some((file.clone(), asked.unwrap_or(AuthClients::Yes))),
            (_, None) => bail!(
                "clients are to show a certificate, as in Redis unless it is told otherwise: name the authorities \
                 with --tls-ca-cert-file, or let everybody come with --tls-auth-clients no"
            ),
        };
        Ok(Some(TlsPort { port, files: Files { certificate, key, authorities } }))
    }
}

fn missing(flag: &str) -> anyhow::Error {
    anyhow!("--tls-port needs {flag}")
}

impl Files {
    /// Reads them.
    pub(crate) fn load(&self) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = certificates(&self.certificate)
            .with_context(|| format!("--tls-cert-file {}", self.certificate.display()))?;
        let key = key(&self.key).with_context(|| format!("--tls-key-file {}", self.key.display()))?;
        let config =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match &self.authorities {
            None => config.with_no_client_auth(),
            Some((file, whether)) => {
                let roots = roots(file).with_context(|| format!("--tls-ca-cert-file {}", file.display()))?;
                config.with_client_cert_verifier(verifier(roots, *whether, provider)?)
            }
        };
        config
            .with_single_cert(certificates, key)
            .map_err(|error| not_together(&error, &self.certificate, &self.key))
    }
}

/// A file that cannot be opened, before why.
const UNREADABLE: &str = "it cannot be read; name a file in PEM form that this user may read";

/// Why a certificate and a key are of no use, as they are.
pub(crate) fn not_together(error: &rustls::Error, certificate: &Path, key: &Path) -> anyhow::Error {
    let (certificate, key) = (certificate.display(), key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => anyhow!(
            "the key in {key} is not the one of the certificate in {certificate}: give two that were made together"
        ),
        error => anyhow!("{certificate} with {key}: {error}"),
    }
}

fn verifier(
    roots: RootCertStore,
    whether: AuthClients,
    provider: Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn rustls::server::danger::ClientCertVerifier>> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if whether == AuthClients::Optional { builder.allow_unauthenticated() } else { builder };
    Ok(builder.build()?)
}

pub(crate) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = fs::read(file).context(UNREADABLE)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| anyhow!("the PEM text is broken: {error}"))?;
    if found.is_empty() {
        bail!("there is no certificate in it; it must hold one in PEM form (BEGIN CERTIFICATE)");
    }
    Ok(found)
}

pub(crate) fn key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text = fs::read(file).context(UNREADABLE)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if text.windows(9).any(|word| word == b"ENCRYPTED") {
            anyhow!("the key is encrypted with a passphrase; write it without: openssl pkey -in OLD -out NEW")
        } else {
            anyhow!(
                "there is no private key in it; it must hold one in PEM form (BEGIN PRIVATE KEY): {error}"
            )
        }
    })
}

pub(crate) fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| anyhow!("a certificate in it cannot be used: {error}"))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(auth_clients: Option<AuthClients>, authorities: bool) -> Options {
        Options {
            tls_port: Some(6380),
            tls_cert_file: Some("cert".into()),
            tls_key_file: Some("key".into()),
            tls_ca_cert_file: authorities.then(|| "ca".into()),
            tls_auth_clients: auth_clients,
        }
    }

    fn asked_of_clients(options: &Options) -> Option<AuthClients> {
        options.port().unwrap().unwrap().files.authorities.map(|(_, whether)| whether)
    }

    #[test]
    fn clients_must_show_a_certificate_unless_told_otherwise() {
        use AuthClients::{No, Optional, Yes};
        assert_eq!(asked_of_clients(&options(None, true)), Some(Yes));
        assert_eq!(asked_of_clients(&options(Some(Optional), true)), Some(Optional));
        assert_eq!(asked_of_clients(&options(Some(No), true)), None);
        assert_eq!(asked_of_clients(&options(Some(No), false)), None);
        for asked in [None, Some(Yes), Some(Optional)] {
            assert!(options(asked, false).port().is_err(), "{asked:?}");
        }
    }

    #[test]
    fn port_0_is_none_and_needs_no_files() {
        assert!(Options::default().port().unwrap().is_none());
        assert!(Options { tls_port: Some(0), ..Options::default() }.port().unwrap().is_none());
        assert!(Options { tls_port: Some(1), ..Options::default() }.port().is_err());
    }
}
