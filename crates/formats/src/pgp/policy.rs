//! What a certificate says of its keys: which may sign, until when, and whether they were revoked.

use super::Error;
use pgp::composed::SignedPublicKey;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{
    EcdsaPublicParams, EddsaLegacyPublicParams, KeyDetails, PublicParams, Tag, Timestamp,
};

/// Shortest RSA and DSA keys, in bits.
const BITS_MIN: usize = 2048;

/// When a key begins and ends, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) begin: u64,
    pub(super) end: Option<u64>,
}

impl Life {
    fn new(created: Timestamp, lasts: Option<pgp::types::Duration>) -> Self {
        let begin = u64::from(created.as_secs());
        let lasts = lasts.map(|lasts| u64::from(lasts.as_secs()));
        Self {
            begin,
            end: lasts
                .filter(|lasts| *lasts > 0)
                .map(|lasts| begin.saturating_add(lasts)),
        }
    }

    /// The shorter of two lives.
    fn within(self, other: Self) -> Self {
        Self {
            begin: self.begin.max(other.begin),
            end: match (self.end, other.end) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// The life of the primary key, by its newest own signature.
///
/// # Errors
/// [`Error::Revoked`].
pub(super) fn primary(certificate: &SignedPublicKey) -> Result<Life, Error> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    let revoked = details
        .revocation_signatures
        .iter()
        .any(|signature| signature.verify_key(key).is_ok());
    if revoked {
        return Err(Error::Revoked(key.legacy_key_id().to_string()));
    }
    let lasts = newest(own_signatures(certificate)).and_then(Signature::key_expiration_time);
    Ok(Life::new(key.created_at(), lasts))
}

/// Whether the primary key may sign documents: unless its newest own signature with flags says that
/// it is for something else.
///
/// # Errors
/// [`Error::Unbound`] if it may not.
pub(super) fn primary_may_sign(certificate: &SignedPublicKey) -> Result<(), Error> {
    let flagged = own_signatures(certificate).filter(|signature| has_key_flags(signature));
    match newest(flagged).is_none_or(|signature| signature.key_flags().sign()) {
        true => Ok(()),
        false => Err(Error::Unbound(
            certificate.primary_key.legacy_key_id().to_string(),
        )),
    }
}

/// The signatures by which the primary key speaks of itself.
fn own_signatures(certificate: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let (key, details) = (&certificate.primary_key, &certificate.details);
    let direct = details
        .direct_signatures
        .iter()
        .filter(|signature| signature.verify_key(key).is_ok());
    let named = details.users.iter().flat_map(move |user| {
        user.signatures.iter().filter(|signature| {
            signature.typ() != Some(SignatureType::CertRevocation)
                && signature
                    .verify_certification(key, Tag::UserId, &user.id)
                    .is_ok()
        })
    });
    direct.chain(named)
}

fn has_key_flags(signature: &Signature) -> bool {
    let subpackets = signature.config().into_iter();
    subpackets
        .flat_map(|config| config.hashed_subpackets())
        .any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
}

/// The life of a signing subkey, within its primary key's.
///
/// # Errors
/// [`Error::Revoked`], [`Error::Unbound`].
pub(super) fn subkey(certificate: &SignedPublicKey, index: usize) -> Result<Life, Error> {
    let primary_life = primary(certificate)?;
    let owner = &certificate.primary_key;
    let Some(subkey) = certificate.public_subkeys.get(index) else {
        return Err(Error::Unbound(owner.legacy_key_id().to_string()));
    };
    let id = subkey.key.legacy_key_id().to_string();
    let mut bindings = Vec::new();
    for signature in &subkey.signatures {
        if signature.verify_subkey_binding(owner, &subkey.key).is_err() {
            continue;
        }
        match signature.typ() {
            Some(SignatureType::SubkeyRevocation) => return Err(Error::Revoked(id)),
            Some(SignatureType::SubkeyBinding) => bindings.push(signature),
            _ => {}
        }
    }
    let Some(binding) = newest(bindings.into_iter()) else {
        return Err(Error::Unbound(id));
    };
    let bound_back = binding.embedded_signature().is_some_and(|back| {
        back.typ() == Some(SignatureType::KeyBinding)
            && back.verify_primary_key_binding(&subkey.key, owner).is_ok()
    });
    if !binding.key_flags().sign() || !bound_back {
        return Err(Error::Unbound(id));
    }
    let life = Life::new(subkey.key.created_at(), binding.key_expiration_time());
    Ok(life.within(primary_life))
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// Whether signatures of a key can be checked at all.
pub(super) fn is_supported(key: &impl KeyDetails) -> bool {
    match key.public_params() {
        // Of secp256k1 the library takes one of the two forms that each signature has, and gpg makes
        // either: half of them would be called bad.
        PublicParams::ECDSA(EcdsaPublicParams::Secp256k1 { .. }) => false,
        PublicParams::ECDSA(parameters) => parameters.is_supported(),
        PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Unsupported { .. })
        | PublicParams::Unknown { .. } => false,
        _ => true,
    }
}

/// Whether a key is long enough.
pub(super) fn is_strong(key: &impl KeyDetails) -> bool {
    match key.public_params() {
        PublicParams::RSA(parameters) => first_mpi_bits(parameters) >= BITS_MIN,
        PublicParams::DSA(parameters) => first_mpi_bits(parameters) >= BITS_MIN,
        _ => true,
    }
}

/// Length of the first number of serialised parameters, in bits: the modulus, or the prime (RFC
/// 9580, section 3.2).
fn first_mpi_bits(parameters: &impl Serialize) -> usize {
    let mut bytes = Vec::new();
    if parameters.to_writer(&mut bytes).is_err() {
        return 0;
    }
    match bytes.as_slice() {
        [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    }
}
