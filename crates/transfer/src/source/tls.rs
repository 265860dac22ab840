//! What the TLS library says, in words that tell what to do.

use super::failure::Failure;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;

/// The failure of an encrypted connection; `None` if another one is the cause.
pub(super) fn failure(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The cause of an error of `std::io` is what is below the one that it carries.
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let found = match carried {
            Some(carried) => carried.downcast_ref::<Error>(),
            None => error.downcast_ref::<Error>(),
        };
        if let Some(found) = found {
            return Some(translated(found));
        }
        cause = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

fn translated(error: &Error) -> Failure {
    match error {
        Error::InvalidCertificate(reason) => Failure::Certificate(certificate(reason)),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => Failure::Tls(
            "what answers there does not speak TLS (is the address an http:// one?)".into(),
        ),
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            Failure::Tls("the server speaks only versions or ciphers that are not safe".into())
        }
        Error::AlertReceived(alert) => Failure::Tls(format!("the server refuses it: {alert:?}")),
        // In the middle of a body this is a connection that broke.
        Error::DecryptError => Failure::Broken("what came could not be decrypted".into()),
        Error::General(text) => Failure::Tls(text.clone()),
        other => Failure::Tls(other.to_string()),
    }
}

fn certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired (or the clock here is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet (or the clock here is wrong)".into()
        }
        CertificateError::UnknownIssuer => "its issuer is not known; add it to the system's \
             certificate store or name it in SSL_CERT_FILE"
            .into(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "it names no server (subjectAltName is missing)".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for a server of another name".into()
        }
        CertificateError::Revoked => "it was revoked".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_below_what_carries_it_and_translated() {
        let certificate = |reason| Error::InvalidCertificate(reason);
        for (error, words) in [
            (certificate(CertificateError::Expired), "expired"),
            (
                certificate(CertificateError::UnknownIssuer),
                "SSL_CERT_FILE",
            ),
            (
                certificate(CertificateError::NotValidForName),
                "another name",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "does not speak TLS",
            ),
        ] {
            let carried = io::Error::other(io::Error::other(error));
            let failure = failure(&carried).unwrap();
            assert!(failure.to_string().contains(words), "{failure}");
            assert!(!failure.may_pass());
        }
        assert!(failure(&io::Error::other("something else")).is_none());
    }
}
