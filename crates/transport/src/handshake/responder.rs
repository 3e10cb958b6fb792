//! The end that listens: it learns who dials only in Act Three.

use super::{
    ACT_ONE_LEN, ACT_THREE_LEN, ACT_TWO_LEN, Act, Ephemeral, HandshakeError, Secured, StaticEcdh,
    check_version, close_act, open_act,
};
use crate::noise::Symmetric;
use astrape_primitives::NodeId;

/// A responder that expects Act One.
pub struct Responder {
    symmetric: Symmetric,
}

/// A responder that has sent Act Two and expects Act Three.
pub struct ResponderAwaitingActThree {
    symmetric: Symmetric,
    ephemeral: Ephemeral,
}

impl Responder {
    /// The state before Act One. `local` is this node.
    #[must_use]
    pub fn new(local: NodeId) -> Self {
        Self { symmetric: Symmetric::new(&local.key()) }
    }

    /// Act One received, Act Two to send (BOLT 8): `-> e, es` and `<- e, ee`. `ephemeral` is 32 bytes of fresh
    /// cryptographic randomness.
    ///
    /// # Errors
    /// When Act One has another version, no point, or a tag that does not match; [`HandshakeError::Ephemeral`] when the
    /// 32 bytes are no private key.
    pub fn receive(
        self,
        act_one: &[u8; ACT_ONE_LEN],
        ephemeral: &[u8; 32],
        ecdh: StaticEcdh<'_>,
    ) -> Result<(ResponderAwaitingActThree, [u8; ACT_TWO_LEN]), HandshakeError> {
        let mut symmetric = self.symmetric;
        let (their_ephemeral, tag) = open_act(Act::One, act_one)?;
        symmetric.mix_hash(&their_ephemeral.serialize());
        symmetric.mix_key(&ecdh(&their_ephemeral));
        symmetric.decrypt(0, &mut [], &tag).map_err(|_| HandshakeError::Tag { act: Act::One })?;

        let ephemeral = Ephemeral::new(ephemeral)?;
        symmetric.mix_hash(&ephemeral.public.serialize());
        symmetric.mix_key(&ephemeral.ecdh(&their_ephemeral));
        let tag = symmetric.encrypt(0, &mut []);
        let act_two = close_act(&ephemeral.public, &tag);
        Ok((ResponderAwaitingActThree { symmetric, ephemeral }, act_two))
    }
}

impl ResponderAwaitingActThree {
    /// Act Three received (BOLT 8): `-> s, se`. The initiator's node id is in what is returned.
    ///
    /// # Errors
    /// When Act Three has another version, no point, or a tag that does not match.
    pub fn receive(self, act_three: &[u8; ACT_THREE_LEN]) -> Result<Secured, HandshakeError> {
        let act = Act::Three;
        let mut symmetric = self.symmetric;
        check_version(act, act_three[0])?;
        let mut key: [u8; 33] = act_three[1..34].try_into().expect("33 bytes after the version");
        let static_tag = act_three[34..50].try_into().expect("16 bytes after the key");
        let last_tag = act_three[50..].try_into().expect("16 bytes at the end of 66");

        symmetric.decrypt(1, &mut key, &static_tag).map_err(|_| HandshakeError::Tag { act })?;
        let remote = NodeId::from_bytes(key).map_err(|_| HandshakeError::PublicKey { act })?;
        symmetric.mix_key(&self.ephemeral.ecdh(&remote.key()));
        symmetric.decrypt(0, &mut [], &last_tag).map_err(|_| HandshakeError::Tag { act })?;
        Ok(Secured::responder(remote, symmetric.split()))
    }
}
