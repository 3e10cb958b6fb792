//! HTLCs made of ways: amounts and expiries, what each hop is told, keys for the onions.

use super::recipient::Recipient;
use super::search::MAX_SEARCHES;
use super::{PayOutput, PayView, Payment, PaymentPart, plan};
use crate::policy::PaymentPolicy;
use crate::refusal::PayRefusal;
use crate::route::{self, Way};
use astrape_channel::{NewHtlc, OnionSource, Origin};
use astrape_onion::{FinalPayload, OnionRecipe, PaymentData};
use astrape_primitives::{ChannelKeysId, CltvExpiry, Height, Msat, PaymentHash, ShortChannelId};
use astrape_routing::{NoRoute, Route, search::RoutePart};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use plan::{Goal, Share};
use std::collections::BTreeMap;
use std::sync::Arc;

type Made = (PaymentPart, NewHtlc);

/// What no way can help: our own channels, and what the recipient asks for.
pub(super) fn refuse_at_our_end(
    amount: Msat,
    recipient: &Recipient,
    view: &PayView<'_>,
) -> Result<(), PayRefusal> {
    let asked = route::final_delay(recipient.final_delta, view.policy.expiry_slack_blocks);
    let most = view.policy.max_expiry_blocks;
    if view.channels.is_empty() {
        return Err(PayRefusal::NoChannel);
    }
    if asked > most {
        return Err(PayRefusal::TooLong { blocks: asked, most });
    }
    let available: Msat = view.channels.iter().map(|channel| channel.sendable).sum();
    if available < amount {
        return Err(PayRefusal::NotEnoughOutbound { amount, available });
    }
    let largest = view.channels.iter().map(|channel| channel.sendable).max().unwrap_or_default();
    if !recipient.takes_parts() && largest < amount {
        return Err(PayRefusal::NotEnoughInOne { amount, largest });
    }
    Ok(())
}

impl Payment {
    /// Offers what is not in flight, or asks for ways. Changes nothing when there can be none.
    pub(super) fn offer_missing(
        &mut self,
        recipient: &Recipient,
        view: &PayView<'_>,
    ) -> Result<Vec<PayOutput>, PayRefusal> {
        match self.offer_planned(recipient, view) {
            Ok(offers) => {
                self.asked_at = None;
                Ok(offers)
            }
            Err(refusal @ PayRefusal::Onion(_)) => Err(refusal),
            Err(_) => Ok(self.ask(recipient, view, self.parts_asked(recipient, view.policy))),
        }
    }

    /// Offers what is not in flight over our channels and the hints alone.
    fn offer_planned(
        &mut self,
        recipient: &Recipient,
        view: &PayView<'_>,
    ) -> Result<Vec<PayOutput>, PayRefusal> {
        if self.destination == view.payer {
            // A circle needs others.
            return Err(PayRefusal::NoChannel);
        }
        let shares = plan::plan(&self.goal(recipient, view.policy), view.channels)?;
        let made = (self.attempts..)
            .zip(&shares)
            .map(|(number, share)| self.by_share(number, share, recipient, view))
            .collect::<Result<Vec<Made>, _>>()?;
        Ok(self.offer(made))
    }

