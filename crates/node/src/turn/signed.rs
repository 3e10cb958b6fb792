//! What we said of our channels, as failures hold it (BOLT 4, "Failure Messages"): signed, and under the id that the onion names.
//!
//! The network knows a channel by its real id, its peer by an id that the peer has given, and payers of an invoice by what stands in
//! it: our alias, or the real id where that is no secret. So there is an update for each of these names, and each is given to none
//! but who has used it.

use super::Turn;
use crate::effect::{Effect, Find};
use crate::index::real_scid;
use crate::state::{OwnUpdate, unsigned};
use crate::turn::intercept::forward_of;
use astrape_channel::{Htlc, Open};
use astrape_onion::Failure;
use astrape_primitives::{ChannelKeysId, Msat, ShortChannelId};
use astrape_wire::ChannelUpdate;

impl Turn<'_> {
    /// Asks for the signatures that are missing of what was said last of a channel.
    pub(super) fn sign_updates(&mut self, keys: ChannelKeysId) {
        let Some(said) = self.node.own_updates.get(&keys).cloned() else { return };
        if !said.is_private() && !said.is_signed() {
            self.ask_to_sign(said.0.clone());
        }
        for named in self.under_other_names(keys, &said) {
            let key = (keys, named.short_channel_id);
            let known = self.node.named_updates.get(&key);
            if known.is_none_or(|known| !is_signed(known) || !says_the_same(known, &named)) {
                self.node.named_updates.insert(key, named.clone());
                self.ask_to_sign(named);
            }
        }
    }

    fn ask_to_sign(&mut self, update: ChannelUpdate) {
        self.effects.push(Effect::Find(Find::SignUpdate(Box::new(update))));
    }

    /// What was said of a channel, under each name that others may call it by beside that which the network knows.
    fn under_other_names(&self, keys: ChannelKeysId, said: &OwnUpdate) -> Vec<ChannelUpdate> {
        let Some(open) = self.open_of(keys) else { return Vec::new() };
        let known = (!said.is_private()).then_some(said.0.short_channel_id);
        let names = names_of(open).filter(|name| Some(*name) != known);
        let most = match self.node.policy(&keys).htlc_maximum {
            None if said.is_private() => rounded(said.0.htlc_maximum_msat),
            _ => said.0.htlc_maximum_msat,
        };
        names
            .map(|short_channel_id| ChannelUpdate {
                signature: unsigned(),
                short_channel_id,
                message_flags: said.0.message_flags | ChannelUpdate::DONT_FORWARD,
                htlc_minimum_msat: said.0.htlc_minimum_msat.min(most),
                htlc_maximum_msat: most,
                ..said.0.clone()
            })
            .collect()
    }

    /// The signer has signed an update. It is kept, unless something newer was said meanwhile.
    pub(super) fn update_signed(&mut self, update: &ChannelUpdate) {
        let Some(keys) = self.node.index.by_scid(update.short_channel_id) else { return };
        let is_said = |said: &OwnUpdate| !said.is_private() && says_the_same(&said.0, update);
        if self.node.own_updates.get(&keys).is_some_and(is_said) {
            self.node.own_updates.set(keys, OwnUpdate(update.clone()));
        }
        let key = (keys, update.short_channel_id);
        if self.node.named_updates.get(&key).is_some_and(|named| says_the_same(named, update)) {
            self.node.named_updates.insert(key, update.clone());
        }
    }

    /// What was said last of the channel to which an HTLC is to be passed on, signed, and under the name that its onion uses.
    pub(super) fn update_named(&self, htlc: &Htlc) -> Option<ChannelUpdate> {
        let named = forward_of(htlc)?.0.short_channel_id;
        let keys = self.node.index.by_scid(named)?;
        let said = self.node.own_updates.get(&keys).filter(|said| !said.is_private()).map(|said| &said.0);
        let said = said.filter(|said| said.short_channel_id == named);
        let update = said.or_else(|| self.node.named_updates.get(&(keys, named)))?;
        is_signed(update).then(|| update.clone())
    }

    /// Why an HTLC is not passed on over the channel that it names: it carries nothing for the moment, or for as long as was told.
    pub(super) fn carries_nothing(&self, htlc: &Htlc) -> Failure {
        let is_disabled = |update: ChannelUpdate| update.channel_flags & ChannelUpdate::DISABLE != 0;
        if self.update_named(htlc).is_some_and(is_disabled) {
            Failure::ChannelDisabled { disabled_flags: 0 }
        } else {
            Failure::TemporaryChannelFailure
        }
    }

    /// A channel is over.
    pub(super) fn forget_names(&mut self, keys: ChannelKeysId) {
        let first = (keys, ShortChannelId(0));
        let of_it = self.node.named_updates.iter_from(&first).take_while(|((of, _), _)| *of == keys);
        let gone: Vec<_> = of_it.map(|(key, _)| *key).collect();
        for key in gone {
            self.node.named_updates.remove(&key);
        }
    }
}

/// The short channel ids under which others may ask us to forward over a channel: those that [`crate::index`] knows.
fn names_of(open: &Open) -> impl Iterator<Item = ShortChannelId> {
    let real = if open.params.scid_alias { None } else { real_scid(open) };
    real.into_iter().chain([open.params.local_alias])
}

/// What a private channel holds would tell which output of the chain it is: three bits of it are told.
fn rounded(most: Msat) -> Msat {
    let unsaid = (u64::BITS - most.0.leading_zeros()).saturating_sub(3);
    Msat(most.0 >> unsaid << unsaid)
}

fn is_signed(update: &ChannelUpdate) -> bool {
    update.signature != unsigned()
}

fn says_the_same(a: &ChannelUpdate, b: &ChannelUpdate) -> bool {
    *a == ChannelUpdate { signature: a.signature, ..b.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_private_channel_holds_a_few_are_told_and_never_more_than_it_holds() {
        for (most, told) in [(0, 0), (1, 1), (7, 7), (9, 8), (1_000_000, 917_504), (u64::MAX, 7 << 61)] {
            assert_eq!(rounded(Msat(most)), Msat(told));
        }
    }
}
