//! What a hop asks in truth, by the `channel_update` in its failure (BOLT 4, "Receiving Failure Codes").
//!
//! It is for the payment that has met it, and for no other: were it believed by all, or passed on, a hop could find out by an update
//! of its own making whose payment it was (BOLT 4, rationale of "Failure Messages").

use crate::send::{Lessons, PaymentPart, Told};
use astrape_onion::Failure;
use astrape_routing::Direction;
use astrape_routing::search::Asked;
use astrape_wire::ChannelUpdate;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Message, Secp256k1};

/// What the channel behind hop `index` asks: where that is why it failed the part, and the update is its own and of that channel.
pub(super) fn asked(
    part: &PaymentPart,
    index: usize,
    failure: &Failure,
    update: &ChannelUpdate,
    secp: &Secp256k1<All>,
) -> Option<Asked> {
    let is_why = matches!(
        failure,
        Failure::FeeInsufficient { .. }
            | Failure::IncorrectCltvExpiry { .. }
            | Failure::AmountBelowMinimum { .. }
    );
    let (short_channel_id, direction) =
        (update.short_channel_id, Direction::from_flags(update.channel_flags));
    let passage = part.crossings().nth(index).filter(|_| is_why)?;
    let is_it = (passage.short_channel_id, passage.direction) == (short_channel_id, direction);
    let is_disabled = update.channel_flags & ChannelUpdate::DISABLE != 0;
    let digest = Message::from_digest(update.signed_hash().to_byte_array());
    let is_signed = || secp.verify_ecdsa(&digest, &update.signature, &part.node(index).key()).is_ok();
    (is_it && !is_disabled && is_signed()).then_some(Asked {
        short_channel_id,
        direction,
        fee_base_msat: update.fee_base_msat,
        fee_proportional_millionths: update.fee_proportional_millionths,
        cltv_expiry_delta: update.cltv_expiry_delta,
        htlc_minimum: update.htlc_minimum_msat,
        htlc_maximum: update.htlc_maximum_msat,
    })
}

impl Lessons {
    /// A channel of part `part` asks something else. It is believed once for each payment: one that asks for more again, or fails what
    /// was made by its word, would lead the payment on for ever.
    pub(super) fn ask(&mut self, asked: Asked, part: u64, attempts: u64) {
        let key = (asked.short_channel_id, asked.direction);
        match self.asked.get(&key) {
            None => {
                self.asked.insert(key, Told { asked, since: attempts });
            }
            Some(told) if told.asked == asked && part < told.since => {}
            Some(_) => self.close(asked.short_channel_id),
        }
    }
}
