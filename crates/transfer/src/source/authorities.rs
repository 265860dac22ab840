//! Who vouches for servers: the system's certificates.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError};
use rustls::{RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// What a machine without certificates is told.
const NONE_HERE: &str = "no certificates of authorities can be read here, and so no server can be \
     trusted; install ca-certificates, or name some in SSL_CERT_FILE";

/// Judges servers by the certificates of the system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
///
/// They are read when the first server shows a certificate: who downloads by http:// only needs none, as in an
/// initrd, and need not wait for them.
#[derive(Debug)]
struct Authorities {
    provider: Arc<CryptoProvider>,
    read: OnceLock<Result<Known, Error>>,
}

/// The certificates of the system, and who judges by them.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    const fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            read: OnceLock::new(),
        }
    }

    fn known(&self) -> Result<&Known, Error> {
        let read = self.read.get_or_init(|| Known::read(&self.provider));
        read.as_ref().map_err(Clone::clone)
    }
}

impl Known {
    fn read(provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let read = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some systems have old ones that nobody can read any more.
        roots.add_parsable_certificates(read.certs.iter().cloned());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = verifier.build();
        let verifier = verifier.map_err(|_empty| Error::General(NONE_HERE.into()))?;
        Ok(Self {
            certificates: read.certs,
            verifier,
        })
    }

    /// Judges an authority that is a server too, as openssl-req(1) makes them for who has no authority: the
    /// library takes none for a server. If it is itself among the system's, somebody put it there for
    /// that, and curl and OpenSSL accept it.
    ///
    /// That it is in date the library has looked at before; left is its name.
    fn judge_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if !self.certificates.iter().any(|it| it == certificate) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

/// Whether all that is wrong with a certificate is that it is an authority's.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    let error = error.downcast_ref();
    matches!(error, Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let known = self.known()?;
        let judged = known.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match judged {
            Err(error) if is_authority(&error) => known.judge_itself(end_entity, server_name),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// How encrypted connections are made: all clients share the certificates, and what servers remember of
/// us.
///
/// # Errors
/// When the library has no version of TLS in common with itself.
pub(super) fn encryption() -> Result<ClientConfig, Error> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let authorities = Authorities::new(Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(authorities))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
