//! The two chains of commitments.

use super::super::codec::{In, Out, Unreadable, read_with};
use super::super::parts::{get_all, get_some, put_some};
use astrape_channel::commitments::{LocalCommitments, RemoteCommitments, RemoteSignatures, Unrevoked};
use astrape_primitives::CommitmentNumber;
use astrape_transactions::ReceivedSecrets;
use astrape_wire::codec::Field as _;
use bitcoin::secp256k1::PublicKey;
use std::sync::Arc;

pub(super) fn encode_local(local: &LocalCommitments) -> Vec<u8> {
    Out::new()
        .value(0, &local.number)
        .field(2, |out| local.points.iter().for_each(|point| point.write(out)))
        .field(4, |out| local.revoked_points.iter().for_each(|point| put_some(point.as_ref(), out)))
        .some(6, local.third_point.as_ref())
        .value(8, &local.signatures.commitment)
        .field(10, |out| local.signatures.htlcs.iter().for_each(|signature| signature.write(out)))
        .finish()
}

pub(super) fn decode_local(bytes: &[u8]) -> Result<LocalCommitments, Unreadable> {
    let mut r = In::new(bytes)?;
    let local = LocalCommitments {
        number: number_of(r.value(0)?)?,
        points: r.field(2, |r| Ok([r.read()?, r.read()?]))?,
        revoked_points: r.field(4, |r| Ok([get_some(r)?, get_some(r)?]))?,
        third_point: r.some(6)?,
        signatures: Arc::new(RemoteSignatures {
            commitment: r.value(8)?,
            htlcs: r.field(10, |r| get_all(r, |r| r.read()))?,
        }),
    };
    r.finish()?;
    Ok(local)
}

/// The peer's commitments without the secrets, which have a row of their own.
#[derive(PartialEq)]
pub(super) struct RemoteHead {
    number: CommitmentNumber,
    unrevoked: Option<Unrevoked>,
    point: PublicKey,
    next_point: Option<PublicKey>,
}

impl RemoteHead {
    pub(super) fn of(remote: &RemoteCommitments) -> Self {
        let RemoteCommitments { number, unrevoked, point, next_point, .. } = remote;
        Self { number: *number, unrevoked: *unrevoked, point: *point, next_point: *next_point }
    }

    /// With the secrets, which are those of all commitments that are revoked.
    pub(super) fn with(self, secrets: ReceivedSecrets) -> Result<RemoteCommitments, Unreadable> {
        let RemoteHead { number, unrevoked, point, next_point } = self;
        let remote = RemoteCommitments { number, unrevoked, point, next_point, secrets };
        if remote.secrets.next() != remote.acked() {
            return Err(Unreadable::Senseless("secrets of other commitments than those that are revoked"));
        }
        Ok(remote)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        Out::new()
            .value(0, &self.number)
            .some(2, self.unrevoked.as_ref().map(|u| &u.signed_after_local))
            .value(4, &self.point)
            .some(6, self.next_point.as_ref())
            .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let number = number_of(r.value(0)?)?;
        let unrevoked = r.some(2)?.map(|signed_after_local| Unrevoked { signed_after_local });
        let head = Self { number, unrevoked, point: r.value(4)?, next_point: r.some(6)? };
        r.finish()?;
        if unrevoked.is_some() && (number == CommitmentNumber(0) || head.next_point.is_none()) {
            return Err(Unreadable::Senseless("a signed commitment without its predecessor or its point"));
        }
        Ok(head)
    }
}

/// A number that a commitment can have, so that the next one is a number too.
fn number_of(number: CommitmentNumber) -> Result<CommitmentNumber, Unreadable> {
    if number > CommitmentNumber::MAX {
        return Err(Unreadable::Senseless("a commitment number beyond 48 bits"));
    }
    Ok(number)
}

pub(super) fn encode_secrets(secrets: &ReceivedSecrets) -> Vec<u8> {
    Out::new().bytes(0, &secrets.to_bytes()).finish()
}

pub(super) fn decode_secrets(bytes: &[u8]) -> Result<ReceivedSecrets, Unreadable> {
    let mut r = In::new(bytes)?;
    let secrets = read_with(0, r.bytes(0)?, ReceivedSecrets::from_bytes)?;
    r.finish()?;
    Ok(secrets)
}
