//! Connections, plain and with TLS, and certificates of all qualities.

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Nothing.
    Good,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    Future,
    /// It is of another host.
    OtherHost,
    /// It names no host where hosts are named (subjectAltName).
    Nameless,
    /// Its authority is none that the client knows.
    Stranger,
    /// It vouches for itself.
    SelfSigned,
    /// It is the authority itself, in the form that openssl-req(1) gives it.
    Authority,
    /// As [`Certificate::Authority`], and has expired.
    ExpiredAuthority,
    /// As [`Certificate::Authority`], of another host.
    OtherAuthority,
    /// As [`Certificate::Authority`], and unknown to the client.
    StrangeAuthority,
}

impl Certificate {
    /// The settings of a server that has it; the authority that the client is to know is written
    /// to a file.
    pub(super) fn config(self, authority: &Path, protocols: &[&[u8]]) -> Arc<rustls::ServerConfig> {
        let known = Authority::new("known");
        crate::make::file(authority, known.pem());
        let issuer = match self {
            Certificate::Stranger => &Authority::new("stranger"),
            _ => &known,
        };
        let names = match self {
            Certificate::OtherHost | Certificate::OtherAuthority => vec!["example.org".to_owned()],
            Certificate::Nameless => vec![],
            _ => vec![
                "localhost".to_owned(),
                "127.0.0.1".to_owned(),
                "images.invalid".to_owned(),
            ],
        };
        let mut params = CertificateParams::new(names).unwrap();
        match self {
            Certificate::Expired | Certificate::ExpiredAuthority => {
                params.not_after = rcgen::date_time_ymd(2001, 2, 3);
            }
            Certificate::Future => params.not_before = rcgen::date_time_ymd(2999, 2, 3),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match self {
            Certificate::SelfSigned => params.self_signed(&key).unwrap(),
            it if it.is_authority() => {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params.self_signed(&key).unwrap()
            }
            _ => params.signed_by(&key, &issuer.issuer).unwrap(),
        };
        if self.is_authority() && self != Certificate::StrangeAuthority {
            crate::make::file(authority, certificate.pem());
        }
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    const fn is_authority(self) -> bool {
        matches!(
            self,
            Certificate::Authority
                | Certificate::ExpiredAuthority
                | Certificate::OtherAuthority
                | Certificate::StrangeAuthority
        )
    }
}

struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// A connection to a client.
pub(super) trait Stream: Read + Write {
    /// Ends it in order.
    fn close(&mut self) -> Result<()>;
    /// Ends it with a reset.
    fn reset(&mut self) -> Result<()>;
}

/// Without encryption.
pub(super) struct Plain(pub(super) TcpStream);

/// With TLS.
pub(super) struct Secure(pub(super) rustls::StreamOwned<rustls::ServerConnection, TcpStream>);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Plain {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

impl Stream for Plain {
    fn close(&mut self) -> Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn reset(&mut self) -> Result<()> {
        reset(&self.0)
    }
}

impl Read for Secure {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Secure {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

impl Stream for Secure {
    fn close(&mut self) -> Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()?;
        self.0.sock.shutdown(Shutdown::Write)
    }

    fn reset(&mut self) -> Result<()> {
        reset(&self.0.sock)
    }
}

/// Closing the socket from now on resets the connection.
fn reset(socket: &TcpStream) -> Result<()> {
    let at_once = Some(std::time::Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(socket, at_once)?;
    Ok(())
}
