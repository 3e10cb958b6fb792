//! The end that dials: it knows the responder's node id beforehand.

use super::{
    ACT_ONE_LEN, ACT_THREE_LEN, ACT_TWO_LEN, Act, Ephemeral, HandshakeError, Secured, StaticEcdh, VERSION,
    close_act, open_act,
};
use crate::noise::Symmetric;
use astrape_primitives::NodeId;

/// An initiator that has sent Act One and expects Act Two.
pub struct Initiator {
    symmetric: Symmetric,
    ephemeral: Ephemeral,
    local: NodeId,
    remote: NodeId,
}

impl Initiator {
    /// Act One (BOLT 8): `-> e, es`. `ephemeral` is 32 bytes of fresh cryptographic randomness.
    ///
    /// # Errors
    /// [`HandshakeError::Ephemeral`] when the 32 bytes are no private key.
    pub fn start(
        local: NodeId,
        remote: NodeId,
        ephemeral: &[u8; 32],
    ) -> Result<(Self, [u8; ACT_ONE_LEN]), HandshakeError> {
        let ephemeral = Ephemeral::new(ephemeral)?;
        let responder = remote.key();
        let mut symmetric = Symmetric::new(&responder);
        symmetric.mix_hash(&ephemeral.public.serialize());
        symmetric.mix_key(&ephemeral.ecdh(&responder));
        let tag = symmetric.encrypt(0, &mut []);
        let act_one = close_act(&ephemeral.public, &tag);
        Ok((Self { symmetric, ephemeral, local, remote }, act_one))
    }

    /// Act Two received, Act Three to send (BOLT 8): `<- e, ee` and `-> s, se`.
    ///
    /// # Errors
    /// When Act Two has another version, no point, or a tag that does not match.
    pub fn receive(
        self,
        act_two: &[u8; ACT_TWO_LEN],
        ecdh: StaticEcdh<'_>,
    ) -> Result<([u8; ACT_THREE_LEN], Secured), HandshakeError> {
        let Self { mut symmetric, ephemeral, local, remote } = self;
        let (their_ephemeral, tag) = open_act(Act::Two, act_two)?;
        symmetric.mix_hash(&their_ephemeral.serialize());
        symmetric.mix_key(&ephemeral.ecdh(&their_ephemeral));
        symmetric.decrypt(0, &mut [], &tag).map_err(|_| HandshakeError::Tag { act: Act::Two })?;

        let mut act_three = [VERSION; ACT_THREE_LEN];
        act_three[1..34].copy_from_slice(local.as_bytes());
        let static_tag = symmetric.encrypt(1, &mut act_three[1..34]);
        act_three[34..50].copy_from_slice(&static_tag);
        symmetric.mix_key(&ecdh(&their_ephemeral));
        let last_tag = symmetric.encrypt(0, &mut []);
        act_three[50..].copy_from_slice(&last_tag);
        Ok((act_three, Secured::initiator(remote, symmetric.split())))
    }
}