    fn goal<'a>(&'a self, recipient: &'a Recipient, policy: &'a PaymentPolicy) -> Goal<'a> {
        let (amount, fee) = self.in_flight();
        Goal {
            recipient,
            amount: self.amount.saturating_sub(amount),
            max_fee: self.max_fee.saturating_sub(fee),
            max_parts: self.parts_left(recipient, policy),
            lessons: &self.lessons,
            rooms: self.rooms_by_channel(),
            own_rooms: self.own_rooms(),
            policy,
        }
    }

    /// What may still be tried over channels of others that failed, whichever way.
    fn rooms_by_channel(&self) -> BTreeMap<ShortChannelId, Msat> {
        let mut rooms = BTreeMap::new();
        for (bound, more) in self.rooms() {
            let room = rooms.entry(bound.short_channel_id).or_insert(more);
            *room = more.min(*room);
        }
        rooms
    }

    /// A new question to path search. Without a channel it waits until there is one.
    fn ask(&mut self, recipient: &Recipient, view: &PayView<'_>, max_parts: usize) -> Vec<PayOutput> {
        self.ask_later(view);
        if view.channels.is_empty() {
            return Vec::new();
        }
        self.search(recipient, view, max_parts)
    }

    /// What is missing is offered, or asked for, once the clock finds the question open for long.
    pub(super) fn ask_later(&mut self, view: &PayView<'_>) {
        self.searches += 1;
        self.asked_at = Some(view.now);
    }

    fn search(&self, recipient: &Recipient, view: &PayView<'_>, max_parts: usize) -> Vec<PayOutput> {
        let query = self.query(view.payer, recipient, view.channels, view.policy, max_parts);
        vec![PayOutput::Search(Box::new(query))]
    }

    /// The question that is open, once more: what was asked may be lost, and a channel of ours may lead there by now.
    pub(super) fn ask_again(&mut self, view: &PayView<'_>) -> Vec<PayOutput> {
        let recipient = match self.recipient() {
            Ok(recipient) => recipient,
            Err(why) => return self.give_up(&why),
        };
        if let Ok(offers) = self.offer_planned(&recipient, view) {
            self.asked_at = None;
            return offers;
        }
        self.asked_at = Some(view.now);
        self.search(&recipient, view, self.parts_asked(&recipient, view.policy))
    }

    /// Follows the answer to the question that is open. The error says why there is no way.
    pub(super) fn follow(
        &mut self,
        found: &Result<Route, NoRoute>,
        view: &PayView<'_>,
    ) -> Result<Vec<PayOutput>, String> {
        if view.now >= self.retry_until {
            return Err("the time for retries is up".to_owned());
        }
        let recipient = self.recipient()?;
        let route = match found {
            Ok(route) => route,
            // Our channels may be back before the time is up.
            Err(NoRoute::NoChannel) if view.channels.is_empty() => {
                self.asked_at = Some(view.now);
                return Ok(Vec::new());
            }
            Err(NoRoute::TooManyParts { limit, .. }) if *limit < self.parts_left(&recipient, view.policy) => {
                return Ok(self.ask(&recipient, view, self.parts_left(&recipient, view.policy)));
            }
            Err(_) if self.lessons.dare() || self.lessons.bear() => {
                return self.offer_missing(&recipient, view).map_err(|refusal| refusal.to_string());
            }
            Err(_) if self.waits_for_parts(view) => {
                self.asked_at = None;
                return Ok(Vec::new());
            }
            Err(reason) => return Err(self.in_words(reason, &recipient, view)),
        };
        let Ok(parts) = self.parts_of(route, &recipient, view.channels, view.policy) else {
            if self.searches >= MAX_SEARCHES {
                return Err(format!("{} attempts were made", self.attempts));
            }
            return Ok(self.ask(&recipient, view, self.parts_asked(&recipient, view.policy)));
        };
        let scouts = self.scouts_for(route);
        let made = (self.attempts..)
            .zip(parts)
            .map(|(number, (channel, part))| self.by_route(number, channel, part, scouts, &recipient, view))
            .collect::<Result<Vec<Made>, _>>()
            .map_err(|refusal| refusal.to_string())?;
        self.asked_at = None;
        Ok(self.offer(made))
    }

    /// Why there is no way. Where the network does not know the recipient, our channels and the hints are all there is.
    fn in_words(&self, reason: &NoRoute, recipient: &Recipient, view: &PayView<'_>) -> String {
        let planned = match reason {
            NoRoute::UnknownNode(_) | NoRoute::NoChannel if self.destination != view.payer => {
                plan::plan(&self.goal(recipient, view.policy), view.channels).err()
            }
            _ => None,
        };
        let has_tried = self.last_failure.is_some();
        match planned {
            None => reason.to_string(),
            Some(limit @ (PayRefusal::FeeTooHigh { .. } | PayRefusal::TooLong { .. })) => limit.to_string(),
            Some(_) if has_tried => "no other way is left".to_owned(),
            Some(refusal) => refusal.to_string(),
        }
    }

    fn offer(&mut self, made: Vec<Made>) -> Vec<PayOutput> {
        let mut outputs = Vec::with_capacity(made.len());
        for (part, new) in made {
            outputs.push(PayOutput::Offer(part.channel, new));
            self.parts.insert(self.attempts, part);
            self.attempts += 1;
        }
        outputs
    }

    /// A part over a channel of ours and a hint.
    fn by_share(
        &self,
        number: u64,
        share: &Share<'_>,
        recipient: &Recipient,
        view: &PayView<'_>,
    ) -> Result<Made, PayRefusal> {
        let last = self.last(share.amount, route::delay(share.tail), recipient, view);
        let way = route::lay_out(share.tail, self.destination, &last).ok_or(too_long(view))?;
        let channels = share.tail.iter().map(|hop| hop.short_channel_id).collect();
        self.part((number, self.payment_hash), share.channel, way, share.amount, channels)
    }

    /// A part over a way that was found, or a scout for it.
    fn by_route(
        &self,
        number: u64,
        channel: ChannelKeysId,
        part: &RoutePart,
        scouts: Option<PaymentHash>,
        recipient: &Recipient,
        view: &PayView<'_>,
    ) -> Result<Made, PayRefusal> {
        let blocks = part.hops.first().map_or(0, |hop| hop.blocks);
        let last = self.last(part.amount, blocks, recipient, view);
        let last = if scouts.is_some() { self.said_by_scout(last) } else { last };
        let way = route::follow(&part.hops, &last).ok_or(too_long(view))?;
        let channels = part.hops.iter().skip(1).map(|hop| hop.short_channel_id).collect();
        self.part((number, scouts.unwrap_or(self.payment_hash)), channel, way, part.amount, channels)
    }

    /// What the recipient is told of a part whose hops add so many blocks.
    fn last(&self, amount: Msat, blocks: u32, recipient: &Recipient, view: &PayView<'_>) -> FinalPayload {
        let policy = view.policy;
        let asked = route::final_delay(recipient.final_delta, policy.expiry_slack_blocks);
        let left = policy.max_expiry_blocks.saturating_sub(asked.saturating_add(blocks));
        let shadow = self.shadow(policy.max_shadow_blocks).min(left);
        FinalPayload {
            amt_to_forward: amount,
            outgoing_cltv_value: expiry(view.tip, asked, shadow),
            payment_data: recipient
                .secret
                .map(|payment_secret| PaymentData { payment_secret, total_msat: self.amount }),
            payment_metadata: recipient.metadata.clone(),
            keysend_preimage: recipient.keysend_preimage,
            custom_records: recipient.custom_records.clone(),
        }
    }

    fn part(
        &self,
        (number, hash): (u64, PaymentHash),
        channel: ChannelKeysId,
        way: Way,
        amount: Msat,
        channels: Vec<ShortChannelId>,
    ) -> Result<Made, PayRefusal> {
        let recipe = Arc::new(OnionRecipe {
            session_key: self.tagged(b"astrape/payment/session-key", number),
            hops: way.hops,
            associated_data: hash,
        });
        recipe.check_size()?;
        let fee = way.amount.saturating_sub(amount);
        let part = PaymentPart::new(channel, amount, fee, channels, Arc::clone(&recipe));
        let new = NewHtlc {
            amount: way.amount,
            payment_hash: hash,
            cltv_expiry: way.cltv_expiry,
            onion: OnionSource::Recipe(recipe),
            origin: Origin::Payment { payment_hash: self.payment_hash, part: number },
        };
        Ok((part, new))
    }

    /// Blocks added to the expiry, the same for all parts of the payment.
    fn shadow(&self, max_blocks: u16) -> u32 {
        let [a, b, c, d, ..] = self.tagged(b"astrape/payment/shadow", 0);
        u32::from_be_bytes([a, b, c, d]) % (u32::from(max_blocks) + 1)
    }

    /// Random bytes that follow from the seed.
    pub(super) fn tagged(&self, tag: &[u8], number: u64) -> [u8; 32] {
        let tag = sha256::Hash::hash(tag);
        let mut engine = sha256::Hash::engine();
        engine.input(tag.as_byte_array());
        engine.input(tag.as_byte_array());
        engine.input(&self.session_key_seed);
        engine.input(&number.to_be_bytes());
        sha256::Hash::from_engine(engine).to_byte_array()
    }
}

fn expiry(tip: Height, asked: u32, shadow: u32) -> CltvExpiry {
    CltvExpiry(tip.plus(asked).plus(shadow).0)
}

/// A way whose amounts or expiries are no numbers any more.
fn too_long(view: &PayView<'_>) -> PayRefusal {
    PayRefusal::TooLong { blocks: u32::MAX, most: view.policy.max_expiry_blocks }
}
